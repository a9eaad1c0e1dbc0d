/* In: changes, subscriptions, snapshots. Out: messages on the XPUB. Loop thread.
 *
 * What is due is sent in on_prepare(), before the loop sleeps: so all changes that one turn of
 * the loop reads go out as one count. Then the timer is set to when the next thing falls due;
 * while more is due than one turn may send, the idle handle keeps the loop from sleeping. */
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "clock.h"
#include "mem.h"

#include "message.h"

#include "count_answers.h"
#include "count_pacing.h"
#include "count_publish.h"
#include "sampler_metrics.h"

#define BUDGET 1000          /* messages of each kind in one turn of the loop */
#define HEARTBEAT_GAP_MS 100 /* at least, between heartbeats asked for by subscribing */
#define BYE_LINGER_MS 500

struct count_publish {
    zsock_t *socket;
    struct bus_watch *watch;
    struct encoder *encoder;
    struct count_pacing *pacing;
    struct count_answers *answers;
    const struct tally *tally;
    struct metrics *metrics;
    struct message message; /* node, role and epoch set; the rest anew for each use */
    uint64_t sequences[SHARD_COUNT];
    int64_t heartbeat_interval_ms;
    int64_t heartbeat_ms; /* when the last one was said, monotonic */
    bool heartbeat_asked;
    bool started;
    unsigned answer_shard;  /* of the answer being given */
    uint64_t answer_states; /* of that shard since its begin, whoever asked for them */
    int64_t begin_ms;       /* the time that the answer under way began with */
    uv_prepare_t prepare;
    uv_idle_t idle;
    uv_timer_t timer;
    int open_handles; /* until their close callbacks */
};

static void
send_message(struct count_publish *publish)
{
    struct encoded encoded = message_encode(publish->encoder, &publish->message);
    bus_send(publish->socket, encoded.topic, encoded.topic_bytes, encoded.body,
             encoded.body_bytes);
}

/* A count, a state, or begin and end (auction NULL). */
static void
send_count(struct count_publish *publish, enum change_kind change, unsigned shard,
           const char *auction, uint64_t count)
{
    struct message *message = &publish->message;
    message->kind = MESSAGE_COUNT;
    message->change = change;
    message->shard = shard;
    strcpy(message->auction, auction ? auction : "");
    message->time_ms = clock_wall_ms();
    if (change == CHANGE_BEGIN)
        publish->begin_ms = message->time_ms;
    else if (change == CHANGE_END) /* by its begin's time the reader knows whose end it is */
        message->time_ms = publish->begin_ms;
    message->sequence = publish->sequences[shard];
    message->count = count;
    send_message(publish);
}

static void
send_heartbeat(struct count_publish *publish, enum node_state state, int64_t mono_ms)
{
    struct message *message = &publish->message;
    publish->heartbeat_ms = mono_ms;
    publish->heartbeat_asked = false;
    message->kind = MESSAGE_HEARTBEAT;
    message->time_ms = clock_wall_ms();
    message->state = state;
    message->total = tally_total(publish->tally);
    memcpy(message->sequences, publish->sequences, sizeof message->sequences);
    send_message(publish);
}

static int64_t
heartbeat_wait_ms(const struct count_publish *publish, int64_t mono_ms)
{
    int64_t gap_ms = publish->heartbeat_interval_ms;
    if (publish->heartbeat_asked && gap_ms > HEARTBEAT_GAP_MS)
        gap_ms = HEARTBEAT_GAP_MS;
    int64_t wait_ms = publish->heartbeat_ms + gap_ms - mono_ms;
    return wait_ms > 0 ? wait_ms : 0;
}

static void
send_changes(struct count_publish *publish, int64_t mono_ms)
{
    uint64_t count;
    const char *auction;
    for (int i = 0;
         i < BUDGET && (auction = count_pacing_next(publish->pacing, mono_ms, &count)); i++) {
        unsigned shard = auction_shard(auction);
        publish->sequences[shard]++;
        send_count(publish, CHANGE_JOIN, shard, auction, count);
        metrics_add(publish->metrics, METRIC_COUNTS, 1);
    }
}

static void
add_to_answer(void *arg, const char *auction, uint64_t count)
{
    (void)count; /* what it is when its turn comes is told */
    count_answers_add(arg, auction);
}

static void
send_state(struct count_publish *publish, unsigned shard, const char *auction)
{
    if (count_answers_giving(publish->answers) && shard == publish->answer_shard)
        publish->answer_states++;
    send_count(publish, CHANGE_STATE, shard, auction, tally_count(publish->tally, auction));
    metrics_add(publish->metrics, METRIC_STATES, 1);
}

/* Sends one message of an answer; false when there is nothing to answer now. */
static bool
send_answer(struct count_publish *publish, int64_t mono_ms)
{
    struct count_answers *answers = publish->answers;
    if (!count_answers_giving(answers)) {
        if (!count_answers_begin(answers, mono_ms, &publish->answer_shard))
            return false;
        publish->answer_states = 0;
        tally_each(publish->tally, publish->answer_shard, add_to_answer, answers);
        send_count(publish, CHANGE_BEGIN, publish->answer_shard, NULL, 0);
        return true;
    }
    const char *auction = count_answers_next(answers);
    if (auction)
        send_state(publish, publish->answer_shard, auction);
    else
        send_count(publish, CHANGE_END, publish->answer_shard, NULL, publish->answer_states);
    return true;
}

