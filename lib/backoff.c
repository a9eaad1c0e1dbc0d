/* Exponential back-off with jitter over the upper half. */
#include "backoff.h"

int64_t
backoff_next_ms(struct backoff *backoff, uint32_t random)
{
    int64_t whole_ms = backoff->least_ms;
    for (int i = 0; i < backoff->failures && whole_ms < backoff->most_ms; i++)
        whole_ms *= 2;
    if (whole_ms > backoff->most_ms)
        whole_ms = backoff->most_ms;
    backoff->failures++;
    int64_t half_ms = whole_ms / 2;
    return whole_ms - half_ms + (int64_t)(random % (uint64_t)(half_ms + 1));
}

void
backoff_reset(struct backoff *backoff)
{
    backoff->failures = 0;
}
