/* In: bytes. Out: bytes on a pipe, a terminal or a file. A descriptor's flags are left alone (a
 * shell shares them): a pipe is asked for room before each write, and a write is no greater
 * than what a pipe with room takes without waiting. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

#include "tap_output.h"

struct block {
    char *bytes; /* owned */
    size_t count, capacity;
};

struct tap_output {
    uv_loop_t *loop;
    int fd;
    size_t full_bytes;
    struct tap_output_events events;
    bool polled; /* fd is no plain file: poll is in use, write is not */
    uv_poll_t poll;
    uv_fs_t write;
    bool writing; /* the pool reads what is being sent */
    bool ended;
    bool closing; /* destroyed; the pool still writes */
    struct block sending, filling;
    size_t sent; /* of what is being sent */
};

static void
free_output(struct tap_output *output)
{
    free(output->sending.bytes);
    free(output->filling.bytes);
    free(output);
}

static void
end(struct tap_output *output, int error)
{
    if (output->ended)
        return;
    output->ended = true;
    output->sending.count = output->filling.count = output->sent = 0;
    if (output->polled)
        uv_poll_stop(&output->poll);
    if (!output->closing)
        output->events.on_end(output->events.arg, error == EPIPE ? 0 : error);
}

/* How many bytes are next to be sent; takes what was filled when all before was sent. */
static size_t
count_next(struct tap_output *output)
{
    if (output->sent == output->sending.count) {
        struct block empty = output->sending;
        empty.count = 0;
        output->sending = output->filling;
        output->filling = empty;
        output->sent = 0;
    }
    return output->sending.count - output->sent;
}

/* Writes one piece to a pipe. False: nothing to write, no room, or the end. */
static bool
write_piece(struct tap_output *output)
{
    struct pollfd ask = {.fd = output->fd, .events = POLLOUT};
    size_t left = count_next(output);
    if (!left || poll(&ask, 1, 0) <= 0)
        return false;
    ssize_t written = write(output->fd, output->sending.bytes + output->sent,
                            left < PIPE_BUF ? left : PIPE_BUF);
    if (written < 0 && errno != EINTR && errno != EAGAIN)
        end(output, errno);
    if (written <= 0)
        return false;
    output->sent += (size_t)written;
    return true;
}

static bool
is_full(const struct tap_output *output)
{
    return tap_output_waiting(output) >= output->full_bytes;
}

static void
tell_room(struct tap_output *output, bool was_full)
{
    if (was_full && !output->ended && !output->closing && !is_full(output))
        output->events.on_room(output->events.arg);
}

static void start_write(struct tap_output *output);

static void
on_written(uv_fs_t *write)
{
    struct tap_output *output = write->data;
    bool was_full = is_full(output);
    ssize_t written = write->result;
    uv_fs_req_cleanup(write);
    output->writing = false;
    if (written < 0)
        end(output, (int)-written);
    else
        output->sent += (size_t)written;
    start_write(output);
    tell_room(output, was_full);
    if (output->closing && !output->writing)
        free_output(output);
}

/* Lets the pool write what waits, unless it is at it. */
static void
start_write(struct tap_output *output)
{
    size_t left = output->writing || output->ended ? 0 : count_next(output);
    if (!left)
        return;
    uv_buf_t bytes = uv_buf_init(output->sending.bytes + output->sent, (unsigned)left);
    output->write.data = output;
    output->writing = true;
    uv_fs_write(output->loop, &output->write, output->fd, &bytes, 1, -1, on_written);
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
    struct tap_output *output = poll->data;
    bool was_full = is_full(output);
    if (status < 0 || (events & UV_DISCONNECT && !(events & UV_WRITABLE)))
        end(output, EPIPE);
    else if (tap_output_flush(output))
        tell_room(output, was_full);
}

bool
tap_output_flush(struct tap_output *output)
{
    if (!output->polled) {
        start_write(output);
        return !is_full(output);
    }
    while (write_piece(output))
        ;
    bool pending = tap_output_waiting(output);
    if (!output->ended)
        uv_poll_start(&output->poll, UV_DISCONNECT | (pending ? UV_WRITABLE : 0), on_poll);
    return !is_full(output);
}

struct tap_output *
tap_output_new(uv_loop_t *loop, int fd, size_t full_bytes, struct tap_output_events events)
{
    struct tap_output *output = mem_alloc(sizeof *output);
    output->loop = loop;
    output->fd = fd;
    output->full_bytes = full_bytes;
    output->events = events;
    output->polled = !uv_poll_init(loop, &output->poll, fd);
    output->poll.data = output;
    tap_output_flush(output);
    return output;
}

static void
on_closed(uv_handle_t *handle)
{
    free_output(handle->data);
}

void
tap_output_destroy(struct tap_output **output)
{
    struct tap_output *old = *output;
    if (!old)
        return;
    *output = NULL;
    old->closing = true;
    if (old->polled) {
        while (write_piece(old))
            ;
        uv_close((uv_handle_t *)&old->poll, on_closed);
        return;
    }
    start_write(old);
    if (!old->writing)
        free_output(old);
}

static void
append(struct block *block, const void *bytes, size_t count)
{
    if (block->count + count > block->capacity) {
        block->capacity = 2 * (block->count + count);
        block->bytes = mem_resize(block->bytes, block->capacity);
    }
    memcpy(block->bytes + block->count, bytes, count);
    block->count += count;
}

void
tap_output_write(struct tap_output *output, const void *bytes, size_t count)
{
    if (!output->ended)
        append(&output->filling, bytes, count);
}

size_t
tap_output_waiting(const struct tap_output *output)
{
    return output->sending.count - output->sent + output->filling.count;
}
