/* In: what gateways publish. Out: decoded messages, one call each. Loop thread. */
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "bus_io.h"
#include "bus_keys.h"
#include "clock.h"
#include "discovery.h"
#include "log.h"
#include "mem.h"

#include "message.h"

#include "event_intake.h"
#include "sampler_metrics.h"

#define BUDGET 1000 /* messages in one turn of the loop */
#define JUNK_LOG_MS 10000
#define RESUBSCRIBE_INTERVAL_MS 1000
#define CLOCK_APART_MS 10000
#define CLOCK_LOG_MS 60000

struct event_intake {
    zsock_t *socket;
    struct discovery *discovery;
    struct bus_watch *watch;
    struct metrics *metrics;
    bool all;                            /* one subscription covers every shard */
    int64_t resubscribe_ms[SHARD_COUNT]; /* not before, monotonic; all: the first counts */
    struct log_limit junk_limit;
    struct log_limit clock_limit;
    void (*take)(void *arg, const struct message *message);
    void *arg;
    struct message message; /* the one being read: too big for the stack of every call */
};

static void
drop_junk(struct event_intake *intake, enum sampler_metric reason)
{
    int64_t suppressed;
    metrics_add(intake->metrics, reason, 1);
    if (log_allowed(&intake->junk_limit, clock_mono_ms(), JUNK_LOG_MS, &suppressed))
        log_warn("sampler.junk", "a gateway's message was dropped",
                 LOG_STR("reason", sampler_metric_table[reason].labels),
                 LOG_INT("suppressed", suppressed));
}

/* How long it took, as far as both clocks agree. */
static void
note_delay(struct event_intake *intake, const struct message *message)
{
    int64_t delay_ms = clock_wall_ms() - message->time_ms;
    if (delay_ms > 0)
        metrics_add(intake->metrics, METRIC_EVENT_DELAY, delay_ms);
}

/* Minutes are of our own clock: when it is wrong, they are another hour's, and only a gateway's
 * clock can show it. */
static void
compare_clocks(struct event_intake *intake, const struct message *message)
{
    int64_t suppressed, ahead_ms = message->time_ms - clock_wall_ms();
    if (ahead_ms >= -CLOCK_APART_MS && ahead_ms <= CLOCK_APART_MS)
        return;
    if (log_allowed(&intake->clock_limit, clock_mono_ms(), CLOCK_LOG_MS, &suppressed))
        log_warn("sampler.clock",
                 "a gateway's clock and ours are far apart, or it was heard very late",
                 LOG_STR("gateway", message->node), LOG_INT("ahead_ms", ahead_ms),
                 LOG_INT("suppressed", suppressed));
}

static void
count_heartbeat(struct event_intake *intake, const struct message *message)
{
    metrics_add(intake->metrics, METRIC_HEARTBEATS, 1);
    compare_clocks(intake, message);
}

static void
count_message(struct event_intake *intake, const struct message *message)
{
    if (message->kind == MESSAGE_HEARTBEAT)
        count_heartbeat(intake, message);
    else if (message->kind == MESSAGE_BYE)
        metrics_add(intake->metrics, METRIC_BYES, 1);
    if (message->kind != MESSAGE_EVENT)
        return;
    metrics_add(intake->metrics, METRIC_EVENTS, 1);
    if (message->change == CHANGE_JOIN || message->change == CHANGE_LEAVE)
        note_delay(intake, message);
}

static bool
read_message(void *arg, zsock_t *socket)
{
    struct event_intake *intake = arg;
    zmq_msg_t topic, body;
    int result = bus_receive(socket, &topic, &body);
    if (result < 0)
        drop_junk(intake, METRIC_JUNK_FRAMES);
    if (result <= 0)
        return result;
    struct message *message = &intake->message;
    enum decode_result decoded =
        message_decode(zmq_msg_data(&topic), zmq_msg_size(&topic), zmq_msg_data(&body),
                       zmq_msg_size(&body), message);
    zmq_msg_close(&topic);
    zmq_msg_close(&body);
    if (decoded != DECODE_OK) {
        drop_junk(intake, METRIC_JUNK_TOPIC + decoded - DECODE_TOPIC);
        return true;
    }
    if (message->kind == MESSAGE_COUNT || message->kind == MESSAGE_SNAPSHOT ||
        message->role != NODE_GATEWAY) {
        drop_junk(intake, METRIC_JUNK_FOREIGN);
        return true;
    }
    count_message(intake, message);
    intake->take(intake->arg, message);
    return true;
}

