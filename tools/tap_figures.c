/* In: events and counts. Out: sums and rates. Pure; one thread.
 *
 *     an owner's shard ──▶ figure ──▶ auction ──▶ its figures, of every owner
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "table.h"
#include <utlist.h>

#include "tap_figures.h"

struct auction {
    char name[AUCTION_BYTES];
    unsigned shard;
    struct tap_figure *figures;
    uint64_t joins, leaves; /* in the interval that is open */
    double joins_s, leaves_s;
    UT_hash_handle hh;
};

struct tap_figure {
    struct key {
        struct tap_owner *owner;
        struct auction *auction;
    } key;
    bool is_count;
    uint64_t joins, leaves;            /* of a gateway: the pair */
    uint64_t count, sequence;          /* of a sampler */
    uint32_t mark;                     /* of the begin it was last named under */
    int64_t changed_ms;                /* monotonic */
    struct tap_figure *prev, *next;    /* of the owner's shard */
    struct tap_figure *before, *after; /* of the auction */
    UT_hash_handle hh;
};

struct tap_figures {
    size_t auctions_max, figures_max;
    struct auction *auctions;
    struct tap_figure *figures;
};

struct tap_figures *
tap_figures_new(size_t auctions_max, size_t figures_max)
{
    struct tap_figures *figures = mem_alloc(sizeof *figures);
    figures->auctions_max = auctions_max;
    figures->figures_max = figures_max;
    return figures;
}

void
tap_figures_destroy(struct tap_figures **figures)
{
    if (!*figures)
        return;
    assert(!(*figures)->figures && !(*figures)->auctions);
    free(*figures);
    *figures = NULL;
}

static struct auction *
find_auction(const struct tap_figures *figures, const char *name)
{
    struct auction *auction;
    HASH_FIND_STR(figures->auctions, name, auction);
    return auction;
}

static struct tap_figure *
find_figure(const struct tap_figures *figures, struct tap_owner *owner, struct auction *auction)
{
    struct key key = {owner, auction};
    struct tap_figure *figure;
    HASH_FIND(hh, figures->figures, &key, sizeof key, figure);
    return figure;
}

static struct auction *
add_auction(struct tap_figures *figures, const struct message *message)
{
    if (HASH_COUNT(figures->auctions) >= figures->auctions_max)
        return NULL;
    struct auction *auction = mem_alloc(sizeof *auction);
    strcpy(auction->name, message->auction); /* valid ids fit */
    auction->shard = message->shard;
    HASH_ADD_STR(figures->auctions, name, auction);
    return auction;
}

/* The auction is new or known; either way it has a figure afterwards, unless there is no room.
 */
static struct tap_figure *
add_figure(struct tap_figures *figures, struct tap_owner *owner, struct auction *auction,
           const struct message *message)
{
    if (HASH_COUNT(figures->figures) >= figures->figures_max)
        return NULL;
    if (!auction)
        auction = add_auction(figures, message);
    if (!auction)
        return NULL;
    struct tap_figure *figure = mem_alloc(sizeof *figure);
    figure->key = (struct key){owner, auction};
    figure->is_count = message->kind == MESSAGE_COUNT;
    HASH_ADD(hh, figures->figures, key, sizeof figure->key, figure);
    DL_APPEND(owner->shards[auction->shard], figure);
    DL_APPEND2(auction->figures, figure, before, after);
    return figure;
}

static void
remove_figure(struct tap_figures *figures, struct tap_figure *figure)
{
    struct auction *auction = figure->key.auction;
    HASH_DELETE(hh, figures->figures, figure);
    DL_DELETE(figure->key.owner->shards[auction->shard], figure);
    DL_DELETE2(auction->figures, figure, before, after);
    free(figure);
    if (auction->figures)
        return;
    HASH_DELETE(hh, figures->auctions, auction);
    free(auction);
}

