/* The table, and what spans settings. */
#include <stdio.h>
#include <string.h>

#include "api_settings.h"
#include "address.h"
#include "bus.h"
#include "discovery.h"
#include "origin.h"
#include "page_policy.h"

#define KEY_MIN 8
#define KEY_MAX 256

#define AT(member_) offsetof(struct api_settings, member_)
#define TEXT(name_, member_, fallback_, max_, help_)                                           \
    {                                                                                          \
        .name = name_, .type = SETTING_TEXT, .offset = AT(member_), .fallback = fallback_,     \
        .max = max_, .unit = "", .help = help_                                                 \
    }
#define ADDRESS(name_, member_, fallback_, help_)                                              \
    {                                                                                          \
        .name = name_, .type = SETTING_ADDRESS, .offset = AT(member_), .fallback = fallback_,  \
        .unit = "", .help = help_                                                              \
    }
#define LIST(name_, member_, fallback_, help_)                                                 \
    {                                                                                          \
        .name = name_, .type = SETTING_LIST, .offset = AT(member_), .fallback = fallback_,     \
        .max = 4096, .unit = "", .help = help_                                                 \
    }
#define NUMBER(name_, member_, fallback_, min_, max_, unit_, help_)                            \
    {                                                                                          \
        .name = name_, .type = SETTING_NUMBER, .offset = AT(member_), .fallback = fallback_,   \
        .min = min_, .max = max_, .unit = unit_, .help = help_                                 \
    }
#define SECRET(name_, member_, min_, max_, help_)                                              \
    {                                                                                          \
        .name = name_, .type = SETTING_SECRET, .offset = AT(member_), .min = min_,             \
        .max = max_, .unit = "", .help = help_                                                 \
    }
#define SPARE(name_, member_, help_)                                                           \
    {                                                                                          \
        .name = name_, .type = SETTING_SPARE_SECRET, .offset = AT(member_), .min = KEY_MIN,    \
        .max = KEY_MAX, .unit = "", .help = help_                                              \
    }

static const struct setting table[] = {
    SETTINGS_COMMON(struct api_settings, common),
    SETTINGS_ADMIN(struct api_settings, admin, "9084"),
    ADDRESS("LISTEN_ADDRESS", listen_address, "127.0.0.1",
            "Address of the port for the interface and the pages."),
    NUMBER("PORT", port, "8080", 0, 65535, "",
           "Port for the interface and the pages; 0 takes a free one and logs it."),
    NUMBER("API_THREADS", threads, "4", 2, 256, "",
           "Threads that answer requests, and database handles."),
    NUMBER("MAX_CONNECTIONS", max_connections, "1000", 8, 100000, "",
           "Connections open at once; beyond, the one that has waited longest for a request is "
           "closed for the new one."),
    NUMBER(
        "CONNECTIONS_PER_ADDRESS", connections_per_address, "100", 0, 100000, "",
        "Connections open at once from one IPv4 address or one IPv6 network of 64 bits; 0: no "
        "limit. Trusted proxies have none."),
    NUMBER("CONNECTION_TIMEOUT_SECONDS", connection_timeout_s, "30", 1, 3600, "s",
           "A connection on which nothing moves for so long is closed."),
    NUMBER("REQUEST_TIMEOUT_SECONDS", request_timeout_s, "20", 1, 3600, "s",
           "How long a request may take to be there whole, from the connection or the answer "
           "before."),
    NUMBER("ANSWER_TIMEOUT_SECONDS", answer_timeout_s, "300", 1, 86400, "s",
           "How long an answer may take, its reading included."),
    NUMBER("CONNECTION_BYTES", connection_bytes, "32768", 8192, 1048576, "bytes",
           "Memory of one connection, for its headers and buffers."),
    NUMBER("DRAIN_SECONDS", drain_s, "5", 0, 600, "s",
           "At a stop, requests under way may take so long to end."),
    NUMBER("STOP_TIMEOUT_MS", stop_timeout_ms, "10000", 100, 600000, "ms",
           "How long a stop may take after that."),
    LIST("SAMPLER_ENDPOINTS", sampler_endpoints, "ipc://run/sampler.ipc",
         "Where samplers publish live counts, comma-separated; empty: none."),
    LIST("STORE_ENDPOINTS", store_endpoints, "ipc://run/store.ipc",
         "Where stores take requests, comma-separated; empty: none."),
    SETTINGS_BUS(struct api_settings, bus),
    SETTINGS_DISCOVERY(struct api_settings, discovery_interval_ms),
    NUMBER("BUS_HWM", bus_hwm, "100000", 1000, 10000000, "messages",
           "High-water mark of the bus sockets."),
    NUMBER("NODE_TIMEOUT_MS", node_timeout_ms, "3000", 100, 600000, "ms",
           "A sampler not heard for so long counts as gone."),
    NUMBER("STORE_TIMEOUT_MS", store_timeout_ms, "3000", 100, 60000, "ms",
           "A request that no store acknowledges for so long is answered with 503."),
    SECRET("INTERNAL_API_KEY", internal_api_key, KEY_MIN, KEY_MAX,
           "Key that posted snapshots carry, and that the store accepts from us. Required."),
    SPARE("INTERNAL_API_KEY_PREVIOUS", internal_api_key_previous,
          "A second key that posted snapshots may carry, while keys are changed."),
    SECRET("ADMIN_API_KEY", admin_api_key, KEY_MIN, KEY_MAX,
           "Key for settings and, unless ANALYTICS_PUBLIC, for analytics. Required."),
    SPARE("ADMIN_API_KEY_PREVIOUS", admin_api_key_previous,
          "A second key that is taken for it, while keys are changed."),
    NUMBER("WRONG_KEYS_PER_MINUTE", wrong_keys_per_minute, "60", 0, 60000, "",
           "Wrong keys of one IPv4 address or one IPv6 network of 64 bits, as many at once; "
           "beyond, no key of it is looked at for a while. 0: no limit."),
    TEXT("TRUSTED_PROXIES", trusted_proxies, "127.0.0.0/8,::1", 65536,
         "Addresses and networks of proxies that are believed when they say whose request they "
         "bring, comma-separated (10.0.0.0/8); none: nobody is."),
    {.name = "FORWARDED_HEADER",
     .type = SETTING_CHOICE,
     .offset = AT(forwarded_header),
     .fallback = "x-forwarded-for",
     .unit = "",
     .choices = "x-forwarded-for|forwarded",
     .help = "The header in which trusted proxies say so; the other one is not looked at."},
    LIST("CORS_ORIGINS", cors_origins, "",
         "Origins whose pages may use the interface from a browser, comma-separated "
         "(https://shop.example); empty: none, *: all."),
    {.name = "ANALYTICS_PUBLIC",
     .type = SETTING_SWITCH,
     .offset = AT(analytics_public),
     .fallback = "false",
     .unit = "",
     .help = "Whether analytics may be read without a key."},
    SECRET("MONGODB_URI", mongodb_uri, 1, 4096,
           "The MongoDB to read; not given: SQLite at SQLITE_PATH."),
    TEXT("MONGODB_DATABASE", mongodb_database, "headcount", 63,
         "The database, when MONGODB_URI names none."),
    TEXT("SQLITE_PATH", sqlite_path, "data/headcount.db", 4096, "The SQLite file to read."),
    NUMBER("DATABASE_TIMEOUT_MS", database_timeout_ms, "5000", 100, 60000, "ms",
           "A read that takes longer counts as failed."),
    NUMBER("DATABASE_RETRY_MS", database_retry_ms, "1000", 10, 60000, "ms",
           "About how often a database that failed is tried again."),
    TEXT("VIEWER_SOCKET_URL", viewer_socket_url, "", 512,
         "Where pages reach the gateway, such as wss://live.example.org/ws; empty: port 8081 "
         "of the pages' own host."),
};

