/* In: a descriptor. Out: entries, and where the first wrong byte is. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

#include "record_file.h"

#define BUFFER_BYTES (256 * 1024)
_Static_assert(BUFFER_BYTES > RECORD_PIECE_BYTES_MAX, "a whole piece fits");

struct record_file {
    int fd;
    bool own;              /* fd is to be closed */
    unsigned char *buffer; /* owned */
    size_t start, end;     /* of what was read and not yet decoded */
    uint64_t offset;       /* of start, in the file */
    bool at_end;           /* nothing more comes */
    int64_t start_ms;
    int64_t elapsed_us;    /* of the last entry */
    enum record_next over; /* RECORD_ENTRY: not over */
    char problem[256];
};

struct record_file *
record_file_open(const char *path)
{
    bool own = strcmp(path, "-");
    int fd = own ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : STDIN_FILENO;
    if (fd < 0)
        return NULL;
    struct record_file *file = mem_alloc(sizeof *file);
    file->fd = fd;
    file->own = own;
    file->buffer = mem_alloc(BUFFER_BYTES);
    return file;
}

void
record_file_close(struct record_file **file)
{
    if (!*file)
        return;
    if ((*file)->own)
        close((*file)->fd);
    free((*file)->buffer);
    free(*file);
    *file = NULL;
}

static enum record_next
be_over(struct record_file *file, enum record_next how)
{
    file->over = how;
    return how;
}

static enum record_next
be_wrong(struct record_file *file, size_t at, const char *problem)
{
    snprintf(file->problem, sizeof file->problem, "at byte %" PRIu64 ": %s", file->offset + at,
             problem);
    return be_over(file, RECORD_WRONG);
}

/* Reads more. RECORD_ENTRY: there is more, or the end was found. */
static enum record_next
fill(struct record_file *file)
{
    struct pollfd ask = {.fd = file->fd, .events = POLLIN};
    if (!poll(&ask, 1, 0))
        return RECORD_WAIT;
    memmove(file->buffer, file->buffer + file->start, file->end - file->start);
    file->end -= file->start;
    file->start = 0;
    ssize_t got = read(file->fd, file->buffer + file->end, BUFFER_BYTES - file->end);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return RECORD_WAIT;
    if (got < 0) {
        snprintf(file->problem, sizeof file->problem, "cannot be read: %s", strerror(errno));
        return be_over(file, RECORD_WRONG);
    }
    file->at_end = !got;
    file->end += (size_t)got;
    return RECORD_ENTRY;
}

static enum record_next
judge_end(struct record_file *file)
{
    if (file->start < file->end)
        return be_over(file, RECORD_TORN);
    if (!file->start_ms)
        return be_wrong(file, 0,
                        "the file is empty; allowed: a file that `headcount-tap record` wrote");
    return be_over(file, RECORD_END);
}

static void
pass(struct record_file *file, size_t bytes)
{
    file->start += bytes;
    file->offset += bytes;
}

/* Decodes what comes next of the bytes at hand. */
static enum record_result
decode(struct record_file *file, struct record_entry *entry, struct record_piece *piece)
{
    const unsigned char *bytes = file->buffer + file->start;
    size_t count = file->end - file->start;
    if (!count)
        return RECORD_SHORT;
    if (file->start_ms)
        return record_decode_entry(bytes, count, entry, piece);
    int64_t start_ms;
    enum record_result result = record_decode_header(bytes, count, &start_ms, piece);
    if (result != RECORD_OK)
        return result;
    file->start_ms = start_ms;
    pass(file, piece->bytes);
    return decode(file, entry, piece);
}

enum record_next
record_file_next(struct record_file *file, struct record_entry *entry)
{
    struct record_piece piece;
    enum record_result result;
    if (file->over != RECORD_ENTRY)
        return file->over;
    while ((result = decode(file, entry, &piece)) == RECORD_SHORT) {
        if (file->at_end)
            return judge_end(file);
        enum record_next filled = fill(file);
        if (filled != RECORD_ENTRY)
            return filled;
    }
    if (result == RECORD_BAD)
        return be_wrong(file, piece.problem_at, piece.problem);
    if (entry->elapsed_us < file->elapsed_us)
        return be_wrong(file, 1, "the time goes back; allowed: no less than the one before");
    file->elapsed_us = entry->elapsed_us;
    pass(file, piece.bytes);
    return RECORD_ENTRY;
}

const char *
record_file_problem(const struct record_file *file)
{
    return file->problem;
}

int
record_file_fd(const struct record_file *file)
{
    return file->fd;
}

int64_t
record_file_start_ms(const struct record_file *file)
{
    return file->start_ms;
}
