/* Who watches what at this gateway: auctions, each with the list of its viewers and the two
 * counters that only grow. Whoever holds a viewer embeds a struct viewer; nothing is allocated
 * for one. An auction that is empty is remembered for a minute; should it come back after it
 * was forgotten, its counters start where no counter of its shard ever was.
 *
 * Pure: no socket, no clock, no log. One thread. */
#ifndef AUDIENCE_H
#define AUDIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "follow.h"
#include "pacing.h"

#define VIEWER_TOLD_NOTHING UINT64_MAX

/* A viewer as the audience sees it; zeroed before it joins. */
struct viewer {
    TAILQ_ENTRY(viewer) in_auction;
    struct auction *auction; /* NULL: has not joined, or left */
    uint64_t told;           /* the count it was last sent; VIEWER_TOLD_NOTHING: none */
};

TAILQ_HEAD(viewer_list, viewer);

struct auction {
    TAILQ_ENTRY(auction) in_shard;
    TAILQ_ENTRY(auction) in_idle; /* while empty */
    struct auction *in_bucket;
    struct viewer_list viewers;
    struct viewer *sweep; /* the next to visit of a sweep under way */
    uint64_t joins, leaves;
    uint64_t hash;
    int64_t empty_ms;             /* since when; while empty */
    struct follow_auction follow; /* viewers elsewhere */
    struct pace pace;             /* when to tell */
    int64_t news_until_us;        /* nobody is told before this or a sampler's first word */
    unsigned shard;
    bool state_wanted; /* by a subscriber, in the queue of state_answer */
    char id[];
};

struct audience;

/* seed: random, so that nobody can choose ids that collide. At most `most` auctions are held.
 */
struct audience *audience_new(uint64_t seed, size_t most);

/* Viewers must have left. */
void audience_destroy(struct audience **audience);

/* Adds a viewer to the auction named id (a valid one) and counts the join. NULL: the auction is
 * new and there are too many. */
struct auction *audience_join(struct audience *audience, const char *id, struct viewer *viewer);

/* Takes a viewer out, counts the leave and returns its auction; NULL when it is in none, so
 * that a repeat does nothing. now_ms: any monotonic time, from when an empty auction ages. */
struct auction *audience_leave(struct audience *audience, struct viewer *viewer,
                               int64_t now_ms);

struct auction *audience_find(const struct audience *audience, const char *id);

/* The auction longest empty, if that is long enough to forget it; NULL: none. */
struct auction *audience_forgettable(const struct audience *audience, int64_t now_ms);
void audience_forget(struct audience *audience, struct auction *auction);

static inline uint64_t
auction_viewers(const struct auction *auction)
{
    return auction->joins - auction->leaves;
}

/* The count that viewers are shown: our own and those elsewhere. */
static inline uint64_t
auction_count(const struct auction *auction)
{
    return auction_viewers(auction) + auction->follow.others;
}

/* Visits at most `most` viewers, going on where the last call for this auction ended. True when
 * the sweep has come to its end (the next one starts anew). Who joins while a sweep is under
 * way is not visited by it; the visit may make its viewer leave, but no other. */
typedef void audience_visit_f(void *arg, struct viewer *viewer);
bool audience_sweep(struct auction *auction, size_t most, audience_visit_f *visit, void *arg);

/* The auctions of a shard, empty ones too, newest first; NULL: no further one. */
struct auction *audience_first(const struct audience *audience, unsigned shard);
struct auction *audience_next(const struct auction *auction);

uint64_t audience_viewers(const struct audience *audience);
size_t audience_auctions(const struct audience *audience);

#endif
