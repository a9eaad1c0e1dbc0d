/* GET …/auctions and …/auctions/:id/viewers: what is watched now. HTTP threads. */
#include <stdlib.h>
#include <string.h>
#include <string.h>

#include "answer.h"
#include "auction_merge.h"
#include "handlers.h"
#include "mem.h"
#include "snapshot_query.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000

static json_t *
make_viewers(bool live, uint64_t viewers)
{
    return live ? json_integer((json_int_t)viewers) : json_null();
}

enum MHD_Result
auction_viewers_get(struct request *request)
{
    uint64_t viewers = 0;
    bool live = live_counts_get(request->api->live, request->match.argument, &viewers);
    return answer_data(request,
                       json_pack("{s:s, s:o, s:b}", "auction", request->match.argument,
                                 "viewers", make_viewers(live, viewers), "live", live));
}

/* One page, with a row more than asked for, that tells whether there is a next one. */
struct page {
    size_t limit;
    struct live_page live;
    struct storage_auction *known;
    struct auction_row *rows;
    size_t count;
};

static int
read_page(const struct api_context *api, struct page *page, struct storage_error *error)
{
    size_t most = page->limit + 1, known_count = most;
    struct storage *storage = storage_pool_take(api->pool, error);
    if (!storage)
        return -1;
    page->known = mem_alloc(most * sizeof *page->known);
    page->live.rows = mem_alloc(most * sizeof *page->live.rows);
    page->live.most = most;
    page->rows = mem_alloc(most * sizeof *page->rows);
    int failed = storage_auctions(storage, page->live.after, page->known, &known_count, error);
    storage_pool_give(api->pool, storage, failed ? error : NULL);
    if (failed)
        return -1;
    live_counts_list(api->live, &page->live);
    page->count = auction_merge(page->known, known_count, page->live.rows, page->live.count,
                                page->rows, most);
    return 0;
}

static enum MHD_Result
send_page(struct request *request, const struct page *page)
{
    json_t *auctions = json_array();
    size_t count = page->count < page->limit ? page->count : page->limit;
    for (size_t i = 0; i < count; i++) {
        const struct auction_row *row = &page->rows[i];
        bool live = page->live.known[auction_shard(row->auction)];
        json_array_append_new(auctions, json_pack("{s:s, s:b, s:o}", "id", row->auction,
                                                  "enableViewerAnalytics", row->enabled,
                                                  "viewers", make_viewers(live, row->viewers)));
    }
    bool all_known = !memchr(page->live.known, false, sizeof page->live.known);
    const char *next = page->count > page->limit ? page->rows[count - 1].auction : NULL;
    return answer_data(request, json_pack("{s:o, s:s?, s:b}", "auctions", auctions, "next",
                                          next, "live", all_known));
}

enum MHD_Result
auction_list_get(struct request *request)
{
    const char *after = target_parameter(&request->target, "after");
    const char *limit = target_parameter(&request->target, "limit");
    int64_t rows = limit ? limit_parse(limit, LIMIT_MAX) : LIMIT_DEFAULT;
    if (after && *after && !auction_valid(after, strlen(after)))
        return answer_error(request, API_INVALID_CURSOR,
                            "after: is no auction id; allowed: data.next of the page before");
    if (rows < 0)
        return answer_error(request, API_INVALID_LIMIT,
                            "limit: is no such number; allowed: 1 to %d", LIMIT_MAX);
    struct page page = {.live.after = after ? after : "", .limit = (size_t)rows};
    struct storage_error error;
    enum MHD_Result result = read_page(request->api, &page, &error)
                                 ? answer_database_error(request, &error)
                                 : send_page(request, &page);
    free(page.known);
    free(page.live.rows);
    free(page.rows);
    return result;
}