static bool
serves_all(const bool unserved[SHARD_COUNT])
{
    return !memchr(unserved, true, SHARD_COUNT);
}

/* As few prefixes as there can be: one when every shard is served. */
static void
subscribe_events(zsock_t *socket, const bool unserved[SHARD_COUNT])
{
    char topic[TOPIC_BYTES];
    if (serves_all(unserved)) {
        topic_kind(MESSAGE_EVENT, topic);
        zsock_set_subscribe(socket, topic);
        return;
    }
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        if (unserved[shard])
            continue;
        topic_shard(MESSAGE_EVENT, shard, topic);
        zsock_set_subscribe(socket, topic);
    }
}

struct event_intake *
event_intake_new(const struct event_intake_options *options, char *error, size_t error_bytes)
{
    zsock_t *socket = bus_socket(ZMQ_SUB, options->hwm);
    if (!socket) {
        snprintf(error, error_bytes, "no SUB socket: %s", zmq_strerror(zmq_errno()));
        return NULL;
    }
    subscribe_events(socket, options->unserved);
    zsock_set_subscribe(socket, "heartbeat/gateway/");
    zsock_set_subscribe(socket, "bye/gateway/");
    struct discovery_options peers = {.loop = options->loop,
                                      .socket = socket,
                                      .endpoints = options->endpoints,
                                      .peers = BUS_ROLE_BIT(BUS_GATEWAY),
                                      .interval_ms = options->discovery_interval_ms,
                                      .metrics = options->metrics,
                                      .peers_row = METRIC_PEERS_GATEWAYS,
                                      .connected_row = METRIC_CONNECTED_GATEWAYS,
                                      .failed_row = METRIC_RESOLUTIONS_GATEWAYS};
    struct discovery *discovery = discovery_new(&peers, error, error_bytes);
    if (!discovery) {
        zsock_destroy(&socket);
        return NULL;
    }
    struct event_intake *intake = mem_alloc(sizeof *intake);
    intake->socket = socket;
    intake->discovery = discovery;
    intake->metrics = options->metrics;
    intake->all = serves_all(options->unserved);
    intake->take = options->take;
    intake->arg = options->arg;
    intake->watch = bus_watch_new(options->loop, socket, BUDGET, read_message, intake);
    return intake;
}

void
event_intake_destroy(struct event_intake **intake)
{
    if (!*intake)
        return;
    bus_watch_destroy(&(*intake)->watch);
    discovery_destroy(&(*intake)->discovery);
    zsock_destroy(&(*intake)->socket);
    free(*intake);
    *intake = NULL;
}

void
event_intake_renew(struct event_intake *intake, const struct reader_renewal *renewal)
{
    char topic[TOPIC_BYTES];
    topic_renewal(NODE_GATEWAY, renewal->node, renewal->shard, topic);
    bus_renew(intake->socket, topic);
    metrics_add(intake->metrics, METRIC_RENEWALS, 1);
    int64_t now_ms = clock_mono_ms();
    int64_t *not_before_ms = &intake->resubscribe_ms[intake->all ? 0 : renewal->shard];
    if (renewal->attempt < READER_RESUBSCRIBE || now_ms < *not_before_ms)
        return;
    *not_before_ms = now_ms + RESUBSCRIBE_INTERVAL_MS;
    if (intake->all)
        topic_kind(MESSAGE_EVENT, topic);
    else
        topic_shard(MESSAGE_EVENT, renewal->shard, topic);
    bus_renew(intake->socket, topic);
}
