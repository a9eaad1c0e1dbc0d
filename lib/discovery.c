/* In: a list of endpoints, answers of the resolver, the socket's monitor. Out: zmq_connect()
 * and zmq_disconnect(). peers.c decides; this asks and does. Loop thread; libuv's pool
 * resolves. */
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bus_guard.h"
#include "bus_io.h"
#include "clock.h"
#include "discovery.h"
#include "endpoint.h"
#include "handshakes.h"
#include "log.h"
#include "mem.h"
#include "peers.h"

#define MONITOR_BUDGET 1000 /* events a turn of the loop */
#define LOG_INTERVAL_MS 60000
#define ACTION_LOG_INTERVAL_MS 10000
#define JITTER_PERCENT 10
/* A retry shows that an address is down, should it have been taken for connected. */
#define EVENTS                                                                                 \
    (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED |      \
     HANDSHAKES_FAILED)

/* A name, and the query that is under way or the wait for the next. */
struct lookup {
    struct discovery *discovery;
    char *host;
    char port[ENDPOINT_PORT_BYTES];
    uv_timer_t timer;
    uv_getaddrinfo_t query;
    bool asking;  /* the query is under way */
    bool failing; /* the last answer was none */
    struct log_limit failed_limit;
};

struct discovery {
    struct discovery_options options; /* socket is NULL when closing */
    struct peers *peers;
    struct handshakes *handshakes;
    zsock_t *monitor; /* PAIR: what happens to the socket's connections */
    struct bus_watch *watch;
    struct lookup *lookups;
    size_t lookup_count;
    size_t pending; /* handles and queries that still point here */
    bool started;
    struct log_limit full_limit;
    struct log_limit action_limits[2]; /* what was refused, what was done */
};

/* One line each, unless a name stands for hundreds. */
static void
tell_action(struct discovery *discovery, enum peers_action action, const char *endpoint,
            int error)
{
    bool connect = action == PEERS_CONNECT;
    int64_t suppressed;
    if (!log_allowed_burst(&discovery->action_limits[!error], clock_mono_ms(),
                           ACTION_LOG_INTERVAL_MS, &suppressed))
        return;
    struct log_field more = {.key = suppressed ? "suppressed" : NULL, .number = suppressed};
    if (error)
        log_warn("discovery.refused",
                 connect ? "an address cannot be connected" : "an address cannot be dropped",
                 LOG_STR("address", endpoint), LOG_STR("reason", zmq_strerror(error)), more);
    else
        log_info(connect ? "discovery.found" : "discovery.dropped",
                 connect ? "connecting" : "not named any more and not connected",
                 LOG_STR("address", endpoint), more);
}

static int
act(void *arg, enum peers_action action, const char *endpoint)
{
    struct discovery *discovery = arg;
    void *handle = zsock_resolve(discovery->options.socket);
    bool connect = action == PEERS_CONNECT;
    int result = connect ? bus_guard_connect(discovery->options.socket, endpoint,
                                             discovery->options.peers, 0)
                         : zmq_disconnect(handle, endpoint);
    int error = errno;
    if (!connect)
        handshakes_over(discovery->handshakes, endpoint);
    if (discovery->started) /* before, discovery_new() tells */
        tell_action(discovery, action, endpoint, result ? error : 0);
    errno = error;
    return result;
}

static void
show_metrics(struct discovery *discovery)
{
    const struct discovery_options *options = &discovery->options;
    if (!options->metrics)
        return;
    metrics_set(options->metrics, options->peers_row, (int64_t)peers_count(discovery->peers));
    metrics_set(options->metrics, options->connected_row,
                (int64_t)peers_connected(discovery->peers));
}

static void
free_when_unused(struct discovery *discovery)
{
    if (discovery->options.socket || discovery->pending)
        return;
    for (size_t i = 0; i < discovery->lookup_count; i++)
        free(discovery->lookups[i].host);
    free(discovery->lookups);
    peers_destroy(&discovery->peers);
    free(discovery);
}

static void
note_failure(struct lookup *lookup, const char *reason)
{
    struct discovery *discovery = lookup->discovery;
    int64_t suppressed;
    lookup->failing = true;
    if (discovery->options.metrics)
        metrics_add(discovery->options.metrics, discovery->options.failed_row, 1);
    if (log_allowed(&lookup->failed_limit, clock_mono_ms(), LOG_INTERVAL_MS, &suppressed))
        log_warn("discovery.failed", "a name does not resolve; its peers are kept",
                 LOG_STR("name", lookup->host), LOG_STR("reason", reason),
                 LOG_INT("suppressed", suppressed));
}

