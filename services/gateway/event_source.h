/* What a gateway says on the bus, and when: each join and leave with the next sequence of its
 * shard, a heartbeat each interval, the states that subscribers are owed in bounded steps, bye.
 *
 * Pure: changes, subscriptions and times in; messages out through one callback. No socket, no
 * clock, no log. One thread; the audience may change between calls as long as
 * audience_forget() is announced here first. */
#ifndef EVENT_SOURCE_H
#define EVENT_SOURCE_H

#include <stdint.h>

#include "message.h"

#include "audience.h"

#define EVENT_SOURCE_TURN_MS 10 /* between two ticks while answers are owed */

struct event_source;

struct event_time {
    int64_t wall_ms; /* what messages say; may step either way */
    int64_t mono_ms; /* what is waited by */
};

/* Publishes message, which is good for the length of the call. Must not call back. */
typedef void event_source_emit_f(void *arg, const struct message *message);

struct event_source_options {
    const char *node; /* copied */
    int64_t epoch_ms;
    int64_t heartbeat_ms;            /* the interval */
    const struct audience *audience; /* borrowed for good */
    event_source_emit_f *emit;
    void *arg;
};

/* The first heartbeat is due at once, and says that the gateway is warming up. */
struct event_source *event_source_new(const struct event_source_options *options);

/* Says nothing; see event_source_bye(). */
void event_source_destroy(struct event_source **source);

/* CHANGE_JOIN or CHANGE_LEAVE, after the counters moved. Emits one message. */
void event_source_change(struct event_source *source, const struct auction *auction,
                         enum change_kind change, struct event_time now);

/* Somebody subscribed. Emits nothing: call event_source_tick() soon, better when all that came
 * together were told. Renewals that name another node are not ours to answer. */
void event_source_subscribe(struct event_source *source,
                            const struct subscription *subscription);

/* Emits what is due: a heartbeat, at most `steps` messages of answers. Returns in how many ms
 * to call again, at least 1. */
int64_t event_source_tick(struct event_source *source, unsigned steps, struct event_time now);

/* What heartbeats say from now on, the first one at once. */
void event_source_set_state(struct event_source *source, enum node_state state,
                            struct event_time now);

/* The auction is about to be forgotten. */
void event_source_forget(struct event_source *source, const struct auction *auction);

/* Emits the last word. */
void event_source_bye(struct event_source *source, struct event_time now);

#endif
