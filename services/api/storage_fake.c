/* See storage_fake.h. Snapshot i has viewerCount i. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "storage_fake.h"

#define MINUTE_MS 60000

struct storage_fake storage_fake;

static int
fail(struct storage_error *error)
{
    *error = (struct storage_error){.failure = STORAGE_UNAVAILABLE, .text = "on order"};
    return -1;
}

int
storage_open(const struct storage_options *options, struct storage **storage,
             struct storage_error *error)
{
    (void)options, (void)error;
    *storage = mem_alloc(1);
    return 0;
}

void
storage_close(struct storage **storage)
{
    free(*storage);
    *storage = NULL;
}

int
storage_ping(struct storage *storage, struct storage_error *error)
{
    (void)storage;
    storage_fake.pings++;
    return storage_fake.fail_all ? fail(error) : 0;
}

static void
fill_row(struct snapshot *row, const char *auction, int64_t i)
{
    *row = (struct snapshot){.timestamp_ms = storage_fake.first_ms + i * MINUTE_MS,
                             .viewer_count = i,
                             .avg_viewers = (double)i + 0.5,
                             .peak_viewers = i + 1,
                             .min_viewers = i,
                             .sample_count = 12};
    snprintf(row->auction, sizeof row->auction, "%s", auction);
}

int
storage_read(struct storage *storage, const struct storage_query *query, struct snapshot *rows,
             size_t *count, struct storage_error *error)
{
    size_t most = *count;
    (void)storage;
    *count = 0;
    if (++storage_fake.reads == storage_fake.fail_at || storage_fake.fail_all)
        return fail(error);
    for (int64_t n = 0; n < storage_fake.count && *count < most; n++) {
        int64_t i = query->newest_first ? storage_fake.count - 1 - n : n;
        int64_t at_ms = storage_fake.first_ms + i * MINUTE_MS;
        if (at_ms >= query->from_ms && at_ms <= query->to_ms)
            fill_row(&rows[(*count)++], query->auction, i);
    }
    return 0;
}

int
storage_auction(struct storage *storage, const char *auction, bool *known,
                struct storage_auction *row, struct storage_error *error)
{
    (void)storage;
    *known = true;
    row->enabled = true;
    snprintf(row->auction, sizeof row->auction, "%s", auction);
    return storage_fake.fail_all ? fail(error) : 0;
}

int
storage_auctions(struct storage *storage, const char *after, struct storage_auction *rows,
                 size_t *count, struct storage_error *error)
{
    (void)storage, (void)after, (void)rows;
    *count = 0;
    return storage_fake.fail_all ? fail(error) : 0;
}
