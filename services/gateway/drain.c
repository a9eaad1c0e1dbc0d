/* In: how many are left and how long. Out: how many go now. */
#include "drain.h"

uint64_t
drain_share(uint64_t left, int64_t tick_ms, int64_t left_ms, uint32_t random)
{
    if (left_ms <= tick_ms)
        return left;
    double even = (double)left * (double)tick_ms / (double)left_ms;
    double jitter = 0.5 + (random >> 16) / 65536.0;
    double fraction =
        (random & 0xffff) / 65536.0; /* so that a share below one is one at times */
    uint64_t share = (uint64_t)(even * jitter + fraction);
    return share < left ? share : left;
}
