/* The table of the gateway's counters. */
#include "bus_subscribers.h"
#include "discovery.h"

#include "gateway_metrics.h"

#define REFUSED(verdict_, reason_, help_)                                                      \
    [METRIC_REFUSED + (verdict_)-VIEWER_NOT_FOUND] = {                                         \
        "headcount_gateway_refused_total", "reason=\"" reason_ "\"", METRIC_COUNTER, help_}
#define MORE_REFUSED(row_, reason_)                                                            \
    [row_] = {"headcount_gateway_refused_total", "reason=\"" reason_ "\"", METRIC_COUNTER, NULL}
#define CLOSED(row_, reason_, help_)                                                           \
    [row_] = {"headcount_gateway_closed_total", "reason=\"" reason_ "\"", METRIC_COUNTER, help_}
#define DROPPED(row_, reason_, help_)                                                          \
    [row_] = {"headcount_gateway_bus_dropped_total", "reason=\"" reason_ "\"", METRIC_COUNTER, \
              help_}
#define COUNTER(row_, name_, help_) [row_] = {name_, NULL, METRIC_COUNTER, help_}
#define GAUGE(row_, name_, help_) [row_] = {name_, NULL, METRIC_GAUGE, help_}

const struct metric gateway_metrics[GATEWAY_METRICS] = {
    GAUGE(METRIC_VIEWERS, "headcount_gateway_viewers", "Viewers here now."),
    GAUGE(METRIC_AUCTIONS, "headcount_gateway_auctions",
          "Auctions held, those that were left within the last minute too."),
    GAUGE(METRIC_CONNECTIONS, "headcount_gateway_connections",
          "Open connections, those without a viewer too."),
    GAUGE(METRIC_READY, "headcount_gateway_ready", "1 while viewers are taken."),
    COUNTER(METRIC_ACCEPTED, "headcount_gateway_accepted_total", "Connections accepted."),
    COUNTER(METRIC_ACCEPT_PAUSES, "headcount_gateway_accept_pauses_total",
            "Times accepting paused because descriptors had run out."),
    COUNTER(METRIC_JOINS, "headcount_gateway_joins_total", "Viewers that joined an auction."),
    COUNTER(METRIC_LEAVES, "headcount_gateway_leaves_total", "Viewers that left."),
    REFUSED(VIEWER_NOT_FOUND, "not_found", "Requests refused."),
    REFUSED(VIEWER_METHOD, "method", NULL),
    REFUSED(VIEWER_UPGRADE, "upgrade_required", NULL),
    REFUSED(VIEWER_HANDSHAKE, "handshake", NULL),
    REFUSED(VIEWER_AUCTION_MISSING, "missing_auction", NULL),
    REFUSED(VIEWER_AUCTION_INVALID, "invalid_auction", NULL),
    REFUSED(VIEWER_QUERY, "invalid_query", NULL),
    REFUSED(VIEWER_ORIGIN, "origin", NULL),
    REFUSED(VIEWER_REQUEST, "bad_request", NULL),
    REFUSED(VIEWER_TARGET, "target_too_long", NULL),
    REFUSED(VIEWER_HEADERS, "headers_too_large", NULL),
    REFUSED(VIEWER_VERSION, "http_version", NULL),
    REFUSED(VIEWER_ADDRESS, "address", NULL),
    REFUSED(VIEWER_FULL, "full", NULL),
    REFUSED(VIEWER_AUCTIONS, "auctions", NULL),
    REFUSED(VIEWER_LEAVING, "shutting_down", NULL),
    MORE_REFUSED(METRIC_REFUSED_OVERFLOW, "overflow"),
    MORE_REFUSED(METRIC_REFUSED_CROWDED, "handshakes"),
    MORE_REFUSED(METRIC_REFUSED_SLOW, "slow_handshake"),
    MORE_REFUSED(METRIC_REFUSED_TLS, "tls"),
    COUNTER(METRIC_FRAMES, "headcount_gateway_frames_total", "Counts sent to viewers."),
    COUNTER(METRIC_FRAMES_HELD, "headcount_gateway_frames_held_total",
            "Counts not sent at once because the viewer had not read the last ones."),
    COUNTER(METRIC_TELLINGS, "headcount_gateway_tellings_total",
            "Times an auction's viewers were told."),
    COUNTER(METRIC_CLIENT_FRAMES, "headcount_gateway_client_frames_total",
            "Frames that viewers sent; nothing is done with them."),
    COUNTER(METRIC_PINGS, "headcount_gateway_pings_total", "Pings sent to viewers."),
    CLOSED(METRIC_CLOSED_DEAD, "dead", "Viewers that the gateway closed."),
    CLOSED(METRIC_CLOSED_BIG, "too_big", NULL),
    CLOSED(METRIC_CLOSED_NOISY, "too_many_frames", NULL),
    CLOSED(METRIC_CLOSED_DRAINED, "drained", NULL),
    CLOSED(METRIC_CLOSED_PROTOCOL, "protocol", NULL),
    CLOSED(METRIC_CLOSED_NO_UTF8, "no_utf8", NULL),
    GAUGE(METRIC_ADDRESSES, "headcount_gateway_addresses",
          "Addresses (IPv6: networks of 64 bits) with a connection that counts for them."),
    GAUGE(METRIC_TLS_ENDS, "headcount_gateway_tls_certificate_ends_seconds",
          "When the certificate in use ends, since 1970; 0: no TLS."),
    [METRIC_TLS_LOADED] = {"headcount_gateway_tls_reloads_total", "result=\"loaded\"",
                           METRIC_COUNTER, "Times the certificate was read again."},
    [METRIC_TLS_FAILED] = {"headcount_gateway_tls_reloads_total", "result=\"kept\"",
                           METRIC_COUNTER, NULL},
    COUNTER(METRIC_EVENTS, "headcount_gateway_events_total", "Joins and leaves published."),
    COUNTER(METRIC_STATES, "headcount_gateway_states_total",
            "Messages published in answer to subscriptions."),
    COUNTER(METRIC_HEARTBEATS, "headcount_gateway_heartbeats_total", "Heartbeats published."),
    COUNTER(METRIC_SUBSCRIPTIONS, "headcount_gateway_subscriptions_total",
            "Subscriptions seen, renewals too."),
    COUNTER(METRIC_SUBSCRIPTIONS_FOREIGN, "headcount_gateway_subscriptions_foreign_total",
            "Messages from subscribers that are no subscription to anything published here."),
    COUNTER(METRIC_SUBSCRIBERS_CUT, "headcount_gateway_subscribers_cut_total",
            BUS_SUBSCRIBERS_CUT_HELP),
    COUNTER(METRIC_COUNTS, "headcount_gateway_counts_total", "Counts received from samplers."),
    COUNTER(METRIC_RENEWALS, "headcount_gateway_renewals_total",
            "Subscriptions renewed because they were quiet or the sampler changed."),
    COUNTER(METRIC_FOLLOWING, "headcount_gateway_followings_total",
            "Times a sampler was chosen to follow."),
    GAUGE(METRIC_FOLLOWED, "headcount_gateway_sampler_followed",
          "1 while a sampler's counts are shown, 0 while only our own."),
    GAUGE(METRIC_FOLLOWED_SHARDS, "headcount_gateway_shards_followed",
          "Shards of auctions, of 256, whose counts come from a sampler."),
    DROPPED(METRIC_BUS_DROPPED, "topic", "Messages on the bus that were dropped."),
    DROPPED(METRIC_BUS_DROPPED + 1, "version", NULL),
    DROPPED(METRIC_BUS_DROPPED + 2, "format", NULL),
    DROPPED(METRIC_BUS_DROPPED + 3, "type", NULL),
    DROPPED(METRIC_BUS_DROPPED + 4, "range", NULL),
    DROPPED(METRIC_BUS_DROPPED_FRAMES, "frames", NULL),
    DROPPED(METRIC_BUS_DROPPED_KIND, "kind", NULL),
    DROPPED(METRIC_BUS_DROPPED_EPOCH, "epoch", NULL),
    DROPPED(METRIC_BUS_DROPPED_SAMPLERS, "samplers", NULL),
    [METRIC_PEERS] = {"headcount_gateway_peers", "of=\"samplers\"", METRIC_GAUGE,
                      DISCOVERY_PEERS_HELP},
    [METRIC_PEERS_CONNECTED] = {"headcount_gateway_peers_connected", "of=\"samplers\"",
                                METRIC_GAUGE, DISCOVERY_CONNECTED_HELP},
    [METRIC_RESOLUTIONS_FAILED] = {"headcount_gateway_resolutions_failed_total",
                                   "of=\"samplers\"", METRIC_COUNTER, DISCOVERY_FAILED_HELP},
    BUS_REFUSED_ROWS(METRIC_PEERS_REFUSED),
};
