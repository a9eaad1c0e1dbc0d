/* In: counts, heartbeats, byes, times. Out: viewers elsewhere, renewals. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "follow.h"

#define QUIET_MS 10000 /* a subscription quiet for so long is renewed */
#define NODES_MAX 64   /* sampler nodes known at a time; further ones are not listened to */

struct sampler {
    char node[NODE_BYTES]; /* "": a free place */
    int64_t epoch_ms;
    int64_t heard_ms;
    enum node_state state;
};

TAILQ_HEAD(touch_list, follow_auction);

struct follow {
    int64_t silence_ms;
    follow_changed_f *changed;
    void *arg;
    struct sampler samplers[NODES_MAX];
    struct sampler *followed; /* of these; NULL: ALONE or HOLDING */
    bool holding;
    int64_t hold_until_ms;
    uint32_t following;         /* grows with each new one followed */
    struct touch_list by_touch; /* watched auctions, the longest untouched first */
};

struct follow *
follow_new(int64_t silence_ms, follow_changed_f *changed, void *arg)
{
    struct follow *follow = mem_alloc(sizeof *follow);
    follow->silence_ms = silence_ms;
    follow->changed = changed;
    follow->arg = arg;
    TAILQ_INIT(&follow->by_touch);
    return follow;
}

void
follow_destroy(struct follow **follow)
{
    free(*follow);
    *follow = NULL;
}

const char *
follow_node(const struct follow *follow)
{
    return follow->followed ? follow->followed->node : NULL;
}

/* Moves a watched auction to the end of those touched. */
static void
touch(struct follow *follow, struct follow_auction *auction, int64_t now_ms)
{
    TAILQ_REMOVE(&follow->by_touch, auction, by_touch);
    TAILQ_INSERT_TAIL(&follow->by_touch, auction, by_touch);
    auction->touched_ms = now_ms;
    auction->asked = follow->following;
}

void
follow_watch(struct follow *follow, struct follow_auction *auction, int64_t now_ms)
{
    assert(!auction->watched);
    *auction = (struct follow_auction){
        .watched = true, .touched_ms = now_ms, .asked = follow->following};
    TAILQ_INSERT_TAIL(&follow->by_touch, auction, by_touch);
}

void
follow_unwatch(struct follow *follow, struct follow_auction *auction)
{
    assert(auction->watched);
    TAILQ_REMOVE(&follow->by_touch, auction, by_touch);
    *auction = (struct follow_auction){0};
}

static void
set_others(struct follow *follow, struct follow_auction *auction, uint64_t others)
{
    if (auction->others == others)
        return;
    auction->others = others;
    follow->changed(follow->arg, auction);
}

static void
go_alone(struct follow *follow)
{
    struct follow_auction *auction;
    follow->holding = false;
    TAILQ_FOREACH(auction, &follow->by_touch, by_touch)
    set_others(follow, auction, 0);
}

static struct sampler *
find_sampler(struct follow *follow, const char *node)
{
    for (size_t i = 0; i < NODES_MAX; i++) {
        if (!strcmp(follow->samplers[i].node, node))
            return &follow->samplers[i];
    }
    return NULL;
}

/* Of those that are ready and not silent, the one whose id sorts first. */
static struct sampler *
choose_sampler(struct follow *follow, int64_t now_ms)
{
    struct sampler *best = NULL;
    for (size_t i = 0; i < NODES_MAX; i++) {
        struct sampler *sampler = &follow->samplers[i];
        bool fit = *sampler->node && sampler->state == NODE_READY &&
                   now_ms - sampler->heard_ms < follow->silence_ms;
        if (fit && (!best || strcmp(sampler->node, best->node) < 0))
            best = sampler;
    }
    return best;
}

static void
follow_best(struct follow *follow, int64_t now_ms)
{
    if (follow->followed)
        return;
    follow->followed = choose_sampler(follow, now_ms);
    if (!follow->followed)
        return;
    follow->holding = false;
    follow->following++;
}

