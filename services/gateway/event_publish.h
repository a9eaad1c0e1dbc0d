/* The gateway's voice on the bus: an XPUB that publishes joins and leaves, a heartbeat each
 * interval, and the states that subscriptions are answered with. Lives in the loop; one
 * thread. */
#ifndef EVENT_PUBLISH_H
#define EVENT_PUBLISH_H

#include <stdint.h>
#include <uv.h>

#include "message.h"
#include "metrics.h"

#include "audience.h"

struct event_publish;

struct event_publish_options {
    const char *bind; /* endpoints */
    const char *node; /* copied */
    int64_t epoch_ms;
    int64_t heartbeat_ms;
    int64_t hwm;
    int64_t subscription_bytes; /* that subscribers may hold */
};

/* audience, metrics: borrowed. NULL with the reason in error. */
struct event_publish *event_publish_new(uv_loop_t *loop,
                                        const struct event_publish_options *options,
                                        const struct audience *audience,
                                        struct metrics *metrics, char *error,
                                        size_t error_bytes);

/* Says bye, and waits at most half a second for it to be on its way. */
void event_publish_destroy(struct event_publish **publish);

/* CHANGE_JOIN or CHANGE_LEAVE, after the counters moved. */
void event_publish_change(struct event_publish *publish, const struct auction *auction,
                          enum change_kind change);

/* The auction is about to be forgotten. */
void event_publish_forget(struct event_publish *publish, const struct auction *auction);

/* What heartbeats say from now on, the first one at once. */
void event_publish_set_state(struct event_publish *publish, enum node_state state);

#endif
