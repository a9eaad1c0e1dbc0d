/* RFC 6455 as viewers may and may not speak it; every case whole, and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "frame_reader.h"

#define MESSAGE_MAX 70000
#define FRAMES(...) ((const struct piece[]){__VA_ARGS__, {0}})

/* A frame: its first byte, its payload. Masked and with the shortest length. */
struct piece {
    unsigned first;
    const char *payload;
    size_t length; /* 0: of the text */
};

static size_t
put_frame(unsigned char *to, const struct piece *piece)
{
    static const unsigned char mask[] = {0x12, 0xf4, 0x56, 0x98};
    size_t length = piece->length ? piece->length : strlen(piece->payload);
    size_t head = frame_head(FRAME_TEXT, length, to);
    to[0] = (unsigned char)piece->first;
    to[1] |= 0x80;
    memcpy(to + head, mask, sizeof mask);
    for (size_t i = 0; i < length; i++)
        to[head + 4 + i] = (unsigned char)piece->payload[i] ^ mask[i % 4];
    return head + 4 + length;
}

struct outcome {
    unsigned counts[FRAME_READ_FAULT + 1];
    unsigned code;
    unsigned char control[CONTROL_BYTES_MAX];
    size_t control_length;
};

/* Reads it all in steps of so many bytes. */
static struct outcome
read_all(const unsigned char *bytes, size_t length, size_t step)
{
    struct frame_reader reader = {0};
    struct outcome outcome = {0};
    while (length) {
        size_t here = step < length ? step : length, left = here;
        unsigned char *copy = malloc(here), *at = copy; /* a reader past it is found */
        memcpy(copy, bytes, here);
        enum frame_read read;
        do {
            read = frame_reader_next(&reader, MESSAGE_MAX, &at, &left);
            outcome.counts[read]++;
        } while (read != FRAME_READ_MORE && read != FRAME_READ_FAULT && left);
        free(copy);
        if (read == FRAME_READ_FAULT)
            break;
        bytes += here;
        length -= here;
    }
    outcome.code = reader.code;
    memcpy(outcome.control, reader.control, outcome.control_length = reader.control_length);
    return outcome;
}

/* Both ways must come to the same. */
static struct outcome
read_both_ways(const unsigned char *bytes, size_t length)
{
    struct outcome whole = read_all(bytes, length, length), single = read_all(bytes, length, 1);
    whole.counts[FRAME_READ_MORE] = single.counts[FRAME_READ_MORE] = 0;
    assert_memory_equal(whole.counts, single.counts, sizeof whole.counts);
    assert_int_equal(whole.code, single.code);
    return whole;
}

static struct outcome
read_pieces(const struct piece *pieces)
{
    static unsigned char bytes[2 * MESSAGE_MAX];
    size_t length = 0;
    for (; pieces->payload; pieces++)
        length += put_frame(bytes + length, pieces);
    return read_both_ways(bytes, length);
}

static void
check_fault(const struct piece *pieces, unsigned code)
{
    struct outcome outcome = read_pieces(pieces);
    assert_int_equal(outcome.counts[FRAME_READ_FAULT], 1);
    assert_int_equal(outcome.code, code);
}

static void
takes_messages(void **state)
{
    (void)state;
    static char big[65535];
    memset(big, '*', sizeof big);
    struct outcome outcome =
        read_pieces(FRAMES({0x81, "hello"}, {0x82, "\xff\xfe"}, {0x81, ""}, {0x81, big, 126},
                           {0x81, big, 125}, {0x82, big, sizeof big}));
    assert_int_equal(outcome.counts[FRAME_READ_MESSAGE], 6);
    assert_int_equal(outcome.counts[FRAME_READ_FAULT], 0);
}

static void
takes_fragments_and_controls_between(void **state)
{
    (void)state;
    struct outcome outcome = read_pieces(
        FRAMES({0x01, "Hel"}, {0x89, "ping"}, {0x00, ""}, {0x8a, "pong"}, {0x80, "lo"}));
    assert_int_equal(outcome.counts[FRAME_READ_FRAGMENT], 2);
    assert_int_equal(outcome.counts[FRAME_READ_MESSAGE], 1);
    assert_int_equal(outcome.counts[FRAME_READ_PING], 1);
    assert_int_equal(outcome.counts[FRAME_READ_PONG], 1);
    outcome = read_pieces(FRAMES({0x89, "the ping"}));
    assert_int_equal(outcome.control_length, 8);
    assert_memory_equal(outcome.control, "the ping", 8);
}

