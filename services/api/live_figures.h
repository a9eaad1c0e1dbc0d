/* The live counts of all auctions as the samplers tell them, by the rules of proto/README.md,
 * "What a reader must do". Who comes, goes and was missed is proto/reader's to judge, whom to
 * believe of each shard live_follow's; here are the figures, each sampler's and those held on
 * to when it went. Pure: messages and times in, figures and renewals out. One thread. */
#ifndef LIVE_FIGURES_H
#define LIVE_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"
#include "reader.h"

/* Messages of any more are refused. A row of 256, and each of them once more: one that was
 * killed and came back under another name is known by both for a while. */
#define LIVE_SAMPLERS_MAX 512

struct live_figures;

/* A sampler not heard for timeout_ms is gone; figures are held on to for as long. */
struct live_figures *live_figures_new(int64_t timeout_ms, int64_t mono_ms);
void live_figures_destroy(struct live_figures **figures);

/* Takes a count, or a sampler's heartbeat or bye; anything else is ignored. mono_ms never goes
 * back. As reader_take(). */
enum reader_result live_figures_take(struct live_figures *figures,
                                     const struct message *message, int64_t mono_ms);

/* Time passes: forgets silent samplers and, bit by bit, auctions that have long been empty; as
 * reader_tick(). */
void live_figures_tick(struct live_figures *figures, int64_t mono_ms);

/* The next renewal to ask for; as reader_renewal(). */
bool live_figures_renewal(struct live_figures *figures, int64_t mono_ms,
                          struct reader_renewal *renewal);

/* Whether the counts of a shard are known; in how many they are. */
bool live_figures_known(const struct live_figures *figures, unsigned shard);
unsigned live_figures_shards(const struct live_figures *figures);

/* The sampler that they come from; NULL: there is none any more, or they are unknown. */
const char *live_figures_node(const struct live_figures *figures, unsigned shard);

uint64_t
live_figures_changes(const struct live_figures *figures);         /* as live_follow_changes() */
size_t live_figures_samplers(const struct live_figures *figures); /* heard */
size_t live_figures_auctions(const struct live_figures *figures); /* in known shards */

/* The viewers of an auction; 0 when its shard is unknown. */
uint64_t live_figures_count(const struct live_figures *figures, const char *auction);

struct live_auction {
    char auction[AUCTION_BYTES];
    uint64_t count;
};

/* Up to most auctions of known shards that have viewers and sort (bytewise) after `after`;
 * returns how many. */
size_t live_figures_list(const struct live_figures *figures, const char *after,
                         struct live_auction *rows, size_t most);

#endif
