/* In: nodes that spoke or went, times. Out: a node for each shard. */
#include <stdlib.h>
#include <string.h>

#include "live_follow.h"
#include "mem.h"

enum shard_state { UNKNOWN, FOLLOWING, HOLDING };

struct shard {
    enum shard_state state;
    const struct reader_node *node; /* HOLDING: NULL once released */
    int64_t hold_until_ms;          /* HOLDING */
};

struct live_follow {
    const struct reader *reader;
    int64_t hold_ms;
    struct shard shards[SHARD_COUNT];
    unsigned known; /* shards that are not UNKNOWN */
    uint64_t changes;
};

struct live_follow *
live_follow_new(const struct reader *reader, int64_t hold_ms)
{
    struct live_follow *follow = mem_alloc(sizeof *follow);
    follow->reader = reader;
    follow->hold_ms = hold_ms;
    return follow;
}

void
live_follow_destroy(struct live_follow **follow)
{
    free(*follow);
    *follow = NULL;
}

static bool
is_fit(const struct reader_node *node, unsigned shard)
{
    return node->state == NODE_READY && node->was_whole && !node->unserved[shard];
}

/* Of those that are fit, but for one, the node whose id sorts first; NULL: none. */
static const struct reader_node *
choose_node(const struct live_follow *follow, unsigned shard, const struct reader_node *but)
{
    const struct reader_node *best = NULL;
    for (const struct reader_node *node = reader_first(follow->reader); node;
         node = reader_next(follow->reader, node)) {
        if (node != but && is_fit(node, shard) && (!best || strcmp(node->id, best->id) < 0))
            best = node;
    }
    return best;
}

static void
begin_following(struct live_follow *follow, struct shard *shard, const struct reader_node *node)
{
    follow->known += shard->state == UNKNOWN;
    follow->changes++;
    *shard = (struct shard){.state = FOLLOWING, .node = node};
}

static void
end_holding(struct live_follow *follow, struct shard *shard)
{
    follow->known--;
    *shard = (struct shard){.state = UNKNOWN};
}

/* The followed one is not fit any more. */
static void
replace_node(struct live_follow *follow, unsigned number, int64_t mono_ms)
{
    struct shard *shard = &follow->shards[number];
    const struct reader_node *node = choose_node(follow, number, shard->node);
    if (node) {
        begin_following(follow, shard, node);
        return;
    }
    shard->state = HOLDING;
    shard->hold_until_ms = mono_ms + follow->hold_ms;
}

void
live_follow_judge(struct live_follow *follow, const struct reader_node *node, int64_t mono_ms)
{
    for (unsigned number = 0; number < SHARD_COUNT; number++) {
        struct shard *shard = &follow->shards[number];
        bool fit = is_fit(node, number);
        if (shard->state != FOLLOWING && fit)
            begin_following(follow, shard, node);
        else if (shard->state == FOLLOWING && shard->node == node && !fit)
            replace_node(follow, number, mono_ms);
    }
}

void
live_follow_lose(struct live_follow *follow, const struct reader_node *node, bool silent,
                 int64_t mono_ms)
{
    for (unsigned number = 0; number < SHARD_COUNT; number++) {
        struct shard *shard = &follow->shards[number];
        if (shard->node != node)
            continue;
        if (shard->state == FOLLOWING)
            replace_node(follow, number, mono_ms);
        if (shard->state == HOLDING && silent)
            end_holding(follow, shard);
    }
}

void
live_follow_release(struct live_follow *follow, unsigned shard)
{
    follow->shards[shard].node = NULL;
}

void
live_follow_tick(struct live_follow *follow, int64_t mono_ms)
{
    for (unsigned number = 0; number < SHARD_COUNT; number++) {
        struct shard *shard = &follow->shards[number];
        if (shard->state == HOLDING && mono_ms >= shard->hold_until_ms)
            end_holding(follow, shard);
    }
}

bool
live_follow_known(const struct live_follow *follow, unsigned shard)
{
    return follow->shards[shard].state != UNKNOWN;
}

unsigned
live_follow_known_count(const struct live_follow *follow)
{
    return follow->known;
}

const struct reader_node *
live_follow_node(const struct live_follow *follow, unsigned shard)
{
    return follow->shards[shard].node;
}

uint64_t
live_follow_changes(const struct live_follow *follow)
{
    return follow->changes;
}