static void
refuses_bad_sequences(void **state)
{
    (void)state;
    check_fault(FRAMES({0x80, "x"}), CLOSE_PROTOCOL); /* nothing to continue */
    check_fault(FRAMES({0x00, "x"}), CLOSE_PROTOCOL);
    check_fault(FRAMES({0x01, "x"}, {0x81, "y"}), CLOSE_PROTOCOL); /* the first is not over */
    check_fault(FRAMES({0x01, "x"}, {0x02, "y"}), CLOSE_PROTOCOL);
    check_fault(FRAMES({0x01, "x"}, {0x80, "y"}, {0x80, "z"}), CLOSE_PROTOCOL);
    check_fault(FRAMES({0x09, "x"}), CLOSE_PROTOCOL); /* a control frame in parts */
    check_fault(FRAMES({0x08, ""}), CLOSE_PROTOCOL);
}

static void
refuses_reserved_bits_and_opcodes(void **state)
{
    (void)state;
    for (unsigned bits = 0x10; bits <= 0x70; bits += 0x10) {
        check_fault(FRAMES({0x81 | bits, "x"}), CLOSE_PROTOCOL);
        check_fault(FRAMES({0x89 | bits, "x"}), CLOSE_PROTOCOL);
    }
    for (unsigned opcode = 3; opcode < 16; opcode++) {
        if (opcode < 8 || opcode > 10)
            check_fault(FRAMES({0x80 | opcode, "x"}), CLOSE_PROTOCOL);
    }
}

static void
refuses_bad_lengths_and_masks(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        unsigned code;
    } cases[] = {
        {"\x81\x05hello", 7, CLOSE_PROTOCOL},                         /* no mask */
        {"\x81\x00", 2, CLOSE_PROTOCOL},                              /* nor here */
        {"\x89\xfe\x00\x7e\1\2\3\4", 8, CLOSE_PROTOCOL},              /* a long ping */
        {"\x89\xff\0\0\0\0\0\0\0\0\1\2\3\4", 14, CLOSE_PROTOCOL},     /* longer */
        {"\x82\xfe\x00\x7d\1\2\3\4", 8, CLOSE_PROTOCOL},              /* 125 in 16 bits */
        {"\x82\xff\0\0\0\0\0\0\xff\xff\1\2\3\4", 14, CLOSE_PROTOCOL}, /* 65535 in 64 */
        {"\x82\xff\x80\0\0\0\0\1\0\0\1\2\3\4", 14, CLOSE_PROTOCOL},   /* its top bit */
        {"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4", 14, CLOSE_TOO_BIG},
        {"\x82\xff\0\0\0\0\0\1\x11\x71\1\2\3\4", 14, CLOSE_TOO_BIG}, /* 70001 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct outcome outcome =
            read_both_ways((const unsigned char *)cases[i].bytes, cases[i].length);
        assert_int_equal(outcome.counts[FRAME_READ_FAULT], 1);
        assert_int_equal(outcome.code, cases[i].code);
    }
    static const unsigned char largest[] = "\x82\xff\0\0\0\0\0\1\x11\x70\1\2\3\4";
    assert_int_equal(read_both_ways(largest, 14).counts[FRAME_READ_FAULT], 0);
}

static void
adds_fragments_up(void **state)
{
    (void)state;
    static char part[40000];
    check_fault(FRAMES({0x02, part, sizeof part}, {0x00, part, 30001}), CLOSE_TOO_BIG);
    struct outcome outcome =
        read_pieces(FRAMES({0x02, part, sizeof part}, {0x80, part, 30000}, {0x82, part, 1}));
    assert_int_equal(outcome.counts[FRAME_READ_MESSAGE], 2);
}

static void
checks_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "\x7f"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2x",
                                      "\xe0\x80\x80",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xfe",
                                      "\xff",
                                      "ok\xe2\x82"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(read_pieces(FRAMES({0x81, good[i]})).counts[FRAME_READ_MESSAGE], 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check_fault(FRAMES({0x81, bad[i]}), CLOSE_NO_UTF8);
        assert_int_equal(read_pieces(FRAMES({0x82, bad[i]})).counts[FRAME_READ_MESSAGE], 1);
    }
}

static void
checks_utf8_over_fragments(void **state)
{
    (void)state;
    struct outcome outcome = read_pieces(
        FRAMES({0x01, "\xce"}, {0x89, "\xff"}, {0x00, "\xba\xe1"}, {0x80, "\xbd\xb9"}));
    assert_int_equal(outcome.counts[FRAME_READ_MESSAGE], 1);
    check_fault(FRAMES({0x01, "\xce"}, {0x80, "x"}), CLOSE_NO_UTF8);
    check_fault(FRAMES({0x01, "\xce"}, {0x80, ""}), CLOSE_NO_UTF8);
    static const unsigned char early[] = "\x01\xff\0\0\0\0\0\1\0\0\0\0\0\0\xff"; /* at once */
    assert_int_equal(read_all(early, 15, 15).code, CLOSE_NO_UTF8);
    outcome = read_pieces(FRAMES({0x81, "\xce\xba"}, {0x81, "x"}));
    assert_int_equal(outcome.counts[FRAME_READ_MESSAGE], 2);
}

