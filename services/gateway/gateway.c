/* headcount-gateway: viewers' WebSockets in, their joins and leaves out on the bus, live counts
 * back to them. One thread, one libuv loop. Here: settings, wiring, start and stop. */
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
#include "settings.h"
#include "stop_limit.h"

#include "auction.h"

#include "attendance.h"
#include "gateway_metrics.h"
#include "gateway_settings.h"
#include "listener.h"
#include "tls_files.h"
#include "viewer_socket.h"

#define ERROR_BYTES 512
#define LAST_TURNS_MAX 100 /* of the loop, for handles to close in */

struct gateway {
    uv_loop_t loop;
    struct gateway_settings settings;
    struct metrics *metrics;
    struct audience *audience;
    struct broadcast *broadcast;
    struct event_publish *publish;
    struct count_intake *intake;
    struct attendance *attendance;
    struct listener *listener;
    struct viewer_socket *viewers;
    struct tls_files *tls; /* NULL: plain */
    struct admin *admin;
    uv_signal_t terminate, interrupt, hangup;
    bool ready;
    bool stopping;
    char error[ERROR_BYTES];
};

static bool
is_ready(void *arg, const char **why)
{
    struct gateway *gateway = arg;
    *why = gateway->stopping ? "shutting down" : "starting";
    return gateway->ready;
}

static uint64_t
draw_seed(void)
{
    uint64_t seed = 0;
    return getrandom(&seed, sizeof seed, 0) == sizeof seed ? seed : (uint64_t)uv_hrtime();
}

/* Connections for so many viewers, with those that are about to become some. */
static int64_t
sockets_for(int64_t viewers)
{
    return viewers + viewers / 16 + 64;
}

static int
open_port(struct gateway *gateway)
{
    struct gateway_settings *settings = &gateway->settings;
    int64_t asked = settings->max_connections;
    int64_t sockets = listener_reserve(sockets_for(asked) + LISTENER_BUDGET);
    if (sockets < asked) {
        settings->max_connections = sockets;
        log_warn("gateway.descriptors", "the limit of open files allows fewer connections",
                 LOG_INT("asked", asked), LOG_INT("allowed", sockets));
    }
    gateway->listener = listener_new(&gateway->loop, settings->listen_address, settings->port,
                                     gateway->metrics, gateway->error, sizeof gateway->error);
    return gateway->listener ? 0 : -1;
}

static int
open_bus(struct gateway *gateway)
{
    const struct gateway_settings *settings = &gateway->settings;
    struct event_publish_options publish = {.bind = settings->event_bind,
                                            .node = settings->node_id,
                                            .epoch_ms = clock_wall_ms(),
                                            .heartbeat_ms = settings->heartbeat_interval_ms,
                                            .hwm = settings->bus_hwm,
                                            .subscription_bytes = settings->subscription_bytes};
    struct count_intake_options intake = {.endpoints = settings->sampler_endpoints,
                                          .discovery_interval_ms =
                                              settings->discovery_interval_ms,
                                          .silence_ms = settings->node_timeout_ms,
                                          .hwm = settings->bus_hwm};
    struct bus_guard_options guard = {&gateway->loop, &settings->bus, BUS_GATEWAY,
                                      gateway->metrics, METRIC_PEERS_REFUSED};
    if (bus_guard_open(&guard, gateway->error, sizeof gateway->error))
        return -1;
    gateway->publish =
        event_publish_new(&gateway->loop, &publish, gateway->audience, gateway->metrics,
                          gateway->error, sizeof gateway->error);
    if (!gateway->publish)
        return -1;
    gateway->intake = count_intake_new(&gateway->loop, &intake, gateway->audience,
                                       gateway->metrics, gateway->error, sizeof gateway->error);
    return gateway->intake ? 0 : -1;
}

