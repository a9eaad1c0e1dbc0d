/* The api: settings → database handles, bus, health, HTTP threads → serve until told to stop.
 *
 * The main thread's loop has the bus (live counts, calls to the store), the operator's port and
 * the signals, and never blocks. The HTTP threads answer requests and may block on the
 * database; they reach the loop through mailboxes.
 *
 * Stop: not ready and no new connections ──▶ requests under way end, for DRAIN_SECONDS at most
 * (then those that wait for the store are given up) ──▶ the HTTP threads end (a worker waits
 * for them, for they may wait for the loop) ──▶ the bus, the operator's port and the handles
 * close ──▶ exit 0.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "api_context.h"
#include "api_metrics.h"
#include "bus.h"
#include "clock.h"
#include "descriptors.h"
#include "stop_limit.h"
#include "http_server.h"
#include "log.h"
#include "settings_again.h"

#define DRAIN_TICK_MS 20
#define GIVE_UP_MS 500 /* for the answers to what is given up after DRAIN_SECONDS */

struct api {
    struct api_settings settings;
    struct api_context context; /* what handlers see of all this */
    struct http_server *server;
    struct admin *admin;
    struct settings_again *again;
    uv_loop_t loop;
    uv_signal_t signals[2];
    uv_timer_t drain;
    uv_work_t stop; /* waits for the HTTP threads */
    int64_t drain_until_ms;
    bool stopping;
};

static void
close_rest(struct api *api)
{
    admin_destroy(&api->admin);
    settings_again_destroy(&api->again);
    health_destroy(&api->context.health);
    store_client_destroy(&api->context.store);
    live_counts_destroy(&api->context.live);
    bus_guard_close();
    uv_close((uv_handle_t *)&api->drain, NULL);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&api->signals[i], NULL);
    stop_signals_ignore();
}

/* Worker thread. */
static void
stop_server(uv_work_t *work)
{
    struct api *api = work->data;
    http_server_destroy(&api->server);
}

static void
on_server_stopped(uv_work_t *work, int status)
{
    (void)status;
    close_rest(work->data);
}

/* A connection that is open may bring one more request at any time, and libmicrohttpd ends the
 * process when it is stopped while one is suspended: so first nothing is put to a store any
 * more, which is what suspends, and then it is stopped. */
static void
on_drain_tick(uv_timer_t *timer)
{
    struct api *api = timer->data;
    int64_t late_ms = clock_mono_ms() - api->drain_until_ms;
    bool in_flight = metrics_get(api->context.metrics, METRIC_IN_FLIGHT) > 0;
    if (in_flight && late_ms < 0)
        return;
    store_client_close(api->context.store);
    if (!store_client_idle(api->context.store) || (in_flight && late_ms < GIVE_UP_MS))
        return;
    uv_timer_stop(timer);
    uv_queue_work(&api->loop, &api->stop, stop_server, on_server_stopped);
}

static void
on_signal(uv_signal_t *signal, int number)
{
    struct api *api = signal->data;
    if (api->stopping)
        return;
    api->stopping = true;
    log_info("api.stopping", "no new connections; requests under way go on",
             LOG_INT("signal", number), LOG_INT("drain_s", api->settings.drain_s));
    stop_limit_start(api->settings.drain_s * 1000 + api->settings.stop_timeout_ms);
    health_stopping(api->context.health);
    http_server_quiesce(api->server);
    api->drain_until_ms = clock_mono_ms() + api->settings.drain_s * 1000;
    uv_timer_start(&api->drain, on_drain_tick, 0, DRAIN_TICK_MS);
}

static int
open_bus(struct api *api, char *error, size_t error_bytes)
{
    const struct api_settings *settings = &api->settings;
    struct live_counts_options live = {settings->sampler_endpoints,
                                       settings->discovery_interval_ms, settings->bus_hwm,
                                       settings->node_timeout_ms, api->context.metrics};
    struct store_client_options store = {
        settings->store_endpoints, settings->discovery_interval_ms, api->context.internal_keys,
        settings->bus_hwm,         settings->store_timeout_ms,      api->context.metrics};
    struct bus_guard_options guard = {&api->loop, &settings->bus, BUS_API, NULL, 0};
    if (bus_guard_open(&guard, error, error_bytes))
        return -1;
    api->context.live = live_counts_new(&api->loop, &live, error, error_bytes);
    if (!api->context.live)
        return -1;
    api->context.store = store_client_new(&api->loop, &store, error, error_bytes);
    return api->context.store ? 0 : -1;
}

