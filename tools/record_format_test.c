/* Records as bytes: the exact form, every length of head, and bytes changed at random. $SEED
 * repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "mem.h"

#include "record_format.h"

#define ROUNDS 100000

/* One entry as bytes that the caller frees. */
static unsigned char *
encode(const struct record_entry *entry, size_t *count)
{
    unsigned char *bytes = mem_alloc(RECORD_PIECE_BYTES_MAX);
    size_t at = record_encode_entry(entry, bytes);
    memcpy(bytes + at, entry->topic, entry->topic_bytes);
    at += entry->topic_bytes;
    at += record_encode_body_head(entry, bytes + at);
    memcpy(bytes + at, entry->body, entry->body_bytes);
    *count = at + entry->body_bytes;
    return bytes;
}

static void
test_the_form(void **state)
{
    (void)state;
    static const unsigned char header[] = "\x93\xb0headcount-record\x01"
                                          "\xcf\x00\x00\x01\x9a\x06\x8a\x4a\x80";
    static const unsigned char entry[] = "\x93\xcd\x03\xe8\xc4\x06"
                                         "event/\xc4\x02\x91\x01";
    unsigned char bytes[RECORD_HEAD_BYTES];
    size_t count = record_encode_header(0x19a068a4a80, bytes);
    assert_int_equal(count, sizeof header - 1);
    assert_memory_equal(bytes, header, count);
    struct record_entry whole = {1000, "event/", "\x91\x01", 6, 2};
    unsigned char *made = encode(&whole, &count);
    assert_int_equal(count, sizeof entry - 1);
    assert_memory_equal(made, entry, count);
    free(made);
}

static void
expect_same(const struct record_entry *entry)
{
    struct record_piece piece;
    struct record_entry again;
    size_t count;
    unsigned char *bytes = encode(entry, &count);
    for (size_t cut = 0; cut < count; cut += cut < 32 || cut > count - 32 ? 1 : 997) {
        unsigned char *exact = malloc(cut + 1);
        memcpy(exact, bytes, cut);
        exact = realloc(exact, cut ? cut : 1); /* a sanitizer sees what is read beyond */
        assert_int_equal(record_decode_entry(exact, cut, &again, &piece), RECORD_SHORT);
        free(exact);
    }
    assert_int_equal(record_decode_entry(bytes, RECORD_PIECE_BYTES_MAX, &again, &piece),
                     RECORD_OK);
    assert_int_equal(piece.bytes, count);
    assert_int_equal(again.elapsed_us, entry->elapsed_us);
    assert_int_equal(again.topic_bytes, entry->topic_bytes);
    assert_int_equal(again.body_bytes, entry->body_bytes);
    assert_memory_equal(again.topic, entry->topic, entry->topic_bytes);
    assert_memory_equal(again.body, entry->body, entry->body_bytes);
    free(bytes);
}

static void
test_every_width(void **state)
{
    (void)state;
    static const int64_t times[] = {
        0, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, ((int64_t)1 << 53) - 1};
    static const size_t lengths[] = {0, 1, 255, 256, 65535, RECORD_BODY_BYTES_MAX};
    char *content = mem_alloc(RECORD_BODY_BYTES_MAX);
    memset(content, 'x', RECORD_BODY_BYTES_MAX);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        expect_same(&(struct record_entry){times[i], "event/", "", 6, 0});
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        expect_same(&(struct record_entry){1, content, content, 1, lengths[i]});
    expect_same(&(struct record_entry){1, content, content, RECORD_TOPIC_BYTES_MAX, 5});
    free(content);
}

static void
test_header(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        enum record_result result;
        size_t at;
        const char *problem;
    } rows[] = {
#define ROW(bytes_, result_, at_, problem_) {bytes_, sizeof bytes_ - 1, result_, at_, problem_}
        ROW("", RECORD_SHORT, 0, ""),
        ROW("\x93", RECORD_SHORT, 0, ""),
        ROW("\x93\xb0headcount-rec", RECORD_SHORT, 0, ""),
        ROW("\x93\xb0headcount-record\x01\xcd\x01", RECORD_SHORT, 0, ""),
        ROW("\x93\xb0headcount-record\x01\x05", RECORD_OK, 0, ""),
        ROW("\xdd\0\0\0\x03\xd9\x10headcount-record\xd3\0\0\0\0\0\0\0\x01\x05", RECORD_OK, 0,
            ""),
        ROW("{\"kind\":\"event\"}", RECORD_BAD, 0, "no record of the bus"),
        ROW("\x92\xb0headcount-record\x01", RECORD_BAD, 0, "no record of the bus"),
        ROW("\x93\xb0headcount-recorder", RECORD_BAD, 18, "another version; allowed: 1"),
        ROW("\x93\xb0headcount-record\xa1", RECORD_BAD, 18, "version is no integer"),
        ROW("\x93\xb0headcount+record\x01\x05", RECORD_BAD, 1, "no record of the bus"),
        ROW("\x93\xdb\xff\xff\xff\xff", RECORD_BAD, 1, "no record of the bus"),
        ROW("\x93\xb0headcount-record\x02\x05", RECORD_BAD, 18, "another version; allowed: 1"),
        ROW("\x93\xb0headcount-record\x01\x00", RECORD_BAD, 19, "no time"),
        ROW("\x93\xb0headcount-record\x01\xff", RECORD_BAD, 19, "no time"),
        ROW("\x93\xb0headcount-record\x01\xd0\x80", RECORD_BAD, 19, "no time"),
        ROW("\x93\xb0headcount-record\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff", RECORD_BAD, 19,
            "no time"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct record_piece piece = {0};
        int64_t start_ms;
        assert_int_equal(record_decode_header(rows[i].bytes, rows[i].count, &start_ms, &piece),
                         rows[i].result);
        if (rows[i].result == RECORD_OK)
            assert_int_equal(start_ms, 5);
        if (rows[i].result != RECORD_BAD)
            continue;
        assert_int_equal(piece.problem_at, rows[i].at);
        assert_non_null(strstr(piece.problem, rows[i].problem));
        assert_non_null(strstr(piece.problem, "allowed: "));
    }
}

