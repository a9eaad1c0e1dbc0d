/* In: changes, subscriptions, snapshots. Out: messages on the XPUB. Loop thread.
 *
 * What is due is sent in on_prepare(), before the loop sleeps: so all changes that one turn of
 * the loop reads go out as one count. Then the timer is set to when the next thing falls due;
 * while more is due than one turn may send, the idle handle keeps the loop from sleeping. */
#include <stdlib.h>

#include "bus.h"
#include "bus_io.h"
#include "bus_subscribers.h"
#include "clock.h"
#include "mem.h"

#include "message.h"

#include "count_publish.h"
#include "count_source.h"
#include "sampler_metrics.h"

#define BUDGET 1000 /* messages of each kind in one turn of the loop */
#define BYE_LINGER_MS 500

struct count_publish {
    zsock_t *socket;
    struct bus_watch *watch;
    struct bus_subscribers *subscribers;
    struct encoder *encoder;
    struct count_source *source;
    struct metrics *metrics;
    uv_prepare_t prepare;
    uv_idle_t idle;
    uv_timer_t timer;
    int open_handles; /* until their close callbacks */
};

static struct moment
look_at_clock(void)
{
    return (struct moment){clock_wall_ms(), clock_mono_ms()};
}

static void
send_message(void *arg, const struct message *message)
{
    struct count_publish *publish = arg;
    struct encoded encoded = message_encode(publish->encoder, message);
    bus_send(publish->socket, encoded.topic, encoded.topic_bytes, encoded.body,
             encoded.body_bytes);
    if (message->kind != MESSAGE_COUNT)
        return;
    if (message->change == CHANGE_JOIN)
        metrics_add(publish->metrics, METRIC_COUNTS, 1);
    else if (message->change == CHANGE_STATE)
        metrics_add(publish->metrics, METRIC_STATES, 1);
}

/* An XPUB reads [1 or 0][prefix]; anything else that a subscriber sends is not for us. */
static bool
read_request(void *arg, zsock_t *socket)
{
    struct count_publish *publish = arg;
    zmq_msg_t request;
    zmq_msg_init(&request);
    bool read = zmq_msg_recv(&request, zsock_resolve(socket), ZMQ_DONTWAIT) >= 0;
    const char *bytes = zmq_msg_data(&request);
    size_t count = zmq_msg_size(&request);
    if (read)
        bus_subscribers_note(publish->subscribers, &request);
    if (read && count && bytes[0] == 1 && count <= TOPIC_BYTES) {
        struct subscription wanted = subscription_read(MESSAGE_COUNT, bytes + 1, count - 1);
        metrics_add(publish->metrics, METRIC_SUBSCRIPTIONS, 1);
        count_source_subscribe(publish->source, &wanted);
    }
    zmq_msg_close(&request);
    return read;
}

static void
on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is what counts */
}

static void
on_timer(uv_timer_t *timer)
{
    (void)timer; /* wakes the loop */
}

static void
on_prepare(uv_prepare_t *prepare)
{
    struct count_publish *publish = prepare->data;
    int64_t wait_ms = count_source_run(publish->source, BUDGET, look_at_clock());
    if (!wait_ms) {
        uv_idle_start(&publish->idle, on_idle);
        return;
    }
    uv_idle_stop(&publish->idle);
    uv_timer_start(&publish->timer, on_timer, (uint64_t)wait_ms, 0);
}

static void
start_handles(struct count_publish *publish, uv_loop_t *loop)
{
    publish->watch = bus_watch_new(loop, publish->socket, BUDGET, read_request, publish);
    uv_prepare_init(loop, &publish->prepare);
    uv_idle_init(loop, &publish->idle);
    uv_timer_init(loop, &publish->timer);
    publish->prepare.data = publish->idle.data = publish->timer.data = publish;
    publish->open_handles = 3;
    uv_prepare_start(&publish->prepare, on_prepare);
}

static zsock_t *
open_socket(const struct count_publish_options *options, char *error, size_t error_bytes)
{
    zsock_t *socket = bus_socket(ZMQ_XPUB, options->hwm);
    if (!socket) {
        snprintf(error, error_bytes, "no XPUB socket: %s", zmq_strerror(zmq_errno()));
        return NULL;
    }
    zsock_set_xpub_verboser(socket, 1);
    if (bus_bind(socket, options->bind, error, error_bytes))
        zsock_destroy(&socket);
    return socket;
}

struct count_publish *
count_publish_new(const struct count_publish_options *options, char *error, size_t error_bytes)
{
    zsock_t *socket = open_socket(options, error, error_bytes);
    if (!socket)
        return NULL;
    struct count_publish *publish = mem_alloc(sizeof *publish);
    struct count_source_options source = {.node = options->node,
                                          .epoch_ms = options->epoch_ms,
                                          .count_interval_ms = options->count_interval_ms,
                                          .heartbeat_interval_ms =
                                              options->heartbeat_interval_ms,
                                          .unserved = options->unserved,
                                          .tally = options->tally,
                                          .emit = send_message,
                                          .arg = publish};
    publish->socket = socket;
    publish->encoder = encoder_new();
    publish->source = count_source_new(&source);
    publish->metrics = options->metrics;
    publish->subscribers = bus_subscribers_new((size_t)options->subscription_bytes,
                                               options->metrics, METRIC_SUBSCRIBERS_CUT);
    start_handles(publish, options->loop);
    return publish;
}

void
count_publish_start(struct count_publish *publish)
{
    count_source_start(publish->source);
}

void
count_publish_change(struct count_publish *publish, const char *auction, uint64_t count)
{
    count_source_change(publish->source, auction, count);
}

void
count_publish_snapshot(struct count_publish *publish, const struct snapshot *snapshot)
{
    count_source_snapshot(publish->source, snapshot);
}

static void
on_closed(uv_handle_t *handle)
{
    struct count_publish *publish = handle->data;
    if (!--publish->open_handles)
        free(publish);
}

void
count_publish_destroy(struct count_publish **publish)
{
    if (!*publish)
        return;
    struct count_publish *old = *publish;
    *publish = NULL;
    count_source_leave(old->source, look_at_clock());
    bus_watch_destroy(&old->watch);
    zsock_set_linger(old->socket, BYE_LINGER_MS);
    zsock_destroy(&old->socket);
    bus_subscribers_destroy(&old->subscribers);
    encoder_destroy(&old->encoder);
    count_source_destroy(&old->source);
    uv_close((uv_handle_t *)&old->prepare, on_closed);
    uv_close((uv_handle_t *)&old->idle, on_closed);
    uv_close((uv_handle_t *)&old->timer, on_closed);
}
