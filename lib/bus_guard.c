/* In: ZeroMQ's questions about peers (ZAP), handshakes that failed (socket monitors), SIGHUP.
 * Out: answers, options of sockets, counters. bus_keys.c judges; this asks and does. */
#include <arpa/inet.h>
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "bus_arrivals.h"
#include "bus_guard.h"
#include "bus_io.h"
#include "clock.h"
#include "endpoint.h"
#include "log.h"
#include "mem.h"

#define ZAP_PLACE "inproc://zeromq.zap.01"
#define ZAP_DOMAIN "headcount"
#define ZAP_FRAMES 7 /* version, request, domain, address, identity, mechanism, key */
#define ZAP_BYTES 256
#define BUDGET 1000 /* questions or events a turn of the loop */
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
    zsock_t *zap;          /* REP */
    struct bus_watch *watch;
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

/* The first endpoint of a list that leaves the machine. */
static bool
find_remote(const char *list, char endpoint[ENDPOINT_BYTES])
{
    while (endpoint_next(&list, endpoint))
        if (!endpoint_is_local(endpoint))
            return true;
    return false;
}

static bool
has_tcp(const char *list)
{
    char endpoint[ENDPOINT_BYTES];
    while (endpoint_next(&list, endpoint))
        if (is_tcp(endpoint))
            return true;
    return false;
}

/* Names the roles, "gateway or sampler". */
static void
name_roles(unsigned roles, char *text, size_t text_bytes)
{
    *text = 0;
    for (int role = 0; role < BUS_ROLES; role++) {
        size_t used = strlen(text);
        if (roles & BUS_ROLE_BIT(role))
            snprintf(text + used, text_bytes - used, "%s%s.pub", used ? " or " : "",
                     bus_role_name((enum bus_role)role));
    }
}

static int
check_keys(const struct bus_settings *settings, enum bus_role role, const struct bus_ends *ends,
           size_t count, char *error, size_t error_bytes)
{
    struct bus_keys *keys = bus_keys_read(settings->keys, role, error, error_bytes);
    int result = keys ? 0 : -1;
    for (size_t i = 0; !result && i < count; i++) {
        char files[128];
        if (!ends[i].peers || !has_tcp(ends[i].endpoints) ||
            bus_keys_server(keys, ends[i].peers, 0))
            continue;
        name_roles(ends[i].peers, files, sizeof files);
        snprintf(error, error_bytes,
                 "BUS_KEYS: '%.200s' has no key for %s; allowed: a folder with %s",
                 settings->keys, ends[i].setting, files);
        result = -1;
    }
    bus_keys_destroy(&keys);
    return result;
}

