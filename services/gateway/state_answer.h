/* What is still owed to subscribers of events: the states of one auction, a shard or all of
 * them. Requests that come together are answered once, a shard at most every 100 ms, and the
 * caller takes the answer in steps, as many as it likes at a time. A single auction's request
 * that finds the queue full becomes its shard's.
 *
 * Pure. One thread; the audience may change between steps as long as audience_forget() is
 * announced here first. */
#ifndef STATE_ANSWER_H
#define STATE_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "message.h"

#include "audience.h"

struct state_answer;

/* audience: borrowed for good. */
struct state_answer *state_answer_new(const struct audience *audience);
void state_answer_destroy(struct state_answer **answer);

/* Somebody subscribed. */
void state_answer_want(struct state_answer *answer, const struct subscription *subscription);

/* The next message to publish: CHANGE_BEGIN, CHANGE_STATE or CHANGE_END in message->change,
 * with shard, auction, joins and leaves (of begin and end as proto/README.md says). False:
 * nothing to say now. */
bool state_answer_step(struct state_answer *answer, int64_t now_ms, struct message *message);

/* Whether anything is owed, now or a little later. */
bool state_answer_pending(const struct state_answer *answer);

/* The auction is about to be forgotten. */
void state_answer_forget(struct state_answer *answer, const struct auction *auction);

#endif
