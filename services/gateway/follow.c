/* In: counts, heartbeats, byes, times. Out: viewers elsewhere, renewals. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "follow.h"

#define QUIET_MS 10000 /* a subscription quiet for so long is renewed */
#define DEAF_MS 1000   /* without a tick: this process itself was not there */
#define NODES_MAX 512  /* sampler nodes known at a time; further ones are not listened to */

struct sampler {
    char node[NODE_BYTES]; /* "": a free place */
    int64_t epoch_ms;
    int64_t heard_ms;
    enum node_state state;
    bool unserved[SHARD_COUNT];
};

TAILQ_HEAD(touch_list, follow_auction);

struct shard {
    struct sampler *followed; /* NULL: ALONE or HOLDING */
    bool holding;
    int64_t hold_until_ms;
    uint32_t following;         /* grows with each new one followed */
    struct touch_list by_touch; /* watched auctions, the longest untouched first */
};

struct follow {
    int64_t silence_ms;
    follow_changed_f *changed;
    void *arg;
    struct sampler samplers[NODES_MAX];
    size_t sampler_count; /* places ever taken: none after these is */
    struct shard shards[SHARD_COUNT];
    unsigned renew_next; /* the shard that follow_next_renewal() looks at first */
    uint64_t changes;
    int64_t expect_until_ms; /* see follow_expect() */
    int64_t tick_ms;         /* of the last tick; 0: none yet */
};

struct follow *
follow_new(int64_t silence_ms, follow_changed_f *changed, void *arg)
{
    struct follow *follow = mem_alloc(sizeof *follow);
    follow->silence_ms = silence_ms;
    follow->changed = changed;
    follow->arg = arg;
    for (int i = 0; i < SHARD_COUNT; i++)
        TAILQ_INIT(&follow->shards[i].by_touch);
    return follow;
}

void
follow_destroy(struct follow **follow)
{
    free(*follow);
    *follow = NULL;
}

void
follow_expect(struct follow *follow, int64_t until_ms)
{
    follow->expect_until_ms = until_ms;
}

const char *
follow_node(const struct follow *follow, unsigned shard)
{
    const struct sampler *followed = follow->shards[shard].followed;
    return followed ? followed->node : NULL;
}

unsigned
follow_shards(const struct follow *follow)
{
    unsigned count = 0;
    for (int i = 0; i < SHARD_COUNT; i++)
        count += follow->shards[i].followed != NULL;
    return count;
}

uint64_t
follow_changes(const struct follow *follow)
{
    return follow->changes;
}

/* Moves a watched auction to the end of those touched. */
static void
touch(struct shard *shard, struct follow_auction *auction, int64_t now_ms)
{
    TAILQ_REMOVE(&shard->by_touch, auction, by_touch);
    TAILQ_INSERT_TAIL(&shard->by_touch, auction, by_touch);
    auction->touched_ms = now_ms;
    auction->asked = shard->following;
}

void
follow_watch(struct follow *follow, struct follow_auction *auction, unsigned shard,
             int64_t now_ms)
{
    assert(!auction->watched && shard < SHARD_COUNT);
    *auction = (struct follow_auction){.watched = true,
                                       .shard = shard,
                                       .touched_ms = now_ms,
                                       .asked = follow->shards[shard].following,
                                       .expected = follow->shards[shard].followed ||
                                                   now_ms < follow->expect_until_ms};
    TAILQ_INSERT_TAIL(&follow->shards[shard].by_touch, auction, by_touch);
}