static void
note_left_out(struct discovery *discovery, size_t left_out)
{
    int64_t suppressed;
    if (left_out &&
        log_allowed(&discovery->full_limit, clock_mono_ms(), LOG_INTERVAL_MS, &suppressed))
        log_warn("discovery.full", "too many addresses: some are left out",
                 LOG_INT("left_out", (int64_t)left_out),
                 LOG_INT("allowed", DISCOVERY_ADDRESSES_MAX));
}

/* A peer of a network with both has an address of each: it must be connected once, or all it
 * says comes twice. */
static int
choose_family(const struct addrinfo *list)
{
    for (; list; list = list->ai_next)
        if (list->ai_family == AF_INET)
            return AF_INET;
    return AF_INET6;
}

static void
take_answer(struct lookup *lookup, const struct addrinfo *list)
{
    int family = choose_family(list);
    struct discovery *discovery = lookup->discovery;
    size_t room = 0, count = 0;
    for (const struct addrinfo *each = list; each; each = each->ai_next)
        room++;
    char(*texts)[ENDPOINT_BYTES] = mem_alloc(room * sizeof *texts);
    const char **endpoints = mem_alloc(room * sizeof *endpoints);
    for (const struct addrinfo *each = list; each; each = each->ai_next)
        if (each->ai_family == family && endpoint_of_address(each->ai_addr, texts[count])) {
            endpoints[count] = texts[count];
            count++;
        }
    note_left_out(discovery,
                  peers_resolved(discovery->peers, (size_t)(lookup - discovery->lookups),
                                 endpoints, count));
    free(endpoints);
    free(texts);
    if (lookup->failing)
        log_info("discovery.resolved", "a name resolves again", LOG_STR("name", lookup->host));
    lookup->failing = false;
}

static void ask(struct lookup *lookup);

static void
on_timer(uv_timer_t *timer)
{
    ask(timer->data);
}

/* Apart from each other, so that many programs do not ask at once. */
static void
wait_for_next(struct lookup *lookup)
{
    int64_t interval_ms = lookup->discovery->options.interval_ms;
    uint32_t chance = 0;
    uv_random(NULL, NULL, &chance, sizeof chance, 0, NULL);
    int64_t spread_ms = interval_ms * 2 * JITTER_PERCENT / 100;
    int64_t wait_ms = interval_ms - spread_ms / 2 + chance % (spread_ms + 1);
    uv_timer_start(&lookup->timer, on_timer, (uint64_t)wait_ms, 0);
}

static void
on_answer(uv_getaddrinfo_t *query, int status, struct addrinfo *list)
{
    struct lookup *lookup = query->data;
    struct discovery *discovery = lookup->discovery;
    discovery->pending--;
    lookup->asking = false;
    if (!discovery->options.socket) {
        uv_freeaddrinfo(list);
        free_when_unused(discovery);
        return;
    }
    if (status)
        note_failure(lookup, uv_strerror(status));
    else
        take_answer(lookup, list);
    uv_freeaddrinfo(list);
    show_metrics(discovery);
    wait_for_next(lookup);
}

static void
ask(struct lookup *lookup)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                          .ai_socktype = SOCK_STREAM,
                                          .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    int status = uv_getaddrinfo(lookup->discovery->options.loop, &lookup->query, on_answer,
                                lookup->host, lookup->port, &hints);
    if (status) {
        note_failure(lookup, uv_strerror(status));
        wait_for_next(lookup);
        return;
    }
    lookup->asking = true;
    lookup->discovery->pending++;
}

/* [event, 16 bits; value, 32 bits][endpoint], as zmq_socket_monitor(3) has it. */
static void
take_event(struct discovery *discovery, zmq_msg_t *head, zmq_msg_t *place)
{
    char text[ENDPOINT_BYTES];
    struct endpoint endpoint;
    uint16_t event;
    if (zmq_msg_size(head) < sizeof event || zmq_msg_size(place) >= sizeof text)
        return;
    memcpy(&event, zmq_msg_data(head), sizeof event);
    memcpy(text, zmq_msg_data(place), zmq_msg_size(place));
    text[zmq_msg_size(place)] = 0;
    if (endpoint_read(text, &endpoint) != ENDPOINT_FIXED)
        return;
    if (event & HANDSHAKES_FAILED)
        handshakes_failed(discovery->handshakes, endpoint.text, event);
    if (event != ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        peers_down(discovery->peers, endpoint.text);
        return;
    }
    handshakes_over(discovery->handshakes, endpoint.text);
    peers_up(discovery->peers, endpoint.text);
}

