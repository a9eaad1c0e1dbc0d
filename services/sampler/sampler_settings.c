/* The table that the sampler's flags, environment, --help and documentation come from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "bus_subscribers.h"
#include "discovery.h"

#include "auction.h"
#include "store_request.h"

#include "http_send.h"
#include "sampler_settings.h"
#include "shard_plan.h"

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
    {"BACKEND_API_URL", SETTING_TEXT, AT(backend_api_url), "", 0, 1000, "", NULL,
     "A backend of one's own, such as https://backend.example:8080, that snapshots are posted "
     "to over HTTP instead of going to STORE_ENDPOINTS; empty: none."},
    SETTINGS_BUS(struct sampler_settings, bus),
    SETTINGS_DISCOVERY(struct sampler_settings, discovery_interval_ms),
    {"INTERNAL_API_KEY", SETTING_SECRET, AT(internal_api_key), NULL, 8, KEY_BYTES_MAX, "", NULL,
     "The key that the store asks for."},
    {"SAMPLERS", SETTING_NUMBER, AT(samplers), "1", 1, SAMPLERS_MAX, "", NULL,
     "How many samplers share the auctions; the same for all of them."},
    {"SAMPLER_ORDINAL", SETTING_NUMBER, AT(sampler_ordinal), "-1", -1, SAMPLERS_MAX - 1, "",
     NULL,
     "Which of them this one is, from 0; -1: the number after the last - of the host's name."},
    {"SAMPLER_REPLICAS", SETTING_NUMBER, AT(sampler_replicas), "1", 1, SAMPLERS_MAX, "", NULL,
     "How many samplers serve each auction, so that all but one may fail; the same for all."},
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
     "How long the store may take to acknowledge a batch before it is sent again; the wait "
     "doubles each time."},
    {"ACK_RETRY_MAX_MS", SETTING_NUMBER, AT(ack_retry_max_ms), "10000", 10, 600000, "ms", NULL,
     "The longest such wait; at least ACK_TIMEOUT_MS."},
    {"OUTBOX_ROWS", SETTING_NUMBER, AT(outbox_rows), "500000", BATCH_ROWS_MAX, 100000000,
     "rows", NULL,
     "Snapshots held for the store in memory at most; beyond, the oldest are on disk only, or "
     "dropped if there is none."},
    {"OUTBOX_PATH", SETTING_TEXT, AT(outbox_path), "data/outbox.db", 0, 4000, "", NULL,
     "The file that keeps snapshots until a store acknowledges them, one for each sampler; its "
     "folder must exist. Empty: none, a restart loses what is not acknowledged."},
    {"OUTBOX_BYTES", SETTING_NUMBER, AT(outbox_bytes), "1073741824", 65536, 1099511627776,
     "bytes", NULL, "The most that the file keeps; beyond, snapshots are in memory only."},
    {"STOP_TIMEOUT_MS", SETTING_NUMBER, AT(stop_timeout_ms), "10000", 100, 600000, "ms", NULL,
     "How long a stop may take; stores are waited for up to half of it."},
    {"BUS_HWM", SETTING_NUMBER, AT(bus_hwm), "100000", 1000, 10000000, "messages", NULL,
     "High-water mark of every bus socket."},
    SETTINGS_SUBSCRIBERS(struct sampler_settings, subscription_bytes, "33554432"),
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

int64_t
sampler_ordinal(const struct sampler_settings *settings, const char *host)
{
    if (settings->sampler_ordinal >= 0 || settings->samplers == 1)
        return settings->sampler_ordinal < 0 ? 0 : settings->sampler_ordinal;
    const char *dash = strrchr(host, '-');
    if (!dash || !dash[1] || strlen(dash + 1) > 3 || dash[1 + strspn(dash + 1, "0123456789")])
        return -1;
    return atoi(dash + 1);
}

static int
check_ordinal(const struct sampler_settings *settings, char *error, size_t error_bytes)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    int64_t ordinal = sampler_ordinal(settings, host);
    if (ordinal >= 0 && ordinal < settings->samplers)
        return 0;
    if (ordinal < 0)
        snprintf(error, error_bytes,
                 "SAMPLER_ORDINAL: is missing, and the host's name '%.64s' does not end in "
                 "-NUMBER; allowed: 0 to %lld",
                 host, (long long)settings->samplers - 1);
    else
        snprintf(error, error_bytes,
                 "SAMPLER_ORDINAL: %lld is none of SAMPLERS %lld; allowed: 0 to %lld",
                 (long long)ordinal, (long long)settings->samplers,
                 (long long)settings->samplers - 1);
    return -1;
}

static int
check(const void *arg, char *error, size_t error_bytes)
{
    const struct sampler_settings *settings = arg;
    bool sends = *settings->store_endpoints || *settings->backend_api_url;
    if (!settings->internal_api_key && sends) {
        snprintf(error, error_bytes,
                 "INTERNAL_API_KEY: is missing; allowed: 8 to %d characters, the same as the "
                 "store's, in the environment or in a file named by INTERNAL_API_KEY_FILE",
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
    if (settings->ack_retry_max_ms < settings->ack_timeout_ms) {
        snprintf(error, error_bytes,
                 "ACK_RETRY_MAX_MS: %lld is below ACK_TIMEOUT_MS; allowed: %lld and more",
                 (long long)settings->ack_retry_max_ms, (long long)settings->ack_timeout_ms);
        return -1;
    }
    if (*settings->backend_api_url && !http_send_url_valid(settings->backend_api_url)) {
        snprintf(error, error_bytes,
                 "BACKEND_API_URL: is no URL that snapshots can be posted to; allowed: http:// "
                 "or https://, a host, maybe a port and a path, no password");
        return -1;
    }
    if (check_ordinal(settings, error, error_bytes))
        return -1;
    if (check_lists(settings, error, error_bytes))
        return -1;
    const struct bus_ends ends[] = {
        {"COUNT_BIND", settings->count_bind, 0},
        {"GATEWAY_ENDPOINTS", settings->gateway_endpoints, BUS_ROLE_BIT(BUS_GATEWAY)},
        {"STORE_ENDPOINTS", settings->store_endpoints, BUS_ROLE_BIT(BUS_STORE)}};
    return bus_settings_check(&settings->bus, BUS_SAMPLER, ends, 3, error, error_bytes);
}

const struct settings_program sampler_program = {
    .name = "headcount-sampler",
    .purpose = "Adds the gateways' viewers up, publishes live counts and makes the snapshots.",
    .table = table,
    .count = sizeof table / sizeof *table,
    .check = check,
};
