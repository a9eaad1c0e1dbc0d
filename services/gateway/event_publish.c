/* In: changes, subscriptions, time. Out: events, states, heartbeats, bye. */
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "clock.h"
#include "mem.h"

#include "event_publish.h"
#include "gateway_metrics.h"
#include "state_answer.h"

#define READ_BUDGET 1000  /* subscriptions a turn of the loop */
#define ANSWER_STEPS 1000 /* messages of answers a turn ... */
#define ANSWER_TURN_MS 10 /* ... and turns are so far apart */
#define BYE_LINGER_MS 500

struct event_publish {
    zsock_t *socket; /* XPUB */
    struct bus_watch *watch;
    struct encoder *encoder;
    struct state_answer *answer;
    const struct audience *audience;
    struct metrics *metrics;
    uv_timer_t heartbeat;
    uv_timer_t answering;
    int open_handles; /* of the two timers, until their close callbacks */
    bool heartbeat_wanted;
    enum node_state state;
    struct message message;          /* node, epoch and role are filled in for good */
    int64_t begin_ms;                /* the time that the answer under way began with */
    uint64_t sequences[SHARD_COUNT]; /* the newest of each shard */
};

/* An end carries the time of its begin, and by it the reader knows whose end it is. */
static int64_t
choose_time(struct event_publish *publish, enum message_kind kind)
{
    int64_t now_ms = clock_wall_ms();
    if (kind != MESSAGE_EVENT)
        return now_ms;
    if (publish->message.change == CHANGE_BEGIN)
        publish->begin_ms = now_ms;
    return publish->message.change == CHANGE_END ? publish->begin_ms : now_ms;
}

static void
publish_message(struct event_publish *publish, enum message_kind kind)
{
    publish->message.kind = kind;
    publish->message.time_ms = choose_time(publish, kind);
    struct encoded encoded = message_encode(publish->encoder, &publish->message);
    bus_send(publish->socket, encoded.topic, encoded.topic_bytes, encoded.body,
             encoded.body_bytes);
}

static void
publish_heartbeat(struct event_publish *publish)
{
    struct message *message = &publish->message;
    message->state = publish->state;
    message->total = audience_viewers(publish->audience);
    memcpy(message->sequences, publish->sequences, sizeof message->sequences);
    publish->heartbeat_wanted = false;
    publish_message(publish, MESSAGE_HEARTBEAT);
    metrics_add(publish->metrics, METRIC_HEARTBEATS, 1);
}

static void
on_heartbeat(uv_timer_t *timer)
{
    publish_heartbeat(timer->data);
}

void
event_publish_change(struct event_publish *publish, const struct auction *auction,
                     enum change_kind change)
{
    struct message *message = &publish->message;
    strcpy(message->auction, auction->id);
    message->shard = auction->shard;
    message->sequence = ++publish->sequences[auction->shard];
    message->change = change;
    message->joins = auction->joins;
    message->leaves = auction->leaves;
    publish_message(publish, MESSAGE_EVENT);
    metrics_add(publish->metrics, METRIC_EVENTS, 1);
}

static void
on_answering(uv_timer_t *timer)
{
    struct event_publish *publish = timer->data;
    int64_t now_ms = clock_mono_ms();
    if (publish->heartbeat_wanted)
        publish_heartbeat(publish);
    int steps = 0;
    for (;
         steps < ANSWER_STEPS && state_answer_step(publish->answer, now_ms, &publish->message);
         steps++) {
        publish->message.sequence = publish->sequences[publish->message.shard];
        publish_message(publish, MESSAGE_EVENT);
    }
    metrics_add(publish->metrics, METRIC_STATES, steps);
    if (state_answer_pending(publish->answer))
        uv_timer_start(timer, on_answering, ANSWER_TURN_MS, 0);
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
    const char *bytes = zmq_msg_data(&request);
    size_t count = zmq_msg_size(&request);
    if (count && *bytes == 1) {
        struct subscription subscription =
            subscription_read(MESSAGE_EVENT, bytes + 1, count - 1);
        metrics_add(publish->metrics, METRIC_SUBSCRIPTIONS, 1);
        state_answer_want(publish->answer, &subscription);
        publish->heartbeat_wanted |= subscription.heartbeat;
        if (!uv_is_active((uv_handle_t *)&publish->answering))
            uv_timer_start(&publish->answering, on_answering, 0, 0);
    } else if (!count || *bytes) {
        metrics_add(publish->metrics, METRIC_SUBSCRIPTIONS_FOREIGN, 1);
    }
    zmq_msg_close(&request);
    return true;
}

struct event_publish *
event_publish_new(uv_loop_t *loop, const struct event_publish_options *options,
                  const struct audience *audience, struct metrics *metrics, char *error,
                  size_t error_bytes)
{
    zsock_t *socket = bus_socket(ZMQ_XPUB, options->hwm);
    if (!socket) {
        snprintf(error, error_bytes, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
        return NULL;
    }
    zsock_set_xpub_verbose(socket, 1);
    if (bus_bind(socket, options->bind, error, error_bytes)) {
        zsock_destroy(&socket);
        return NULL;
    }
    struct event_publish *publish = mem_alloc(sizeof *publish);
    publish->socket = socket;
    publish->encoder = encoder_new();
    publish->answer = state_answer_new(audience);
    publish->audience = audience;
    publish->metrics = metrics;
    publish->message.role = NODE_GATEWAY;
    publish->message.epoch_ms = options->epoch_ms;
    snprintf(publish->message.node, NODE_BYTES, "%s", options->node);
    publish->watch = bus_watch_new(loop, socket, READ_BUDGET, read_subscription, publish);
    uv_timer_init(loop, &publish->heartbeat);
    uv_timer_init(loop, &publish->answering);
    publish->open_handles = 2;
    publish->heartbeat.data = publish->answering.data = publish;
    uv_timer_start(&publish->heartbeat, on_heartbeat, (uint64_t)options->heartbeat_ms,
                   (uint64_t)options->heartbeat_ms);
    return publish;
}

static void
on_closed(uv_handle_t *handle)
{
    struct event_publish *publish = handle->data;
    if (!--publish->open_handles)
        free(publish);
}

void
event_publish_destroy(struct event_publish **publish)
{
    if (!*publish)
        return;
    struct event_publish *self = *publish;
    publish_message(self, MESSAGE_BYE);
    bus_watch_destroy(&self->watch);
    zsock_set_linger(self->socket, BYE_LINGER_MS);
    zsock_destroy(&self->socket);
    encoder_destroy(&self->encoder);
    state_answer_destroy(&self->answer);
    uv_close((uv_handle_t *)&self->heartbeat, on_closed);
    uv_close((uv_handle_t *)&self->answering, on_closed);
    *publish = NULL;
}

void
event_publish_forget(struct event_publish *publish, const struct auction *auction)
{
    state_answer_forget(publish->answer, auction);
}

void
event_publish_set_state(struct event_publish *publish, enum node_state state)
{
    publish->state = state;
    publish_heartbeat(publish);
}
