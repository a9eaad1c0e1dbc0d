/* What the store counts. */
#include "store_metrics.h"

#define REQUESTS "headcount_store_requests_total"
#define ROWS "headcount_store_snapshots_total"
#define REFUSED "headcount_store_requests_refused_total"
#define UNAVAILABLE "headcount_store_requests_unavailable_total"

const struct metric store_metric_table[METRIC_COUNT] = {
    [METRIC_REQUEST_BATCH] = {REQUESTS, "kind=\"batch\"", METRIC_COUNTER,
                              "Requests taken, by kind."},
    [METRIC_REQUEST_SETTING] = {REQUESTS, "kind=\"setting\"", METRIC_COUNTER, ""},
    [METRIC_ROWS_SAVED] = {ROWS, "outcome=\"saved\"", METRIC_COUNTER,
                           "Snapshots, by what became of them."},
    [METRIC_ROWS_KEPT] = {ROWS, "outcome=\"kept\"", METRIC_COUNTER, ""},
    [METRIC_ROWS_IGNORED] = {ROWS, "outcome=\"ignored\"", METRIC_COUNTER, ""},
    [METRIC_ROWS_REFUSED] = {ROWS, "outcome=\"refused\"", METRIC_COUNTER, ""},
    [METRIC_BAD_KEY] = {REFUSED, "reason=\"unauthorized\"", METRIC_COUNTER,
                        "Requests refused whole, by reason."},
    [METRIC_BAD_FRAMES] = {REFUSED, "reason=\"frames\"", METRIC_COUNTER, ""},
    [METRIC_BAD_DECODE] = {REFUSED, "reason=\"topic\"", METRIC_COUNTER, ""},
    [METRIC_BAD_DECODE + 1] = {REFUSED, "reason=\"version\"", METRIC_COUNTER, ""},
    [METRIC_BAD_DECODE + 2] = {REFUSED, "reason=\"format\"", METRIC_COUNTER, ""},
    [METRIC_BAD_DECODE + 3] = {REFUSED, "reason=\"type\"", METRIC_COUNTER, ""},
    [METRIC_BAD_DECODE + 4] = {REFUSED, "reason=\"range\"", METRIC_COUNTER, ""},
    [METRIC_UNAVAILABLE_DATABASE] = {UNAVAILABLE, "reason=\"database\"", METRIC_COUNTER,
                                     "Requests to be sent again, by reason."},
    [METRIC_UNAVAILABLE_QUEUE] = {UNAVAILABLE, "reason=\"queue\"", METRIC_COUNTER, ""},
    [METRIC_QUEUED] = {"headcount_store_queue_requests", NULL, METRIC_GAUGE,
                       "Requests waiting for the database."},
    [METRIC_DATABASE_UP] = {"headcount_store_database_up", NULL, METRIC_GAUGE,
                            "Whether the database answered last time."},
    [METRIC_WRITES] = {"headcount_store_writes_total", NULL, METRIC_COUNTER,
                       "Bulk writes to the database."},
    [METRIC_WRITE_MICROSECONDS] = {"headcount_store_write_microseconds_total", NULL,
                                   METRIC_COUNTER, "Time that bulk writes took."},
    [METRIC_EXPIRED] = {"headcount_store_expired_total", NULL, METRIC_COUNTER,
                        "Snapshots deleted because of their age."},
    BUS_REFUSED_ROWS(METRIC_PEERS_REFUSED),
};
