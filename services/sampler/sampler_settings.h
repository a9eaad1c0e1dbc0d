/* The sampler's settings. Read once by main; const from then on. */
#ifndef SAMPLER_SETTINGS_H
#define SAMPLER_SETTINGS_H

#include "admin.h"
#include "bus_guard.h"
#include "settings.h"

struct sampler_settings {
    struct common_settings common;
    struct admin_settings admin;
    char *node_id;           /* NULL: made up at the start */
    char *gateway_endpoints; /* whom to listen to */
    char *count_bind;        /* where counts are published */
    char *store_endpoints;   /* who takes the snapshots */
    char *backend_api_url;   /* "": the stores */
    struct bus_settings bus;
    int64_t discovery_interval_ms;
    char *internal_api_key;
    int64_t samplers;
    int64_t sampler_ordinal; /* -1: from the host's name */
    int64_t sampler_replicas;
    int64_t sample_interval_ms;
    int64_t snapshot_interval_ms;
    int64_t count_interval_ms;
    int64_t heartbeat_interval_ms;
    int64_t node_timeout_ms;
    int64_t ack_timeout_ms;
    int64_t ack_retry_max_ms;
    int64_t outbox_rows;
    char *outbox_path; /* "": in memory only */
    int64_t outbox_bytes;
    int64_t stop_timeout_ms;
    int64_t bus_hwm;
    int64_t subscription_bytes;
};

extern const struct settings_program sampler_program;

/* Which of the samplers this one is, on a host of that name; -1: nobody says. */
int64_t sampler_ordinal(const struct sampler_settings *settings, const char *host);

#endif
