/* The api's metric table. */
#include "api_metrics.h"
#include "discovery.h"

#define COUNTER(row_, name_, labels_, help_)                                                   \
    [row_] = {"headcount_api_" name_, labels_, METRIC_COUNTER, help_}
#define GAUGE(row_, name_, help_) [row_] = {"headcount_api_" name_, 0, METRIC_GAUGE, help_}
#define PEERS(row_, name_, of_, help_)                                                         \
    [row_] = {"headcount_api_" name_, "of=\"" of_ "\"", METRIC_GAUGE, help_}

#define REQUESTS "Requests answered, by class of status."
#define ERRORS "Requests answered with an error, by its code."
#define SNAPSHOTS "Snapshots posted over HTTP, by what the store did with them."
#define CUT "Connections that were refused or closed, by reason."
#define DROPPED "Messages of the bus that were dropped, by reason."

#define ERROR_COUNTER(name_, status_, code_)                                                   \
    COUNTER(METRIC_ERRORS + API_##name_, "errors_total", "code=\"" code_ "\"", ERRORS),

const struct metric api_metric_table[METRIC_COUNT] = {
    COUNTER(METRIC_REQUESTS_2XX, "requests_total", "status=\"2xx\"", REQUESTS),
    COUNTER(METRIC_REQUESTS_3XX, "requests_total", "status=\"3xx\"", REQUESTS),
    COUNTER(METRIC_REQUESTS_4XX, "requests_total", "status=\"4xx\"", REQUESTS),
    COUNTER(METRIC_REQUESTS_5XX, "requests_total", "status=\"5xx\"", REQUESTS),
    API_ERRORS(ERROR_COUNTER) /* keep the line break */
    GAUGE(METRIC_IN_FLIGHT, "requests_in_flight", "Requests being read or answered now."),
    COUNTER(METRIC_ABORTED, "requests_aborted_total", 0,
            "Requests whose connection ended before the answer did."),
    COUNTER(METRIC_UNREAD, "requests_unread_total", 0,
            "Requests whose header was malformed, too large or never whole."),
    COUNTER(METRIC_CUT + CALLERS_FULL, "connections_cut_total", "reason=\"full\"", CUT),
    COUNTER(METRIC_CUT + CALLERS_ADDRESS, "connections_cut_total", "reason=\"address\"", CUT),
    COUNTER(METRIC_CUT + CALLERS_PUSHED, "connections_cut_total", "reason=\"pushed\"", CUT),
    COUNTER(METRIC_CUT + CALLERS_SLOW_REQUEST, "connections_cut_total",
            "reason=\"slow_request\"", CUT),
    COUNTER(METRIC_CUT + CALLERS_SLOW_READER, "connections_cut_total", "reason=\"slow_reader\"",
            CUT),
    COUNTER(METRIC_SNAPSHOTS_SAVED, "snapshots_posted_total", "outcome=\"saved\"", SNAPSHOTS),
    COUNTER(METRIC_SNAPSHOTS_KEPT, "snapshots_posted_total", "outcome=\"kept\"", SNAPSHOTS),
    COUNTER(METRIC_SNAPSHOTS_IGNORED, "snapshots_posted_total", "outcome=\"ignored\"",
            SNAPSHOTS),
    COUNTER(METRIC_SNAPSHOTS_SPOOLED, "snapshots_posted_total", "outcome=\"spooled\"",
            SNAPSHOTS),
    COUNTER(METRIC_ROWS_SENT, "snapshots_read_total", 0, "Snapshots sent to readers."),
    COUNTER(METRIC_STREAMS_BROKEN, "streams_broken_total", 0,
            "Answers cut short because the database failed midway."),
    COUNTER(METRIC_STORE_REPEATS, "store_repeats_total", 0,
            "Copies of requests sent to stores once more."),
    COUNTER(METRIC_STORE_TIMEOUTS, "store_timeouts_total", 0,
            "Requests that no store acknowledged in time."),
    COUNTER(METRIC_STORE_STRAY, "store_stray_acks_total", 0,
            "Acknowledgements of requests that nobody waits for any more, as of other copies."),
    COUNTER(METRIC_STORE_DROPPED, "store_dropped_acks_total", 0,
            "Acknowledgements that did not decode."),
    COUNTER(METRIC_PREVIOUS_KEY, "previous_key_total", 0,
            "Requests with INTERNAL_API_KEY_PREVIOUS or ADMIN_API_KEY_PREVIOUS."),
    GAUGE(METRIC_DATABASE_UP, "database_up", "Whether the database could be read last."),
    COUNTER(METRIC_DATABASE_FAILURES, "database_failures_total", 0, "Reads that failed."),
    GAUGE(METRIC_LIVE, "live", "Whether the live counts of all auctions are known."),
    GAUGE(METRIC_LIVE_SHARDS, "live_shards", "Shards, of 256, whose live counts are known."),
    COUNTER(METRIC_LIVE_FOLLOWING, "live_followings_total", 0,
            "Times a sampler was begun to be followed in a shard."),
    GAUGE(METRIC_LIVE_AUCTIONS, "live_auctions", "Auctions whose live counts are known."),
    GAUGE(METRIC_LIVE_SAMPLERS, "live_samplers", "Samplers heard."),
    COUNTER(METRIC_LIVE_RENEWALS, "live_renewals_total", 0,
            "Shards asked for again because something was missed."),
    COUNTER(METRIC_LIVE_MESSAGES, "bus_messages_total", 0, "Messages of the bus read."),
    COUNTER(METRIC_LIVE_DROPPED_TOPIC, "bus_dropped_total", "reason=\"topic\"", DROPPED),
    COUNTER(METRIC_LIVE_DROPPED_VERSION, "bus_dropped_total", "reason=\"version\"", DROPPED),
    COUNTER(METRIC_LIVE_DROPPED_FORMAT, "bus_dropped_total", "reason=\"format\"", DROPPED),
    COUNTER(METRIC_LIVE_DROPPED_TYPE, "bus_dropped_total", "reason=\"type\"", DROPPED),
    COUNTER(METRIC_LIVE_DROPPED_RANGE, "bus_dropped_total", "reason=\"range\"", DROPPED),
    COUNTER(METRIC_LIVE_DROPPED_SAMPLERS, "bus_dropped_total", "reason=\"samplers\"", DROPPED),
    COUNTER(METRIC_LIVE_DROPPED_EPOCH, "bus_dropped_total", "reason=\"epoch\"", DROPPED),
    PEERS(METRIC_PEERS_SAMPLERS, "peers", "samplers", DISCOVERY_PEERS_HELP),
    PEERS(METRIC_PEERS_STORES, "peers", "stores", NULL),
    PEERS(METRIC_CONNECTED_SAMPLERS, "peers_connected", "samplers", DISCOVERY_CONNECTED_HELP),
    PEERS(METRIC_CONNECTED_STORES, "peers_connected", "stores", NULL),
    COUNTER(METRIC_RESOLUTIONS_SAMPLERS, "resolutions_failed_total", "of=\"samplers\"",
            DISCOVERY_FAILED_HELP),
    COUNTER(METRIC_RESOLUTIONS_STORES, "resolutions_failed_total", "of=\"stores\"", NULL),
};