int
bus_settings_check(const struct bus_settings *settings, enum bus_role role,
                   const struct bus_ends *ends, size_t count, char *error, size_t error_bytes)
{
    char endpoint[ENDPOINT_BYTES];
    if (settings->keys)
        return check_keys(settings, role, ends, count, error, error_bytes);
    for (size_t i = 0; i < count && !settings->insecure; i++) {
        if (!find_remote(ends[i].endpoints, endpoint))
            continue;
        snprintf(error, error_bytes,
                 "%s: '%.100s' leaves this machine unprotected; allowed: with BUS_KEYS (see "
                 "headcount-keys), or with BUS_INSECURE=true where nobody else can reach it",
                 ends[i].setting, endpoint);
        return -1;
    }
    return 0;
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

struct question {
    char frames[ZAP_FRAMES][ZAP_BYTES];
    int bytes[ZAP_FRAMES];
    int count;
};

/* False: there is none. */
static bool
read_question(zsock_t *zap, struct question *question)
{
    zmq_msg_t frame;
    bool more = true;
    for (question->count = 0; more; question->count++) {
        zmq_msg_init(&frame);
        int bytes = zmq_msg_recv(&frame, zsock_resolve(zap), ZMQ_DONTWAIT);
        more = bytes >= 0 && zmq_msg_more(&frame);
        if (bytes >= 0 && bytes < ZAP_BYTES && question->count < ZAP_FRAMES) {
            memcpy(question->frames[question->count], zmq_msg_data(&frame), (size_t)bytes);
            question->frames[question->count][bytes] = 0;
            question->bytes[question->count] = bytes;
        }
        zmq_msg_close(&frame);
        if (bytes < 0)
            return false;
    }
    return true;
}

static bool
is_admitted(const struct question *question)
{
    char key[BUS_KEY_BYTES];
    const char *whose = NULL;
    if (question->count != ZAP_FRAMES || strcmp(question->frames[5], "CURVE") ||
        question->bytes[6] != 32)
        return false;
    zmq_z85_encode(key, (const uint8_t *)question->frames[6], 32);
    enum bus_verdict verdict = bus_keys_judge(guard.keys, guard.options.role, key, &whose);
    if (verdict != BUS_ADMITTED)
        note_refused(verdict == BUS_OTHER_ROLE ? BUS_REFUSED_ROLE : BUS_REFUSED_KEY,
                     whose ? whose : "unknown", question->frames[3]);
    return verdict == BUS_ADMITTED;
}

static bool
answer_question(void *arg, zsock_t *zap)
{
    static struct question question;
    (void)arg;
    memset(&question, 0, sizeof question);
    if (!read_question(zap, &question))
        return false;
    bool admitted = is_admitted(&question);
    const char *answer[] = {question.frames[0],
                            question.frames[1],
                            admitted ? "200" : "400",
                            admitted ? "OK" : "refused",
                            "",
                            ""};
    for (size_t i = 0; i < 6; i++) {
        size_t bytes = i == 1 ? (size_t)question.bytes[1] : strlen(answer[i]);
        zmq_send(zsock_resolve(zap), answer[i], bytes,
                 ZMQ_DONTWAIT | (i < 5 ? ZMQ_SNDMORE : 0));
    }
    return true;
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

static int
pick_ms(int64_t set_ms, int usual_ms)
{
    return set_ms ? (int)set_ms : usual_ms;
}

struct bus_timeouts
bus_guard_timeouts(void)
{
    static const struct bus_settings none;
    const struct bus_settings *set = guard.options.settings ? guard.options.settings : &none;
    return (struct bus_timeouts){
        .link_ms = pick_ms(set->link_timeout_ms, BUS_LINK_TIMEOUT_MS),
        .connect_ms = pick_ms(set->connect_timeout_ms, BUS_CONNECT_TIMEOUT_MS),
        .handshake_ms = pick_ms(set->handshake_timeout_ms, BUS_HANDSHAKE_TIMEOUT_MS)};
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

/* ZeroMQ asks nobody, and so refuses everybody, where the place cannot be taken. */
static int
open_zap(uv_loop_t *loop)
{
    guard.zap = zsock_new(ZMQ_REP);
    if (!guard.zap || zmq_bind(zsock_resolve(guard.zap), ZAP_PLACE))
        return -1;
    guard.watch = bus_watch_new(loop, guard.zap, BUDGET, answer_question, NULL);
    guard.hangup = mem_alloc(sizeof *guard.hangup);
    uv_signal_init(loop, guard.hangup);
    uv_signal_start(guard.hangup, on_hangup, SIGHUP);
    return 0;
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
    if (!zmq_has("curve") || open_zap(options->loop)) {
        snprintf(error, error_bytes, "BUS_KEYS: no CURVE with this ZeroMQ: %s",
                 zmq_strerror(errno));
        bus_guard_close();
        return -1;
    }
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
    bus_watch_destroy(&guard.watch);
    zsock_destroy(&guard.zap);
    if (guard.hangup)
        uv_close((uv_handle_t *)guard.hangup, on_closed);
    bus_keys_destroy(&guard.keys);
    guard = (struct guard){.open = false};
}

/* The port of a TCP socket's own end, if it is connected. */
static int
find_port(int descriptor)
{
    struct sockaddr_storage own = {.ss_family = AF_UNSPEC}, peer;
    socklen_t own_bytes = sizeof own, peer_bytes = sizeof peer;
    if (getsockname(descriptor, (struct sockaddr *)&own, &own_bytes) ||
        getpeername(descriptor, (struct sockaddr *)&peer, &peer_bytes))
        return 0;
    if (own.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&own)->sin_port);
    return own.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&own)->sin6_port) : 0;
}

/* ZeroMQ tells neither whose key a connection has nor ends one; so its descriptors are found by
 * their port, and shut. A descriptor that ZeroMQ closes meanwhile does no harm: whatever has
 * its number then is looked at like every other. */
static int
cut_connections(void)
{
    int cut = 0;
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        int descriptor = atoi(entry->d_name), port = find_port(descriptor);
        for (size_t i = 0; port && i < guard.port_count; i++)
            if (port == guard.ports[i] && !shutdown(descriptor, SHUT_RDWR))
                cut++;
    }
    if (folder)
        closedir(folder);
    return cut;
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
             LOG_INT("connections_cut", withdrawn ? cut_connections() : 0));
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
    *listener = (struct listener){
        .monitor = monitor,
    };
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
