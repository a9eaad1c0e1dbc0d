/* The figures of the roster: each gateway's share of each auction, added up per auction. Pure:
 * counter pairs in, changes out through one callback; no socket, no clock, no log. One thread.
 *
 * A gateway's share of an auction is its pair (joins, leaves). Whatever moves an auction's sum
 * is told as one change, whose joins - leaves is the difference: a share that goes takes its
 * viewers along as leaves, one that is new brings them as joins.
 *
 * Bounded by what gateways have viewers of: a share that has been empty for TALLY_FORGET_MS is
 * forgotten, and an auction with its last share. */
#ifndef TALLY_H
#define TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "auction.h"

#define TALLY_FORGET_MS 30000 /* less than the minute a gateway remembers */

struct tally_change {
    const char *auction; /* valid during the call */
    uint64_t joins, leaves;
    uint64_t count; /* the live count now */
};

typedef void tally_change_f(void *arg, const struct tally_change *change);

struct tally;
struct share;

/* One gateway's shares; zeroed to begin with, to be dropped before it goes. */
struct tally_shares {
    struct share *shards[SHARD_COUNT];
};

struct tally *tally_new(tally_change_f *change, void *arg);

/* The gateways' shares must have been dropped before. */
void tally_destroy(struct tally **tally);

/* A gateway's pair of an auction: joins >= leaves. Each counter counts as the greater of what
 * it was and is now. */
struct tally_pair {
    const char *auction;
    unsigned shard;
    uint64_t joins, leaves;
    uint32_t mark; /* of the begin it was named under */
};
void tally_take(struct tally *tally, struct tally_shares *shares, const struct tally_pair *pair,
                int64_t mono_ms);

/* Drops the shares of a shard whose mark is not this. */
void tally_sweep(struct tally *tally, struct tally_shares *shares, unsigned shard,
                 uint32_t mark);
void tally_drop(struct tally *tally, struct tally_shares *shares);
void tally_forget(struct tally *tally, int64_t mono_ms); /* what has been empty for long */

uint64_t tally_count(const struct tally *tally, const char *auction); /* 0 when unknown */
uint64_t tally_total(const struct tally *tally);                      /* viewers in all */
size_t tally_auctions(const struct tally *tally); /* with a share, be it empty */

/* Every auction of a shard that has viewers. The callback must not change the tally. */
void tally_each(const struct tally *tally, unsigned shard,
                void (*each)(void *arg, const char *auction, uint64_t count), void *arg);

#endif
