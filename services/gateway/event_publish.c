/* In: changes, subscriptions, time. Out: messages on the XPUB. What is said and when is decided
 * in event_source.c. */
#include <stdlib.h>

#include "bus.h"
#include "bus_io.h"
#include "bus_subscribers.h"
#include "clock.h"
#include "mem.h"

#include "event_publish.h"
#include "event_source.h"
#include "gateway_metrics.h"

#define READ_BUDGET 1000  /* subscriptions a turn of the loop */
#define ANSWER_STEPS 1000 /* messages of answers a tick */
#define BYE_LINGER_MS 500

struct event_publish {
    zsock_t *socket; /* XPUB */
    struct bus_watch *watch;
    struct bus_subscribers *subscribers;
    struct encoder *encoder;
    struct event_source *source;
    struct metrics *metrics;
    uv_timer_t tick;
};

static struct event_time
read_clocks(void)
{
    return (struct event_time){.wall_ms = clock_wall_ms(), .mono_ms = clock_mono_ms()};
}

static size_t
choose_metric(const struct message *message)
{
    if (message->kind != MESSAGE_EVENT)
        return METRIC_HEARTBEATS;
    bool change = message->change == CHANGE_JOIN || message->change == CHANGE_LEAVE;
    return change ? METRIC_EVENTS : METRIC_STATES;
}

static void
send_message(void *arg, const struct message *message)
{
    struct event_publish *publish = arg;
    struct encoded encoded = message_encode(publish->encoder, message);
    bus_send(publish->socket, encoded.topic, encoded.topic_bytes, encoded.body,
             encoded.body_bytes);
    if (message->kind != MESSAGE_BYE)
        metrics_add(publish->metrics, choose_metric(message), 1);
}

static void
on_tick(uv_timer_t *tick)
{
    struct event_publish *publish = tick->data;
    int64_t wait_ms = event_source_tick(publish->source, ANSWER_STEPS, read_clocks());
    uv_timer_start(tick, on_tick, (uint64_t)wait_ms, 0);
}

/* The next turn of the loop answers all who ask in this one; while answers are being given, the
 * next tick of those does. */
static void
take_subscription(struct event_publish *publish, const char *prefix, size_t bytes)
{
    struct subscription subscription = subscription_read(MESSAGE_EVENT, prefix, bytes);
    metrics_add(publish->metrics, METRIC_SUBSCRIPTIONS, 1);
    event_source_subscribe(publish->source, &subscription);
    if (uv_timer_get_due_in(&publish->tick) > EVENT_SOURCE_TURN_MS)
        uv_timer_start(&publish->tick, on_tick, 0, 0);
}

/* One message from a subscriber: 1 and a prefix to subscribe, 0 and a prefix to stop. */
static bool
read_subscription(void *arg, zsock_t *socket)
{
    struct event_publish *publish = arg;
    zmq_msg_t request;
    zmq_msg_init(&request);
    if (zmq_msg_recv(&request, zsock_resolve(socket), ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&request);
        return false;
    }
    bus_subscribers_note(publish->subscribers, &request);
    const char *bytes = zmq_msg_data(&request);
    size_t count = zmq_msg_size(&request);
    if (count && *bytes == 1)
        take_subscription(publish, bytes + 1, count - 1);
    else if (!count || *bytes)
        metrics_add(publish->metrics, METRIC_SUBSCRIPTIONS_FOREIGN, 1);
    zmq_msg_close(&request);
    return true;
}

static zsock_t *
open_socket(const struct event_publish_options *options, char *error, size_t error_bytes)
{
    zsock_t *socket = bus_socket(ZMQ_XPUB, options->hwm);
    if (!socket) {
        snprintf(error, error_bytes, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
        return NULL;
    }
    zsock_set_xpub_verboser(socket, 1);
    if (bus_bind(socket, options->bind, error, error_bytes))
        zsock_destroy(&socket);
    return socket;
}

struct event_publish *
event_publish_new(uv_loop_t *loop, const struct event_publish_options *options,
                  const struct audience *audience, struct metrics *metrics, char *error,
                  size_t error_bytes)
{
    zsock_t *socket = open_socket(options, error, error_bytes);
    if (!socket)
        return NULL;
    struct event_publish *publish = mem_alloc(sizeof *publish);
    struct event_source_options source = {.node = options->node,
                                          .epoch_ms = options->epoch_ms,
                                          .heartbeat_ms = options->heartbeat_ms,
                                          .audience = audience,
                                          .emit = send_message,
                                          .arg = publish};
    publish->socket = socket;
    publish->encoder = encoder_new();
    publish->source = event_source_new(&source);
    publish->metrics = metrics;
    publish->subscribers = bus_subscribers_new((size_t)options->subscription_bytes, metrics,
                                               METRIC_SUBSCRIBERS_CUT);
    publish->watch = bus_watch_new(loop, socket, READ_BUDGET, read_subscription, publish);
    uv_timer_init(loop, &publish->tick);
    publish->tick.data = publish;
    uv_timer_start(&publish->tick, on_tick, 0, 0);
    return publish;
}

static void
on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void
event_publish_destroy(struct event_publish **publish)
{
    if (!*publish)
        return;
    struct event_publish *self = *publish;
    event_source_bye(self->source, read_clocks());
    bus_watch_destroy(&self->watch);
    zsock_set_linger(self->socket, BYE_LINGER_MS);
    zsock_destroy(&self->socket);
    bus_subscribers_destroy(&self->subscribers);
    encoder_destroy(&self->encoder);
    event_source_destroy(&self->source);
    uv_close((uv_handle_t *)&self->tick, on_closed);
    *publish = NULL;
}

void
event_publish_change(struct event_publish *publish, const struct auction *auction,
                     enum change_kind change)
{
    event_source_change(publish->source, auction, change, read_clocks());
}

void
event_publish_forget(struct event_publish *publish, const struct auction *auction)
{
    event_source_forget(publish->source, auction);
}

void
event_publish_set_state(struct event_publish *publish, enum node_state state)
{
    event_source_set_state(publish->source, state, read_clocks());
}
