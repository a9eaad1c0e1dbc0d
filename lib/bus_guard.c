/* In: keys of peers (bus_zap.c), handshakes that failed (socket monitors), SIGHUP. Out:
 * verdicts, options of sockets, counters. bus_keys.c judges; this asks and does. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bus_arrivals.h"
#include "bus_cut.h"
#include "bus_guard.h"
#include "bus_io.h"
#include "bus_zap.h"
#include "clock.h"
#include "endpoint.h"
#include "log.h"
#include "mem.h"

#define ZAP_DOMAIN "headcount"
#define BUDGET 1000 /* events a turn of the loop */
#define LISTENERS_MAX 8
#define LOG_INTERVAL_MS 10000
#define WATCHED                                                                                \
    (ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                               \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
#define ARRIVALS_SHARE 8 /* of the descriptors that the process may have */
#define ARRIVALS_MIN 64

struct listener {
    zsock_t *monitor; /* PAIR: connections that come, and handshakes that failed */
    struct bus_watch *watch;
};

static struct guard {
    bool open;
    bool warned; /* that the bus leaves the machine */
    struct bus_guard_options options;
    struct bus_keys *keys; /* NULL: none are set */
    struct bus_zap *zap;
    uv_signal_t *hangup;
    struct bus_arrivals *arrivals;
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    int ports[LISTENERS_MAX]; /* that are guarded */
    size_t port_count;
    struct log_limit limits[BUS_REFUSALS];
} guard;

static bool
is_tcp(const char *endpoint)
{
    return !strncmp(endpoint, "tcp://", 6);
}

static void
note_refused(enum bus_refusal refusal, const char *who, const char *address)
{
    static const char *const reasons[BUS_REFUSALS] = {
        [BUS_REFUSED_KEY] = "its key is not listed",
        [BUS_REFUSED_ROLE] = "its role has no business here",
        [BUS_REFUSED_MECHANISM] = "it does not speak CURVE",
        [BUS_REFUSED_HANDSHAKE] = "its handshake failed"};
    int64_t suppressed;
    if (guard.options.metrics)
        metrics_add(guard.options.metrics, guard.options.refused_row + refusal, 1);
    if (log_allowed(&guard.limits[refusal], clock_mono_ms(), LOG_INTERVAL_MS, &suppressed))
        log_warn("bus.refused", "a peer was refused", LOG_STR("reason", reasons[refusal]),
                 LOG_STR("peer", who), LOG_STR("address", address),
                 LOG_INT("suppressed", suppressed));
}

static bool
admit(void *arg, const char key[BUS_KEY_BYTES], const char *address)
{
    const char *whose = NULL;
    (void)arg;
    enum bus_verdict verdict = bus_keys_judge(guard.keys, guard.options.role, key, &whose);
    if (verdict != BUS_ADMITTED)
        note_refused(verdict == BUS_OTHER_ROLE ? BUS_REFUSED_ROLE : BUS_REFUSED_KEY,
                     whose ? whose : "unknown", address);
    return verdict == BUS_ADMITTED;
}

/* [event, 16 bits; value, 32 bits][endpoint], as zmq_socket_monitor(3) has it. A peer that ZAP
 * refuses is counted there. */
static bool
read_monitor(void *arg, zsock_t *monitor)
{
    zmq_msg_t head, place;
    uint16_t event = 0;
    uint32_t value = 0;
    (void)arg;
    int result = bus_receive(monitor, &head, &place);
    if (result <= 0)
        return result;
    const char *bytes = zmq_msg_data(&head);
    if (zmq_msg_size(&head) == sizeof event + sizeof value) {
        memcpy(&event, bytes, sizeof event);
        memcpy(&value, bytes + sizeof event, sizeof value);
    }
    zmq_msg_close(&head);
    zmq_msg_close(&place);
    if (event == ZMQ_EVENT_ACCEPTED) { /* who is shut is told of as one that failed */
        bus_arrivals_note(guard.arrivals, (int)value, clock_mono_ms());
        return true;
    }
    bool foreign = event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL &&
                   value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH;
    note_refused(foreign ? BUS_REFUSED_MECHANISM : BUS_REFUSED_HANDSHAKE, "unknown", "unknown");
    return true;
}

static void
on_hangup(uv_signal_t *hangup, int number)
{
    (void)hangup, (void)number;
    bus_guard_reload();
}

struct bus_timeouts
bus_guard_timeouts(void)
{
    return bus_settings_timeouts(guard.options.settings);
}

static struct bus_arrivals *
make_arrivals(void)
{
    struct rlimit limit = {.rlim_cur = 0};
    getrlimit(RLIMIT_NOFILE, &limit);
    size_t most = (size_t)limit.rlim_cur / ARRIVALS_SHARE;
    return bus_arrivals_new(most > ARRIVALS_MIN ? most : ARRIVALS_MIN,
                            bus_guard_timeouts().handshake_ms);
}

static void
watch_hangups(uv_loop_t *loop)
{
    guard.hangup = mem_alloc(sizeof *guard.hangup);
    uv_signal_init(loop, guard.hangup);
    uv_signal_start(guard.hangup, on_hangup, SIGHUP);
}

int
bus_guard_open(const struct bus_guard_options *options, char *error, size_t error_bytes)
{
    assert(!guard.open);
    guard = (struct guard){.open = true, .options = *options};
    if (!options->settings->keys)
        return 0;
    guard.keys = bus_keys_read(options->settings->keys, options->role, error, error_bytes);
    if (!guard.keys) {
        bus_guard_close();
        return -1;
    }
    guard.zap = bus_zap_new(options->loop, admit, NULL);
    if (!guard.zap) {
        snprintf(error, error_bytes, "BUS_KEYS: no CURVE with this ZeroMQ: %s",
                 zmq_strerror(errno));
        bus_guard_close();
        return -1;
    }
    watch_hangups(options->loop);
    guard.arrivals = make_arrivals();
    return 0;
}

static void
on_closed(uv_handle_t *handle)
{
    free(handle);
}

void
bus_guard_close(void)
{
    for (size_t i = 0; i < guard.listener_count; i++) {
        bus_watch_destroy(&guard.listeners[i].watch);
        zsock_destroy(&guard.listeners[i].monitor);
    }
    bus_arrivals_destroy(&guard.arrivals);
    bus_zap_destroy(&guard.zap);
    if (guard.hangup) {
        uv_close((uv_handle_t *)guard.hangup, on_closed);
        signal(SIGHUP, SIG_IGN); /* or one would end the process while it stops */
    }
    bus_keys_destroy(&guard.keys);
    guard = (struct guard){.open = false};
}

int
bus_guard_reload(void)
{
    char error[BUS_ERROR_BYTES];
    if (!guard.keys)
        return 0;
    struct bus_keys *keys =
        bus_keys_read(guard.options.settings->keys, guard.options.role, error, sizeof error);
    if (!keys) {
        log_error("bus.keys", "the keys cannot be read again; the old ones stay",
                  LOG_STR("reason", error));
        return -1;
    }
    bool withdrawn = bus_keys_withdrawn(guard.keys, keys, guard.options.role);
    bool renewed = strcmp(bus_keys_public(guard.keys), bus_keys_public(keys));
    bus_keys_destroy(&guard.keys);
    guard.keys = keys;
    log_info("bus.keys", "the keys were read again",
             LOG_INT("public_keys", (int64_t)bus_keys_count(keys)),
             LOG_INT("connections_cut",
                     withdrawn ? bus_cut_ports(guard.ports, guard.port_count) : 0));
    if (renewed && guard.port_count)
        log_warn("bus.keys_own", "our own key is another one: listeners take it at a restart",
                 LOG_NONE);
    return 0;
}

static void
warn_once(const char *endpoint)
{
    if (guard.warned || endpoint_is_local(endpoint))
        return;
    guard.warned = true;
    log_warn("bus.insecure",
             "the bus leaves this machine without keys: whoever reaches it reads and writes",
             LOG_STR("endpoint", endpoint));
}

/* Its reader has no mark: ZeroMQ's own thread would wait for room. */
static int
watch_listener(zsock_t *socket)
{
    static unsigned number; /* ZeroMQ lets a place go a little later */
    char place[64];
    if (!guard.options.metrics || zsock_curve_server(socket))
        return 0; /* not asked for, or done */
    struct listener *listener = &guard.listeners[guard.listener_count];
    snprintf(place, sizeof place, "inproc://guard-%u", ++number);
    zsock_t *monitor = zsock_new(ZMQ_PAIR);
    if (!monitor)
        return -1;
    zsock_set_rcvhwm(monitor, 0);
    if (zmq_socket_monitor(zsock_resolve(socket), place, WATCHED) ||
        zmq_connect(zsock_resolve(monitor), place)) {
        zsock_destroy(&monitor);
        return -1;
    }
    *listener = (struct listener){.monitor = monitor};
    listener->watch = bus_watch_new(guard.options.loop, monitor, BUDGET, read_monitor, NULL);
    guard.listener_count++;
    return 0;
}

static void
note_port(zsock_t *socket)
{
    char *endpoint = zsock_last_endpoint(socket);
    const char *colon = endpoint ? strrchr(endpoint, ':') : NULL;
    assert(guard.port_count < LISTENERS_MAX);
    guard.ports[guard.port_count++] = colon ? atoi(colon + 1) : 0;
    zstr_free(&endpoint);
}

int
bus_guard_bind(zsock_t *socket, const char *endpoint)
{
    void *handle = zsock_resolve(socket);
    if (!guard.keys || !is_tcp(endpoint)) {
        warn_once(endpoint);
        return zmq_bind(handle, endpoint);
    }
    if (guard.port_count == LISTENERS_MAX) { /* of monitors there are no more */
        errno = EMFILE;
        return -1;
    }
    if (watch_listener(socket))
        return -1;
    zsock_set_curve_server(socket, 1);
    zsock_set_curve_secretkey(socket, bus_keys_secret(guard.keys));
    zsock_set_zap_domain(socket, ZAP_DOMAIN);
    zsock_set_zap_enforce_domain(socket, 1);
    if (zmq_bind(handle, endpoint))
        return -1;
    note_port(socket);
    return 0;
}

int
bus_guard_connect(zsock_t *socket, const char *endpoint, unsigned peers, unsigned attempt)
{
    void *handle = zsock_resolve(socket);
    const struct bus_key *server =
        guard.keys && is_tcp(endpoint) ? bus_keys_server(guard.keys, peers, attempt) : NULL;
    if (!server && guard.keys && is_tcp(endpoint)) {
        errno = ENOKEY;
        return -1;
    }
    zsock_set_curve_server(socket, 0); /* no CURVE, whatever was connected before */
    if (server) {
        zsock_set_curve_publickey(socket, bus_keys_public(guard.keys));
        zsock_set_curve_secretkey(socket, bus_keys_secret(guard.keys));
        zsock_set_curve_serverkey(socket, server->key);
    } else {
        warn_once(endpoint);
    }
    return zmq_connect(handle, endpoint);
}
