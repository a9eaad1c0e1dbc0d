/* What a reader of analytics asks for. What is taken is a range and a limit that can be served,
 * what is refused says why. Input: the query of a target. */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "snapshot_query.h"

#include "fuzz.h"

#define NOW_MS 1761056100000

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    struct target target;
    struct snapshot_query query;
    char *text = fuzz_text(&fuzz), *whole = mem_format("/?%s", text);
    char *reason = mem_alloc(SNAPSHOT_QUERY_REASON_BYTES);
    target_init(&target, whole);
    enum api_error error = snapshot_query_parse(&target, NOW_MS, &query, reason);
    if (error == API_ERROR_COUNT) {
        assert(query.from_ms <= query.to_ms && query.limit);
        assert(query.limit == UINT64_MAX || query.limit <= SNAPSHOT_LIMIT_MAX);
        bool times = target_parameter(&target, "from") || target_parameter(&target, "to");
        assert(!query.time_range == times);
    } else {
        assert(error == API_INVALID_RANGE || error == API_INVALID_LIMIT);
        assert(*reason && strlen(reason) < SNAPSHOT_QUERY_REASON_BYTES);
    }
    target_fini(&target);
    free(reason);
    free(whole);
    free(text);
    return 0;
}