static int
check_list(const char *name, const char *endpoints, char *error, size_t error_bytes)
{
    if (!*endpoints || bus_endpoints_valid(endpoints))
        return 0;
    snprintf(error, error_bytes,
             "%s: '%.80s' is no list of endpoints; allowed: tcp://HOST:PORT, ipc://PATH, "
             "comma-separated",
             name, endpoints);
    return -1;
}

static int
check(const void *arg, char *error, size_t error_bytes)
{
    const struct api_settings *settings = arg;
    const char *missing = !settings->internal_api_key ? "INTERNAL_API_KEY"
                          : !settings->admin_api_key  ? "ADMIN_API_KEY"
                                                      : NULL;
    if (missing) {
        snprintf(error, error_bytes,
                 "%s: is missing; allowed: %d to %d characters, in the environment or in a "
                 "file named by %s_FILE",
                 missing, KEY_MIN, KEY_MAX, missing);
        return -1;
    }
    struct networks *proxies = networks_read(settings->trusted_proxies);
    if (!proxies) {
        snprintf(error, error_bytes,
                 "TRUSTED_PROXIES: '%.80s' is no list of networks; allowed: none, or "
                 "ADDRESS[/BITS], comma-separated",
                 settings->trusted_proxies);
        return -1;
    }
    networks_destroy(&proxies);
    if (*settings->cors_origins && !origins_valid(settings->cors_origins)) {
        snprintf(error, error_bytes,
                 "CORS_ORIGINS: '%.80s' is no list of origins; allowed: *, or "
                 "scheme://host[:port], comma-separated",
                 settings->cors_origins);
        return -1;
    }
    char origin[PAGE_ORIGIN_BYTES];
    if (*settings->viewer_socket_url &&
        !page_socket_origin(settings->viewer_socket_url, origin)) {
        snprintf(error, error_bytes,
                 "VIEWER_SOCKET_URL: '%.80s' is no such address; allowed: "
                 "ws://HOST[:PORT]/PATH or wss://HOST[:PORT]/PATH",
                 settings->viewer_socket_url);
        return -1;
    }
    if (check_list("SAMPLER_ENDPOINTS", settings->sampler_endpoints, error, error_bytes))
        return -1;
    if (check_list("STORE_ENDPOINTS", settings->store_endpoints, error, error_bytes))
        return -1;
    const struct bus_ends ends[] = {
        {"SAMPLER_ENDPOINTS", settings->sampler_endpoints, BUS_ROLE_BIT(BUS_SAMPLER)},
        {"STORE_ENDPOINTS", settings->store_endpoints, BUS_ROLE_BIT(BUS_STORE)}};
    return bus_settings_check(&settings->bus, BUS_API, ends, 2, error, error_bytes);
}

const struct settings_program api_program = {
    .name = "headcount-api",
    .purpose = "serves the REST interface, the web pages and the live counts",
    .table = table,
    .count = sizeof table / sizeof *table,
    .check = check,
};
