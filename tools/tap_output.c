/* In: lines. Out: bytes on a pipe, a terminal or a file. The descriptor's flags are left alone
 * (a shell shares them): it is asked for room before each write, and a write is no greater than
 * what a pipe with room takes without waiting. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

#include "tap_output.h"

#define FULL_BYTES (256 * 1024)

struct tap_output {
    int fd;
    struct tap_output_events events;
    uv_poll_t poll;
    bool polled; /* poll is in use: fd is no plain file */
    bool ended;
    char *buffer; /* owned */
    size_t start, end, capacity;
};

static void
end(struct tap_output *output, int error)
{
    if (output->ended)
        return;
    output->ended = true;
    output->start = output->end = 0;
    if (output->polled)
        uv_poll_stop(&output->poll);
    output->events.on_end(output->events.arg, error == EPIPE ? 0 : error);
}

/* Writes one piece. False: nothing to write, no room, or the end. */
static bool
write_piece(struct tap_output *output)
{
    struct pollfd ask = {.fd = output->fd, .events = POLLOUT};
    size_t left = output->end - output->start;
    if (!left || poll(&ask, 1, 0) <= 0)
        return false;
    ssize_t written =
        write(output->fd, output->buffer + output->start, left < PIPE_BUF ? left : PIPE_BUF);
    if (written < 0 && errno != EINTR && errno != EAGAIN)
        end(output, errno);
    if (written <= 0)
        return false;
    output->start += (size_t)written;
    return true;
}

static bool
is_full(const struct tap_output *output)
{
    return output->end - output->start >= FULL_BYTES;
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
    struct tap_output *output = poll->data;
    bool was_full = is_full(output);
    if (status < 0 || (events & UV_DISCONNECT && !(events & UV_WRITABLE)))
        end(output, EPIPE);
    else if (tap_output_flush(output) && was_full && !output->ended)
        output->events.on_room(output->events.arg);
}

bool
tap_output_flush(struct tap_output *output)
{
    while (write_piece(output))
        ;
    if (output->start == output->end)
        output->start = output->end = 0;
    bool pending = output->end > 0;
    if (output->polled && !output->ended)
        uv_poll_start(&output->poll, UV_DISCONNECT | (pending ? UV_WRITABLE : 0), on_poll);
    return !is_full(output);
}

struct tap_output *
tap_output_new(uv_loop_t *loop, int fd, struct tap_output_events events)
{
    struct tap_output *output = mem_alloc(sizeof *output);
    output->fd = fd;
    output->events = events;
    output->capacity = 2 * FULL_BYTES;
    output->buffer = mem_alloc(output->capacity);
    output->polled = !uv_poll_init(loop, &output->poll, fd);
    output->poll.data = output;
    tap_output_flush(output);
    return output;
}

static void
on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void
tap_output_destroy(struct tap_output **output)
{
    if (!*output)
        return;
    (*output)->ended = true; /* nobody is told of an end any more */
    while (write_piece(*output))
        ;
    free((*output)->buffer);
    if ((*output)->polled)
        uv_close((uv_handle_t *)&(*output)->poll, on_closed);
    else
        free(*output);
    *output = NULL;
}

void
tap_output_write(struct tap_output *output, const char *line)
{
    size_t length = strlen(line);
    if (output->ended)
        return;
    if (output->start && output->end + length > output->capacity) {
        memmove(output->buffer, output->buffer + output->start, output->end - output->start);
        output->end -= output->start;
        output->start = 0;
    }
    if (output->end + length > output->capacity) {
        output->capacity = output->end + length;
        output->buffer = mem_resize(output->buffer, output->capacity);
    }
    memcpy(output->buffer + output->end, line, length);
    output->end += length;
}