static bool
read_monitor(void *arg, zsock_t *monitor)
{
    struct discovery *discovery = arg;
    zmq_msg_t head, place;
    int result = bus_receive(monitor, &head, &place);
    if (result > 0) {
        take_event(discovery, &head, &place);
        zmq_msg_close(&head);
        zmq_msg_close(&place);
        show_metrics(discovery);
    }
    return result;
}

/* Its reader has no mark: ZeroMQ's own thread would wait for room. */
static int
open_monitor(struct discovery *discovery)
{
    static atomic_uint number; /* ZeroMQ lets a place go a little later */
    char place[64];
    snprintf(place, sizeof place, "inproc://discovery-%u", atomic_fetch_add(&number, 1));
    void *handle = zsock_resolve(discovery->options.socket);
    discovery->monitor = zsock_new(ZMQ_PAIR);
    if (!discovery->monitor)
        return -1;
    zsock_set_rcvhwm(discovery->monitor, 0);
    if (zmq_socket_monitor(handle, place, EVENTS) ||
        zmq_connect(zsock_resolve(discovery->monitor), place))
        return -1;
    discovery->watch = bus_watch_new(discovery->options.loop, discovery->monitor,
                                     MONITOR_BUDGET, read_monitor, discovery);
    return 0;
}

static void
add_lookup(struct discovery *discovery, const struct endpoint *endpoint)
{
    struct lookup *lookup = &discovery->lookups[discovery->lookup_count++];
    lookup->discovery = discovery;
    lookup->host = mem_text(endpoint->host);
    strcpy(lookup->port, endpoint->port);
    uv_timer_init(discovery->options.loop, &lookup->timer);
    lookup->timer.data = lookup->query.data = lookup;
    discovery->pending++;
}

/* Connects what needs no resolving, and notes the names. */
static int
add_endpoints(struct discovery *discovery, char *error, size_t error_bytes)
{
    const char *list = discovery->options.endpoints;
    char text[ENDPOINT_BYTES];
    struct endpoint endpoint;
    while (endpoint_next(&list, text)) {
        enum endpoint_kind kind = endpoint_read(text, &endpoint);
        if (kind == ENDPOINT_BAD)
            break;
        if (kind == ENDPOINT_NAME) {
            add_lookup(discovery, &endpoint);
        } else if (peers_fix(discovery->peers, endpoint.text)) {
            snprintf(error, error_bytes, "cannot connect %s: %s", text, zmq_strerror(errno));
            return -1;
        }
    }
    if (!*text)
        return 0;
    snprintf(error, error_bytes, "'%s' is no endpoint; allowed: tcp://HOST:PORT, ipc://PATH",
             text);
    return -1;
}

/* At least as many as there are names. */
static size_t
count_commas(const char *endpoints)
{
    size_t count = 0;
    for (; *endpoints; endpoints++)
        count += *endpoints == ',' || *endpoints == ' ';
    return count;
}

struct discovery *
discovery_new(const struct discovery_options *options, char *error, size_t error_bytes)
{
    struct discovery *discovery = mem_alloc(sizeof *discovery);
    size_t names = count_commas(options->endpoints) + 1;
    discovery->options = *options;
    discovery->lookups = mem_alloc(names * sizeof *discovery->lookups);
    discovery->peers = peers_new(names, DISCOVERY_ADDRESSES_MAX, act, discovery);
    discovery->handshakes = handshakes_new(options->loop, options->socket, options->peers);
    bool opened = !open_monitor(discovery);
    if (!opened)
        snprintf(error, error_bytes, "cannot watch a socket: %s", zmq_strerror(errno));
    if (!opened || add_endpoints(discovery, error, error_bytes)) {
        discovery_destroy(&discovery);
        return NULL;
    }
    discovery->options.endpoints = NULL;
    discovery->started = true;
    for (size_t i = 0; i < discovery->lookup_count; i++)
        ask(&discovery->lookups[i]);
    show_metrics(discovery);
    return discovery;
}

static void
on_closed(uv_handle_t *handle)
{
    struct lookup *lookup = handle->data;
    lookup->discovery->pending--;
    free_when_unused(lookup->discovery);
}

void
discovery_destroy(struct discovery **discovery)
{
    struct discovery *old = *discovery;
    if (!old)
        return;
    *discovery = NULL;
    bus_watch_destroy(&old->watch);
    handshakes_destroy(&old->handshakes);
    zmq_socket_monitor(zsock_resolve(old->options.socket), NULL, 0);
    zsock_destroy(&old->monitor);
    old->options.socket = NULL;
    for (size_t i = 0; i < old->lookup_count; i++) {
        if (old->lookups[i].asking)
            uv_cancel((uv_req_t *)&old->lookups[i].query);
        uv_close((uv_handle_t *)&old->lookups[i].timer, on_closed);
    }
    free_when_unused(old);
}
