/* The live counts of all auctions as the samplers tell them: a reader of whole shards by the
 * rules of proto/README.md, "What a reader must do". It keeps every sampler's figures and
 * answers from one of them, the one it follows: a ready one, until that is silent, says bye or
 * is not ready any more. Pure: messages and times in, figures and shards to renew out. */
#ifndef LIVE_FIGURES_H
#define LIVE_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

#define LIVE_SAMPLERS_MAX 16 /* messages of any more are refused */

struct live_figures;

/* A sampler not heard for timeout_ms is gone. */
struct live_figures *live_figures_new(int64_t timeout_ms);
void live_figures_destroy(struct live_figures **figures);

/* Takes a count, or a sampler's heartbeat or bye; anything else is ignored. mono_ms never goes
 * back. False: refused, there are too many samplers. */
bool live_figures_take(struct live_figures *figures, const struct message *message,
                       int64_t mono_ms);

/* Time passes: forgets silent samplers and, bit by bit, auctions that have long been empty. */
void live_figures_tick(struct live_figures *figures, int64_t mono_ms);

/* Sets due[shard] for each shard to be renewed now and returns how many; notes them as renewed.
 */
unsigned live_figures_renewals(struct live_figures *figures, int64_t mono_ms,
                               bool due[SHARD_COUNT]);

/* Whether a sampler is followed. When not, the counts below are not known (and say 0). */
bool live_figures_live(const struct live_figures *figures);
size_t live_figures_samplers(const struct live_figures *figures);
size_t live_figures_auctions(const struct live_figures *figures); /* of the followed one */

uint64_t live_figures_count(const struct live_figures *figures, const char *auction);

struct live_auction {
    char auction[AUCTION_BYTES];
    uint64_t count;
};

/* Up to most auctions that have viewers and sort (bytewise) after `after`; returns how many. */
size_t live_figures_list(const struct live_figures *figures, const char *after,
                         struct live_auction *rows, size_t most);

#endif
