/* Bytes to a descriptor without ever blocking the loop: what it cannot take waits in a bounded
 * buffer. To a pipe, terminal or socket the loop writes what there is room for; to a file
 * libuv's pool writes. One thread: the loop's. */
#ifndef TAP_OUTPUT_H
#define TAP_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct tap_output;

/* Room is there again (full is false), or there will be no more writing: the reader of the
 * descriptor has gone (error 0), or it refuses for another reason (error is its errno). */
struct tap_output_events {
    void (*on_room)(void *arg);
    void (*on_end)(void *arg, int error);
    void *arg;
};

/* full_bytes: of waiting bytes, at which there is no room. fd is borrowed. */
struct tap_output *tap_output_new(uv_loop_t *loop, int fd, size_t full_bytes,
                                  struct tap_output_events events);

/* No more events. What is left is written in the loop's next turns to a file; a pipe gets what
 * it takes at once. The handle closes after that. */
void tap_output_destroy(struct tap_output **output);

/* Takes bytes, however many. */
void tap_output_write(struct tap_output *output, const void *bytes, size_t count);

/* Hands over what the descriptor takes now. Returns whether there is room: while there is not,
 * nothing more should be written. */
bool tap_output_flush(struct tap_output *output);

/* Bytes that wait to be written. */
size_t tap_output_waiting(const struct tap_output *output);

#endif
