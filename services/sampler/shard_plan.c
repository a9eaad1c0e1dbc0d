/* In: three numbers. Out: a set of shards. The first `replicas` samplers serve everything; each
 * further one takes its fair share, shard by shard, from whoever has the most then. */
#include <assert.h>
#include <string.h>

#include "shard_plan.h"

struct plan {
    bool served[SAMPLERS_MAX][SHARD_COUNT];
    unsigned load[SAMPLERS_MAX]; /* shards that it serves */
};

/* Shards are looked at in this order, so that neighbours do not stay together. */
static unsigned
scatter(unsigned place)
{
    return place * 167 % SHARD_COUNT;
}

/* The first shard that `from` serves and `to` does not; SHARD_COUNT: none. */
static unsigned
find_shard(const struct plan *plan, unsigned from, unsigned to)
{
    for (unsigned place = 0; place < SHARD_COUNT; place++) {
        unsigned shard = scatter(place + to);
        if (plan->served[from][shard] && !plan->served[to][shard])
            return shard;
    }
    return SHARD_COUNT;
}

/* Hands one shard to the newcomer, from the one of those before it that has the most. */
static void
hand_over(struct plan *plan, unsigned newcomer)
{
    unsigned donor = 0, given = SHARD_COUNT;
    for (unsigned sampler = 0; sampler < newcomer; sampler++) {
        if (given < SHARD_COUNT && plan->load[sampler] <= plan->load[donor])
            continue;
        unsigned shard = find_shard(plan, sampler, newcomer);
        if (shard == SHARD_COUNT)
            continue;
        donor = sampler;
        given = shard;
    }
    assert(given < SHARD_COUNT);
    plan->served[donor][given] = false;
    plan->load[donor]--;
    plan->served[newcomer][given] = true;
    plan->load[newcomer]++;
}

void
shard_plan(unsigned ordinal, unsigned samplers, unsigned replicas, bool served[SHARD_COUNT])
{
    static _Thread_local struct plan plan;
    assert(ordinal < samplers && samplers <= SAMPLERS_MAX && replicas > 0);
    memset(&plan, 0, sizeof plan);
    unsigned all = replicas < samplers ? replicas : samplers;
    for (unsigned sampler = 0; sampler < all; sampler++) {
        memset(plan.served[sampler], true, SHARD_COUNT);
        plan.load[sampler] = SHARD_COUNT;
    }
    for (unsigned newcomer = all; newcomer < samplers; newcomer++) {
        unsigned share = SHARD_COUNT * all / (newcomer + 1);
        while (plan.load[newcomer] < share)
            hand_over(&plan, newcomer);
    }
    memcpy(served, plan.served[ordinal], SHARD_COUNT * sizeof *served);
}
