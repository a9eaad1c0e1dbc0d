/* In: entries, or bytes. Out: bytes, or entries and what is wrong. MessagePack by hand: a
 * general decoder would make room for whatever a length claims. */
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "record_format.h"

#define INTEGER_MAX (((int64_t)1 << 53) - 1) /* exact in every language */
#define ELEMENTS 3

enum { ARRAY_FIX = 0x90, ARRAY_16 = 0xdc, BIN_8 = 0xc4, STR_FIX = 0xa0, STR_8 = 0xd9 };
enum { UINT_8 = 0xcc, INT_8 = 0xd0, INT_64 = 0xd3, INT_FIX_MAX = 0x7f };

/* What is left of a piece. Once result is not RECORD_OK every read gives zeros. */
struct cursor {
    const unsigned char *start, *next;
    size_t left;
    enum record_result result;
    struct record_piece *piece;
};

static void
fail(struct cursor *cursor, const unsigned char *at, const char *problem)
{
    if (cursor->result != RECORD_OK)
        return;
    cursor->result = RECORD_BAD;
    cursor->piece->problem_at = (size_t)(at - cursor->start);
    cursor->piece->problem = problem;
}

/* The next count bytes, or NULL. */
static const unsigned char *
take(struct cursor *cursor, size_t count)
{
    if (cursor->result == RECORD_OK && cursor->left < count)
        cursor->result = RECORD_SHORT;
    if (cursor->result != RECORD_OK)
        return NULL;
    const unsigned char *bytes = cursor->next;
    cursor->next += count;
    cursor->left -= count;
    return bytes;
}

