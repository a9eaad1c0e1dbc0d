/* Which gateways there are, and what is known of each: their messages in, live counts across
 * all of them out. Pure: decoded messages and monotonic times in, changes and news through
 * callbacks; no socket, no clock, no log. One thread.
 *
 * What was missed is judged by proto/stream, the figures are in the tally. A gateway that is
 * lost takes its viewers along as leaves, one that is found brings them as joins. At most
 * ROSTER_NODES_MAX gateways are kept. */
#ifndef ROSTER_H
#define ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

#include "tally.h"

#define ROSTER_NODES_MAX 4096
#define ROSTER_VIEWERS_MAX 1000000000 /* of one gateway in one auction */

enum roster_news {
    ROSTER_FOUND,     /* heard for the first time, or again after it was gone */
    ROSTER_RESTARTED, /* a newer epoch: all it had said before is void */
    ROSTER_LOST,      /* silent for too long */
    ROSTER_LEFT       /* said bye */
};

struct roster_options {
    int64_t node_timeout_ms; /* silence after which a gateway is gone */
    int64_t settle_ms;       /* warm-up lasts at least this long */
    tally_change_f *change;
    void (*news)(void *arg, const char *node, enum roster_news news);
    void *arg; /* of both */
};

struct roster;

struct roster *roster_new(const struct roster_options *options, int64_t mono_ms);
void roster_destroy(struct roster **roster); /* tells no change any more */

enum roster_result {
    ROSTER_TAKEN,
    ROSTER_OLD,    /* of an epoch that is over: ignored */
    ROSTER_RANGE,  /* more viewers than ROSTER_VIEWERS_MAX: ignored */
    ROSTER_FULL,   /* one gateway too many: ignored */
    ROSTER_FOREIGN /* nothing a gateway says */
};

/* An event, heartbeat or bye. */
enum roster_result roster_take(struct roster *roster, const struct message *message,
                               int64_t mono_ms);

/* Silence, warm-up and forgetting; call it several times within node_timeout_ms. When it was
 * not called for ROSTER_DEAF_MS the process itself was deaf, and no gateway is blamed. */
#define ROSTER_DEAF_MS 1000
void roster_tick(struct roster *roster, int64_t mono_ms);

/* The next shard whose subscription must be renewed now, or -1. Call it until it says -1; it
 * names each shard at most once a second. */
int roster_renewal(struct roster *roster, int64_t mono_ms);

/* Warm-up is over: every gateway heard is whole, or nobody was heard, or it took too long
 * (then roster_troubled() is true as well). Never goes back. */
bool roster_ready(const struct roster *roster);

/* Whether anything may be missing now: a gateway is overdue or a gap is not healed yet. */
bool roster_troubled(const struct roster *roster);

const struct tally *roster_tally(const struct roster *roster); /* the figures; borrowed */
size_t roster_nodes(const struct roster *roster);
uint64_t roster_gaps(const struct roster *roster); /* times something was missed so far */

#endif
