/* Tells auctions' viewers the newest count, when pacing says so. An auction has one ready-made
 * frame that all its viewers share; a viewer that cannot take it now is owed only the newest
 * one and gets it when it can. Lives in the loop; one thread. */
#ifndef BROADCAST_H
#define BROADCAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "metrics.h"

#include "audience.h"
#include "frame_reader.h"
#include "viewer_protocol.h"

/* As it goes over the wire. */
struct frame {
    unsigned char room[FRAME_HEAD_BYTES + FRAME_BYTES];
    const unsigned char *bytes; /* in room: the head, and the text right behind it */
    size_t length;
    uint64_t count; /* that it tells */
};

/* Sends frame to viewer and notes it in viewer->told, or leaves that as it is when the viewer
 * cannot take it now. The viewer may leave meanwhile, no other. */
typedef void broadcast_send_f(void *arg, struct viewer *viewer, struct frame *frame);

struct broadcast;

struct broadcast *broadcast_new(uv_loop_t *loop, int64_t interval_ms, struct metrics *metrics);
void broadcast_set_sender(struct broadcast *broadcast, broadcast_send_f *send, void *arg);
void broadcast_destroy(struct broadcast **broadcast);

/* The auction's first viewer came. Where a sampler's count will come soon, it and whoever joins
 * it await that, for half a second at most, rather than be told our own and then the whole. */
void broadcast_begin(struct broadcast *broadcast, struct auction *auction);
bool broadcast_awaits_news(const struct auction *auction);

/* The auction's count changed; nobody is there any more. */
void broadcast_mark(struct broadcast *broadcast, struct auction *auction);
void broadcast_drop(struct broadcast *broadcast, struct auction *auction);

/* The auction's newest frame; good until the next call of anything here. */
struct frame *broadcast_frame(struct broadcast *broadcast, const struct auction *auction);

#endif
