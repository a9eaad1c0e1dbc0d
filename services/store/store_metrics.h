/* The store's counters: the rows of the table in store_metrics.c. */
#ifndef STORE_METRICS_H
#define STORE_METRICS_H

#include "bus_guard.h"
#include "metrics.h"

enum store_metric {
    METRIC_REQUEST_BATCH,
    METRIC_REQUEST_SETTING,
    METRIC_ROWS_SAVED,
    METRIC_ROWS_KEPT,
    METRIC_ROWS_IGNORED,
    METRIC_ROWS_REFUSED,
    METRIC_BAD_KEY,
    METRIC_BAD_FRAMES,
    METRIC_BAD_DECODE, /* and DECODE_TOPIC … DECODE_RANGE in the order of decode_result */
    METRIC_BAD_LAST = METRIC_BAD_DECODE + 4,
    METRIC_UNAVAILABLE_DATABASE,
    METRIC_UNAVAILABLE_QUEUE,
    METRIC_QUEUED,
    METRIC_DATABASE_UP,
    METRIC_WRITES,
    METRIC_WRITE_MICROSECONDS,
    METRIC_EXPIRED,
    METRIC_PEERS_REFUSED, /* one row a bus_refusal */
    METRIC_COUNT = METRIC_PEERS_REFUSED + BUS_REFUSALS
};

extern const struct metric store_metric_table[METRIC_COUNT];

#endif
