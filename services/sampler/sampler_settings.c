/* The table that the sampler's flags, environment, --help and documentation come from. */
#include <stdio.h>

#include "bus.h"

#include "auction.h"
#include "store_request.h"

#include "sampler_settings.h"

#define AT(member_) offsetof(struct sampler_settings, member_)

static const struct setting table[] = {
    {"NODE_ID", SETTING_TEXT, AT(node_id), NULL, 1, NODE_BYTES - 1, "", NULL,
     "This sampler's name on the bus, unique among the running; made up when not given."},
    {"GATEWAY_ENDPOINTS", SETTING_TEXT, AT(gateway_endpoints), "ipc://run/gateway.ipc", 0, 8192,
     "", NULL, "Gateways to listen to, separated by commas."},
    {"COUNT_BIND", SETTING_TEXT, AT(count_bind), "ipc://run/sampler.ipc", 1, 8192, "", NULL,
     "Where live counts are published."},
    {"STORE_ENDPOINTS", SETTING_TEXT, AT(store_endpoints), "ipc://run/store.ipc", 0, 8192, "",
     NULL, "Stores that take the snapshots, separated by commas; an empty list stores none."},
    {"INTERNAL_API_KEY", SETTING_SECRET, AT(internal_api_key), NULL, 8, KEY_BYTES_MAX, "", NULL,
     "The key that the store asks for."},
    {"SAMPLE_INTERVAL_MS", SETTING_NUMBER, AT(sample_interval_ms), "5000", 10, 3600000, "ms",
     NULL, "Time between two samples of every auction's count."},
    {"SNAPSHOT_INTERVAL_MS", SETTING_NUMBER, AT(snapshot_interval_ms), "60000", 10, 86400000,
     "ms", NULL, "Time that a snapshot covers; a multiple of SAMPLE_INTERVAL_MS."},
    {"COUNT_INTERVAL_MS", SETTING_NUMBER, AT(count_interval_ms), "50", 1, 4000, "ms", NULL,
     "Least time between two published counts of one auction."},
    {"HEARTBEAT_INTERVAL_MS", SETTING_NUMBER, AT(heartbeat_interval_ms), "1000", 10, 60000,
     "ms", NULL, "Time between two heartbeats, the gateways' and our own."},
    {"NODE_TIMEOUT_MS", SETTING_NUMBER, AT(node_timeout_ms), "3000", 20, 600000, "ms", NULL,
     "Silence after which a gateway is gone and its viewers with it; at least twice "
     "HEARTBEAT_INTERVAL_MS."},
    {"ACK_TIMEOUT_MS", SETTING_NUMBER, AT(ack_timeout_ms), "5000", 10, 30000, "ms", NULL,
     "How long the store may take to acknowledge a batch before it is sent again."},
    {"OUTBOX_ROWS", SETTING_NUMBER, AT(outbox_rows), "500000", BATCH_ROWS_MAX, 100000000,
     "rows", NULL, "Snapshots held for the store at most; beyond, the oldest are dropped."},
    {"BUS_HWM", SETTING_NUMBER, AT(bus_hwm), "100000", 1000, 10000000, "messages", NULL,
     "High-water mark of every bus socket."},
    SETTINGS_COMMON(struct sampler_settings, common),
    SETTINGS_ADMIN(struct sampler_settings, admin, "9082"),
};

static int
check_lists(const struct sampler_settings *settings, char *error, size_t error_bytes)
{
    const char *const lists[][2] = {{"GATEWAY_ENDPOINTS", settings->gateway_endpoints},
                                    {"COUNT_BIND", settings->count_bind},
                                    {"STORE_ENDPOINTS", settings->store_endpoints}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        bool optional = lists[i][1] != settings->count_bind;
        if ((optional && !*lists[i][1]) || bus_endpoints_valid(lists[i][1]))
            continue;
        snprintf(error, error_bytes,
                 "%s: '%.200s' is no list of endpoints; allowed: tcp://HOST:PORT and "
                 "ipc://PATH, separated by commas",
                 lists[i][0], lists[i][1]);
        return -1;
    }
    return 0;
}

static int
check(const void *arg, char *error, size_t error_bytes)
{
    const struct sampler_settings *settings = arg;
    if (!settings->internal_api_key && *settings->store_endpoints) {
        snprintf(error, error_bytes,
                 "INTERNAL_API_KEY: is missing; allowed: 8 to %d characters, the same as the "
                 "store's",
                 KEY_BYTES_MAX);
        return -1;
    }
    if (settings->node_id && !node_valid(settings->node_id, strlen(settings->node_id))) {
        snprintf(error, error_bytes,
                 "NODE_ID: '%.64s' is no node id; allowed: 1 to 64 of A-Z a-z 0-9 _ - .",
                 settings->node_id);
        return -1;
    }
    if (settings->snapshot_interval_ms % settings->sample_interval_ms) {
        snprintf(error, error_bytes,
                 "SNAPSHOT_INTERVAL_MS: %lld is no multiple of SAMPLE_INTERVAL_MS; allowed: "
                 "multiples of %lld",
                 (long long)settings->snapshot_interval_ms,
                 (long long)settings->sample_interval_ms);
        return -1;
    }
    if (settings->node_timeout_ms < 2 * settings->heartbeat_interval_ms) {
        snprintf(error, error_bytes,
                 "NODE_TIMEOUT_MS: %lld is below twice HEARTBEAT_INTERVAL_MS; allowed: %lld "
                 "and more",
                 (long long)settings->node_timeout_ms,
                 (long long)(2 * settings->heartbeat_interval_ms));
        return -1;
    }
    return check_lists(settings, error, error_bytes);
}

const struct settings_program sampler_program = {
    .name = "headcount-sampler",
    .purpose = "Adds the gateways' viewers up, publishes live counts and makes the snapshots.",
    .table = table,
    .count = sizeof table / sizeof *table,
    .check = check,
};
