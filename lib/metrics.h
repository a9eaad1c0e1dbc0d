/* Counters and gauges of one service, as a table, shown in Prometheus' text format. Values are
 * atomic: any thread may change or render them. Labels are fixed in the table, so no auction id
 * can ever become one. */
#ifndef METRICS_H
#define METRICS_H

#include <stddef.h>
#include <stdint.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

struct metric {
    const char *name;   /* headcount_gateway_joins_total, unit in the name */
    const char *labels; /* reason="origin", or NULL; rows of one name stand together */
    enum metric_type type;
    const char *help; /* of a name's first row */
};

struct metrics;

/* table: borrowed for good; a row's index is its handle. */
struct metrics *metrics_new(const struct metric *table, size_t count);
void metrics_destroy(struct metrics **metrics);

void metrics_add(struct metrics *metrics, size_t row, int64_t amount);
void metrics_set(struct metrics *metrics, size_t row, int64_t value);
int64_t metrics_get(const struct metrics *metrics, size_t row);

/* The whole page, with the process's own memory, CPU and descriptors. The caller frees it. */
char *metrics_render(const struct metrics *metrics);

#endif
