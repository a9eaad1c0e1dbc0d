/* Parameters → a range of time and a limit. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "snapshot_query.h"

#define HOUR_MS (3600LL * 1000)
#define DAY_MS (24 * HOUR_MS)

static const struct {
    const char *name;
    int64_t length_ms; /* 0: everything */
} ranges[] = {{"all", 0},         {"1h", HOUR_MS},      {"24h", DAY_MS},
              {"7d", 7 * DAY_MS}, {"30d", 30 * DAY_MS}, {"90d", 90 * DAY_MS}};

static int
take_time_range(const char *name, int64_t now_ms, struct snapshot_query *query)
{
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (strcmp(ranges[i].name, name))
            continue;
        query->time_range = ranges[i].name;
        query->from_ms = ranges[i].length_ms ? now_ms - ranges[i].length_ms : 0;
        return 0;
    }
    return -1;
}

static enum api_error
take_times(const struct target *target, struct snapshot_query *query,
           char reason[SNAPSHOT_QUERY_REASON_BYTES])
{
    const char *texts[] = {target_parameter(target, "from"), target_parameter(target, "to")};
    int64_t *times[] = {&query->from_ms, &query->to_ms};
    static const char *const names[] = {"from", "to"};
    for (int i = 0; i < 2; i++) {
        if (!texts[i] || !clock_parse(texts[i], times[i]))
            continue;
        snprintf(reason, SNAPSHOT_QUERY_REASON_BYTES,
                 "%s: is no time; allowed: ISO 8601 with a zone, such as "
                 "2025-10-21T14:15:00Z (a '+' is written %%2B)",
                 names[i]);
        return API_INVALID_RANGE;
    }
    query->time_range = NULL;
    if (query->from_ms <= query->to_ms)
        return API_ERROR_COUNT;
    snprintf(reason, SNAPSHOT_QUERY_REASON_BYTES, "from: is after to; allowed: up to to");
    return API_INVALID_RANGE;
}

int64_t
limit_parse(const char *text, int64_t most)
{
    int64_t value = 0;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9' || c - text >= 12)
            return -1;
        value = value * 10 + (*c - '0');
    }
    return value >= 1 && value <= most ? value : -1;
}

static enum api_error
take_limit(const char *text, struct snapshot_query *query,
           char reason[SNAPSHOT_QUERY_REASON_BYTES])
{
    if (!text)
        return API_ERROR_COUNT;
    int64_t limit = limit_parse(text, SNAPSHOT_LIMIT_MAX);
    query->limit = (uint64_t)limit;
    if (limit > 0)
        return API_ERROR_COUNT;
    snprintf(reason, SNAPSHOT_QUERY_REASON_BYTES, "limit: is no such number; allowed: 1 to %d",
             SNAPSHOT_LIMIT_MAX);
    return API_INVALID_LIMIT;
}

enum api_error
snapshot_query_parse(const struct target *target, int64_t now_ms, struct snapshot_query *query,
                     char reason[SNAPSHOT_QUERY_REASON_BYTES])
{
    const char *range = target_parameter(target, "timeRange");
    bool times = target_parameter(target, "from") || target_parameter(target, "to");
    *query = (struct snapshot_query){
        .time_range = "all", .to_ms = SNAPSHOT_LAST_MS, .limit = UINT64_MAX};
    if (range && times) {
        snprintf(reason, SNAPSHOT_QUERY_REASON_BYTES,
                 "timeRange: given together with from or to; allowed: one or the other");
        return API_INVALID_RANGE;
    }
    if (range && take_time_range(range, now_ms, query)) {
        snprintf(reason, SNAPSHOT_QUERY_REASON_BYTES,
                 "timeRange: is no range; allowed: all, 1h, 24h, 7d, 30d, 90d");
        return API_INVALID_RANGE;
    }
    enum api_error error = times ? take_times(target, query, reason) : API_ERROR_COUNT;
    if (error != API_ERROR_COUNT)
        return error;
    return take_limit(target_parameter(target, "limit"), query, reason);
}
