/* The sampler: gateways' events in; live counts and, once a window, snapshots out.
 *
 *     event_intake ─▶ counting (roster, tally, window) ─▶ snapshot_send ─▶ store
 *                          └─▶ count_publish ─▶ gateways, apis, taps
 *
 * One thread, one loop. Here the parts are wired, run and stopped. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "admin.h"
#include "bus.h"
#include "clock.h"
#include "descriptors.h"
#include "log.h"
#include "mem.h"
#include "settings_again.h"
#include "stop_limit.h"

#include "auction.h"

#include "count_publish.h"
#include "counting.h"
#include "event_intake.h"
#include "sampler_metrics.h"
#include "sampler_settings.h"
#include "shard_plan.h"
#include "snapshot_send.h"

#define ERROR_BYTES 512

struct sampler {
    const struct sampler_settings *settings;
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t signals[2];
    char node[NODE_BYTES];
    int64_t epoch_ms;
    int shards;                 /* served */
    bool unserved[SHARD_COUNT]; /* left to other samplers */
    struct metrics *metrics;
    struct counting *counting;
    struct event_intake *intake;
    struct count_publish *publish;
    struct snapshot_send *send; /* NULL: no stores are set */
    struct admin *admin;
    struct settings_again *again;
    int argc;
    char **argv;
    int64_t stop_ms; /* stopping: when to wait no longer; else 0 */
};

static void
on_message(void *arg, const struct message *message)
{
    struct sampler *sampler = arg;
    counting_take(sampler->counting, message);
}

static void
on_tick(uv_timer_t *timer)
{
    struct sampler *sampler = timer->data;
    uv_timer_start(timer, on_tick, (uint64_t)counting_tick(sampler->counting), 0);
}

static bool
is_ready(void *arg, const char **why)
{
    struct sampler *sampler = arg;
    *why = sampler->stop_ms ? "stopping" : "warming up: learning who is watching";
    return counting_ready(sampler->counting) && !sampler->stop_ms;
}

static void
close_all(struct sampler *sampler)
{
    event_intake_destroy(&sampler->intake);
    count_publish_destroy(&sampler->publish);
    snapshot_send_destroy(&sampler->send);
    bus_guard_close();
    admin_destroy(&sampler->admin);
    settings_again_destroy(&sampler->again);
}

static void
on_stopping(uv_timer_t *timer)
{
    struct sampler *sampler = timer->data;
    bool waiting = sampler->send && !snapshot_send_empty(sampler->send);
    if (waiting && clock_mono_ms() < sampler->stop_ms)
        return;
    close_all(sampler);
    uv_close((uv_handle_t *)&sampler->timer, NULL);
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&sampler->signals[i], NULL);
    stop_signals_ignore();
}

/* Listens and publishes no more; what was counted so far still goes to the store. */
static void
on_signal(uv_signal_t *signal, int number)
{
    struct sampler *sampler = signal->data;
    if (sampler->stop_ms)
        return;
    log_info("sampler.stopping", "told to stop", LOG_INT("signal", number));
    sampler->stop_ms = clock_mono_ms() + sampler->settings->stop_timeout_ms / 2;
    stop_limit_start(sampler->settings->stop_timeout_ms);
    counting_finish(sampler->counting);
    event_intake_destroy(&sampler->intake);
    count_publish_destroy(&sampler->publish);
    uv_timer_start(&sampler->timer, on_stopping, 0, 10);
}

/* The machine's name as far as a node id may hold it, and four random bytes. */
static void
make_node_id(char node[NODE_BYTES])
{
    char host[NODE_BYTES - 9] = "";
    uint32_t suffix = 0;
    gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++) {
        if (!node_valid(c, 1))
            *c = '-';
    }
    if (getrandom(&suffix, sizeof suffix, 0) != sizeof suffix)
        suffix = (uint32_t)clock_wall_ms();
    snprintf(node, NODE_BYTES, "%s%s%08x", host, *host ? "-" : "", suffix);
}

