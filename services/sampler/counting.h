/* The census among its neighbours: gateways' messages in; counts, snapshots and renewals out to
 * the shells that carry them. Reads the clocks; all functions from the loop's thread, none
 * blocks. */
#ifndef COUNTING_H
#define COUNTING_H

#include <stdbool.h>
#include <stdint.h>

#include "message.h"
#include "metrics.h"

#include "count_publish.h"
#include "event_intake.h"
#include "snapshot_send.h"
#include "tally.h"

struct counting_options {
    int64_t sample_interval_ms;
    int64_t snapshot_interval_ms;
    int64_t heartbeat_interval_ms;
    int64_t node_timeout_ms;
    const bool *unserved;    /* by shard: left to other samplers; borrowed for the call */
    struct metrics *metrics; /* borrowed for good */
};

/* Where things go; borrowed, to outlive the last call but counting_destroy(). */
struct counting_neighbours {
    struct event_intake *intake;
    struct count_publish *publish;
    struct snapshot_send *send; /* NULL: snapshots go to taps only */
};

struct counting;

struct counting *counting_new(const struct counting_options *options);
void counting_connect(struct counting *counting, const struct counting_neighbours *neighbours);
void counting_destroy(struct counting **counting);

void counting_take(struct counting *counting, const struct message *message);

/* Time passes. Returns in how many ms to call it again at the latest. */
int64_t counting_tick(struct counting *counting);

/* Hands on what is left of the window closed last, and the open one as far as it got. */
void counting_finish(struct counting *counting);

bool counting_ready(const struct counting *counting); /* warmed up */
const struct tally *counting_tally(const struct counting *counting);

#endif
