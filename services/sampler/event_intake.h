/* The gateways' messages, from a SUB socket into a callback: decoded, counted, junk dropped.
 * Runs in the loop and never blocks; all functions from the loop's thread. */
#ifndef EVENT_INTAKE_H
#define EVENT_INTAKE_H

#include <uv.h>

#include "bus.h"
#include "message.h"
#include "reader.h"
#include "metrics.h"

struct event_intake;

struct event_intake_options {
    uv_loop_t *loop;
    const char *endpoints; /* gateways, borrowed for the call */
    int64_t discovery_interval_ms;
    const bool *unserved; /* by shard: not subscribed to; borrowed for the call */
    int64_t hwm;
    struct metrics *metrics; /* borrowed for good */
    /* One event, heartbeat or bye; valid during the call. */
    void (*take)(void *arg, const struct message *message);
    void *arg;
};

/* Connects and subscribes. NULL with the reason in error. */
struct event_intake *event_intake_new(const struct event_intake_options *options, char *error,
                                      size_t error_bytes);
void event_intake_destroy(struct event_intake **intake);

/* Asks one gateway for the state of a shard's auctions; when that was not enough, subscribes
 * again, which asks all. */
void event_intake_renew(struct event_intake *intake, const struct reader_renewal *renewal);

#endif