static uint64_t
raise(uint64_t *counter, uint64_t to)
{
    uint64_t growth = to > *counter ? to - *counter : 0;
    *counter += growth;
    return growth;
}

/* What a state tells first was before the interval. */
static void
take_pair(struct tap_figure *figure, const struct message *message, bool fresh)
{
    struct auction *auction = figure->key.auction;
    uint64_t joins = raise(&figure->joins, message->joins);
    uint64_t leaves = raise(&figure->leaves, message->leaves);
    auction->joins += fresh ? message->change == CHANGE_JOIN : joins;
    auction->leaves += fresh ? message->change == CHANGE_LEAVE : leaves;
}

bool
tap_figures_take(struct tap_figures *figures, struct tap_owner *owner,
                 const struct message *message, uint32_t mark, int64_t mono_ms)
{
    struct auction *auction = find_auction(figures, message->auction);
    struct tap_figure *figure = auction ? find_figure(figures, owner, auction) : NULL;
    bool fresh = !figure;
    if (fresh)
        figure = add_figure(figures, owner, auction, message);
    if (!figure)
        return false;
    figure->mark = mark;
    figure->changed_ms = mono_ms;
    if (!figure->is_count) {
        take_pair(figure, message, fresh);
    } else if (fresh || message->sequence > figure->sequence) {
        figure->count = message->count;
        figure->sequence = message->sequence;
    }
    return true;
}

void
tap_figures_sweep(struct tap_figures *figures, struct tap_owner *owner, unsigned shard,
                  uint32_t mark)
{
    struct tap_figure *figure, *next;
    DL_FOREACH_SAFE(owner->shards[shard], figure, next)
    if (figure->mark != mark)
        remove_figure(figures, figure);
}

void
tap_figures_drop(struct tap_figures *figures, struct tap_owner *owner)
{
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
        while (owner->shards[shard])
            remove_figure(figures, owner->shards[shard]);
}

static uint64_t
count_viewers(const struct tap_figure *figure)
{
    return figure->is_count ? figure->count : figure->joins - figure->leaves;
}

void
tap_figures_forget(struct tap_figures *figures, struct tap_owner *owner, unsigned shard,
                   int64_t mono_ms)
{
    struct tap_figure *figure, *next;
    DL_FOREACH_SAFE(owner->shards[shard], figure, next)
    if (!count_viewers(figure) && mono_ms - figure->changed_ms > TAP_FIGURES_FORGET_MS)
        remove_figure(figures, figure);
}

void
tap_figures_close_interval(struct tap_figures *figures, int64_t elapsed_ms)
{
    double seconds = (double)elapsed_ms / 1000;
    for (struct auction *auction = figures->auctions; auction; auction = auction->hh.next) {
        auction->joins_s = (double)auction->joins / seconds;
        auction->leaves_s = (double)auction->leaves / seconds;
        auction->joins = auction->leaves = 0;
    }
}

static uint64_t
sum_viewers(const struct tap_figures *figures, struct auction *auction,
            struct tap_owner *followed)
{
    const struct tap_figure *figure;
    uint64_t sum = 0;
    if (followed) {
        figure = find_figure(figures, followed, auction);
        return figure ? figure->count : 0;
    }
    DL_FOREACH2(auction->figures, figure, after)
    sum += figure->is_count ? 0 : count_viewers(figure);
    return sum;
}

void
tap_figures_each(const struct tap_figures *figures,
                 struct tap_owner *const followed[SHARD_COUNT],
                 void (*each)(void *arg, const struct tap_auction *auction), void *arg)
{
    for (struct auction *auction = figures->auctions; auction; auction = auction->hh.next) {
        uint64_t viewers = sum_viewers(figures, auction, followed[auction->shard]);
        struct tap_auction told = {auction->name, viewers, auction->joins_s, auction->leaves_s};
        each(arg, &told);
    }
}

size_t
tap_figures_auctions(const struct tap_figures *figures)
{
    return HASH_COUNT(figures->auctions);
}
