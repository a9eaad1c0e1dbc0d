/* The store: snapshots in, a database that keeps them out.
 *
 *     sampler, api ─▶ snapshot_intake ─▶ (pipe) snapshot_write ─▶ storage
 *                          ▲ key, rows          guard: enable flags
 *     ack ◀────────────────┘◀───────────────────┘ once it is durable
 *
 * Two threads: the loop's, and the writer's. Here they are wired and stopped. */
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>

#include "admin.h"
#include "bus.h"
#include "descriptors.h"
#include "keyring.h"
#include "log.h"
#include "settings_again.h"
#include "stop_limit.h"

#include "snapshot_intake.h"
#include "snapshot_write.h"
#include "store_metrics.h"
#include "store_settings.h"

#define STOP_TICK_MS 10

struct store {
    const struct store_settings *settings;
    uv_loop_t loop;
    uv_signal_t signals[2];
    uv_timer_t timer;
    struct metrics *metrics;
    struct snapshot_write *writer;
    struct snapshot_intake *intake;
    struct admin *admin;
    struct keyring *keys;
    struct settings_again *again;
    bool stopping;
};

static bool
is_ready(void *arg, const char **why)
{
    struct store *store = arg;
    *why = store->stopping ? "stopping"
                           : "the database does not answer, and the spool takes nothing";
    return !store->stopping && snapshot_write_ready(store->writer);
}

/* What the writer has is finished and acknowledged, then all handles close. */
static void
on_stopping(uv_timer_t *timer)
{
    struct store *store = timer->data;
    if (!snapshot_intake_idle(store->intake))
        return;
    snapshot_intake_destroy(&store->intake);
    bus_guard_close();
    admin_destroy(&store->admin);
    settings_again_destroy(&store->again);
    uv_close((uv_handle_t *)&store->timer, NULL);
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&store->signals[i], NULL);
    stop_signals_ignore();
}

static void
on_signal(uv_signal_t *signal, int number)
{
    struct store *store = signal->data;
    if (store->stopping)
        return;
    log_info("store.stopping", "told to stop", LOG_INT("signal", number));
    store->stopping = true;
    stop_limit_start(store->settings->stop_timeout_ms);
    snapshot_intake_stop(store->intake);
    uv_timer_start(&store->timer, on_stopping, 0, STOP_TICK_MS);
}

static bool
take_keys(void *arg, const void *settings)
{
    struct store *store = arg;
    const struct store_settings *fresh = settings;
    return keyring_set(store->keys, fresh->internal_api_key, fresh->internal_api_key_previous);
}

static void
watch_keys(struct store *store, int argc, char **argv)
{
    struct settings_again_options options = {.loop = &store->loop,
                                             .program = &store_program,
                                             .settings_bytes = sizeof *store->settings,
                                             .argc = argc,
                                             .argv = argv,
                                             .take = take_keys,
                                             .arg = store};
    store->again = settings_again_new(&options);
}

static int
start(struct store *store)
{
    const struct store_settings *settings = store->settings;
    char error[BUS_ERROR_BYTES];
    store->metrics = metrics_new(store_metric_table, METRIC_COUNT);
    struct bus_guard_options guard = {&store->loop, &settings->bus, BUS_STORE, store->metrics,
                                      METRIC_PEERS_REFUSED};
    if (bus_guard_open(&guard, error, sizeof error)) {
        log_error("store.bus", error, LOG_NONE);
        return -1;
    }
    store->writer = snapshot_write_new(settings, store->metrics);
    if (!store->writer)
        return -1;
    store->intake =
        snapshot_intake_new(&store->loop, settings, store->keys, store->metrics, store->writer);
    if (!store->intake)
        return -1;
    store->admin = admin_new(&store->loop, settings->admin.admin_address,
                             (int)settings->admin.admin_port, store->metrics, is_ready, store);
    if (!store->admin) {
        log_error("store.admin", "cannot listen for health checks",
                  LOG_STR("address", settings->admin.admin_address),
                  LOG_INT("port", settings->admin.admin_port),
                  LOG_STR("reason", strerror(errno)));
        return -1;
    }
    static const int numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(&store->loop, &store->signals[i]);
        store->signals[i].data = store;
        uv_signal_start(&store->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&store->loop, &store->timer);
    store->timer.data = store;
    log_info("store.started", "taking snapshots", LOG_STR("endpoint", settings->store_bind),
             LOG_STR("database", settings->mongodb_uri ? "mongodb" : "sqlite"));
    return 0;
}

int
main(int argc, char **argv)
{
    static struct store_settings settings;
    struct store store = {.settings = &settings};
    int status = settings_read(&store_program, argc, argv, &settings, NULL);
    if (status != SETTINGS_RUN)
        return status;
    settings_start(&settings.common, "store");
    signal(SIGPIPE, SIG_IGN);
    if (descriptors_raise()) {
        settings_free(&store_program, &settings);
        return EXIT_SYSTEM;
    }
    bus_start();
    if (sodium_init() < 0 || uv_loop_init(&store.loop))
        return EXIT_SYSTEM;
    store.keys = keyring_new(settings.internal_api_key, settings.internal_api_key_previous);
    watch_keys(&store, argc, argv);
    status = start(&store) ? EXIT_SYSTEM : 0;
    if (status) {
        settings_again_destroy(&store.again);
        snapshot_intake_destroy(&store.intake);
        bus_guard_close();
    }
    uv_run(&store.loop, UV_RUN_DEFAULT);
    snapshot_write_destroy(&store.writer);
    keyring_destroy(&store.keys);
    metrics_destroy(&store.metrics);
    uv_loop_close(&store.loop);
    zsys_shutdown();
    settings_free(&store_program, &settings);
    if (!status)
        log_info("store.stopped", "stopped", LOG_NONE);
    return status;
}
