/* The sampler: gateways' events in; live counts and, once a window, snapshots out.
 *
 *     event_intake ─▶ roster ─▶ window ─▶ snapshot_send ─▶ store
 *                        │         └────▶ count_publish ─▶ taps
 *                        └──────────────▶ count_publish ─▶ gateways, apis
 *
 * One thread, one loop. Here the parts are wired, and their clock ticks. */
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
#include "log.h"
#include "mem.h"

#include "auction.h"

#include "count_publish.h"
#include "event_intake.h"
#include "roster.h"
#include "sampler_metrics.h"
#include "sampler_settings.h"
#include "snapshot_send.h"
#include "window.h"

#define TICKS 10     /* looks at the clock, at least, in what would count as a pause */
#define DRAIN 1000   /* auctions whose window is closed in one turn of the loop */
#define STOP_MS 3000 /* to get the last batches acknowledged */
#define ERROR_BYTES 512

struct sampler {
    const struct sampler_settings *settings;
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t signals[2];
    char node[NODE_BYTES];
    int64_t epoch_ms;
    struct metrics *metrics;
    struct roster *roster;
    struct window *window;
    struct event_intake *intake;
    struct count_publish *publish;
    struct snapshot_send *send;
    struct admin *admin;
    struct moment now; /* of the message or tick being handled */
    uint64_t closed;   /* windows whose snapshots went out */
    int64_t tick_ms;   /* at most, between two looks at the clock */
    bool started;      /* warmed up */
    int64_t stop_ms;   /* stopping: when to wait no longer; else 0 */
};

static void
look_at_clock(struct sampler *sampler)
{
    sampler->now = (struct moment){clock_wall_ms(), clock_mono_ms()};
}

static void
on_change(void *arg, const struct roster_change *change)
{
    struct sampler *sampler = arg;
    window_change(sampler->window, change->auction, change->joins, change->leaves,
                  change->count, sampler->now);
    if (sampler->publish)
        count_publish_change(sampler->publish, change->auction, change->count);
}

static void
on_message(void *arg, const struct message *message)
{
    struct sampler *sampler = arg;
    look_at_clock(sampler);
    enum roster_result result = roster_take(sampler->roster, message, sampler->now.mono_ms);
    window_trouble(sampler->window, roster_troubled(sampler->roster));
    if (result == ROSTER_OLD)
        metrics_add(sampler->metrics, METRIC_OLD, 1);
    else if (result == ROSTER_FULL)
        metrics_add(sampler->metrics, METRIC_FULL, 1);
    else if (result == ROSTER_RANGE)
        metrics_add(sampler->metrics, METRIC_JUNK_RANGE, 1);
}

static void
on_snapshot(void *arg, const struct snapshot *snapshot)
{
    struct sampler *sampler = arg;
    if (sampler->send)
        snapshot_send_add(sampler->send, snapshot);
    if (sampler->publish)
        count_publish_snapshot(sampler->publish, snapshot);
}

static void
start_counting(struct sampler *sampler)
{
    sampler->started = true;
    window_start(sampler->window, sampler->now);
    count_publish_start(sampler->publish);
    log_info("sampler.ready", "warmed up",
             LOG_INT("gateways", (int64_t)roster_nodes(sampler->roster)),
             LOG_INT("auctions", (int64_t)roster_auctions(sampler->roster)),
             LOG_INT("viewers", (int64_t)roster_total(sampler->roster)));
    if (roster_troubled(sampler->roster))
        log_warn("sampler.not_whole", "a gateway has not told all its auctions; going on",
                 LOG_NONE);
}

static void
show_metrics(struct sampler *sampler)
{
    struct metrics *metrics = sampler->metrics;
    metrics_set(metrics, METRIC_GAPS, (int64_t)roster_gaps(sampler->roster));
    metrics_set(metrics, METRIC_GATEWAYS, (int64_t)roster_nodes(sampler->roster));
    metrics_set(metrics, METRIC_GATEWAYS_LOST, (int64_t)roster_lost(sampler->roster));
    metrics_set(metrics, METRIC_AUCTIONS, (int64_t)roster_auctions(sampler->roster));
    metrics_set(metrics, METRIC_VIEWERS, (int64_t)roster_total(sampler->roster));
    metrics_set(metrics, METRIC_READY, sampler->started);
    metrics_set(metrics, METRIC_SAMPLES, (int64_t)window_samples(sampler->window));
    metrics_set(metrics, METRIC_UNOBSERVED, (int64_t)window_unobserved(sampler->window));
}

/* Hands the closed window's snapshots on, a part at a time. True when there are more. */
static bool
drain_window(struct sampler *sampler)
{
    if (window_drain(sampler->window, DRAIN))
        return true;
    if (window_closed(sampler->window) == sampler->closed)
        return false;
    sampler->closed = window_closed(sampler->window);
    if (sampler->send)
        snapshot_send_close(sampler->send);
    return false;
}

static void
on_tick(uv_timer_t *timer)
{
    struct sampler *sampler = timer->data;
    look_at_clock(sampler);
    roster_tick(sampler->roster, sampler->now.mono_ms);
    int shard;
    while ((shard = roster_renewal(sampler->roster, sampler->now.mono_ms)) >= 0)
        event_intake_renew(sampler->intake, (unsigned)shard);
    if (!sampler->started && roster_ready(sampler->roster))
        start_counting(sampler);
    window_trouble(sampler->window, roster_troubled(sampler->roster));
    window_advance(sampler->window, sampler->now);
    show_metrics(sampler);
    int64_t wait_ms = window_wait_ms(sampler->window, sampler->now.wall_ms);
    if (wait_ms > sampler->tick_ms)
        wait_ms = sampler->tick_ms;
    if (drain_window(sampler))
        wait_ms = 0;
    uv_timer_start(timer, on_tick, (uint64_t)wait_ms, 0);
}