void
follow_unwatch(struct follow *follow, struct follow_auction *auction)
{
    assert(auction->watched);
    TAILQ_REMOVE(&follow->shards[auction->shard].by_touch, auction, by_touch);
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
go_alone(struct follow *follow, struct shard *shard)
{
    struct follow_auction *auction;
    shard->holding = false;
    TAILQ_FOREACH(auction, &shard->by_touch, by_touch)
    set_others(follow, auction, 0);
}

static struct sampler *
find_sampler(struct follow *follow, const char *node)
{
    for (size_t i = 0; i < follow->sampler_count; i++) {
        if (!strcmp(follow->samplers[i].node, node))
            return &follow->samplers[i];
    }
    return NULL;
}

/* A place for one more; NULL: there are too many. */
static struct sampler *
find_room(struct follow *follow)
{
    struct sampler *room = find_sampler(follow, "");
    if (!room && follow->sampler_count < NODES_MAX)
        room = &follow->samplers[follow->sampler_count++];
    return room;
}

/* Whether it is ready and serves the shard. */
static bool
is_fit(const struct follow *follow, const struct shard *shard, const struct sampler *sampler)
{
    return sampler->state == NODE_READY && !sampler->unserved[shard - follow->shards];
}

/* Of those that are fit and not silent, the one whose id sorts first. */
static struct sampler *
choose_sampler(struct follow *follow, const struct shard *shard, int64_t now_ms)
{
    struct sampler *best = NULL;
    for (size_t i = 0; i < follow->sampler_count; i++) {
        struct sampler *sampler = &follow->samplers[i];
        bool fit = *sampler->node && is_fit(follow, shard, sampler) &&
                   now_ms - sampler->heard_ms < follow->silence_ms;
        if (fit && (!best || strcmp(sampler->node, best->node) < 0))
            best = sampler;
    }
    return best;
}

static void
follow_best(struct follow *follow, struct shard *shard, int64_t now_ms)
{
    if (shard->followed)
        return;
    shard->followed = choose_sampler(follow, shard, now_ms);
    if (!shard->followed)
        return;
    shard->holding = false;
    shard->following++;
    follow->changes++;
}

/* The sampler is followed no more, wherever it was; what it said is held on to until
 * hold_until_ms. */
static void
lose(struct follow *follow, const struct sampler *sampler, int64_t now_ms,
     int64_t hold_until_ms)
{
    for (int i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = &follow->shards[i];
        if (shard->followed != sampler)
            continue;
        shard->followed = NULL;
        shard->holding = true;
        shard->hold_until_ms = hold_until_ms;
        follow_best(follow, shard, now_ms);
        if (shard->holding && shard->hold_until_ms <= now_ms)
            go_alone(follow, shard);
    }
}

/* *heard: the sender's record, heard now. */
static enum follow_result
hear(struct follow *follow, const struct message *message, int64_t now_ms,
     struct sampler **heard)
{
    struct sampler *sampler = find_sampler(follow, message->node);
    if (!sampler && (sampler = find_room(follow)))
        *sampler = (struct sampler){.state = NODE_WARMING, .epoch_ms = message->epoch_ms};
    if (!sampler)
        return FOLLOW_FULL;
    if (message->epoch_ms < sampler->epoch_ms)
        return FOLLOW_OLD;
    *heard = sampler;
    memcpy(sampler->node, message->node, sizeof sampler->node);
    sampler->heard_ms = now_ms;
    if (message->epoch_ms == sampler->epoch_ms)
        return FOLLOW_TAKEN;
    sampler->epoch_ms = message->epoch_ms;
    sampler->state = NODE_WARMING;
    lose(follow, sampler, now_ms, now_ms + follow->silence_ms);
    return FOLLOW_TAKEN;
}

/* Whether a count of this sampler is newer than the auction's last one. */
static bool
is_newer(const struct shard *shard, const struct message *message,
         const struct follow_auction *auction)
{
    if (auction->heard != shard->following)
        return true;
    return message->change == CHANGE_STATE ? message->sequence >= auction->sequence
                                           : message->sequence > auction->sequence;
}

/* A count of a watched auction. */
static void
take_count(struct follow *follow, const struct sampler *sampler, const struct message *message,
           struct follow_auction *auction, uint64_t own, int64_t now_ms)
{
    struct shard *shard = &follow->shards[auction->shard];
    if (sampler != shard->followed || !is_newer(shard, message, auction))
        return;
    auction->heard = shard->following;
    auction->sequence = message->sequence;
    touch(shard, auction, now_ms);
    set_others(follow, auction, message->count > own ? message->count - own : 0);
}

enum follow_result
follow_count(struct follow *follow, const struct message *message,
             struct follow_auction *auction, uint64_t own, int64_t now_ms)
{
    struct sampler *sampler;
    enum follow_result result = hear(follow, message, now_ms, &sampler);
    bool counts = message->change != CHANGE_BEGIN && message->change != CHANGE_END;
    if (result == FOLLOW_TAKEN && counts && auction && auction->watched)
        take_count(follow, sampler, message, auction, own, now_ms);
    return result;
}

enum follow_result
follow_heartbeat(struct follow *follow, const struct message *message, int64_t now_ms)
{
    struct sampler *sampler;
    enum follow_result result = hear(follow, message, now_ms, &sampler);
    if (result != FOLLOW_TAKEN)
        return result;
    sampler->state = message->state;
    memcpy(sampler->unserved, message->unserved, sizeof sampler->unserved);
    if (sampler->state != NODE_READY)
        lose(follow, sampler, now_ms, now_ms + follow->silence_ms);
    for (int i = 0; i < SHARD_COUNT; i++)
        follow_best(follow, &follow->shards[i], now_ms);
    return FOLLOW_TAKEN;
}

void
follow_bye(struct follow *follow, const struct message *message, int64_t now_ms)
{
    struct sampler *sampler = find_sampler(follow, message->node);
    if (!sampler || message->epoch_ms < sampler->epoch_ms)
        return;
    sampler->state = NODE_LEAVING;
    sampler->epoch_ms = message->epoch_ms;
    lose(follow, sampler, now_ms, now_ms + follow->silence_ms);
}

void
follow_tick(struct follow *follow, int64_t now_ms)
{
    bool deaf = follow->tick_ms && now_ms - follow->tick_ms > DEAF_MS;
    follow->tick_ms = now_ms;
    for (size_t i = 0; i < follow->sampler_count; i++) {
        struct sampler *sampler = &follow->samplers[i];
        if (deaf)
            sampler->heard_ms = now_ms;
        if (!*sampler->node || now_ms - sampler->heard_ms < follow->silence_ms)
            continue;
        sampler->node[0] = 0;
        lose(follow, sampler, now_ms, now_ms);
    }
    for (int i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = &follow->shards[i];
        if (shard->holding && shard->hold_until_ms <= now_ms)
            go_alone(follow, shard);
    }
}

struct follow_auction *
follow_next_renewal(struct follow *follow, int64_t now_ms)
{
    for (; follow->renew_next < SHARD_COUNT; follow->renew_next++) {
        struct shard *shard = &follow->shards[follow->renew_next];
        struct follow_auction *auction = TAILQ_FIRST(&shard->by_touch);
        if (!auction ||
            (now_ms - auction->touched_ms < QUIET_MS && auction->asked == shard->following))
            continue;
        touch(shard, auction, now_ms);
        return auction;
    }
    follow->renew_next = 0;
    return NULL;
}
