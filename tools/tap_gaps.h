/* What did not come: messages that a node sent and the tap did not get, nodes that fell silent
 * or began anew. Both roles' nodes through proto/reader. Pure: decoded messages and monotonic
 * times in, news through a callback. One thread. */
#ifndef TAP_GAPS_H
#define TAP_GAPS_H

#include <stdint.h>

#include "message.h"

#define TAP_NODES_MAX 1024 /* of a role; further ones are not watched */

struct tap_news {
    enum tap_news_kind {
        TAP_MISSED,   /* changes did not come */
        TAP_LOST,     /* a node is silent */
        TAP_RESTARTED /* a node has a newer epoch */
    } kind;
    enum node_role role;
    const char *node;
    unsigned shard;       /* missed */
    uint64_t first, last; /* missed: sequences */
};

/* Valid during the call. */
typedef void tap_news_f(void *arg, const struct tap_news *news);

struct tap_gaps;

struct tap_gaps *tap_gaps_new(int64_t node_timeout_ms, tap_news_f *news, void *arg,
                              int64_t mono_ms);
void tap_gaps_destroy(struct tap_gaps **gaps);

/* A message of a role of which every heartbeat, and every event or count, is received. What a
 * node sent before it was first heard, or heard again, is not missed. */
void tap_gaps_take(struct tap_gaps *gaps, const struct message *message, int64_t mono_ms);

/* Silence, of those whose heartbeats come; as reader_tick(). */
void tap_gaps_tick(struct tap_gaps *gaps, int64_t mono_ms);

#endif