static bool
is_ready(void *arg, const char **why)
{
    struct sampler *sampler = arg;
    *why = sampler->stop_ms ? "stopping" : "warming up: learning who is watching";
    return sampler->started && !sampler->stop_ms;
}

static void
close_sockets(struct sampler *sampler)
{
    event_intake_destroy(&sampler->intake);
    count_publish_destroy(&sampler->publish);
    snapshot_send_destroy(&sampler->send);
    admin_destroy(&sampler->admin);
}

static void
on_stopping(uv_timer_t *timer)
{
    struct sampler *sampler = timer->data;
    bool waiting = sampler->send && !snapshot_send_empty(sampler->send);
    if (waiting && clock_mono_ms() < sampler->stop_ms)
        return;
    close_sockets(sampler);
    uv_close((uv_handle_t *)&sampler->timer, NULL);
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&sampler->signals[i], NULL);
}

/* Listens and publishes no more; what is closed already still goes to the store. */
static void
on_signal(uv_signal_t *signal, int number)
{
    struct sampler *sampler = signal->data;
    if (sampler->stop_ms)
        return;
    log_info("sampler.stopping", "told to stop", LOG_INT("signal", number));
    sampler->stop_ms = clock_mono_ms() + STOP_MS;
    while (drain_window(sampler))
        ;
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

static void
make_cores(struct sampler *sampler)
{
    const struct sampler_settings *settings = sampler->settings;
    int64_t beat_ms = settings->heartbeat_interval_ms;
    struct roster_options roster = {.node_timeout_ms = settings->node_timeout_ms,
                                    .settle_ms = beat_ms + beat_ms / 4,
                                    .change = on_change,
                                    .arg = sampler};
    struct window_options window = {.sample_ms = settings->sample_interval_ms,
                                    .window_ms = settings->snapshot_interval_ms,
                                    .emit = on_snapshot,
                                    .arg = sampler};
    sampler->metrics = metrics_new(sampler_metric_table, SAMPLER_METRICS);
    sampler->roster = roster_new(&roster, clock_mono_ms());
    sampler->window = window_new(&window);
    sampler->tick_ms = window_slack_ms(sampler->window) / TICKS;
}

static int
open_sockets(struct sampler *sampler, char *error, size_t error_bytes)
{
    const struct sampler_settings *settings = sampler->settings;
    struct count_publish_options publish = {.loop = &sampler->loop,
                                            .bind = settings->count_bind,
                                            .node = sampler->node,
                                            .hwm = settings->bus_hwm,
                                            .epoch_ms = sampler->epoch_ms,
                                            .count_interval_ms = settings->count_interval_ms,
                                            .heartbeat_interval_ms =
                                                settings->heartbeat_interval_ms,
                                            .roster = sampler->roster,
                                            .metrics = sampler->metrics};
    struct snapshot_send_options send = {.loop = &sampler->loop,
                                         .endpoints = settings->store_endpoints,
                                         .key = settings->internal_api_key,
                                         .hwm = settings->bus_hwm,
                                         .epoch_ms = sampler->epoch_ms,
                                         .ack_timeout_ms = settings->ack_timeout_ms,
                                         .rows_max = settings->outbox_rows,
                                         .metrics = sampler->metrics};
    struct event_intake_options intake = {.loop = &sampler->loop,
                                          .endpoints = settings->gateway_endpoints,
                                          .hwm = settings->bus_hwm,
                                          .metrics = sampler->metrics,
                                          .take = on_message,
                                          .arg = sampler};
    sampler->publish = count_publish_new(&publish, error, error_bytes);
    if (!sampler->publish)
        return -1;
    if (*settings->store_endpoints &&
        !(sampler->send = snapshot_send_new(&send, error, error_bytes)))
        return -1;
    sampler->intake = event_intake_new(&intake, error, error_bytes);
    if (!sampler->intake)
        return -1;
    sampler->admin =
        admin_new(&sampler->loop, settings->admin.admin_address,
                  (int)settings->admin.admin_port, sampler->metrics, is_ready, sampler);
    if (sampler->admin)
        return 0;
    snprintf(error, error_bytes, "cannot listen on %s:%lld: %s", settings->admin.admin_address,
             (long long)settings->admin.admin_port, strerror(errno));
    return -1;
}

static void
start_handles(struct sampler *sampler)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    uv_timer_init(&sampler->loop, &sampler->timer);
    sampler->timer.data = sampler;
    uv_timer_start(&sampler->timer, on_tick, 0, 0);
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
    if (open_sockets(sampler, error, sizeof error)) {
        log_error("sampler.start", error, LOG_NONE);
        close_sockets(sampler);
        status = EXIT_SYSTEM;
    } else {
        start_handles(sampler);
        log_info("sampler.started", "listening to gateways", LOG_STR("node", sampler->node),
                 LOG_STR("gateways", sampler->settings->gateway_endpoints),
                 LOG_STR("counts", sampler->settings->count_bind),
                 LOG_STR("stores", sampler->settings->store_endpoints));
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
    settings_start_log(&settings.common, "sampler");
    bus_start();
    struct sampler sampler = {.settings = &settings, .epoch_ms = clock_wall_ms()};
    if (settings.node_id)
        strcpy(sampler.node, settings.node_id);
    else
        make_node_id(sampler.node);
    make_cores(&sampler);
    status = run(&sampler);
    roster_destroy(&sampler.roster);
    window_destroy(&sampler.window);
    metrics_destroy(&sampler.metrics);
    settings_free(&sampler_program, &settings);
    return status;
}