/* The one followed is none any more; what it said is held on to until hold_until_ms. */
static void
lose(struct follow *follow, int64_t now_ms, int64_t hold_until_ms)
{
    follow->followed = NULL;
    follow->holding = true;
    follow->hold_until_ms = hold_until_ms;
    follow_best(follow, now_ms);
    if (follow->holding && follow->hold_until_ms <= now_ms)
        go_alone(follow);
}

/* The sender's record, heard now; NULL: it is of a former epoch, or there are too many. */
static struct sampler *
hear(struct follow *follow, const struct message *message, int64_t now_ms)
{
    struct sampler *sampler = find_sampler(follow, message->node);
    if (!sampler && (sampler = find_sampler(follow, "")))
        *sampler = (struct sampler){.state = NODE_WARMING, .epoch_ms = message->epoch_ms};
    if (!sampler || message->epoch_ms < sampler->epoch_ms)
        return NULL;
    memcpy(sampler->node, message->node, sizeof sampler->node);
    sampler->heard_ms = now_ms;
    if (message->epoch_ms == sampler->epoch_ms)
        return sampler;
    sampler->epoch_ms = message->epoch_ms;
    sampler->state = NODE_WARMING;
    if (sampler == follow->followed)
        lose(follow, now_ms, now_ms + follow->silence_ms);
    return sampler;
}

/* Whether a count of this sampler is newer than the auction's last one. */
static bool
is_newer(const struct follow *follow, const struct message *message,
         const struct follow_auction *auction)
{
    if (auction->heard != follow->following)
        return true;
    return message->change == CHANGE_STATE ? message->sequence >= auction->sequence
                                           : message->sequence > auction->sequence;
}

void
follow_count(struct follow *follow, const struct message *message,
             struct follow_auction *auction, uint64_t own, int64_t now_ms)
{
    struct sampler *sampler = hear(follow, message, now_ms);
    if (!sampler || sampler != follow->followed || !auction || !auction->watched ||
        message->change == CHANGE_BEGIN || message->change == CHANGE_END ||
        !is_newer(follow, message, auction))
        return;
    auction->heard = follow->following;
    auction->sequence = message->sequence;
    touch(follow, auction, now_ms);
    set_others(follow, auction, message->count > own ? message->count - own : 0);
}

void
follow_heartbeat(struct follow *follow, const struct message *message, int64_t now_ms)
{
    struct sampler *sampler = hear(follow, message, now_ms);
    if (!sampler)
        return;
    sampler->state = message->state;
    if (sampler == follow->followed && sampler->state != NODE_READY)
        lose(follow, now_ms, now_ms + follow->silence_ms);
    else
        follow_best(follow, now_ms);
}

void
follow_bye(struct follow *follow, const struct message *message, int64_t now_ms)
{
    struct sampler *sampler = find_sampler(follow, message->node);
    if (!sampler || message->epoch_ms < sampler->epoch_ms)
        return;
    sampler->state = NODE_LEAVING;
    sampler->epoch_ms = message->epoch_ms;
    if (sampler == follow->followed)
        lose(follow, now_ms, now_ms + follow->silence_ms);
}

void
follow_tick(struct follow *follow, int64_t now_ms)
{
    for (size_t i = 0; i < NODES_MAX; i++) {
        struct sampler *sampler = &follow->samplers[i];
        if (!*sampler->node || now_ms - sampler->heard_ms < follow->silence_ms)
            continue;
        sampler->node[0] = 0;
        if (sampler == follow->followed)
            lose(follow, now_ms, now_ms);
    }
    if (follow->holding && follow->hold_until_ms <= now_ms)
        go_alone(follow);
}

struct follow_auction *
follow_next_renewal(struct follow *follow, int64_t now_ms)
{
    struct follow_auction *auction = TAILQ_FIRST(&follow->by_touch);
    if (!auction ||
        (now_ms - auction->touched_ms < QUIET_MS && auction->asked == follow->following))
        return NULL;
    touch(follow, auction, now_ms);
    return auction;
}
