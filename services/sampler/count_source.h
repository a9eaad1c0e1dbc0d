/* What a sampler says on the bus and when: counts as they change (count_pacing says when they
 * may), the state of whole shards to those who ask (count_answers says which), closed
 * snapshots, heartbeats, a bye. Pure: changes, subscriptions and moments in, messages out
 * through one callback; no socket, no clock, no log. One thread. */
#ifndef COUNT_SOURCE_H
#define COUNT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "message.h"
#include "snapshot.h"

#include "tally.h"
#include "window.h"

struct count_source_options {
    const char *node; /* copied */
    int64_t epoch_ms;
    int64_t count_interval_ms;
    int64_t heartbeat_interval_ms;
    const bool *unserved;      /* by shard: nothing is said of it; NULL: all are served */
    const struct tally *tally; /* borrowed for good: what states are read from */
    void (*emit)(void *arg, const struct message *message);
    void *arg;
};

struct count_source;

struct count_source *count_source_new(const struct count_source_options *options);
void count_source_destroy(struct count_source **source);

/* The roster is whole: counts go out from now on, and subscriptions are answered. Heartbeats
 * say "ready" once every count that there was is out, so that whoever hears it and has not got
 * them knows that they are missing. */
void count_source_start(struct count_source *source);

void count_source_change(struct count_source *source, const char *auction, uint64_t count);
void count_source_snapshot(struct count_source *source, const struct snapshot *snapshot);
void count_source_subscribe(struct count_source *source,
                            const struct subscription *subscription);

/* Emits what is due, at most `most` changes, and as many states and messages of answers.
 * Returns in how many ms there is more; 0: now. */
int64_t count_source_run(struct count_source *source, int most, struct moment now);

/* A last heartbeat and a bye. */
void count_source_leave(struct count_source *source, struct moment now);

#endif
