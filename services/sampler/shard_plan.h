/* Which shards which sampler serves. Every process works it out alone from three numbers:
 * sampler `ordinal` of `samplers`, each shard served by `replicas` of them. All have as many
 * shards as the others, but for one; and one sampler more or less at the end of the row changes
 * only the shards that it takes or leaves. Pure; any thread. */
#ifndef SHARD_PLAN_H
#define SHARD_PLAN_H

#include <stdbool.h>

#include "auction.h"

#define SAMPLERS_MAX 256

/* ordinal < samplers <= SAMPLERS_MAX; more replicas than samplers are as many. */
void shard_plan(unsigned ordinal, unsigned samplers, unsigned replicas,
                bool served[SHARD_COUNT]);

#endif
