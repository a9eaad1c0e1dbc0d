/* In: joins and leaves. Out: counters and lists. A chained hash table by id, a list a shard, a
 * list of the empty ones in the order in which they became so. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "auction.h"

#include "audience.h"

#define REMEMBER_MS 60000 /* how long an empty auction keeps its own counters */
#define BUCKETS_FIRST 64  /* a power of two, as all after it */

TAILQ_HEAD(auction_list, auction);

struct audience {
    struct auction **buckets;
    size_t bucket_count;
    size_t auction_count;
    size_t most;
    uint64_t seed;
    uint64_t viewers;
    struct auction_list shards[SHARD_COUNT];
    struct auction_list idle;     /* the longest empty first */
    uint64_t floors[SHARD_COUNT]; /* no forgotten counter of the shard was greater */
};

struct audience *
audience_new(uint64_t seed, size_t most)
{
    struct audience *audience = mem_alloc(sizeof *audience);
    audience->seed = seed;
    audience->most = most;
    audience->bucket_count = BUCKETS_FIRST;
    audience->buckets = mem_alloc(BUCKETS_FIRST * sizeof *audience->buckets);
    TAILQ_INIT(&audience->idle);
    for (int i = 0; i < SHARD_COUNT; i++)
        TAILQ_INIT(&audience->shards[i]);
    return audience;
}

void
audience_destroy(struct audience **audience)
{
    if (!*audience)
        return;
    for (size_t i = 0; i < (*audience)->bucket_count; i++) {
        struct auction *auction;
        while ((auction = (*audience)->buckets[i])) {
            assert(TAILQ_EMPTY(&auction->viewers));
            (*audience)->buckets[i] = auction->in_bucket;
            free(auction);
        }
    }
    free((*audience)->buckets);
    free(*audience);
    *audience = NULL;
}

/* FNV-1a over a random start, mixed well for the low bits. */
static uint64_t
hash_id(const struct audience *audience, const char *id)
{
    uint64_t hash = audience->seed ^ 0xcbf29ce484222325u;
    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * 0x100000001b3u;
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93u;
    return hash ^ hash >> 32;
}

static struct auction **
find_bucket(const struct audience *audience, uint64_t hash)
{
    return &audience->buckets[hash & (audience->bucket_count - 1)];
}

static void
grow(struct audience *audience)
{
    struct auction **old = audience->buckets;
    size_t old_count = audience->bucket_count;
    audience->bucket_count *= 2;
    audience->buckets = mem_alloc(audience->bucket_count * sizeof *audience->buckets);
    for (size_t i = 0; i < old_count; i++) {
        struct auction *auction;
        while ((auction = old[i])) {
            old[i] = auction->in_bucket;
            struct auction **bucket = find_bucket(audience, auction->hash);
            auction->in_bucket = *bucket;
            *bucket = auction;
        }
    }
    free(old);
}

static struct auction *
find_hashed(const struct audience *audience, const char *id, uint64_t hash)
{
    struct auction *auction = *find_bucket(audience, hash);
    while (auction && (auction->hash != hash || strcmp(auction->id, id)))
        auction = auction->in_bucket;
    return auction;
}

struct auction *
audience_find(const struct audience *audience, const char *id)
{
    return find_hashed(audience, id, hash_id(audience, id));
}

static struct auction *
add_auction(struct audience *audience, const char *id, uint64_t hash)
{
    if (audience->auction_count >= audience->most)
        return NULL;
    if (audience->auction_count == audience->bucket_count)
        grow(audience);
    size_t id_bytes = strlen(id) + 1;
    struct auction *auction = mem_alloc(sizeof *auction + id_bytes);
    memcpy(auction->id, id, id_bytes);
    auction->hash = hash;
    auction->shard = auction_shard(id);
    auction->joins = auction->leaves = audience->floors[auction->shard];
    TAILQ_INIT(&auction->viewers);
    TAILQ_INSERT_HEAD(&audience->shards[auction->shard], auction, in_shard);
    struct auction **bucket = find_bucket(audience, hash);
    auction->in_bucket = *bucket;
    *bucket = auction;
    audience->auction_count++;
    return auction;
}

struct auction *
audience_join(struct audience *audience, const char *id, struct viewer *viewer)
{
    assert(!viewer->auction);
    uint64_t hash = hash_id(audience, id);
    struct auction *auction = find_hashed(audience, id, hash);
    if (auction && !auction_viewers(auction))
        TAILQ_REMOVE(&audience->idle, auction, in_idle);
    if (!auction && !(auction = add_auction(audience, id, hash)))
        return NULL;
    TAILQ_INSERT_HEAD(&auction->viewers, viewer, in_auction);
    viewer->auction = auction;
    viewer->told = VIEWER_TOLD_NOTHING;
    auction->joins++;
    audience->viewers++;
    return auction;
}

struct auction *
audience_leave(struct audience *audience, struct viewer *viewer, int64_t now_ms)
{
    struct auction *auction = viewer->auction;
    if (!auction)
        return NULL;
    if (auction->sweep == viewer)
        auction->sweep = TAILQ_NEXT(viewer, in_auction);
    TAILQ_REMOVE(&auction->viewers, viewer, in_auction);
    viewer->auction = NULL;
    auction->leaves++;
    audience->viewers--;
    if (auction_viewers(auction))
        return auction;
    auction->empty_ms = now_ms;
    TAILQ_INSERT_TAIL(&audience->idle, auction, in_idle);
    return auction;
}

struct auction *
audience_forgettable(const struct audience *audience, int64_t now_ms)
{
    struct auction *auction = TAILQ_FIRST(&audience->idle);
    return auction && now_ms - auction->empty_ms >= REMEMBER_MS ? auction : NULL;
}

void
audience_forget(struct audience *audience, struct auction *auction)
{
    assert(!auction_viewers(auction));
    if (audience->floors[auction->shard] < auction->joins)
        audience->floors[auction->shard] = auction->joins;
    struct auction **link = find_bucket(audience, auction->hash);
    while (*link != auction)
        link = &(*link)->in_bucket;
    *link = auction->in_bucket;
    TAILQ_REMOVE(&audience->idle, auction, in_idle);
    TAILQ_REMOVE(&audience->shards[auction->shard], auction, in_shard);
    audience->auction_count--;
    free(auction);
}

bool
audience_sweep(struct auction *auction, size_t most, audience_visit_f *visit, void *arg)
{
    if (!auction->sweep)
        auction->sweep = TAILQ_FIRST(&auction->viewers);
    while (auction->sweep && most--) {
        struct viewer *viewer = auction->sweep;
        auction->sweep = TAILQ_NEXT(viewer, in_auction);
        visit(arg, viewer);
    }
    return !auction->sweep;
}

struct auction *
audience_first(const struct audience *audience, unsigned shard)
{
    return TAILQ_FIRST(&audience->shards[shard]);
}

struct auction *
audience_next(const struct auction *auction)
{
    return TAILQ_NEXT(auction, in_shard);
}

uint64_t
audience_viewers(const struct audience *audience)
{
    return audience->viewers;
}

size_t
audience_auctions(const struct audience *audience)
{
    return audience->auction_count;
}
