/* Calls ← mailbox; batch/ and setting/ → DEALER → ack/. Loop thread, but for
 * store_client_call(). A call is sent to a store, then a few times to all of them while no
 * acknowledgement comes, and given up at its deadline. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "api_metrics.h"
#include "bus.h"
#include "bus_io.h"
#include "bus_keys.h"
#include "clock.h"
#include "discovery.h"
#include "log.h"
#include "mailbox.h"
#include "mem.h"
#include "store_client.h"

#define TICK_MS 50
#define BUDGET 1000
#define REPEATS 4 /* of a call within its time, at least */
#define REPEAT_MS 1000
#define COPIES_MAX 16 /* stores that are asked at once */
#define LOG_INTERVAL_MS 10000

struct store_client {
    struct keyring *keys;
    int64_t timeout_ms;
    int64_t repeat_ms; /* a call is sent again after so long, less up to a quarter */
    struct metrics *metrics;
    zsock_t *socket; /* NULL: no endpoints */
    struct discovery *discovery;
    struct bus_watch *watch;
    struct mailbox *mailbox;
    struct encoder *encoder;
    uv_timer_t timer;           /* runs while calls wait */
    struct store_call *waiting; /* a list, newest first */
    uint64_t last_id;
    atomic_bool closed;       /* no call is taken any more */
    atomic_int calls;         /* taken over and not done */
    struct log_limit trouble; /* of lines about calls that failed */
};

/* Stores that are connected; one that is stopped or cut off may be among them. */
static int
count_stores(const struct store_client *client)
{
    int64_t stores = metrics_get(client->metrics, METRIC_CONNECTED_STORES);
    return stores < 1 ? 1 : stores > COPIES_MAX ? COPIES_MAX : (int)stores;
}

static int64_t
jitter(int64_t ms)
{
    uint32_t chance = 0;
    uv_random(NULL, NULL, &chance, sizeof chance, 0, NULL);
    return ms - chance % (ms / 4 + 1);
}

/* A DEALER's messages go round its peers: as many copies as there are reach every one. */
static void
send_call(struct store_client *client, struct store_call *call)
{
    char key[KEYRING_KEY_BYTES];
    struct store_request request = {.kind = call->kind,
                                    .id = call->id,
                                    .key = key,
                                    .rows = &call->snapshot,
                                    .row_count = 1,
                                    .enabled = call->enabled};
    keyring_current(client->keys, key);
    strcpy(request.auction, call->auction);
    struct encoded message = store_request_encode(client->encoder, &request);
    explicit_bzero(key, sizeof key);
    int64_t now_ms = clock_mono_ms();
    int copies = call->rounds ? count_stores(client) : 1, sent = 0;
    while (client->socket && sent < copies &&
           bus_send(client->socket, message.topic, message.topic_bytes, message.body,
                    message.body_bytes))
        sent++;
    call->repeat_ms = now_ms; /* no store: next tick */
    if (!sent)
        return;
    if (call->rounds++)
        metrics_add(client->metrics, METRIC_STORE_REPEATS, sent);
    call->awaited = sent;
    call->repeat_ms = now_ms + jitter(client->repeat_ms);
}

static void
finish(struct store_client *client, struct store_call *call)
{
    call->done(call); /* the call may be gone now */
    atomic_fetch_sub(&client->calls, 1);
}

static void
give_up(struct store_client *client, struct store_call *call)
{
    int64_t held_back = 0;
    metrics_add(client->metrics, METRIC_STORE_TIMEOUTS, 1);
    if (log_allowed(&client->trouble, clock_mono_ms(), LOG_INTERVAL_MS, &held_back))
        log_warn("store.silent", "no store acknowledged a request in time",
                 LOG_INT("waited_ms", client->timeout_ms), LOG_INT("held_back", held_back));
    finish(client, call);
}

static void
on_tick(uv_timer_t *timer)
{
    struct store_client *client = timer->data;
    int64_t now_ms = clock_mono_ms();
    for (struct store_call **link = &client->waiting, *call; (call = *link);) {
        if (now_ms >= call->deadline_ms) {
            *link = call->next;
            give_up(client, call);
            continue;
        }
        if (now_ms >= call->repeat_ms)
            send_call(client, call);
        link = &call->next;
    }
    if (!client->waiting)
        uv_timer_stop(&client->timer);
}

static void
take_call(void *arg, void *letter)
{
    struct store_client *client = arg;
    struct store_call *call = letter;
    if (atomic_load(&client->closed)) {
        finish(client, call);
        return;
    }
    call->id = ++client->last_id;
    call->rounds = 0;
    call->deadline_ms = clock_mono_ms() + client->timeout_ms;
    call->next = client->waiting;
    client->waiting = call;
    send_call(client, call);
    if (!uv_is_active((uv_handle_t *)&client->timer))
        uv_timer_start(&client->timer, on_tick, TICK_MS, TICK_MS);
}

static struct store_call **
find_waiting(struct store_client *client, uint64_t id)
{
    struct store_call **link = &client->waiting;
    while (*link && (*link)->id != id)
        link = &(*link)->next;
    return link;
}

/* That one store cannot is no answer while another may be able to. */
static bool
others_may(struct store_client *client, struct store_call *call)
{
    if (--call->awaited > 0)
        return true;
    if (call->rounds > 1 || count_stores(client) < 2)
        return false;
    send_call(client, call);
    return true;
}

