/* In: bytes of a viewer. Out: events, faults. */
#include <assert.h>
#include <string.h>

#include "frame_reader.h"

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASK 0x80
#define LENGTH 0x7f
#define CONTROL 0x08 /* in an opcode */
#define MASK_BYTES 4

bool
utf8_take(struct utf8 *utf8, const unsigned char *bytes, size_t length)
{
    for (; length--; bytes++) {
        unsigned char c = *bytes;
        if (utf8->left) {
            if (c < utf8->low || c > utf8->high)
                return false;
            *utf8 = (struct utf8){utf8->left - 1, 0x80, 0xbf};
        } else if (c >= 0x80) {
            if (c < 0xc2 || c > 0xf4)
                return false;
            utf8->left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
            utf8->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;  /* no longer than needed */
            utf8->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf; /* no surrogate, no more */
        }
    }
    return true;
}

static enum frame_read
fault(struct frame_reader *reader, enum close_code code)
{
    reader->faulty = true;
    reader->code = (uint16_t)code;
    return FRAME_READ_FAULT;
}

/* Bytes of the head, as far as those there tell. */
static size_t
head_bytes(const struct frame_reader *reader)
{
    if (reader->head_length < 2)
        return 2;
    unsigned length = reader->head[1] & LENGTH;
    return 2 + MASK_BYTES + (length == 127 ? 8 : length == 126 ? 2 : 0);
}

static bool
is_control(const struct frame_reader *reader)
{
    return reader->opcode & CONTROL;
}

/* The first two bytes are there. */
static bool
is_start_valid(struct frame_reader *reader)
{
    reader->fin = reader->head[0] & FIN;
    reader->opcode = reader->head[0] & OPCODE;
    bool masked = reader->head[1] & MASK;
    if (reader->head[0] & RESERVED || !masked)
        return false;
    if (is_control(reader))
        return reader->opcode <= FRAME_PONG && reader->fin &&
               (reader->head[1] & LENGTH) <= CONTROL_BYTES_MAX;
    if (reader->opcode == FRAME_CONTINUATION)
        return reader->message;
    return reader->opcode <= FRAME_BINARY && !reader->message;
}

/* The payload's length, when the head is whole. False: written in more bytes than it needs. */
static bool
read_length(struct frame_reader *reader)
{
    unsigned length = reader->head[1] & LENGTH;
    size_t bytes = head_bytes(reader) - 2 - MASK_BYTES;
    reader->left = bytes ? 0 : length;
    for (size_t i = 0; i < bytes; i++)
        reader->left = reader->left << 8 | reader->head[2 + i];
    if (bytes == 8)
        return reader->left > UINT16_MAX && !(reader->left >> 63);
    return bytes != 2 || reader->left > CONTROL_BYTES_MAX;
}

static bool
begin_payload(struct frame_reader *reader, uint64_t message_max)
{
    reader->masked = 0;
    if (is_control(reader)) {
        reader->control_length = 0;
        return true;
    }
    if (reader->opcode != FRAME_CONTINUATION) {
        reader->message = reader->opcode;
        reader->message_bytes = 0;
        reader->utf8 = (struct utf8){0};
    }
    if (reader->left > message_max || reader->message_bytes + reader->left > message_max)
        return false;
    reader->message_bytes += reader->left;
    return true;
}

static size_t
least(size_t a, uint64_t b)
{
    return a < b ? a : (size_t)b;
}

/* Takes bytes of the head. FRAME_READ_MORE unless there is a fault. */
static enum frame_read
take_head(struct frame_reader *reader, uint64_t message_max, unsigned char **bytes,
          size_t *length)
{
    while (*length && reader->head_length < head_bytes(reader)) {
        reader->head[reader->head_length++] = *(*bytes)++;
        --*length;
        if (reader->head_length == 2 && !is_start_valid(reader))
            return fault(reader, CLOSE_PROTOCOL);
    }
    if (reader->head_length < 2 || reader->head_length < head_bytes(reader))
        return FRAME_READ_MORE;
    if (!read_length(reader))
        return fault(reader, CLOSE_PROTOCOL);
    if (!begin_payload(reader, message_max))
        return fault(reader, CLOSE_TOO_BIG);
    return FRAME_READ_MORE;
}

/* Unmasks, and checks or keeps. False: text that is no UTF-8. */
static bool
take_payload(struct frame_reader *reader, unsigned char *bytes, size_t length)
{
    const unsigned char *mask = reader->head + reader->head_length - MASK_BYTES;
    if (!is_control(reader) && reader->message == FRAME_BINARY)
        return true;
    for (size_t i = 0; i < length; i++)
        bytes[i] ^= mask[(reader->masked + i) % MASK_BYTES];
    reader->masked = (uint8_t)((reader->masked + length) % MASK_BYTES);
    if (!is_control(reader))
        return utf8_take(&reader->utf8, bytes, length);
    memcpy(reader->control + reader->control_length, bytes, length);
    reader->control_length += (uint8_t)length;
    return true;
}

static bool
is_close_code(unsigned code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

static enum frame_read
end_close(struct frame_reader *reader)
{
    struct utf8 utf8 = {0};
    reader->code = CLOSE_NONE;
    if (!reader->control_length)
        return FRAME_READ_CLOSE;
    if (reader->control_length == 1)
        return fault(reader, CLOSE_PROTOCOL);
    unsigned code = (unsigned)reader->control[0] << 8 | reader->control[1];
    if (!is_close_code(code))
        return fault(reader, CLOSE_PROTOCOL);
    if (!utf8_take(&utf8, reader->control + 2, reader->control_length - 2u) || utf8.left)
        return fault(reader, CLOSE_NO_UTF8);
    reader->code = (uint16_t)code;
    return FRAME_READ_CLOSE;
}

static enum frame_read
end_frame(struct frame_reader *reader)
{
    reader->head_length = 0;
    switch (reader->opcode) {
    case FRAME_CLOSE:
        return end_close(reader);
    case FRAME_PING:
        return FRAME_READ_PING;
    case FRAME_PONG:
        return FRAME_READ_PONG;
    default:
        break;
    }
    if (!reader->fin)
        return FRAME_READ_FRAGMENT;
    reader->message = 0;
    if (reader->utf8.left)
        return fault(reader, CLOSE_NO_UTF8);
    return FRAME_READ_MESSAGE;
}

enum frame_read
frame_reader_next(struct frame_reader *reader, uint64_t message_max, unsigned char **bytes,
                  size_t *length)
{
    if (reader->faulty)
        return FRAME_READ_FAULT;
    bool fresh = reader->head_length < 2 || reader->head_length < head_bytes(reader);
    if (fresh && take_head(reader, message_max, bytes, length))
        return FRAME_READ_FAULT;
    if (reader->head_length < 2 || reader->head_length < head_bytes(reader))
        return FRAME_READ_MORE;
    size_t here = least(*length, reader->left);
    if (!take_payload(reader, *bytes, here))
        return fault(reader, CLOSE_NO_UTF8);
    *bytes += here;
    *length -= here;
    reader->left -= here;
    return reader->left ? FRAME_READ_MORE : end_frame(reader);
}

size_t
frame_head(enum frame_opcode opcode, size_t length, unsigned char head[FRAME_HEAD_BYTES])
{
    assert(length <= UINT16_MAX);
    head[0] = (unsigned char)(FIN | opcode);
    head[1] = (unsigned char)(length > CONTROL_BYTES_MAX ? 126 : length);
    if (length <= CONTROL_BYTES_MAX)
        return 2;
    head[2] = (unsigned char)(length >> 8);
    head[3] = (unsigned char)length;
    return 4;
}
