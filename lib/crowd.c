/* In: connections that come and go. Out: counts per address. A chained hash table. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "crowd.h"

#define BUCKETS_FIRST 64 /* a power of two, as all after it */

struct crowd_member {
    struct crowd_member *in_bucket;
    struct address group;
    uint64_t hash;
    uint64_t connections;
};

struct crowd {
    struct crowd_member **buckets;
    size_t bucket_count;
    size_t address_count;
    uint64_t seed;
    uint64_t most;
};

struct crowd *
crowd_new(uint64_t seed, uint64_t most)
{
    struct crowd *crowd = mem_alloc(sizeof *crowd);
    crowd->seed = seed;
    crowd->most = most;
    crowd->bucket_count = BUCKETS_FIRST;
    crowd->buckets = mem_alloc(BUCKETS_FIRST * sizeof *crowd->buckets);
    return crowd;
}

void
crowd_destroy(struct crowd **crowd)
{
    if (!*crowd)
        return;
    assert(!(*crowd)->address_count);
    free((*crowd)->buckets);
    free(*crowd);
    *crowd = NULL;
}

static uint64_t
mix(uint64_t value)
{
    value ^= value >> 32;
    value *= 0xd6e8feb86659fd93u;
    value ^= value >> 32;
    value *= 0xd6e8feb86659fd93u;
    return value ^ value >> 32;
}

static uint64_t
hash_group(const struct crowd *crowd, const struct address *group)
{
    uint64_t halves[2];
    memcpy(halves, group->bytes, sizeof halves);
    return mix(mix(crowd->seed ^ halves[0]) ^ halves[1]);
}

static struct crowd_member **
find_bucket(const struct crowd *crowd, uint64_t hash)
{
    return &crowd->buckets[hash & (crowd->bucket_count - 1)];
}

static void
grow(struct crowd *crowd)
{
    struct crowd_member **old = crowd->buckets, *member;
    size_t old_count = crowd->bucket_count;
    crowd->bucket_count *= 2;
    crowd->buckets = mem_alloc(crowd->bucket_count * sizeof *crowd->buckets);
    for (size_t i = 0; i < old_count; i++) {
        while ((member = old[i])) {
            old[i] = member->in_bucket;
            struct crowd_member **bucket = find_bucket(crowd, member->hash);
            member->in_bucket = *bucket;
            *bucket = member;
        }
    }
    free(old);
}

static struct crowd_member *
add_member(struct crowd *crowd, const struct address *group, uint64_t hash)
{
    if (crowd->address_count == crowd->bucket_count)
        grow(crowd);
    struct crowd_member *member = mem_alloc(sizeof *member);
    struct crowd_member **bucket = find_bucket(crowd, hash);
    *member = (struct crowd_member){.in_bucket = *bucket, .group = *group, .hash = hash};
    *bucket = member;
    crowd->address_count++;
    return member;
}

struct crowd_member *
crowd_enter(struct crowd *crowd, const struct address *address)
{
    struct address group = address_group(address);
    uint64_t hash = hash_group(crowd, &group);
    struct crowd_member *member = *find_bucket(crowd, hash);
    while (member && memcmp(&member->group, &group, sizeof group))
        member = member->in_bucket;
    if (!member)
        member = add_member(crowd, &group, hash);
    else if (crowd->most && member->connections >= crowd->most)
        return NULL;
    member->connections++;
    return member;
}

void
crowd_leave(struct crowd *crowd, struct crowd_member **member)
{
    struct crowd_member *left = *member;
    *member = NULL;
    if (!left || --left->connections)
        return;
    struct crowd_member **link = find_bucket(crowd, left->hash);
    while (*link != left)
        link = &(*link)->in_bucket;
    *link = left->in_bucket;
    crowd->address_count--;
    free(left);
}

size_t
crowd_addresses(const struct crowd *crowd)
{
    return crowd->address_count;
}
