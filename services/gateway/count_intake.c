/* In: counts, heartbeats and byes of samplers. Out: subscriptions, auctions whose count
 * changed. */
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

#include "container.h"
#include "count_intake.h"
#include "gateway_metrics.h"

#define READ_BUDGET 1000   /* messages a turn of the loop */
#define TICK_MS 100        /* how often silence is looked for and subscriptions are renewed */
#define TICK_RENEWALS 2000 /* at most, so that a new sampler is asked in parts */
#define HEARING_MS 1000    /* after the start, in which samplers can be heard of */
#define LOG_INTERVAL_MS 10000
#define LIST_BYTES 400 /* of sampler ids in one line of the log */

struct count_intake {
    zsock_t *socket; /* SUB */
    struct discovery *discovery;
    struct bus_watch *watch;
    uv_timer_t tick;
    struct follow *follow;
    unsigned shards;  /* followed, as last logged */
    uint64_t changes; /* of samplers followed, as last logged */
    const struct audience *audience;
    struct metrics *metrics;
    count_intake_changed_f *changed;
    void *arg;
    struct log_limit dropped_limit;
    struct log_limit twins_limit;
    struct message message; /* the one being read */
};

static void
on_others(void *arg, struct follow_auction *follow)
{
    struct count_intake *intake = arg;
    intake->changed(intake->arg, container_of(follow, struct auction, follow));
}

static bool
is_listed(const char *list, const char *node)
{
    size_t length = strlen(node);
    for (; *list; list += strcspn(list, ","), list += *list == ',')
        if (!strncmp(list, node, length) && (!list[length] || list[length] == ','))
            return true;
    return false;
}

/* The ids of those followed, as far as they fit. */
static void
list_followed(const struct follow *follow, char *list, size_t list_bytes)
{
    const char *last = NULL;
    list[0] = 0;
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        const char *node = follow_node(follow, shard);
        size_t used = strlen(list);
        if (!node || node == last || used + strlen(node) + 2 > list_bytes)
            continue;
        last = node;
        if (!is_listed(list, node))
            snprintf(list + used, list_bytes - used, "%s%s", used ? "," : "", node);
    }
}

/* Logs and shows in the metrics whether samplers are followed, when that changed. Once a tick,
 * for samplers that flap. */
static void
note_followed(struct count_intake *intake)
{
    unsigned shards = follow_shards(intake->follow);
    uint64_t changes = follow_changes(intake->follow);
    metrics_add(intake->metrics, METRIC_FOLLOWING, (int64_t)(changes - intake->changes));
    metrics_set(intake->metrics, METRIC_FOLLOWED, shards > 0);
    metrics_set(intake->metrics, METRIC_FOLLOWED_SHARDS, shards);
    bool same = shards == intake->shards && changes == intake->changes;
    intake->shards = shards;
    intake->changes = changes;
    if (same)
        return;
    char samplers[LIST_BYTES];
    list_followed(intake->follow, samplers, sizeof samplers);
    if (shards == SHARD_COUNT)
        log_info("counts.follow", "showing samplers' counts", LOG_STR("sampler", samplers),
                 LOG_INT("shards", shards));
    else if (shards)
        log_warn("counts.part",
                 "some shards have no sampler: of their auctions only viewers of this gateway "
                 "are shown",
                 LOG_STR("sampler", samplers), LOG_INT("shards", shards));
    else
        log_warn("counts.alone", "no sampler is ready: only viewers of this gateway are shown",
                 LOG_INT("viewers", (int64_t)audience_viewers(intake->audience)));
}

static void
on_tick(uv_timer_t *tick)
{
    struct count_intake *intake = tick->data;
    int64_t now_ms = clock_mono_ms();
    follow_tick(intake->follow, now_ms);
    note_followed(intake);
    struct follow_auction *follow;
    for (int i = 0; i < TICK_RENEWALS && (follow = follow_next_renewal(intake->follow, now_ms));
         i++) {
        char topic[TOPIC_BYTES];
        topic_auction(MESSAGE_COUNT, container_of(follow, struct auction, follow)->id, topic);
        bus_renew(intake->socket, topic);
        metrics_add(intake->metrics, METRIC_RENEWALS, 1);
    }
}

static void
note_dropped(struct count_intake *intake, size_t row, const char *reason)
{
    int64_t suppressed;
    metrics_add(intake->metrics, row, 1);
    if (log_allowed(&intake->dropped_limit, clock_mono_ms(), LOG_INTERVAL_MS, &suppressed))
        log_warn("counts.dropped", "a message on the bus was dropped",
                 LOG_STR("reason", reason), LOG_INT("suppressed", suppressed));
}

/* The one that started last is listened to. */
static void
note_twins(struct count_intake *intake)
{
    int64_t suppressed;
    metrics_add(intake->metrics, METRIC_BUS_DROPPED_EPOCH, 1);
    if (log_allowed(&intake->twins_limit, clock_mono_ms(), LOG_INTERVAL_MS, &suppressed))
        log_warn("counts.ignored",
                 "a message of an earlier run was ignored; are there two of that NODE_ID?",
                 LOG_STR("sampler", intake->message.node), LOG_INT("suppressed", suppressed));
}