static void
test_wrong_entries(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count, at;
        const char *problem;
    } rows[] = {
#define WRONG(bytes_, at_, problem_) {bytes_, sizeof bytes_ - 1, at_, problem_}
        WRONG("\xc1", 0, "no message begins here"),
        WRONG("\x94\x01\xc4\x01x\xc4\x01x\x01", 0, "no message begins here"),
        WRONG("\xdd\xff\xff\xff\xff", 0, "no message begins here"),
        WRONG("\x93\xe0\xc4\x01x\xc4\x00", 1, "no time"),
        WRONG("\x93\xca\x00\x00\x00\x00", 1, "no time"),
        WRONG("\x93\xcf\x00\x20\x00\x00\x00\x00\x00\x00", 1, "no time"),
        WRONG("\x93\x01\xa1x\xc4\x00", 2, "the topic is no bytes"),
        WRONG("\x93\x01\xc4\x00\xc4\x00", 2, "the topic is empty"),
        WRONG("\x93\x01\xc4\xa0", 2, "the topic is no bytes or too long"),
        WRONG("\x93\x01\xc6\xff\xff\xff\xff", 2, "the topic is no bytes or too long"),
        WRONG("\x93\x01\xc4\x01x\xc0", 5, "the body is no bytes"),
        WRONG("\x93\x01\xc4\x01x\xc6\x00\x01\x00\x01", 5, "the body is no bytes or too long"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct record_piece piece = {0};
        struct record_entry entry;
        assert_int_equal(record_decode_entry(rows[i].bytes, rows[i].count, &entry, &piece),
                         RECORD_BAD);
        assert_int_equal(piece.problem_at, rows[i].at);
        assert_non_null(strstr(piece.problem, rows[i].problem));
        assert_non_null(strstr(piece.problem, "allowed: "));
    }
}

static void
change(struct chance *chance, unsigned char *bytes, size_t count)
{
    static const unsigned char telling[] = {0x00, 0x7f, 0x80, 0x90, 0x93, 0xa0, 0xb0,
                                            0xc0, 0xc4, 0xc5, 0xc6, 0xcc, 0xcf, 0xd0,
                                            0xd3, 0xd9, 0xdb, 0xdc, 0xdd, 0xff};
    size_t at = chance_below(chance, count);
    if (chance_below(chance, 2))
        bytes[at] ^= (unsigned char)(1u << chance_below(chance, 8));
    else
        bytes[at] = telling[chance_below(chance, sizeof telling)];
}

/* Whatever comes, what is taken is within the bytes and the limits. */
static void
test_mutations(void **state)
{
    (void)state;
    struct chance chance = {chance_seed("record_format")};
    char content[300] = "event/3f/lot-1/";
    for (int i = 0; i < ROUNDS; i++) {
        struct record_entry entry = {(int64_t)chance_below(&chance, UINT64_C(1) << 40), content,
                                     content, 1 + chance_below(&chance, 159),
                                     chance_below(&chance, 300)};
        struct record_piece piece = {0};
        int64_t start_ms;
        size_t count;
        unsigned char *whole = encode(&entry, &count);
        count = chance_below(&chance, 4) ? count : chance_below(&chance, count) + 1;
        unsigned char *bytes = malloc(count); /* exactly: a sanitizer sees what is beyond */
        memcpy(bytes, whole, count);
        if (chance_below(&chance, 2))
            record_encode_header(1, whole), memcpy(bytes, whole, count < 20 ? count : 20);
        for (uint64_t changes = chance_below(&chance, 4); changes; changes--)
            change(&chance, bytes, count);
        record_decode_header(bytes, count, &start_ms, &piece);
        enum record_result result = record_decode_entry(bytes, count, &entry, &piece);
        if (result == RECORD_OK) {
            assert_in_range(piece.bytes, 1, count);
            assert_in_range(entry.topic_bytes, 1, RECORD_TOPIC_BYTES_MAX);
            const unsigned char *end = (const unsigned char *)entry.body + entry.body_bytes;
            assert_true(end == bytes + piece.bytes);
        } else if (result == RECORD_BAD) {
            assert_in_range(piece.problem_at, 0, count - 1);
        }
        free(bytes);
        free(whole);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_form), cmocka_unit_test(test_every_width),
        cmocka_unit_test(test_header), cmocka_unit_test(test_wrong_entries),
        cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
