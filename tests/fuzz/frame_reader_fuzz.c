/* A viewer's WebSocket bytes. However they are cut they mean the same; text is UTF-8 as a plain
 * reader of it says. Input: the longest message, a seed for the cuts, the bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"

#include "frame_reader.h"

#include "fuzz.h"

#define EVENTS_MAX 256

struct event {
    enum frame_read what;
    uint16_t code;
    uint8_t control_length;
    unsigned char control[CONTROL_BYTES_MAX];
};

struct events {
    size_t count;
    struct event list[EVENTS_MAX];
};

static void
note(struct events *events, enum frame_read what, const struct frame_reader *reader)
{
    if (events->count == EVENTS_MAX)
        return;
    struct event *event = &events->list[events->count++];
    *event = (struct event){.what = what};
    if (what == FRAME_READ_FAULT || what == FRAME_READ_CLOSE)
        event->code = reader->code;
    if (what == FRAME_READ_PING || what == FRAME_READ_PONG) {
        event->control_length = reader->control_length;
        memcpy(event->control, reader->control, reader->control_length);
    }
}

/* Reads a piece in memory of its own. False: after a fault. */
static bool
read_piece(struct frame_reader *reader, uint64_t most, const unsigned char *piece,
           size_t length, struct events *events)
{
    unsigned char *copy = malloc(length), *at = copy;
    enum frame_read what = FRAME_READ_MORE;
    assert(copy || !length);
    if (length)
        memcpy(copy, piece, length);
    do {
        what = frame_reader_next(reader, most, &at, &length);
        if (what != FRAME_READ_MORE)
            note(events, what, reader);
        assert(what == FRAME_READ_FAULT || reader->message_bytes <= most);
        assert(reader->control_length <= CONTROL_BYTES_MAX);
    } while (length && what != FRAME_READ_FAULT);
    free(copy);
    return what != FRAME_READ_FAULT;
}

static void
check_cuts(const unsigned char *bytes, size_t length, uint64_t most, uint64_t seed)
{
    static struct events whole, parts;
    struct frame_reader reader = {0};
    struct chance chance = {seed};
    whole.count = parts.count = 0;
    if (length)
        read_piece(&reader, most, bytes, length, &whole);
    reader = (struct frame_reader){0};
    for (size_t at = 0, piece; at < length; at += piece) {
        piece = 1 + chance_below(&chance, chance_percent(&chance, 50) ? 2 : length - at);
        if (piece > length - at)
            piece = length - at;
        if (!read_piece(&reader, most, bytes + at, piece, &parts))
            break;
    }
    assert(whole.count == parts.count);
    assert(!memcmp(whole.list, parts.list, whole.count * sizeof *whole.list));
}

/* The character at the front as RFC 3629 has it; its bytes, 0: none. */
static size_t
read_character(const unsigned char *text, size_t length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t bytes = *text < 0x80 ? 1 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;
    uint32_t character = *text & (bytes == 1 ? 0x7fu : 0xffu >> (bytes + 1));
    if ((*text & 0xc0) == 0x80 || *text >= 0xf8 || bytes > length)
        return 0;
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (text[i] & 0x3fu);
    }
    bool surrogate = character >= 0xd800 && character <= 0xdfff;
    return character < least[bytes] || surrogate || character > 0x10ffff ? 0 : bytes;
}

static void
check_utf8(const unsigned char *bytes, size_t length)
{
    struct utf8 utf8 = {0};
    bool valid = utf8_take(&utf8, bytes, length / 2) &&
                 utf8_take(&utf8, bytes + length / 2, length - length / 2) && !utf8.left;
    size_t at = 0, step = 1;
    for (; at < length && step; at += step)
        step = read_character(bytes + at, length - at);
    assert(valid == (step > 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    size_t length;
    uint64_t most = fuzz_integer(&fuzz, 2), seed = fuzz_byte(&fuzz);
    unsigned char *bytes = (unsigned char *)fuzz_rest(&fuzz, &length);
    check_cuts(bytes, length, most, seed);
    check_utf8(bytes, length);
    free(bytes);
    return 0;
}