static uint64_t
take_big_endian(struct cursor *cursor, size_t count)
{
    const unsigned char *bytes = take(cursor, count);
    uint64_t value = 0;
    for (size_t i = 0; bytes && i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

static unsigned
take_byte(struct cursor *cursor)
{
    return (unsigned)take_big_endian(cursor, 1);
}

static void
take_array(struct cursor *cursor, const char *problem)
{
    const unsigned char *at = cursor->next;
    unsigned first = take_byte(cursor);
    uint64_t elements = first - ARRAY_FIX;
    if (first == ARRAY_16 || first == ARRAY_16 + 1)
        elements = take_big_endian(cursor, first == ARRAY_16 ? 2 : 4);
    if (elements != ELEMENTS)
        fail(cursor, at, problem);
}

/* An integer of any width from 0 to INTEGER_MAX. */
static int64_t
take_integer(struct cursor *cursor, const char *problem)
{
    const unsigned char *at = cursor->next;
    unsigned first = take_byte(cursor);
    uint64_t value = first;
    bool wide = first >= UINT_8 && first <= INT_64;
    if (wide) {
        size_t width = (size_t)1 << (first & 3);
        value = take_big_endian(cursor, width);
        if (first >= INT_8 && value >> (8 * width - 1))
            fail(cursor, at, problem); /* negative */
    }
    if ((!wide && first > INT_FIX_MAX) || value > (uint64_t)INTEGER_MAX)
        fail(cursor, at, problem);
    return cursor->result == RECORD_OK ? (int64_t)value : 0;
}

/* Bytes or text whose head with an 8-bit length is head_8, at most max of them. */
static const unsigned char *
take_bytes(struct cursor *cursor, unsigned head_8, size_t max, size_t *count,
           const char *problem)
{
    const unsigned char *at = cursor->next;
    unsigned first = take_byte(cursor);
    uint64_t length = 0;
    if (first >= head_8 && first <= head_8 + 2)
        length = take_big_endian(cursor, (size_t)1 << (first - head_8));
    else if (head_8 == STR_8 && (first & 0xe0) == STR_FIX)
        length = first & 0x1f;
    else
        fail(cursor, at, problem);
    if (length > max)
        fail(cursor, at, problem);
    *count = (size_t)length;
    return take(cursor, cursor->result == RECORD_OK ? (size_t)length : 0);
}

static void
take_name(struct cursor *cursor)
{
    static const char problem[] = "this is no record of the bus; allowed: a file that "
                                  "`headcount-tap record` wrote";
    const unsigned char *at = cursor->next;
    size_t count;
    const unsigned char *name =
        take_bytes(cursor, STR_8, sizeof RECORD_NAME - 1, &count, problem);
    if (name && (count != sizeof RECORD_NAME - 1 || memcmp(name, RECORD_NAME, count)))
        fail(cursor, at, problem);
}

static enum record_result
end(const struct cursor *cursor)
{
    if (cursor->result == RECORD_OK)
        cursor->piece->bytes = (size_t)(cursor->next - cursor->start);
    return cursor->result;
}

enum record_result
record_decode_header(const void *bytes, size_t count, int64_t *start_ms,
                     struct record_piece *piece)
{
    struct cursor cursor = {bytes, bytes, count, RECORD_OK, piece};
    take_array(&cursor, "this is no record of the bus; allowed: a file that "
                        "`headcount-tap record` wrote");
    take_name(&cursor);
    const unsigned char *version_at = cursor.next;
    int64_t version = take_integer(&cursor, "the version is no integer; allowed: 1");
    if (cursor.result == RECORD_OK && version != RECORD_VERSION)
        fail(&cursor, version_at, "the record is of another version; allowed: 1");
    const unsigned char *start_at = cursor.next;
    static const char problem[] = "the start is no time; allowed: ms since 1970, 1 to 2^53 - 1";
    *start_ms = take_integer(&cursor, problem);
    if (cursor.result == RECORD_OK && !*start_ms)
        fail(&cursor, start_at, problem);
    return end(&cursor);
}

enum record_result
record_decode_entry(const void *bytes, size_t count, struct record_entry *entry,
                    struct record_piece *piece)
{
    struct cursor cursor = {bytes, bytes, count, RECORD_OK, piece};
    take_array(&cursor, "no message begins here; allowed: an array of 3 elements");
    entry->elapsed_us = take_integer(
        &cursor, "the time is no time; allowed: us since the start, 0 to 2^53 - 1");
    const unsigned char *topic_at = cursor.next;
    entry->topic =
        take_bytes(&cursor, BIN_8, RECORD_TOPIC_BYTES_MAX, &entry->topic_bytes,
                   "the topic is no bytes or too long; allowed: 1 to 159 bytes of type bin");
    if (cursor.result == RECORD_OK && !entry->topic_bytes)
        fail(&cursor, topic_at, "the topic is empty; allowed: 1 to 159 bytes of type bin");
    entry->body =
        take_bytes(&cursor, BIN_8, RECORD_BODY_BYTES_MAX, &entry->body_bytes,
                   "the body is no bytes or too long; allowed: 0 to 65536 bytes of type bin");
    return end(&cursor);
}

static unsigned char *
put_big_endian(unsigned char *at, uint64_t value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        at[i] = (unsigned char)(value >> (8 * (count - 1 - i)));
    return at + count;
}

/* In the shortest form. */
static unsigned char *
put_integer(unsigned char *at, uint64_t value)
{
    if (value > INT_FIX_MAX) {
        unsigned power = value > UINT32_MAX ? 3 : value > UINT16_MAX ? 2 : value > UINT8_MAX;
        *at++ = (unsigned char)(UINT_8 + power);
        return put_big_endian(at, value, (size_t)1 << power);
    }
    *at++ = (unsigned char)value;
    return at;
}

static unsigned char *
put_bytes_head(unsigned char *at, size_t count)
{
    unsigned power = count > UINT16_MAX ? 2 : count > UINT8_MAX;
    *at++ = (unsigned char)(BIN_8 + power);
    return put_big_endian(at, count, (size_t)1 << power);
}

size_t
record_encode_header(int64_t start_ms, unsigned char bytes[RECORD_HEAD_BYTES])
{
    unsigned char *at = bytes;
    assert(start_ms > 0 && start_ms <= INTEGER_MAX);
    *at++ = ARRAY_FIX + ELEMENTS;
    *at++ = STR_FIX + sizeof RECORD_NAME - 1;
    memcpy(at, RECORD_NAME, sizeof RECORD_NAME - 1);
    at = put_integer(at + sizeof RECORD_NAME - 1, RECORD_VERSION);
    at = put_integer(at, (uint64_t)start_ms);
    return (size_t)(at - bytes);
}

size_t
record_encode_entry(const struct record_entry *entry, unsigned char bytes[RECORD_HEAD_BYTES])
{
    assert(entry->elapsed_us >= 0 && entry->elapsed_us <= INTEGER_MAX);
    assert(entry->topic_bytes && entry->topic_bytes <= RECORD_TOPIC_BYTES_MAX);
    unsigned char *at = bytes;
    *at++ = ARRAY_FIX + ELEMENTS;
    at = put_integer(at, (uint64_t)entry->elapsed_us);
    at = put_bytes_head(at, entry->topic_bytes);
    return (size_t)(at - bytes);
}

size_t
record_encode_body_head(const struct record_entry *entry,
                        unsigned char bytes[RECORD_HEAD_BYTES])
{
    assert(entry->body_bytes <= RECORD_BODY_BYTES_MAX);
    return (size_t)(put_bytes_head(bytes, entry->body_bytes) - bytes);
}
