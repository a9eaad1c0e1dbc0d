/* How many viewers to ask to go at each tick of a shutdown, so that they come to the other
 * gateways spread over the whole of it. Pure; any thread. */
#ifndef DRAIN_H
#define DRAIN_H

#include <stdint.h>

/* left: viewers still here; tick_ms: until the next call; left_ms: until the end, when all must
 * be gone; random: any number, for jitter of half a share either way. */
uint64_t drain_share(uint64_t left, int64_t tick_ms, int64_t left_ms, uint32_t random);

#endif