static void
read_subscription(struct count_publish *publish, const void *prefix, size_t bytes)
{
    struct subscription wanted = subscription_read(MESSAGE_COUNT, prefix, bytes);
    metrics_add(publish->metrics, METRIC_SUBSCRIPTIONS, 1);
    publish->heartbeat_asked |= wanted.heartbeat;
    if (wanted.scope == SCOPE_ALL)
        count_answers_want_all(publish->answers);
    if (wanted.scope == SCOPE_SHARD)
        count_answers_want(publish->answers, wanted.shard);
    if (wanted.scope == SCOPE_AUCTION && publish->started) /* at the start all counts go out */
        send_state(publish, wanted.shard, wanted.auction);
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
    if (read && count && bytes[0] == 1 && count <= TOPIC_BYTES)
        read_subscription(publish, bytes + 1, count - 1);
    zmq_msg_close(&request);
    return read;
}

static int64_t
sooner(int64_t a_ms, int64_t b_ms)
{
    if (a_ms < 0 || b_ms < 0)
        return a_ms < 0 ? b_ms : a_ms;
    return a_ms < b_ms ? a_ms : b_ms;
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
    int64_t mono_ms = clock_mono_ms();
    if (!heartbeat_wait_ms(publish, mono_ms))
        send_heartbeat(publish, publish->started ? NODE_READY : NODE_WARMING, mono_ms);
    int64_t wait_ms = heartbeat_wait_ms(publish, mono_ms);
    if (publish->started) {
        send_changes(publish, mono_ms);
        for (int i = 0; i < BUDGET && send_answer(publish, mono_ms); i++)
            ;
        wait_ms = sooner(wait_ms, count_pacing_wait_ms(publish->pacing, mono_ms));
        wait_ms = sooner(wait_ms, count_answers_wait_ms(publish->answers, mono_ms));
    }
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

struct count_publish *
count_publish_new(const struct count_publish_options *options, char *error, size_t error_bytes)
{
    zsock_t *socket = bus_socket(ZMQ_XPUB, options->hwm);
    if (!socket) {
        snprintf(error, error_bytes, "no XPUB socket: %s", zmq_strerror(zmq_errno()));
        return NULL;
    }
    zsock_set_xpub_verbose(socket, 1);
    if (bus_bind(socket, options->bind, error, error_bytes)) {
        zsock_destroy(&socket);
        return NULL;
    }
    struct count_publish *publish = mem_alloc(sizeof *publish);
    publish->socket = socket;
    publish->encoder = encoder_new();
    publish->pacing = count_pacing_new(options->count_interval_ms);
    publish->answers = count_answers_new();
    publish->tally = options->tally;
    publish->metrics = options->metrics;
    publish->heartbeat_interval_ms = options->heartbeat_interval_ms;
    publish->message.role = NODE_SAMPLER;
    publish->message.epoch_ms = options->epoch_ms;
    strcpy(publish->message.node, options->node);
    start_handles(publish, options->loop);
    return publish;
}

void
count_publish_start(struct count_publish *publish)
{
    publish->started = true;
    send_heartbeat(publish, NODE_READY, clock_mono_ms());
}

void
count_publish_change(struct count_publish *publish, const char *auction, uint64_t count)
{
    count_pacing_change(publish->pacing, auction, count);
}

void
count_publish_snapshot(struct count_publish *publish, const struct snapshot *snapshot)
{
    struct message *message = &publish->message;
    message->kind = MESSAGE_SNAPSHOT;
    message->shard = auction_shard(snapshot->auction);
    strcpy(message->auction, snapshot->auction);
    message->snapshot = *snapshot;
    send_message(publish);
}

static void
on_closed(uv_handle_t *handle)
{
    struct count_publish *publish = handle->data;
    if (!--publish->open_handles)
        free(publish);
}

static void
say_bye(struct count_publish *publish)
{
    publish->message.kind = MESSAGE_BYE;
    publish->message.time_ms = clock_wall_ms();
    send_message(publish);
}

void
count_publish_destroy(struct count_publish **publish)
{
    if (!*publish)
        return;
    struct count_publish *old = *publish;
    *publish = NULL;
    send_heartbeat(old, NODE_LEAVING, clock_mono_ms());
    say_bye(old);
    bus_watch_destroy(&old->watch);
    zsock_set_linger(old->socket, BYE_LINGER_MS);
    zsock_destroy(&old->socket);
    encoder_destroy(&old->encoder);
    count_pacing_destroy(&old->pacing);
    count_answers_destroy(&old->answers);
    uv_close((uv_handle_t *)&old->prepare, on_closed);
    uv_close((uv_handle_t *)&old->idle, on_closed);
    uv_close((uv_handle_t *)&old->timer, on_closed);
}
