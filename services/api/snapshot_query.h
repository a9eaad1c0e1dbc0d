/* What a reader of analytics asks for: timeRange, or from and to, and limit. Pure; any thread.
 */
#ifndef SNAPSHOT_QUERY_H
#define SNAPSHOT_QUERY_H

#include <stddef.h>
#include <stdint.h>

#include "api_error.h"
#include "target.h"

#define SNAPSHOT_QUERY_REASON_BYTES 256
#define SNAPSHOT_LAST_MS 253402300799999LL /* the end of the year 9999 */
#define SNAPSHOT_LIMIT_MAX 1000000

struct snapshot_query {
    const char *time_range; /* "24h"; NULL when from or to was given. Static. */
    int64_t from_ms;        /* both included; */
    int64_t to_ms;          /* 0 and SNAPSHOT_LAST_MS where nothing was said */
    uint64_t limit;         /* the newest so many; UINT64_MAX: all */
};

/* API_ERROR_COUNT when the parameters are right, else the error, with what is wrong and what is
 * allowed in reason. Without any of them everything is asked for. */
enum api_error snapshot_query_parse(const struct target *target, int64_t now_ms,
                                    struct snapshot_query *query,
                                    char reason[SNAPSHOT_QUERY_REASON_BYTES]);

/* A decimal from 1 to most; -1 for anything else. */
int64_t limit_parse(const char *text, int64_t most);

#endif
