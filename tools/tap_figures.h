/* The figures of the top: of every auction, what each gateway and sampler last said. Pure:
 * decoded messages and monotonic times in, sums and rates out. One thread.
 *
 * Bounded by the limits it is made with; a figure that has been empty for
 * TAP_FIGURES_FORGET_MS is forgotten, and an auction with its last figure. */
#ifndef TAP_FIGURES_H
#define TAP_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

#define TAP_FIGURES_FORGET_MS 30000 /* less than the minute a gateway remembers */

struct tap_figures;
struct tap_figure;

/* One node's figures; zeroed to begin with, to be dropped before it goes. */
struct tap_owner {
    struct tap_figure *shards[SHARD_COUNT];
};

struct tap_figures *tap_figures_new(size_t auctions_max, size_t figures_max);

/* The owners' figures must have been dropped before. */
void tap_figures_destroy(struct tap_figures **figures);

/* What an event or a count says of its auction, marked with mark. False: no room for it. */
bool tap_figures_take(struct tap_figures *figures, struct tap_owner *owner,
                      const struct message *message, uint32_t mark, int64_t mono_ms);

/* Drops the figures of a shard whose mark is not this; of all shards; of those long empty. */
void tap_figures_sweep(struct tap_figures *figures, struct tap_owner *owner, unsigned shard,
                       uint32_t mark);
void tap_figures_drop(struct tap_figures *figures, struct tap_owner *owner);
void tap_figures_forget(struct tap_figures *figures, struct tap_owner *owner, unsigned shard,
                        int64_t mono_ms);

/* Rates are of the time between the last two calls, elapsed_ms (at least 1) after the one
 * before. */
void tap_figures_close_interval(struct tap_figures *figures, int64_t elapsed_ms);

struct tap_auction {
    const char *name; /* the figures' */
    uint64_t viewers;
    double joins_s, leaves_s; /* per second, as gateways say */
};

/* Every auction. Its viewers: what the sampler followed in its shard says, or where none is
 * (NULL), what all gateways say together. The callback must not change the figures. */
void tap_figures_each(const struct tap_figures *figures,
                      struct tap_owner *const followed[SHARD_COUNT],
                      void (*each)(void *arg, const struct tap_auction *auction), void *arg);

size_t tap_figures_auctions(const struct tap_figures *figures);

#endif
