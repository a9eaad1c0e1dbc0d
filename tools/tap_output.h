/* Lines to stdout without ever blocking the loop: what stdout cannot take waits in a bounded
 * buffer. One thread: the loop's. */
#ifndef TAP_OUTPUT_H
#define TAP_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct tap_output;

/* Room is there again (full is false), or there will be no more writing: the reader of stdout
 * has gone (error 0), or stdout refuses for another reason (error is its errno). */
struct tap_output_events {
    void (*on_room)(void *arg);
    void (*on_end)(void *arg, int error);
    void *arg;
};

struct tap_output *tap_output_new(uv_loop_t *loop, int fd, struct tap_output_events events);

/* Tries once more to write what is left, then stops; the handle closes in the loop's next
 * turns. */
void tap_output_destroy(struct tap_output **output);

/* Takes a line, whatever its length. */
void tap_output_write(struct tap_output *output, const char *line);

/* Hands over to stdout what it takes now. Returns whether there is room: while there is not,
 * nothing more may be written. */
bool tap_output_flush(struct tap_output *output);

#endif