static void
note_result(struct count_intake *intake, enum follow_result result)
{
    if (result == FOLLOW_OLD)
        note_twins(intake);
    else if (result == FOLLOW_FULL)
        note_dropped(intake, METRIC_BUS_DROPPED_SAMPLERS, "samplers");
}

static void
take_count(struct count_intake *intake, int64_t now_ms)
{
    const struct message *message = &intake->message;
    struct auction *auction =
        *message->auction ? audience_find(intake->audience, message->auction) : NULL;
    metrics_add(intake->metrics, METRIC_COUNTS, 1);
    note_result(intake, follow_count(intake->follow, message, auction ? &auction->follow : NULL,
                                     auction ? auction_viewers(auction) : 0, now_ms));
}

static void
take_message(struct count_intake *intake)
{
    const struct message *message = &intake->message;
    int64_t now_ms = clock_mono_ms();
    bool sampler = message->role == NODE_SAMPLER;
    if (message->kind == MESSAGE_COUNT)
        take_count(intake, now_ms);
    else if (sampler && message->kind == MESSAGE_HEARTBEAT)
        note_result(intake, follow_heartbeat(intake->follow, message, now_ms));
    else if (sampler && message->kind == MESSAGE_BYE)
        follow_bye(intake->follow, message, now_ms);
    else
        note_dropped(intake, METRIC_BUS_DROPPED_KIND, "kind");
}

static bool
read_message(void *arg, zsock_t *socket)
{
    struct count_intake *intake = arg;
    zmq_msg_t topic, body;
    int read = bus_receive(socket, &topic, &body);
    if (read < 0)
        note_dropped(intake, METRIC_BUS_DROPPED_FRAMES, "frames");
    if (read <= 0)
        return read;
    enum decode_result result =
        message_decode(zmq_msg_data(&topic), zmq_msg_size(&topic), zmq_msg_data(&body),
                       zmq_msg_size(&body), &intake->message);
    zmq_msg_close(&topic);
    zmq_msg_close(&body);
    if (result == DECODE_OK)
        take_message(intake);
    else
        note_dropped(intake, METRIC_BUS_DROPPED + result - DECODE_TOPIC,
                     decode_result_text(result));
    return true;
}

struct count_intake *
count_intake_new(uv_loop_t *loop, const struct count_intake_options *options,
                 const struct audience *audience, struct metrics *metrics, char *error,
                 size_t error_bytes)
{
    zsock_t *socket = bus_socket(ZMQ_SUB, options->hwm);
    if (!socket) {
        snprintf(error, error_bytes, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
        return NULL;
    }
    zsock_set_subscribe(socket, "heartbeat/sampler/");
    zsock_set_subscribe(socket, "bye/sampler/");
    struct discovery_options peers = {.loop = loop,
                                      .socket = socket,
                                      .endpoints = options->endpoints,
                                      .peers = BUS_ROLE_BIT(BUS_SAMPLER),
                                      .interval_ms = options->discovery_interval_ms,
                                      .metrics = metrics,
                                      .peers_row = METRIC_PEERS,
                                      .connected_row = METRIC_PEERS_CONNECTED,
                                      .failed_row = METRIC_RESOLUTIONS_FAILED};
    struct discovery *discovery = discovery_new(&peers, error, error_bytes);
    if (!discovery) {
        zsock_destroy(&socket);
        return NULL;
    }
    struct count_intake *intake = mem_alloc(sizeof *intake);
    intake->socket = socket;
    intake->discovery = discovery;
    intake->audience = audience;
    intake->metrics = metrics;
    intake->follow = follow_new(options->silence_ms, on_others, intake);
    if (*options->endpoints)
        follow_expect(intake->follow, clock_mono_ms() + HEARING_MS);
    intake->watch = bus_watch_new(loop, socket, READ_BUDGET, read_message, intake);
    uv_timer_init(loop, &intake->tick);
    intake->tick.data = intake;
    uv_timer_start(&intake->tick, on_tick, TICK_MS, TICK_MS);
    return intake;
}

void
count_intake_set_changed(struct count_intake *intake, count_intake_changed_f *changed,
                         void *arg)
{
    intake->changed = changed;
    intake->arg = arg;
}

static void
on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void
count_intake_destroy(struct count_intake **intake)
{
    if (!*intake)
        return;
    bus_watch_destroy(&(*intake)->watch);
    discovery_destroy(&(*intake)->discovery);
    zsock_destroy(&(*intake)->socket);
    follow_destroy(&(*intake)->follow);
    uv_close((uv_handle_t *)&(*intake)->tick, on_closed);
    *intake = NULL;
}

void
count_intake_watch(struct count_intake *intake, struct auction *auction)
{
    char topic[TOPIC_BYTES];
    topic_auction(MESSAGE_COUNT, auction->id, topic);
    zsock_set_subscribe(intake->socket, topic);
    follow_watch(intake->follow, &auction->follow, auction->shard, clock_mono_ms());
}

void
count_intake_unwatch(struct count_intake *intake, struct auction *auction)
{
    char topic[TOPIC_BYTES];
    topic_auction(MESSAGE_COUNT, auction->id, topic);
    zsock_set_unsubscribe(intake->socket, topic);
    follow_unwatch(intake->follow, &auction->follow);
}
