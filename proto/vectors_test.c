/* Every vector through the C codecs. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "message_json.h"
#include "store_request.h"
#include "vectors.h"

struct seen {
    struct encoder *encoder;
    size_t good, bad;
};

static void
expect_json(const struct vector *vector, json_t *shown)
{
    if (!json_equal(shown, vector->message)) {
        char *is = json_dumps(shown, 0), *expected = json_dumps(vector->message, 0);
        fail_msg("%s: %s: decodes to %s, expected %s", vector->file, vector->name, is,
                 expected);
    }
    json_decref(shown);
}

static void
expect_bytes(const struct vector *vector, struct encoded encoded)
{
    if (!vector->canonical)
        return;
    if (encoded.topic_bytes != vector->topic_bytes ||
        encoded.body_bytes != vector->body_bytes ||
        memcmp(encoded.topic, vector->topic, encoded.topic_bytes) ||
        memcmp(encoded.body, vector->body, encoded.body_bytes))
        fail_msg("%s: %s: encodes to other bytes", vector->file, vector->name);
}

static void
expect_result(const struct vector *vector, enum decode_result result)
{
    if (strcmp(decode_result_text(result), vector->result))
        fail_msg("%s: %s: is %s, expected %s", vector->file, vector->name,
                 decode_result_text(result), vector->result);
}

static json_t *
show_request(const struct store_request *request)
{
    if (request->kind == REQUEST_SETTING)
        return json_pack("{ss sI ss ss sb}", "kind", "setting", "id", (json_int_t)request->id,
                         "key", request->key, "auction", request->auction, "enabled",
                         request->enabled);
    json_t *rows = json_array();
    for (size_t i = 0; i < request->row_count; i++) {
        json_t *row = json_pack("{ss}", "auction", request->rows[i].auction);
        snapshot_json(&request->rows[i], row);
        json_array_append_new(rows, row);
    }
    return json_pack("{ss sI ss so}", "kind", "batch", "id", (json_int_t)request->id, "key",
                     request->key, "rows", rows);
}

static json_t *
show_ack(const struct ack *ack)
{
    json_t *refusals = json_array();
    for (size_t i = 0; i < ack->refused; i++)
        json_array_append_new(refusals, json_pack("[Is]", (json_int_t)ack->refusals[i].row,
                                                  ack->refusals[i].reason));
    return json_pack(
        "{ss sI ss ss sI sI sI sI so sI}", "kind", "ack", "id", (json_int_t)ack->id, "code",
        ack_code_text(ack->code), "message", ack->message, "saved", (json_int_t)ack->saved,
        "kept", (json_int_t)ack->kept, "ignored", (json_int_t)ack->ignored, "refused",
        (json_int_t)ack->refused, "refusals", refusals, "spooled", (json_int_t)ack->spooled);
}

static void
check_request(struct seen *seen, const struct vector *vector)
{
    struct store_request *request;
    uint64_t id;
    expect_result(vector, store_request_decode(vector->topic, vector->topic_bytes, vector->body,
                                               vector->body_bytes, &request, &id));
    assert_true(!request == !vector->message);
    if (!request)
        return;
    assert_int_equal(id, request->id);
    expect_json(vector, show_request(request));
    expect_bytes(vector, store_request_encode(seen->encoder, request));
    store_request_destroy(&request);
    assert_null(request);
}

static void
check_ack(struct seen *seen, const struct vector *vector)
{
    struct ack ack;
    expect_result(vector, ack_decode(vector->topic, vector->topic_bytes, vector->body,
                                     vector->body_bytes, &ack));
    if (!vector->message) {
        assert_null(ack.refusals);
        return;
    }
    expect_json(vector, show_ack(&ack));
    expect_bytes(vector, ack_encode(seen->encoder, &ack));
    ack_fini(&ack);
}

static void
check_message(struct seen *seen, const struct vector *vector)
{
    struct message message;
    memset(&message, 0xa5, sizeof message); /* what is left over must not matter */
    expect_result(vector, message_decode(vector->topic, vector->topic_bytes, vector->body,
                                         vector->body_bytes, &message));
    if (!vector->message)
        return;
    expect_json(vector, message_json(&message));
    expect_bytes(vector, message_encode(seen->encoder, &message));
}

static void
check(void *arg, const struct vector *vector)
{
    struct seen *seen = arg;
    if (!strcmp(vector->file, "batch") || !strcmp(vector->file, "setting"))
        check_request(seen, vector);
    else if (!strcmp(vector->file, "ack"))
        check_ack(seen, vector);
    else
        check_message(seen, vector);
    seen->good += vector->message != NULL;
    seen->bad += vector->message == NULL;
}

static void
test_vectors(void **state)
{
    (void)state;
    struct seen seen = {.encoder = encoder_new()};
    size_t count = vectors_each(check, &seen);
    assert_int_equal(seen.good + seen.bad, count);
    assert_true(seen.good >= 50);
    assert_true(seen.bad >= 900);
    encoder_destroy(&seen.encoder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