static bool
take_keys(void *arg, const void *settings)
{
    struct api *api = arg;
    const struct api_settings *fresh = settings;
    bool internal = keyring_set(api->context.internal_keys, fresh->internal_api_key,
                                fresh->internal_api_key_previous);
    bool admin = keyring_set(api->context.admin_keys, fresh->admin_api_key,
                             fresh->admin_api_key_previous);
    return internal || admin;
}

static void
make_keys(struct api *api, int argc, char **argv)
{
    const struct api_settings *settings = &api->settings;
    struct settings_again_options options = {.loop = &api->loop,
                                             .program = &api_program,
                                             .settings_bytes = sizeof *settings,
                                             .argc = argc,
                                             .argv = argv,
                                             .take = take_keys,
                                             .arg = api};
    api->context.internal_keys =
        keyring_new(settings->internal_api_key, settings->internal_api_key_previous);
    api->context.admin_keys =
        keyring_new(settings->admin_api_key, settings->admin_api_key_previous);
    api->again = settings_again_new(&options);
    api->context.guesses = guesses_new(settings->wrong_keys_per_minute);
    api->context.proxies = networks_read(settings->trusted_proxies);
    api->context.form =
        strcmp(settings->forwarded_header, "forwarded") ? FORWARDED_X : FORWARDED_RFC;
}

static int
open_database(struct api *api, char *error, size_t error_bytes)
{
    const struct api_settings *settings = &api->settings;
    struct storage_options options = {.mongodb_uri = settings->mongodb_uri,
                                      .database = settings->mongodb_database,
                                      .sqlite_path = settings->sqlite_path,
                                      .read_only = true,
                                      .timeout_ms = (int)settings->database_timeout_ms};
    struct storage_error failure;
    api->context.pool =
        storage_pool_new(&options, (int)settings->threads + 1, settings->database_retry_ms,
                         api->context.metrics, &failure);
    if (!api->context.pool) {
        snprintf(error, error_bytes, "cannot open the database: %s", failure.text);
        return -1;
    }
    api->context.health = health_new(&api->loop, api->context.pool);
    return 0;
}

static int
start(struct api *api, char *error, size_t error_bytes)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    if (open_database(api, error, error_bytes) || open_bus(api, error, error_bytes))
        return -1;
    api->admin = admin_new(&api->loop, api->settings.admin.admin_address,
                           (int)api->settings.admin.admin_port, api->context.metrics,
                           health_ready, api->context.health);
    if (!api->admin) {
        snprintf(error, error_bytes, "cannot listen on ADMIN_ADDRESS %s, ADMIN_PORT %lld: %s",
                 api->settings.admin.admin_address, (long long)api->settings.admin.admin_port,
                 strerror(errno));
        return -1;
    }
    uv_timer_init(&api->loop, &api->drain);
    api->drain.data = api->stop.data = api;
    for (int i = 0; i < 2; i++) {
        uv_signal_init(&api->loop, &api->signals[i]);
        api->signals[i].data = api;
        uv_signal_start(&api->signals[i], on_signal, numbers[i]);
    }
    api->server = http_server_new(&api->context, &api->loop, error, error_bytes);
    return api->server ? 0 : -1;
}

int
main(int argc, char **argv)
{
    static struct api api;
    char error[512];
    int status = settings_read(&api_program, argc, argv, &api.settings, NULL);
    if (status != SETTINGS_RUN)
        return status;
    settings_start(&api.settings.common, "api");
    signal(SIGPIPE, SIG_IGN);
    if (descriptors_raise()) {
        settings_free(&api_program, &api.settings);
        return EXIT_SYSTEM;
    }
    bus_start();
    uv_loop_init(&api.loop);
    api.context.settings = &api.settings;
    api.context.metrics = metrics_new(api_metric_table, METRIC_COUNT);
    make_keys(&api, argc, argv);
    if (start(&api, error, sizeof error)) {
        log_error("api.cannot_start", error, LOG_NONE);
        _exit(EXIT_SYSTEM); /* the machine takes back what was opened, threads included */
    }
    uv_run(&api.loop, UV_RUN_DEFAULT);
    uv_loop_close(&api.loop);
    storage_pool_destroy(&api.context.pool);
    guesses_destroy(&api.context.guesses);
    networks_destroy(&api.context.proxies);
    keyring_destroy(&api.context.internal_keys);
    keyring_destroy(&api.context.admin_keys);
    metrics_destroy(&api.context.metrics);
    settings_free(&api_program, &api.settings);
    log_info("api.stopped", "stopped", LOG_NONE);
    return 0;
}
