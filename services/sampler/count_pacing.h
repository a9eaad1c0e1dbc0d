/* When an auction's count may be told: the first change at once, the next no sooner than
 * interval_ms later and with the newest count only, and a repeat after COUNT_REPEAT_MS of
 * silence while it has viewers. A zero is repeated COUNT_ZEROS times, then the auction is
 * forgotten. Pure: counts and monotonic times in, sends out. One thread.
 *
 *             change                      quiet for interval_ms
 *     READY ◀──────── IDLE ◀───────────────────────────────── COOLING ⟲ changed: sent again
 *       └──────────────┴── sent ──────────────────────────────▶ ▲        after interval_ms
 */
#ifndef COUNT_PACING_H
#define COUNT_PACING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT_REPEAT_MS 4500 /* so that what is late is still within 5 s */
#define COUNT_ZEROS 3

struct count_pacing;

struct count_pacing *count_pacing_new(int64_t interval_ms);
void count_pacing_destroy(struct count_pacing **pacing);

void count_pacing_change(struct count_pacing *pacing, const char *auction, uint64_t count);

/* What to send now, or NULL; *count is the figure. Taken as sent at mono_ms. The text is valid
 * until the next call of any function here. */
const char *count_pacing_next(struct count_pacing *pacing, int64_t mono_ms, uint64_t *count);

/* Milliseconds until count_pacing_next() has something, 0: now, -1: not before a change. */
int64_t count_pacing_wait_ms(const struct count_pacing *pacing, int64_t mono_ms);

size_t count_pacing_auctions(const struct count_pacing *pacing); /* held now */

#endif
