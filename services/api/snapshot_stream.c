/* Pages of rows → pieces of JSON → the reader's buffer.
 *
 *   ROWS (the head first, then a page, the next …) ──▶ DONE;  ROWS ──▶ BROKEN
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_metrics.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "snapshot_json.h"
#include "snapshot_stream.h"

#define PIECE_BYTES (SNAPSHOT_JSON_BYTES + 8)

enum stage { ROWS, DONE, BROKEN };

struct snapshot_stream {
    struct storage_pool *pool;
    struct metrics *metrics;
    char auction[AUCTION_BYTES];
    int64_t from_ms; /* of the next page; both included */
    int64_t to_ms;
    enum stage stage;
    struct snapshot *rows;   /* the page */
    size_t count;            /* rows in it */
    size_t next;             /* the row to be sent next */
    bool first;              /* no row has been sent */
    bool last_page;          /* nothing is in the database behind it */
    char piece[PIECE_BYTES]; /* what is being sent */
    size_t piece_bytes;
    size_t piece_sent;
};

static int
read_rows(struct snapshot_stream *stream, bool newest_first, size_t most,
          struct storage_error *error)
{
    struct storage_query query = {stream->auction, stream->from_ms, stream->to_ms,
                                  newest_first};
    struct storage *storage = storage_pool_take(stream->pool, error);
    if (!storage)
        return -1;
    stream->count = most;
    stream->next = 0;
    int failed = storage_read(storage, &query, stream->rows, &stream->count, error);
    storage_pool_give(stream->pool, storage, failed ? error : NULL);
    return failed;
}

static int
read_page(struct snapshot_stream *stream, struct storage_error *error)
{
    if (read_rows(stream, false, STREAM_PAGE_ROWS, error))
        return -1;
    stream->last_page = !stream->count; /* a short page may leave out what cannot be read */
    if (stream->count)
        stream->from_ms = stream->rows[stream->count - 1].timestamp_ms + 1;
    return 0;
}

/* Narrows the range to its newest `limit` rows, by walking back over them. */
static int
find_newest(struct snapshot_stream *stream, uint64_t limit, struct storage_error *error)
{
    int64_t from_ms = stream->from_ms, newest_ms = stream->to_ms;
    bool first = true;
    while (limit) {
        size_t most = limit < STREAM_PAGE_ROWS ? (size_t)limit : STREAM_PAGE_ROWS;
        if (read_rows(stream, true, most, error))
            return -1;
        if (first && stream->count)
            newest_ms = stream->rows[0].timestamp_ms;
        first = false;
        limit -= stream->count;
        if (stream->count)
            stream->to_ms = stream->rows[stream->count - 1].timestamp_ms - 1;
        if (!stream->count)
            break;
    }
    stream->from_ms = limit ? from_ms : stream->to_ms + 1;
    stream->to_ms = newest_ms;
    return 0;
}

static int
read_enabled(struct snapshot_stream *stream, bool *enabled, struct storage_error *error)
{
    struct storage_auction row = {0};
    bool known = false;
    struct storage *storage = storage_pool_take(stream->pool, error);
    if (!storage)
        return -1;
    int failed = storage_auction(storage, stream->auction, &known, &row, error);
    storage_pool_give(stream->pool, storage, failed ? error : NULL);
    *enabled = !failed && known && row.enabled;
    return failed;
}

static void
quote_time(int64_t wall_ms, int64_t unsaid_ms, char text[CLOCK_TEXT_BYTES + 2])
{
    char time[CLOCK_TEXT_BYTES];
    bool said = wall_ms != unsaid_ms;
    clock_text(wall_ms, time);
    snprintf(text, CLOCK_TEXT_BYTES + 2, "%s%s%s", said ? "\"" : "", said ? time : "null",
             said ? "\"" : "");
}

static void
write_head(struct snapshot_stream *stream, const struct snapshot_query *query, bool enabled)
{
    char from[CLOCK_TEXT_BYTES + 2], to[CLOCK_TEXT_BYTES + 2], range[3 * CLOCK_TEXT_BYTES];
    quote_time(query->from_ms, 0, from);
    quote_time(query->to_ms, SNAPSHOT_LAST_MS, to);
    if (query->time_range)
        snprintf(range, sizeof range, "\"timeRange\":\"%s\"", query->time_range);
    else
        snprintf(range, sizeof range, "\"from\":%s,\"to\":%s", from, to);
    stream->piece_bytes = (size_t)snprintf(
        stream->piece, PIECE_BYTES,
        "{\"success\":true,\"data\":{\"auction\":\"%s\",%s,\"enableViewerAnalytics\":%s,"
        "\"snapshots\":[",
        stream->auction, range, enabled ? "true" : "false");
}

struct snapshot_stream *
snapshot_stream_new(struct storage_pool *pool, struct metrics *metrics, const char *auction,
                    const struct snapshot_query *query, struct storage_error *error)
{
    struct snapshot_stream *stream = mem_alloc(sizeof *stream);
    bool enabled, limited = query->limit != UINT64_MAX;
    *stream = (struct snapshot_stream){.pool = pool,
                                       .metrics = metrics,
                                       .from_ms = query->from_ms,
                                       .to_ms = query->to_ms,
                                       .first = true};
    strcpy(stream->auction, auction); /* a valid id fits */
    stream->rows = mem_alloc(STREAM_PAGE_ROWS * sizeof *stream->rows);
    if (read_enabled(stream, &enabled, error) ||
        (limited && find_newest(stream, query->limit, error)) || read_page(stream, error)) {
        snapshot_stream_destroy(&stream);
        return NULL;
    }
    write_head(stream, query, enabled);
    return stream;
}

void
snapshot_stream_destroy(struct snapshot_stream **stream)
{
    if (!*stream)
        return;
    free((*stream)->rows);
    free(*stream);
    *stream = NULL;
}

static void
note_broken(struct snapshot_stream *stream, const struct storage_error *error)
{
    stream->stage = BROKEN;
    metrics_add(stream->metrics, METRIC_STREAMS_BROKEN, 1);
    log_warn("analytics.broken", "an answer was cut short: the database failed midway",
             LOG_STR("error", error->text));
}

/* Makes the next piece; when there is none the stage says why. */
static void
make_piece(struct snapshot_stream *stream)
{
    struct storage_error error;
    stream->piece_bytes = stream->piece_sent = 0;
    if (stream->stage != ROWS)
        return;
    if (stream->next == stream->count && !stream->last_page && read_page(stream, &error)) {
        note_broken(stream, &error);
        return;
    }
    if (stream->next == stream->count) {
        stream->stage = DONE;
        stream->piece_bytes = (size_t)snprintf(stream->piece, PIECE_BYTES, "]}}\n");
        return;
    }
    if (!stream->first)
        stream->piece[stream->piece_bytes++] = ',';
    stream->first = false;
    stream->piece_bytes +=
        snapshot_json(&stream->rows[stream->next++], stream->piece + stream->piece_bytes);
    metrics_add(stream->metrics, METRIC_ROWS_SENT, 1);
}

ssize_t
snapshot_stream_read(struct snapshot_stream *stream, char *to, size_t room)
{
    size_t written = 0;
    while (written < room) {
        if (stream->piece_sent == stream->piece_bytes)
            make_piece(stream);
        size_t left = stream->piece_bytes - stream->piece_sent;
        if (!left)
            break;
        size_t part = left < room - written ? left : room - written;
        memcpy(to + written, stream->piece + stream->piece_sent, part);
        stream->piece_sent += part;
        written += part;
    }
    return !written && stream->stage == BROKEN ? -1 : (ssize_t)written;
}
