/* In: refusals. Out: counters, few lines of the log. */
#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

#include "refusals.h"

#define LINE_INTERVAL_MS 10000
#define ROWS (METRIC_REFUSED_LAST - METRIC_REFUSED + 1)

struct refusals {
    struct metrics *metrics;
    struct log_limit limits[ROWS];
};

/* What an operator may want to change a setting for. */
static const char *const limits[ROWS] = {
    [METRIC_REFUSED_ADDRESS - METRIC_REFUSED] = "CONNECTIONS_PER_ADDRESS",
    [METRIC_REFUSED_FULL - METRIC_REFUSED] = "MAX_CONNECTIONS",
    [METRIC_REFUSED_AUCTIONS - METRIC_REFUSED] = "AUCTIONS_MAX",
    [METRIC_REFUSED_OVERFLOW - METRIC_REFUSED] = "MAX_CONNECTIONS",
    [METRIC_REFUSED_CROWDED - METRIC_REFUSED] = "HANDSHAKES_MAX",
};

struct refusals *
refusals_new(struct metrics *metrics)
{
    struct refusals *refusals = mem_alloc(sizeof *refusals);
    refusals->metrics = metrics;
    return refusals;
}

void
refusals_destroy(struct refusals **refusals)
{
    free(*refusals);
    *refusals = NULL;
}

void
refusals_add(struct refusals *refusals, enum gateway_metric row)
{
    assert(row >= METRIC_REFUSED && row <= METRIC_REFUSED_LAST);
    metrics_add(refusals->metrics, row, 1);
    int64_t suppressed;
    size_t place = row - METRIC_REFUSED;
    if (!limits[place] ||
        !log_allowed(&refusals->limits[place], clock_mono_ms(), LINE_INTERVAL_MS, &suppressed))
        return;
    log_warn("viewers.refused", "a limit is reached, connections are refused",
             LOG_STR("limit", limits[place]), LOG_STR("reason", gateway_metrics[row].labels),
             LOG_INT("suppressed", suppressed));
}

enum gateway_metric
refusals_row(enum viewer_verdict verdict)
{
    assert(verdict >= VIEWER_NOT_FOUND && verdict < VIEWER_VERDICTS);
    return METRIC_REFUSED + verdict - VIEWER_NOT_FOUND;
}
