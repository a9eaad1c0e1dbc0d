/* Auctions of the database and auctions live now, as one list. Pure; any thread. */
#ifndef AUCTION_MERGE_H
#define AUCTION_MERGE_H

#include "live_figures.h"
#include "storage.h"

struct auction_row {
    char auction[AUCTION_BYTES];
    bool enabled;
    uint64_t viewers;
};

/* Both lists are sorted bytewise, and each is whole as far as its `most`-th row. Writes up to
 * most rows of their union, sorted, and returns how many. */
size_t auction_merge(const struct storage_auction *known, size_t known_count,
                     const struct live_auction *live, size_t live_count,
                     struct auction_row *rows, size_t most);

#endif
