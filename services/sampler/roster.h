/* Who is watching what: gateways' counter pairs in, live counts across all gateways out. Pure:
 * decoded messages and monotonic times in, changes out through one callback; no socket, no
 * clock, no log. One thread.
 *
 * A gateway's share of an auction is its pair (joins, leaves). Shares are added up per auction;
 * whatever moves a sum is told as one change whose joins - leaves is the difference. A gateway
 * that is lost takes its viewers along as leaves, one that is found brings them as joins.
 *
 * Bounded: at most ROSTER_NODES_MAX gateways; a share that has been empty for
 * ROSTER_FORGET_MS is forgotten, and an auction with its last share. */
#ifndef ROSTER_H
#define ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

#define ROSTER_NODES_MAX 4096
#define ROSTER_VIEWERS_MAX 1000000000 /* of one gateway in one auction */
#define ROSTER_FORGET_MS 30000        /* less than the minute a gateway remembers */

struct roster_change {
    const char *auction; /* valid during the call */
    uint64_t joins, leaves;
    uint64_t count; /* the live count now */
};

struct roster_options {
    int64_t node_timeout_ms; /* silence after which a gateway is gone */
    int64_t settle_ms;       /* warm-up lasts at least this long */
    void (*change)(void *arg, const struct roster_change *change);
    void *arg;
};

struct roster;

struct roster *roster_new(const struct roster_options *options, int64_t mono_ms);
void roster_destroy(struct roster **roster);

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

uint64_t roster_count(const struct roster *roster, const char *auction); /* 0 when unknown */
uint64_t roster_total(const struct roster *roster);                      /* viewers in all */
size_t roster_auctions(const struct roster *roster); /* with a share, be it empty */
size_t roster_nodes(const struct roster *roster);
uint64_t roster_lost(const struct roster *roster); /* gateways lost by silence so far */
uint64_t roster_gaps(const struct roster *roster); /* times something was missed so far */

/* Every auction of a shard that has viewers. The callback must not change the roster. */
void roster_each(const struct roster *roster, unsigned shard,
                 void (*each)(void *arg, const char *auction, uint64_t count), void *arg);

#endif
