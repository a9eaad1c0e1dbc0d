/* What the vectors leave out: greatest sizes, ids of what does not decode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "store_request.h"
#include "wire.h"

static enum decode_result
decode(const char *topic, const void *body, size_t bytes, uint64_t *id)
{
    struct store_request *request;
    enum decode_result result =
        store_request_decode(topic, strlen(topic), body, bytes, &request, id);
    assert_true(!request == (result != DECODE_OK));
    store_request_destroy(&request);
    return result;
}

static void
expect_id(const char *body, size_t bytes, uint64_t expected)
{
    uint64_t id = 1;
    assert_int_not_equal(decode("batch/", body, bytes, &id), DECODE_OK);
    assert_true(id == expected);
}
#define EXPECT_ID(body, expected) expect_id(body, sizeof body - 1, expected)

static void
test_ids_of_what_does_not_decode(void **state)
{
    (void)state;
    EXPECT_ID("\x93\x01\x4d\x01", 77);
    EXPECT_ID("\x92\x02\x4d", 77); /* another version */
    EXPECT_ID("\x92\xa1\x61\x4d", 77);
    EXPECT_ID("\x92\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff", UINT64_MAX);
    EXPECT_ID("\x91\x01", 0);
    EXPECT_ID("\x92\x01\xff", 0);
    EXPECT_ID("\x92\x01\xa1\x31", 0);
    EXPECT_ID("\x92\x01\x4d\xc0", 0); /* a byte after it: not one message */
    EXPECT_ID("\xc0", 0);
    EXPECT_ID("", 0);
    uint64_t id;
    assert_int_equal(decode("what/", "\x92\x01\x4d", 3, &id), DECODE_TOPIC);
    assert_int_equal(id, 77);
}

static void
test_largest_batch(void **state)
{
    (void)state;
    struct store_request request = {.kind = REQUEST_BATCH, .id = UINT64_MAX};
    request.key = mem_alloc(KEY_BYTES_MAX + 1);
    memset(request.key, 'k', KEY_BYTES_MAX);
    request.row_count = BATCH_ROWS_MAX;
    request.rows = mem_alloc(BATCH_ROWS_MAX * sizeof *request.rows);
    for (size_t i = 0; i < BATCH_ROWS_MAX; i++) {
        struct snapshot *row = &request.rows[i];
        memset(row->auction, 'a', AUCTION_BYTES - 1);
        row->timestamp_ms = row->viewer_count = row->peak_viewers = row->min_viewers =
            row->sample_count = row->exact_peak = row->exact_min = row->joins = row->leaves =
                row->coverage_ms = -WIRE_INTEGER_MAX;
        row->exact = true;
    }
    struct encoder *encoder = encoder_new();
    struct encoded encoded = store_request_encode(encoder, &request);
    assert_true(encoded.body_bytes < WIRE_REQUEST_BYTES_MAX / 4);
    struct store_request *decoded;
    uint64_t id;
    assert_int_equal(store_request_decode(encoded.topic, encoded.topic_bytes, encoded.body,
                                          encoded.body_bytes, &decoded, &id),
                     DECODE_OK);
    assert_true(id == UINT64_MAX && decoded->id == UINT64_MAX);
    assert_int_equal(decoded->row_count, BATCH_ROWS_MAX);
    assert_true(decoded->rows[999].coverage_ms == -WIRE_INTEGER_MAX);
    store_request_destroy(&decoded);
    encoder_destroy(&encoder);
    free(request.rows);
    free(request.key);
}

static void
test_largest_ack(void **state)
{
    (void)state;
    struct ack ack = {.refused = BATCH_ROWS_MAX}, decoded;
    ack.refusals = mem_alloc(BATCH_ROWS_MAX * sizeof *ack.refusals);
    for (size_t i = 0; i < BATCH_ROWS_MAX; i++) {
        ack.refusals[i].row = i;
        memset(ack.refusals[i].reason, 'r', SNAPSHOT_REASON_BYTES - 1);
    }
    struct encoder *encoder = encoder_new();
    struct encoded encoded = ack_encode(encoder, &ack);
    assert_int_equal(ack_decode(encoded.topic, encoded.topic_bytes, encoded.body,
                                encoded.body_bytes, &decoded),
                     DECODE_OK);
    assert_int_equal(decoded.refusals[999].row, 999);
    assert_string_equal(decoded.refusals[999].reason, ack.refusals[999].reason);
    ack_fini(&decoded);
    ack_fini(&ack);
    ack_fini(&ack);
    encoder_destroy(&encoder);
    encoder_destroy(&encoder);
}

/* Of an array32 head and ones: as many as fit. */
static char *
fill(size_t bytes)
{
    char *body = mem_alloc(bytes);
    size_t elements = bytes - 5;
    memset(body, 1, bytes);
    body[0] = (char)0xdd;
    for (int i = 0; i < 4; i++)
        body[1 + i] = (char)(elements >> (24 - 8 * i));
    return body;
}

static void
test_greatest_sizes(void **state)
{
    (void)state;
    uint64_t id;
    struct message message;
    char *body = fill(WIRE_REQUEST_BYTES_MAX);
    assert_int_equal(decode("batch/", body, WIRE_REQUEST_BYTES_MAX, &id), DECODE_TYPE);
    free(body);
    body = fill(WIRE_REQUEST_BYTES_MAX + 1);
    assert_int_equal(decode("batch/", body, WIRE_REQUEST_BYTES_MAX + 1, &id), DECODE_FORMAT);
    free(body);
    body = fill(WIRE_BODY_BYTES_MAX);
    const char *topic = "bye/gateway/a/";
    assert_int_equal(message_decode(topic, strlen(topic), body, WIRE_BODY_BYTES_MAX, &message),
                     DECODE_TYPE);
    free(body);
    body = fill(WIRE_BODY_BYTES_MAX + 1);
    assert_int_equal(
        message_decode(topic, strlen(topic), body, WIRE_BODY_BYTES_MAX + 1, &message),
        DECODE_FORMAT);
    free(body);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ids_of_what_does_not_decode),
                                       cmocka_unit_test(test_largest_batch),
                                       cmocka_unit_test(test_largest_ack),
                                       cmocka_unit_test(test_greatest_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
