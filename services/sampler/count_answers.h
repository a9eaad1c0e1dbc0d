/* Which shards somebody has to be told whole, after subscriptions: requests that come together
 * are answered once, and a shard no more than once per ANSWER_INTERVAL_MS however often
 * somebody asks. An answer is taken out in bounded parts. Pure. One thread. */
#ifndef COUNT_ANSWERS_H
#define COUNT_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auction.h"

#define ANSWER_INTERVAL_MS 250

struct count_answers;

struct count_answers *count_answers_new(void);
void count_answers_destroy(struct count_answers **answers);

void count_answers_want(struct count_answers *answers, unsigned shard);

/* Begins the next shard's answer if one is due: true and *shard. Then count_answers_add() takes
 * the shard's auctions, and count_answers_next() gives them back one at a time. Never while an
 * answer is being given. */
bool count_answers_begin(struct count_answers *answers, int64_t mono_ms, unsigned *shard);
void count_answers_add(struct count_answers *answers, const char *auction);

/* Whether an answer was begun and not yet ended. */
bool count_answers_giving(const struct count_answers *answers);

/* The next auction of the answer (valid until the next call), or NULL: it is at its end, and
 * over with this call. */
const char *count_answers_next(struct count_answers *answers);

/* Milliseconds until there is something to do, 0: now, -1: nothing is wanted. */
int64_t count_answers_wait_ms(const struct count_answers *answers, int64_t mono_ms);

#endif
