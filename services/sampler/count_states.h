/* Single auctions whose count somebody asked for by subscribing: told at once, but each no more
 * than once in interval_ms, because everybody who subscribes to an auction hears every answer:
 * when a sampler is lost, all gateways ask the next one about the same auctions. Pure:
 * questions and monotonic times in, auctions to tell out. One thread. */
#ifndef COUNT_STATES_H
#define COUNT_STATES_H

#include <stdint.h>

struct count_states;

struct count_states *count_states_new(int64_t interval_ms);
void count_states_destroy(struct count_states **states);

void count_states_ask(struct count_states *states, const char *auction);

/* The next auction to tell now, or NULL. Taken as told at mono_ms. Valid until the next call of
 * any function here. */
const char *count_states_next(struct count_states *states, int64_t mono_ms);

/* Milliseconds until count_states_next() may have something, 0: now, -1: not before a question.
 */
int64_t count_states_wait_ms(const struct count_states *states, int64_t mono_ms);

#endif