static int
open_viewers(struct gateway *gateway)
{
    const struct gateway_settings *settings = &gateway->settings;
    struct attendance_parts parts = {gateway->audience, gateway->broadcast, gateway->publish,
                                     gateway->intake, gateway->metrics};
    struct viewer_socket_options options = {
        .viewers_max = settings->max_connections,
        .sockets_max = sockets_for(settings->max_connections),
        .handshakes_max = settings->handshakes_max,
        .handshake_timeout_ms = settings->handshake_timeout_ms,
        .address_max = (uint64_t)settings->connections_per_address,
        .trusted_proxies = settings->trusted_proxies,
        .forwarded =
            strcmp(settings->forwarded_header, "forwarded") ? FORWARDED_X : FORWARDED_RFC,
        .allowed_origins = settings->allowed_origins,
        .message_bytes_max = (uint64_t)settings->message_bytes_max,
        .messages_per_second = settings->messages_per_second,
        .ping_interval_ms = settings->ping_interval_ms,
        .ping_timeout_ms = settings->ping_timeout_ms,
        .tls = gateway->tls ? tls_files_server(gateway->tls) : NULL};
    gateway->attendance = attendance_new(&gateway->loop, &parts);
    gateway->viewers =
        viewer_socket_new(&gateway->loop, &options, gateway->attendance, gateway->broadcast,
                          gateway->metrics, gateway->error, sizeof gateway->error);
    return gateway->viewers ? 0 : -1;
}

static int
open_tls(struct gateway *gateway)
{
    const struct gateway_settings *settings = &gateway->settings;
    struct tls_files_options options = {.cert_path = settings->tls_cert_file,
                                        .key_path = settings->tls_key_file,
                                        .check_ms = settings->tls_check_interval_ms};
    if (!options.cert_path)
        return 0;
    gateway->tls = tls_files_new(&gateway->loop, &options, gateway->metrics, gateway->error,
                                 sizeof gateway->error);
    return gateway->tls ? 0 : -1;
}

static int
open_admin(struct gateway *gateway)
{
    const struct admin_settings *settings = &gateway->settings.admin;
    gateway->admin = admin_new(&gateway->loop, settings->admin_address,
                               (int)settings->admin_port, gateway->metrics, is_ready, gateway);
    if (gateway->admin)
        return 0;
    snprintf(gateway->error, sizeof gateway->error, "cannot listen on %s port %d: %s",
             settings->admin_address, (int)settings->admin_port, strerror(errno));
    return -1;
}

static void
close_all(struct gateway *gateway)
{
    gateway->ready = false;
    listener_destroy(&gateway->listener);
    if (gateway->viewers)
        viewer_socket_close(gateway->viewers);
    attendance_destroy(&gateway->attendance);
    count_intake_destroy(&gateway->intake);
    event_publish_destroy(&gateway->publish);
    bus_guard_close();
    broadcast_destroy(&gateway->broadcast);
    tls_files_destroy(&gateway->tls);
    admin_destroy(&gateway->admin);
    uv_close((uv_handle_t *)&gateway->hangup, NULL);
    uv_close((uv_handle_t *)&gateway->terminate, NULL);
    uv_close((uv_handle_t *)&gateway->interrupt, NULL);
    stop_signals_ignore();
}

static void
on_drained(void *arg)
{
    struct gateway *gateway = arg;
    uv_stop(&gateway->loop);
}

/* The first signal drains, the second ends at once. */
static void
on_signal(uv_signal_t *signal, int number)
{
    struct gateway *gateway = signal->data;
    (void)number;
    if (gateway->stopping) {
        uv_stop(&gateway->loop);
        return;
    }
    gateway->stopping = true;
    gateway->ready = false;
    metrics_set(gateway->metrics, METRIC_READY, 0);
    log_info("gateway.stopping", "asking viewers to connect elsewhere",
             LOG_INT("viewers", (int64_t)audience_viewers(gateway->audience)),
             LOG_INT("drain_seconds", gateway->settings.drain_seconds));
    stop_limit_start(gateway->settings.drain_seconds * 1000 +
                     gateway->settings.stop_timeout_ms);
    listener_take_waiting(gateway->listener);
    listener_destroy(&gateway->listener);
    event_publish_set_state(gateway->publish, NODE_LEAVING);
    viewer_socket_drain(gateway->viewers, gateway->settings.drain_seconds * 1000, on_drained,
                        gateway);
}

