/* The store's settings; their table is in store_settings.c. Const once read. */
#ifndef STORE_SETTINGS_H
#define STORE_SETTINGS_H

#include "admin.h"
#include "bus_guard.h"
#include "settings.h"

struct store_settings {
    struct bus_settings bus;
    char *store_bind;
    char *internal_api_key, *internal_api_key_previous;
    char *mongodb_uri; /* NULL: SQLite */
    char *mongodb_database;
    char *sqlite_path;
    int64_t retention_days;
    int64_t retention_interval_ms;
    int64_t flag_cache_ms;
    int64_t database_timeout_ms;
    int64_t database_retry_ms;
    int64_t database_retry_max_ms;
    char *spool_path; /* "": none */
    int64_t spool_bytes;
    int64_t spool_drain_rows; /* a second */
    int64_t stop_timeout_ms;
    int64_t queue_requests;
    int64_t log_interval_ms;
    int64_t bus_hwm;
    struct common_settings common;
    struct admin_settings admin;
};

extern const struct settings_program store_program;

#endif
