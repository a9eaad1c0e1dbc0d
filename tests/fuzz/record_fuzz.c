/* What the tap has recorded. Whole pieces read the same alone, shorter ones are told to be
 * short; what is read encodes to the same; and a file gives the entries that its bytes hold.
 * Input: the file. */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "record_file.h"

#include "fuzz.h"

static void
check_short(const char *bytes, size_t length, bool header)
{
    struct record_entry entry;
    struct record_piece piece;
    int64_t start_ms;
    size_t cuts[] = {length - 1, length / 2, 1, 0};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        char *copy = malloc(cuts[i]);
        assert(copy || !cuts[i]);
        if (cuts[i])
            memcpy(copy, bytes, cuts[i]);
        enum record_result result = header
                                        ? record_decode_header(copy, cuts[i], &start_ms, &piece)
                                        : record_decode_entry(copy, cuts[i], &entry, &piece);
        assert(result == RECORD_SHORT);
        free(copy);
    }
}

static void
check_again(const struct record_entry *entry)
{
    unsigned char *bytes = malloc(RECORD_PIECE_BYTES_MAX), head[RECORD_HEAD_BYTES];
    struct record_entry again;
    struct record_piece piece;
    size_t length = record_encode_entry(entry, bytes);
    memcpy(bytes + length, entry->topic, entry->topic_bytes);
    length += entry->topic_bytes;
    size_t head_bytes = record_encode_body_head(entry, head);
    memcpy(bytes + length, head, head_bytes);
    length += head_bytes;
    if (entry->body_bytes)
        memcpy(bytes + length, entry->body, entry->body_bytes);
    length += entry->body_bytes;
    enum record_result result = record_decode_entry(bytes, length, &again, &piece);
    assert(result == RECORD_OK && piece.bytes == length);
    assert(again.elapsed_us == entry->elapsed_us && again.topic_bytes == entry->topic_bytes);
    assert(again.body_bytes == entry->body_bytes);
    assert(!memcmp(again.topic, entry->topic, entry->topic_bytes));
    assert(!entry->body_bytes || !memcmp(again.body, entry->body, entry->body_bytes));
    free(bytes);
}

/* How many entries follow the header, each later than the one before. */
static size_t
count_entries(const char *bytes, size_t length)
{
    struct record_piece piece;
    struct record_entry entry;
    int64_t start_ms, elapsed_us = 0;
    size_t count = 0;
    if (record_decode_header(bytes, length, &start_ms, &piece) != RECORD_OK)
        return 0;
    assert(start_ms > 0 && piece.bytes <= length);
    check_short(bytes, piece.bytes, true);
    for (;;) {
        bytes += piece.bytes;
        length -= piece.bytes;
        if (record_decode_entry(bytes, length, &entry, &piece) != RECORD_OK ||
            entry.elapsed_us < elapsed_us)
            return count;
        assert(piece.bytes && piece.bytes <= length);
        elapsed_us = entry.elapsed_us;
        check_short(bytes, piece.bytes, false);
        check_again(&entry);
        count++;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    char path[FUZZ_PATH_BYTES];
    struct record_entry entry;
    enum record_next next;
    size_t length, count = 0;
    char *bytes = fuzz_rest(&fuzz, &length);
    fuzz_path("record", path);
    fuzz_write(path, bytes, length);
    struct record_file *file = record_file_open(path);
    assert(file);
    while ((next = record_file_next(file, &entry)) == RECORD_ENTRY)
        count++;
    assert(next != RECORD_WAIT && count == count_entries(bytes, length));
    assert((next == RECORD_WRONG) == (*record_file_problem(file) != 0));
    record_file_close(&file);
    free(bytes);
    return 0;
}