/* Chooses the shards; how many they are. */
static int
choose_shards(struct sampler *sampler)
{
    const struct sampler_settings *settings = sampler->settings;
    char host[256] = "";
    bool served[SHARD_COUNT];
    int count = 0;
    gethostname(host, sizeof host - 1);
    shard_plan((unsigned)sampler_ordinal(settings, host), (unsigned)settings->samplers,
               (unsigned)settings->sampler_replicas, served);
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        sampler->unserved[shard] = !served[shard];
        count += served[shard];
    }
    return count;
}

static void
make_counting(struct sampler *sampler)
{
    const struct sampler_settings *settings = sampler->settings;
    sampler->metrics = metrics_new(sampler_metric_table, SAMPLER_METRICS);
    struct counting_options options = {.sample_interval_ms = settings->sample_interval_ms,
                                       .snapshot_interval_ms = settings->snapshot_interval_ms,
                                       .heartbeat_interval_ms = settings->heartbeat_interval_ms,
                                       .node_timeout_ms = settings->node_timeout_ms,
                                       .unserved = sampler->unserved,
                                       .metrics = sampler->metrics};
    sampler->counting = counting_new(&options);
}

static bool
open_publish(struct sampler *sampler, char *error, size_t error_bytes)
{
    const struct sampler_settings *settings = sampler->settings;
    struct count_publish_options options = {.loop = &sampler->loop,
                                            .bind = settings->count_bind,
                                            .node = sampler->node,
                                            .hwm = settings->bus_hwm,
                                            .subscription_bytes = settings->subscription_bytes,
                                            .epoch_ms = sampler->epoch_ms,
                                            .count_interval_ms = settings->count_interval_ms,
                                            .heartbeat_interval_ms =
                                                settings->heartbeat_interval_ms,
                                            .unserved = sampler->unserved,
                                            .tally = counting_tally(sampler->counting),
                                            .metrics = sampler->metrics};
    sampler->publish = count_publish_new(&options, error, error_bytes);
    return sampler->publish;
}

/* Without stores there is nothing to open. */
static bool
open_send(struct sampler *sampler, char *error, size_t error_bytes)
{
    const struct sampler_settings *settings = sampler->settings;
    struct snapshot_send_options options = {.loop = &sampler->loop,
                                            .endpoints = settings->store_endpoints,
                                            .backend = settings->backend_api_url,
                                            .discovery_interval_ms =
                                                settings->discovery_interval_ms,
                                            .key = settings->internal_api_key,
                                            .hwm = settings->bus_hwm,
                                            .epoch_ms = sampler->epoch_ms,
                                            .ack_timeout_ms = settings->ack_timeout_ms,
                                            .ack_retry_max_ms = settings->ack_retry_max_ms,
                                            .rows_max = settings->outbox_rows,
                                            .disk_path = settings->outbox_path,
                                            .disk_bytes = settings->outbox_bytes,
                                            .metrics = sampler->metrics};
    if (!*settings->store_endpoints && !*settings->backend_api_url)
        return true;
    sampler->send = snapshot_send_new(&options, error, error_bytes);
    return sampler->send;
}

static bool
open_intake(struct sampler *sampler, char *error, size_t error_bytes)
{
    const struct sampler_settings *settings = sampler->settings;
    struct event_intake_options options = {.loop = &sampler->loop,
                                           .endpoints = settings->gateway_endpoints,
                                           .discovery_interval_ms =
                                               settings->discovery_interval_ms,
                                           .unserved = sampler->unserved,
                                           .hwm = settings->bus_hwm,
                                           .metrics = sampler->metrics,
                                           .take = on_message,
                                           .arg = sampler};
    sampler->intake = event_intake_new(&options, error, error_bytes);
    return sampler->intake;
}