static void
on_hangup(uv_signal_t *signal, int number)
{
    struct gateway *gateway = signal->data;
    (void)number;
    if (gateway->tls)
        tls_files_reload(gateway->tls);
}

/* Listens last: from then on viewers come, and where gateways share the port none may come to
 * one that does not serve them. */
static int
start(struct gateway *gateway)
{
    if (listener_start(gateway->listener, viewer_socket_accept, gateway->viewers)) {
        snprintf(gateway->error, sizeof gateway->error, "cannot listen on %s port %d: %s",
                 gateway->settings.listen_address, listener_port(gateway->listener),
                 strerror(errno));
        return -1;
    }
    uv_signal_start(&gateway->terminate, on_signal, SIGTERM);
    uv_signal_start(&gateway->interrupt, on_signal, SIGINT);
    uv_signal_start(&gateway->hangup, on_hangup, SIGHUP);
    event_publish_set_state(gateway->publish, NODE_READY);
    gateway->ready = true;
    metrics_set(gateway->metrics, METRIC_READY, 1);
    log_info("gateway.ready", "viewers are served",
             LOG_STR("address", gateway->settings.listen_address),
             LOG_INT("port", listener_port(gateway->listener)),
             LOG_STR("node", gateway->settings.node_id),
             LOG_STR("events", gateway->settings.event_bind));
    return 0;
}

static int
run(struct gateway *gateway)
{
    uv_signal_init(&gateway->loop, &gateway->terminate);
    uv_signal_init(&gateway->loop, &gateway->interrupt);
    uv_signal_init(&gateway->loop, &gateway->hangup);
    gateway->terminate.data = gateway->interrupt.data = gateway->hangup.data = gateway;
    bool opened = !open_tls(gateway) && !open_port(gateway) && !open_bus(gateway) &&
                  !open_viewers(gateway) && !open_admin(gateway) && !start(gateway);
    if (opened)
        uv_run(&gateway->loop, UV_RUN_DEFAULT);
    else
        log_error("gateway.start", gateway->error, LOG_INT("status", EXIT_SYSTEM));
    close_all(gateway);
    for (int i = 0; i < LAST_TURNS_MAX && uv_run(&gateway->loop, UV_RUN_NOWAIT); i++)
        ;
    viewer_socket_destroy(&gateway->viewers);
    if (opened)
        log_info("gateway.stopped", "stopped", LOG_STR("node", gateway->settings.node_id));
    return opened ? 0 : EXIT_SYSTEM;
}

int
main(int argc, char **argv)
{
    static struct gateway
        gateway; /* the loop is not closed: libwebsockets leaves handles in it */
    int status = settings_read(&gateway_program, argc, argv, &gateway.settings, NULL);
    if (status != SETTINGS_RUN)
        return status;
    gateway_settings_name(&gateway.settings);
    settings_start(&gateway.settings.common, "gateway");
    if (descriptors_raise()) {
        settings_free(&gateway_program, &gateway.settings);
        return EXIT_SYSTEM;
    }
    bus_start();
    uv_loop_init(&gateway.loop);
    gateway.metrics = metrics_new(gateway_metrics, GATEWAY_METRICS);
    gateway.audience = audience_new(draw_seed(), (size_t)gateway.settings.auctions_max);
    gateway.broadcast =
        broadcast_new(&gateway.loop, gateway.settings.broadcast_interval_ms, gateway.metrics);
    status = run(&gateway);
    audience_destroy(&gateway.audience);
    metrics_destroy(&gateway.metrics);
    settings_free(&gateway_program, &gateway.settings);
    return status;
}
