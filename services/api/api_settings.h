/* The api's settings: one table (api_settings.c). */
#ifndef API_SETTINGS_H
#define API_SETTINGS_H

#include <stdbool.h>

#include "admin.h"
#include "bus_guard.h"
#include "settings.h"

struct api_settings {
    struct common_settings common;
    struct admin_settings admin;
    char *listen_address;
    int64_t port;
    int64_t threads;
    int64_t max_connections;
    int64_t connections_per_address;
    int64_t connection_timeout_s;
    int64_t request_timeout_s, answer_timeout_s;
    int64_t connection_bytes;
    int64_t drain_s;
    int64_t stop_timeout_ms;
    char *sampler_endpoints;
    char *store_endpoints;
    struct bus_settings bus;
    int64_t discovery_interval_ms;
    int64_t bus_hwm;
    int64_t node_timeout_ms;
    int64_t store_timeout_ms;
    char *internal_api_key, *internal_api_key_previous;
    int64_t wrong_keys_per_minute;
    char *trusted_proxies;
    char *cors_origins;
    char *forwarded_header;
    char *admin_api_key, *admin_api_key_previous;
    bool analytics_public;
    char *mongodb_uri;
    char *mongodb_database;
    char *sqlite_path;
    int64_t database_timeout_ms;
    int64_t database_retry_ms;
    char *viewer_socket_url;
};

extern const struct settings_program api_program;

#endif
