/* Two sorted lists → one. */
#include <string.h>

#include "auction_merge.h"

size_t
auction_merge(const struct storage_auction *known, size_t known_count,
              const struct live_auction *live, size_t live_count, struct auction_row *rows,
              size_t most)
{
    size_t k = 0, l = 0, count = 0;
    for (; count < most && (k < known_count || l < live_count); count++) {
        int order = k == known_count  ? 1
                    : l == live_count ? -1
                                      : strcmp(known[k].auction, live[l].auction);
        struct auction_row *row = &rows[count];
        *row = (struct auction_row){0};
        strcpy(row->auction, order <= 0 ? known[k].auction : live[l].auction);
        if (order <= 0)
            row->enabled = known[k++].enabled;
        if (order >= 0)
            row->viewers = live[l++].count;
    }
    return count;
}
