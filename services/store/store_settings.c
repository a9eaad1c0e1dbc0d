/* The table that the store's flags, environment, --help and documentation come from. */
#include <stdio.h>
#include <string.h>

#include "bus.h"

#include "store_request.h"

#include "store_settings.h"

#define AT(member_) offsetof(struct store_settings, member_)

static const struct setting table[] = {
    {"STORE_BIND", SETTING_TEXT, AT(store_bind), "ipc://run/store.ipc", 1, 8192, "", NULL,
     "Where snapshots and changes of settings are taken."},
    SETTINGS_BUS(struct store_settings, bus),
    {"INTERNAL_API_KEY", SETTING_SECRET, AT(internal_api_key), NULL, 8, KEY_BYTES_MAX, "", NULL,
     "The key that every request must carry."},
    {"INTERNAL_API_KEY_PREVIOUS", SETTING_SPARE_SECRET, AT(internal_api_key_previous), NULL, 8,
     KEY_BYTES_MAX, "", NULL, "A second key that is taken, while keys are changed."},
    {"MONGODB_URI", SETTING_SECRET, AT(mongodb_uri), NULL, 1, 4000, "", NULL,
     "The MongoDB to write to; without it the SQLite file is used."},
    {"MONGODB_DATABASE", SETTING_TEXT, AT(mongodb_database), "headcount", 1, 63, "", NULL,
     "The database, where MONGODB_URI names none."},
    {"SQLITE_PATH", SETTING_TEXT, AT(sqlite_path), "data/headcount.db", 1, 4000, "", NULL,
     "The SQLite file; its folder must exist."},
    {"RETENTION_DAYS", SETTING_NUMBER, AT(retention_days), "90", 1, 36500, "days", NULL,
     "How long snapshots are kept."},
    {"RETENTION_INTERVAL_MS", SETTING_NUMBER, AT(retention_interval_ms), "60000", 100, 86400000,
     "ms", NULL, "Time between two searches for snapshots to delete."},
    {"FLAG_CACHE_MS", SETTING_NUMBER, AT(flag_cache_ms), "5000", 0, 5000, "ms", NULL,
     "How long an auction's enable flag is remembered before it is read again."},
    {"DATABASE_TIMEOUT_MS", SETTING_NUMBER, AT(database_timeout_ms), "5000", 100, 60000, "ms",
     NULL, "How long one call of the database may take."},
    {"DATABASE_RETRY_MS", SETTING_NUMBER, AT(database_retry_ms), "250", 10, 60000, "ms", NULL,
     "About the first wait before a database that failed is tried again; it doubles each "
     "time."},
    {"DATABASE_RETRY_MAX_MS", SETTING_NUMBER, AT(database_retry_max_ms), "10000", 10, 600000,
     "ms", NULL, "The longest such wait."},
    {"SPOOL_PATH", SETTING_TEXT, AT(spool_path), "data/spool.db", 0, 4000, "", NULL,
     "The file that keeps snapshots while the database cannot take them, one for each store; "
     "its "
     "folder must exist. Empty: none, such snapshots are answered \"unavailable\"."},
    {"SPOOL_BYTES", SETTING_NUMBER, AT(spool_bytes), "1073741824", 65536, 1099511627776,
     "bytes", NULL,
     "The most that the spool keeps; beyond, requests are answered \"unavailable\"."},
    {"SPOOL_DRAIN_ROWS", SETTING_NUMBER, AT(spool_drain_rows), "5000", 1, 1000000, "rows/s",
     NULL, "How fast the spool is handed on to a database that is back."},
    {"STOP_TIMEOUT_MS", SETTING_NUMBER, AT(stop_timeout_ms), "10000", 100, 600000, "ms", NULL,
     "How long a stop may take: what is not answered by then is sent again by its requester."},
    {"QUEUE_REQUESTS", SETTING_NUMBER, AT(queue_requests), "1024", 1, 100000, "requests", NULL,
     "Requests waiting for the database at most; beyond, they are answered \"unavailable\"."},
    {"LOG_INTERVAL_MS", SETTING_NUMBER, AT(log_interval_ms), "60000", 100, 3600000, "ms", NULL,
     "Time between two log lines about what was saved."},
    {"BUS_HWM", SETTING_NUMBER, AT(bus_hwm), "100000", 1000, 10000000, "messages", NULL,
     "High-water mark of the bus socket."},
    SETTINGS_COMMON(struct store_settings, common),
    SETTINGS_ADMIN(struct store_settings, admin, "9083"),
};

static int
check(const void *from, char *error, size_t error_bytes)
{
    const struct store_settings *settings = from;
    const char *problem = NULL;
    if (!settings->internal_api_key)
        problem = "INTERNAL_API_KEY: is missing; allowed: 8 to 256 characters, in the "
                  "environment or in a file named by INTERNAL_API_KEY_FILE";
    else if (!bus_endpoints_valid(settings->store_bind))
        problem =
            "STORE_BIND: is no list of endpoints; allowed: tcp://HOST:PORT and ipc://PATH, "
            "separated by commas";
    else if (settings->database_retry_ms > settings->database_retry_max_ms)
        problem = "DATABASE_RETRY_MS: is above DATABASE_RETRY_MAX_MS; allowed: at most that";
    else if (!settings->mongodb_uri && !strcmp(settings->spool_path, settings->sqlite_path))
        problem = "SPOOL_PATH: is SQLITE_PATH too; allowed: a file of its own, or none";
    const struct bus_ends end = {"STORE_BIND", settings->store_bind, 0};
    if (!problem)
        return bus_settings_check(&settings->bus, BUS_STORE, &end, 1, error, error_bytes);
    snprintf(error, error_bytes, "%s", problem);
    return -1;
}

const struct settings_program store_program = {
    .name = "headcount-store",
    .purpose = "Writes snapshots to the database: the only service that does.",
    .table = table,
    .count = sizeof table / sizeof *table,
    .check = check,
};
