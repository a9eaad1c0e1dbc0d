/* The live counts, kept from the samplers' bus by the loop's thread and asked for by the HTTP
 * threads. */
#ifndef LIVE_COUNTS_H
#define LIVE_COUNTS_H

#include <stdbool.h>
#include <uv.h>

#include "live_figures.h"
#include "metrics.h"

struct live_counts;

struct live_counts_options {
    const char *endpoints; /* of the samplers; NULL or "": none, nothing is ever live */
    int64_t discovery_interval_ms;
    int64_t hwm;
    int64_t timeout_ms; /* a sampler silent for so long is gone */
    struct metrics *metrics;
};

/* Loop thread. NULL with one line in error when the bus refuses. */
struct live_counts *live_counts_new(uv_loop_t *loop, const struct live_counts_options *options,
                                    char *error, size_t error_bytes);

/* Loop thread, with no asker left. Handles close in the loop's next turns. */
void live_counts_destroy(struct live_counts **live);

/* A part of the list of auctions that are watched. */
struct live_page {
    const char *after;         /* in: those that sort behind this */
    struct live_auction *rows; /* in: where to; filled */
    size_t most;               /* in: room for so many */
    size_t count;              /* out: of rows */
    bool known[SHARD_COUNT];   /* out: by shard, whether its counts are known */
};

/* Any thread but the loop's; both wait for the loop (it never blocks). False when the auction's
 * count is not known: then nothing is filled. */
bool live_counts_get(struct live_counts *live, const char *auction, uint64_t *count);
void live_counts_list(struct live_counts *live, struct live_page *page);

#endif