static unsigned
read_close(const char *payload, size_t length)
{
    const struct piece pieces[] = {{0x88, payload, length}, {0}};
    struct outcome outcome = read_pieces(pieces);
    assert_int_equal(outcome.counts[FRAME_READ_CLOSE] + outcome.counts[FRAME_READ_FAULT], 1);
    return outcome.counts[FRAME_READ_CLOSE] ? outcome.code : outcome.code + 10000;
}

static void
checks_closes(void **state)
{
    (void)state;
    static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                    1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
    static const unsigned bad[] = {0,    999,  1004, 1005, 1006, 1015,
                                   1016, 1100, 2000, 2999, 5000, 65535};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char payload[] = {(char)(good[i] >> 8), (char)good[i]};
        assert_int_equal(read_close(payload, 2), good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char payload[] = {(char)(bad[i] >> 8), (char)bad[i]};
        assert_int_equal(read_close(payload, 2), 10000 + CLOSE_PROTOCOL);
    }
    assert_int_equal(read_close("", 0), CLOSE_NONE);
    assert_int_equal(read_close("\x03", 1), 10000 + CLOSE_PROTOCOL);
    assert_int_equal(read_close("\x03\xe8gone \xce\xba", 9), 1000);
    assert_int_equal(read_close("\x03\xe8gone \xce", 8), 10000 + CLOSE_NO_UTF8);
    assert_int_equal(read_close("\x03\xe8\xed\xa0\x80", 5), 10000 + CLOSE_NO_UTF8);
}

static void
writes_heads(void **state)
{
    (void)state;
    unsigned char head[FRAME_HEAD_BYTES];
    assert_int_equal(frame_head(FRAME_TEXT, 125, head), 2);
    assert_memory_equal(head, "\x81\x7d", 2);
    assert_int_equal(frame_head(FRAME_CLOSE, 0, head), 2);
    assert_memory_equal(head, "\x88\x00", 2);
    assert_int_equal(frame_head(FRAME_TEXT, 126, head), 4);
    assert_memory_equal(head, "\x81\x7e\x00\x7e", 4);
    assert_int_equal(frame_head(FRAME_BINARY, 65535, head), 4);
    assert_memory_equal(head, "\x82\x7e\xff\xff", 4);
}

static void
survives_noise(void **state)
{
    (void)state;
    unsigned chance = 1;
    for (int round = 0; round < 20000; round++) {
        unsigned char bytes[64];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)((chance = chance * 1664525 + 1013904223) >> 24);
        bytes[0] = (unsigned char)(0x80 | bytes[0] % 11); /* often enough a valid beginning */
        bytes[1] |= 0x80;
        read_both_ways(bytes, sizeof bytes);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_messages),
        cmocka_unit_test(takes_fragments_and_controls_between),
        cmocka_unit_test(refuses_bad_sequences),
        cmocka_unit_test(refuses_reserved_bits_and_opcodes),
        cmocka_unit_test(refuses_bad_lengths_and_masks),
        cmocka_unit_test(adds_fragments_up),
        cmocka_unit_test(checks_utf8),
        cmocka_unit_test(checks_utf8_over_fragments),
        cmocka_unit_test(checks_closes),
        cmocka_unit_test(writes_heads),
        cmocka_unit_test(survives_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
