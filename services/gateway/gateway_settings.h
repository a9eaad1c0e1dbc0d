/* The gateway's settings; the table is in gateway_settings.c. */
#ifndef GATEWAY_SETTINGS_H
#define GATEWAY_SETTINGS_H

#include <stdint.h>

#include "admin.h"
#include "bus_guard.h"
#include "settings.h"

struct gateway_settings {
    struct common_settings common;
    struct admin_settings admin;
    char *listen_address;
    int64_t port;
    char *node_id;
    char *event_bind;
    char *sampler_endpoints;
    struct bus_settings bus;
    int64_t discovery_interval_ms;
    int64_t bus_hwm;
    int64_t subscription_bytes;
    int64_t broadcast_interval_ms;
    int64_t ping_interval_ms;
    int64_t ping_timeout_ms;
    int64_t heartbeat_interval_ms;
    int64_t node_timeout_ms;
    int64_t drain_seconds;
    int64_t stop_timeout_ms;
    int64_t max_connections;
    int64_t connections_per_address;
    char *trusted_proxies;
    char *forwarded_header; /* "x-forwarded-for" or "forwarded" */
    int64_t handshakes_max;
    int64_t handshake_timeout_ms;
    int64_t message_bytes_max;
    int64_t messages_per_second;
    int64_t auctions_max;
    char *allowed_origins;
    char *tls_cert_file; /* NULL: no TLS */
    char *tls_key_file;
    int64_t tls_check_interval_ms;
};

extern const struct settings_program gateway_program;

/* Gives a gateway that was given no NODE_ID one: the host's name and a random ending. */
void gateway_settings_name(struct gateway_settings *settings);

#endif
