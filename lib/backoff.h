/* How long to wait before trying again: longer each time, and never all at one moment. Pure. */
#ifndef BACKOFF_H
#define BACKOFF_H

#include <stdint.h>

struct backoff {
    int64_t least_ms; /* about the first wait, more than 0 */
    int64_t most_ms;  /* no wait is longer */
    int failures;     /* in a row */
};

/* Notes another failure; the wait before the next attempt: between half of the whole and the
 * whole, which doubles with each failure. random: any number, fresh for each call. */
int64_t backoff_next_ms(struct backoff *backoff, uint32_t random);

/* It worked. */
void backoff_reset(struct backoff *backoff);

#endif