static bool
open_admin(struct sampler *sampler, char *error, size_t error_bytes)
{
    const struct admin_settings *settings = &sampler->settings->admin;
    sampler->admin = admin_new(&sampler->loop, settings->admin_address,
                               (int)settings->admin_port, sampler->metrics, is_ready, sampler);
    if (!sampler->admin)
        snprintf(error, error_bytes, "cannot listen on %s:%lld: %s", settings->admin_address,
                 (long long)settings->admin_port, strerror(errno));
    return sampler->admin;
}

static bool
open_all(struct sampler *sampler, char *error, size_t error_bytes)
{
    struct bus_guard_options guard = {&sampler->loop, &sampler->settings->bus, BUS_SAMPLER,
                                      sampler->metrics, METRIC_PEERS_REFUSED};
    return !bus_guard_open(&guard, error, error_bytes) &&
           open_publish(sampler, error, error_bytes) &&
           open_send(sampler, error, error_bytes) && open_intake(sampler, error, error_bytes) &&
           open_admin(sampler, error, error_bytes);
}

static bool
take_keys(void *arg, const void *settings)
{
    struct sampler *sampler = arg;
    const char *key = ((const struct sampler_settings *)settings)->internal_api_key;
    return sampler->send && snapshot_send_set_key(sampler->send, key);
}

static void
start_handles(struct sampler *sampler)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    struct counting_neighbours to = {sampler->intake, sampler->publish, sampler->send};
    counting_connect(sampler->counting, &to);
    uv_timer_init(&sampler->loop, &sampler->timer);
    sampler->timer.data = sampler;
    uv_timer_start(&sampler->timer, on_tick, 0, 0);
    struct settings_again_options again = {.loop = &sampler->loop,
                                           .program = &sampler_program,
                                           .settings_bytes = sizeof *sampler->settings,
                                           .argc = sampler->argc,
                                           .argv = sampler->argv,
                                           .take = take_keys,
                                           .arg = sampler};
    sampler->again = settings_again_new(&again);
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(&sampler->loop, &sampler->signals[i]);
        sampler->signals[i].data = sampler;
        uv_signal_start(&sampler->signals[i], on_signal, numbers[i]);
    }
}

static int
run(struct sampler *sampler)
{
    int status = 0;
    char error[ERROR_BYTES];
    uv_loop_init(&sampler->loop);
    if (!open_all(sampler, error, sizeof error)) {
        log_error("sampler.start", error, LOG_NONE);
        close_all(sampler);
        status = EXIT_SYSTEM;
    } else {
        start_handles(sampler);
        log_info("sampler.started", "listening to gateways", LOG_STR("node", sampler->node),
                 LOG_STR("gateways", sampler->settings->gateway_endpoints),
                 LOG_STR("counts", sampler->settings->count_bind),
                 LOG_STR("stores", *sampler->settings->backend_api_url
                                       ? sampler->settings->backend_api_url
                                       : sampler->settings->store_endpoints),
                 LOG_INT("shards", sampler->shards));
    }
    uv_run(&sampler->loop, UV_RUN_DEFAULT);
    uv_loop_close(&sampler->loop);
    if (!status)
        log_info("sampler.stopped", "stopped", LOG_NONE);
    return status;
}

int
main(int argc, char **argv)
{
    struct sampler_settings settings = {0};
    int status = settings_read(&sampler_program, argc, argv, &settings, NULL);
    if (status != SETTINGS_RUN)
        return status;
    settings_start(&settings.common, "sampler");
    if (descriptors_raise()) {
        settings_free(&sampler_program, &settings);
        return EXIT_SYSTEM;
    }
    bus_start();
    struct sampler sampler = {
        .settings = &settings, .epoch_ms = clock_wall_ms(), .argc = argc, .argv = argv};
    if (settings.node_id)
        strcpy(sampler.node, settings.node_id);
    else
        make_node_id(sampler.node);
    sampler.shards = choose_shards(&sampler);
    make_counting(&sampler);
    status = run(&sampler);
    counting_destroy(&sampler.counting);
    metrics_destroy(&sampler.metrics);
    settings_free(&sampler_program, &settings);
    return status;
}
