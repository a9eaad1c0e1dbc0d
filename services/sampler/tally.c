/* In: gateways' pairs; out: changes of live counts. Pure; the sampler's one thread.
 *
 *     a gateway's shares ──▶ share ──▶ audience (an auction's sum) ◀── audiences[shard]
 */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "table.h"
#include <utlist.h>

#include "tally.h"

struct audience {
    char auction[AUCTION_BYTES];
    unsigned shard;
    unsigned shares; /* how many refer to it */
    uint64_t count;  /* the sum of its shares' viewers */
    UT_hash_handle hh;
};

struct share {
    struct audience *audience; /* the key */
    struct tally_shares *gateway;
    uint64_t joins, leaves;    /* the gateway's pair; viewers are the difference */
    uint32_t mark;             /* of the begin it was last named under */
    bool empty;                /* is in the list of empty shares */
    int64_t empty_ms;          /* since when */
    struct share *prev, *next; /* in that list */
    UT_hash_handle hh;
};

struct tally {
    tally_change_f *change;
    void *arg; /* of change */
    struct audience *audiences[SHARD_COUNT];
    struct share *empty; /* shares without viewers, longest first */
    size_t auctions;
    uint64_t total;
};

struct tally *
tally_new(tally_change_f *change, void *arg)
{
    struct tally *tally = mem_alloc(sizeof *tally);
    tally->change = change;
    tally->arg = arg;
    return tally;
}

void
tally_destroy(struct tally **tally)
{
    if (!*tally)
        return;
    assert(!(*tally)->auctions);
    free(*tally);
    *tally = NULL;
}

static struct audience *
find_audience(const struct tally *tally, const char *auction, unsigned shard)
{
    struct audience *audience;
    HASH_FIND(hh, tally->audiences[shard], auction, strlen(auction), audience);
    return audience;
}

static struct audience *
add_audience(struct tally *tally, const char *auction, unsigned shard)
{
    struct audience *audience = mem_alloc(sizeof *audience);
    strcpy(audience->auction, auction);
    audience->shard = shard;
    HASH_ADD(hh, tally->audiences[shard], auction, strlen(auction), audience);
    tally->auctions++;
    return audience;
}

static struct share *
find_share(const struct tally_shares *shares, const struct audience *audience)
{
    struct share *share;
    HASH_FIND(hh, shares->shards[audience->shard], &audience, sizeof audience, share);
    return share;
}

static struct share *
add_share(struct tally_shares *shares, struct audience *audience)
{
    struct share *share = mem_alloc(sizeof *share);
    share->audience = audience;
    share->gateway = shares;
    audience->shares++;
    HASH_ADD(hh, shares->shards[audience->shard], audience, sizeof share->audience, share);
    return share;
}

static void
note_emptiness(struct tally *tally, struct share *share, int64_t mono_ms)
{
    bool empty = share->joins == share->leaves;
    if (empty == share->empty)
        return;
    share->empty = empty;
    share->empty_ms = mono_ms;
    if (empty)
        DL_APPEND(tally->empty, share);
    else
        DL_DELETE(tally->empty, share);
}

static void
forget_share(struct tally *tally, struct share *share)
{
    struct audience *audience = share->audience;
    HASH_DELETE(hh, share->gateway->shards[audience->shard], share);
    if (share->empty)
        DL_DELETE(tally->empty, share);
    free(share);
    if (--audience->shares)
        return;
    HASH_DELETE(hh, tally->audiences[audience->shard], audience);
    tally->auctions--;
    free(audience);
}

/* Adds to an auction's sum and tells it, unless nothing moved. */
static void
move_sum(struct tally *tally, struct audience *audience, uint64_t joins, uint64_t leaves)
{
    if (!joins && !leaves)
        return;
    audience->count += joins - leaves;
    tally->total += joins - leaves;
    struct tally_change change = {audience->auction, joins, leaves, audience->count};
    tally->change(tally->arg, &change);
}

static uint64_t
growth(uint64_t from, uint64_t to)
{
    return to > from ? to - from : 0;
}

void
tally_take(struct tally *tally, struct tally_shares *shares, const struct tally_pair *pair,
           int64_t mono_ms)
{
    struct audience *audience = find_audience(tally, pair->auction, pair->shard);
    struct share *share = audience ? find_share(shares, audience) : NULL;
    if (!share && pair->joins == pair->leaves)
        return; /* an empty one that is unknown is not worth keeping */
    if (!share) {
        if (!audience)
            audience = add_audience(tally, pair->auction, pair->shard);
        share = add_share(shares, audience);
        share->joins = share->leaves = pair->leaves;
    }
    uint64_t joins = growth(share->joins, pair->joins);
    uint64_t leaves = growth(share->leaves, pair->leaves);
    share->joins += joins;
    share->leaves += leaves;
    share->mark = pair->mark;
    note_emptiness(tally, share, mono_ms);
    move_sum(tally, audience, joins, leaves);
}

/* Its viewers are gone, and so is the share. */
static void
drop_share(struct tally *tally, struct share *share)
{
    move_sum(tally, share->audience, 0, share->joins - share->leaves);
    forget_share(tally, share);
}

void
tally_sweep(struct tally *tally, struct tally_shares *shares, unsigned shard, uint32_t mark)
{
    struct share *share, *next;
    HASH_ITER(hh, shares->shards[shard], share, next)
    {
        if (share->mark != mark)
            drop_share(tally, share);
    }
}

void
tally_drop(struct tally *tally, struct tally_shares *shares)
{
    struct share *share, *next;
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        HASH_ITER(hh, shares->shards[shard], share, next)
        drop_share(tally, share);
    }
}

void
tally_forget(struct tally *tally, int64_t mono_ms)
{
    while (tally->empty && mono_ms - tally->empty->empty_ms >= TALLY_FORGET_MS)
        forget_share(tally, tally->empty);
}

uint64_t
tally_count(const struct tally *tally, const char *auction)
{
    const struct audience *audience = find_audience(tally, auction, auction_shard(auction));
    return audience ? audience->count : 0;
}

uint64_t
tally_total(const struct tally *tally)
{
    return tally->total;
}

size_t
tally_auctions(const struct tally *tally)
{
    return tally->auctions;
}

void
tally_each(const struct tally *tally, unsigned shard,
           void (*each)(void *arg, const char *auction, uint64_t count), void *arg)
{
    const struct audience *audience;
    for (audience = tally->audiences[shard]; audience; audience = audience->hh.next) {
        if (audience->count)
            each(arg, audience->auction, audience->count);
    }
}