static void
note_refusal(struct store_client *client, const struct ack *ack)
{
    int64_t held_back = 0;
    if (log_allowed(&client->trouble, clock_mono_ms(), LOG_INTERVAL_MS, &held_back))
        log_error("store.refused",
                  ack->code == ACK_UNAUTHORIZED
                      ? "the store does not accept INTERNAL_API_KEY: is it the same there?"
                      : "the store refused a request",
                  LOG_STR("code", ack_code_text(ack->code)), LOG_STR("message", ack->message),
                  LOG_INT("held_back", held_back));
}

static void
take_ack(struct store_client *client, struct ack *ack)
{
    struct store_call **link = find_waiting(client, ack->id), *call = *link;
    if (!call)
        metrics_add(client->metrics, METRIC_STORE_STRAY, 1);
    if (!call || (ack->code == ACK_UNAVAILABLE && others_may(client, call))) {
        ack_fini(ack);
        return;
    }
    if (ack->code != ACK_OK)
        note_refusal(client, ack);
    *link = call->next;
    call->answered = true;
    call->ack = *ack;
    finish(client, call);
}

static bool
read_bus(void *arg, zsock_t *socket)
{
    struct store_client *client = arg;
    zmq_msg_t topic, body;
    struct ack ack;
    int got = bus_receive(socket, &topic, &body);
    if (!got)
        return false;
    enum decode_result result = DECODE_FORMAT;
    if (got > 0) {
        result = ack_decode(zmq_msg_data(&topic), zmq_msg_size(&topic), zmq_msg_data(&body),
                            zmq_msg_size(&body), &ack);
        zmq_msg_close(&topic);
        zmq_msg_close(&body);
    }
    if (result == DECODE_OK) {
        take_ack(client, &ack);
        return true;
    }
    int64_t held_back = 0;
    metrics_add(client->metrics, METRIC_STORE_DROPPED, 1);
    if (log_allowed(&client->trouble, clock_mono_ms(), LOG_INTERVAL_MS, &held_back))
        log_warn("store.dropped", "an acknowledgement did not decode",
                 LOG_STR("reason", decode_result_text(result)),
                 LOG_INT("held_back", held_back));
    return true;
}

static int
open_socket(struct store_client *client, uv_loop_t *loop,
            const struct store_client_options *options, char *error, size_t error_bytes)
{
    client->socket = bus_socket(ZMQ_DEALER, options->hwm);
    if (!client->socket) {
        snprintf(error, error_bytes, "cannot make a bus socket: %s", strerror(errno));
        return -1;
    }
    zsock_set_immediate(client->socket, 1); /* nothing waits for a store that is not there */
    struct discovery_options peers = {.loop = loop,
                                      .socket = client->socket,
                                      .endpoints = options->endpoints,
                                      .peers = BUS_ROLE_BIT(BUS_STORE),
                                      .interval_ms = options->discovery_interval_ms,
                                      .metrics = options->metrics,
                                      .peers_row = METRIC_PEERS_STORES,
                                      .connected_row = METRIC_CONNECTED_STORES,
                                      .failed_row = METRIC_RESOLUTIONS_STORES};
    client->discovery = discovery_new(&peers, error, error_bytes);
    if (!client->discovery)
        return -1;
    client->watch = bus_watch_new(loop, client->socket, BUDGET, read_bus, client);
    return 0;
}

struct store_client *
store_client_new(uv_loop_t *loop, const struct store_client_options *options, char *error,
                 size_t error_bytes)
{
    struct store_client *client = mem_alloc(sizeof *client);
    client->keys = options->keys;
    client->timeout_ms = options->timeout_ms;
    client->repeat_ms = options->timeout_ms / REPEATS;
    if (client->repeat_ms > REPEAT_MS)
        client->repeat_ms = REPEAT_MS;
    client->metrics = options->metrics;
    client->encoder = encoder_new();
    uv_timer_init(loop, &client->timer);
    client->timer.data = client;
    client->mailbox = mailbox_new(loop, take_call, client);
    bool bus = options->endpoints && *options->endpoints;
    if (!client->mailbox || (bus && open_socket(client, loop, options, error, error_bytes))) {
        if (!client->mailbox)
            snprintf(error, error_bytes, "cannot make a pipe: %s", strerror(errno));
        store_client_destroy(&client);
        return NULL;
    }
    return client;
}

static void
on_timer_closed(uv_handle_t *handle)
{
    struct store_client *client = handle->data;
    encoder_destroy(&client->encoder);
    free(client);
}

void
store_client_close(struct store_client *client)
{
    atomic_store(&client->closed, true);
    for (struct store_call *call; (call = client->waiting);) {
        client->waiting = call->next;
        finish(client, call);
    }
}

bool
store_client_idle(const struct store_client *client)
{
    return !atomic_load(&client->calls);
}

void
store_client_destroy(struct store_client **client)
{
    if (!*client)
        return;
    store_client_close(*client);
    bus_watch_destroy(&(*client)->watch);
    discovery_destroy(&(*client)->discovery);
    zsock_destroy(&(*client)->socket);
    mailbox_destroy(&(*client)->mailbox);
    uv_close((uv_handle_t *)&(*client)->timer, on_timer_closed);
    *client = NULL;
}

bool
store_client_call(struct store_client *client, struct store_call *call)
{
    call->answered = false;
    atomic_fetch_add(&client->calls, 1); /* before the look: see store_client_idle() */
    if (atomic_load(&client->closed)) {
        atomic_fetch_sub(&client->calls, 1);
        return false;
    }
    mailbox_send(client->mailbox, call);
    return true;
}
