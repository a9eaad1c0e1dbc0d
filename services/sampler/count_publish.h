/* What the sampler tells the bus, from one XPUB socket; count_source.h says what and when. Runs
 * in the loop, in bounded parts, and never blocks; a reader that is slow loses messages and
 * sees so by the sequence. All functions from the loop's thread. */
#ifndef COUNT_PUBLISH_H
#define COUNT_PUBLISH_H

#include <stdint.h>
#include <uv.h>

#include "metrics.h"
#include "snapshot.h"

#include "tally.h"

struct count_publish;

struct count_publish_options {
    uv_loop_t *loop;
    const char *bind; /* borrowed for the call, as is node */
    const char *node;
    int64_t hwm;
    int64_t subscription_bytes; /* that subscribers may hold */
    int64_t epoch_ms;
    int64_t count_interval_ms;
    int64_t heartbeat_interval_ms;
    const bool *unserved;      /* by shard: left to other samplers; borrowed for the call */
    const struct tally *tally; /* borrowed for good: what states are read from */
    struct metrics *metrics;   /* borrowed for good */
};

/* Binds and begins with heartbeats that say "warming up". NULL with the reason in error. */
struct count_publish *count_publish_new(const struct count_publish_options *options,
                                        char *error, size_t error_bytes);

/* The roster is whole: counts go out from now on, and subscriptions are answered. */
void count_publish_start(struct count_publish *publish);

void count_publish_change(struct count_publish *publish, const char *auction, uint64_t count);
void count_publish_snapshot(struct count_publish *publish, const struct snapshot *snapshot);

/* Says bye and closes. */
void count_publish_destroy(struct count_publish **publish);

#endif
