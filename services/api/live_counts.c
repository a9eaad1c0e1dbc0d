/* SUB socket → live_figures; questions of the HTTP threads ← mailbox. Loop thread but for the
 * two askers at the end. */
#include <stdlib.h>
#include <string.h>

#include "api_metrics.h"
#include "bus.h"
#include "bus_io.h"
#include "bus_keys.h"
#include "clock.h"
#include "discovery.h"
#include "live_counts.h"
#include "log.h"
#include "mailbox.h"
#include "mem.h"

#define TICK_MS 250
#define BUDGET 1000 /* messages a turn of the loop */
#define LOG_INTERVAL_MS 10000
#define RESUBSCRIBE_INTERVAL_MS 1000

struct live_counts {
    struct live_figures *figures;
    struct metrics *metrics;
    zsock_t *socket; /* NULL: no endpoints */
    struct discovery *discovery;
    struct bus_watch *watch;
    struct mailbox *mailbox;
    uv_timer_t timer;
    unsigned shards;          /* whose counts are known, as last logged */
    uint64_t changes;         /* of samplers followed, as last counted */
    int64_t resubscribe_ms;   /* not before, monotonic */
    struct log_limit dropped; /* of lines about dropped messages */
    struct log_limit twins;   /* of lines about samplers of one NODE_ID */
    struct message message;   /* decoded into: too big for a stack */
};

struct question {
    struct mailbox_reply reply;
    struct live_page *page; /* list; NULL: get */
    const char *auction;    /* get: of which one */
    uint64_t count;         /* get, answer: viewers */
    bool live;              /* get, answer */
};

static void
note_dropped(struct live_counts *live, enum api_metric row, const char *reason)
{
    int64_t held_back = 0;
    metrics_add(live->metrics, row, 1);
    if (log_allowed(&live->dropped, clock_mono_ms(), LOG_INTERVAL_MS, &held_back))
        log_warn("bus.dropped", "a message of the bus was dropped", LOG_STR("reason", reason),
                 LOG_INT("held_back", held_back));
}

/* Logs and shows in the metrics of how many shards the counts are known, when that changed. */
static void
note_live(struct live_counts *live)
{
    unsigned shards = live_figures_shards(live->figures);
    uint64_t changes = live_figures_changes(live->figures);
    metrics_add(live->metrics, METRIC_LIVE_FOLLOWING, (int64_t)(changes - live->changes));
    metrics_set(live->metrics, METRIC_LIVE, shards == SHARD_COUNT);
    metrics_set(live->metrics, METRIC_LIVE_SHARDS, shards);
    live->changes = changes;
    if (shards == live->shards)
        return;
    live->shards = shards;
    if (shards == SHARD_COUNT)
        log_info("live.up", "the live counts of all auctions are known", LOG_NONE);
    else if (shards)
        log_warn("live.part", "some shards have no sampler: their live counts are unknown",
                 LOG_INT("shards_known", shards));
    else
        log_warn("live.down", "no sampler is heard, so live counts are unknown", LOG_NONE);
}

/* The one that started last is listened to. */
static void
note_twins(struct live_counts *live)
{
    int64_t held_back = 0;
    metrics_add(live->metrics, METRIC_LIVE_DROPPED_EPOCH, 1);
    if (log_allowed(&live->twins, clock_mono_ms(), LOG_INTERVAL_MS, &held_back))
        log_warn("live.ignored",
                 "a message of an earlier run was ignored; are there two of that NODE_ID?",
                 LOG_STR("sampler", live->message.node), LOG_INT("held_back", held_back));
}

static void
note_result(struct live_counts *live, enum reader_result result)
{
    if (result == READER_OLD)
        note_twins(live);
    else if (result == READER_FULL)
        note_dropped(live, METRIC_LIVE_DROPPED_SAMPLERS, "too many samplers");
}

static void
take_message(struct live_counts *live, zmq_msg_t *topic, zmq_msg_t *body)
{
    enum decode_result result =
        message_decode(zmq_msg_data(topic), zmq_msg_size(topic), zmq_msg_data(body),
                       zmq_msg_size(body), &live->message);
    if (result != DECODE_OK)
        note_dropped(live, METRIC_LIVE_DROPPED_TOPIC + (result - DECODE_TOPIC),
                     decode_result_text(result));
    else
        note_result(live, live_figures_take(live->figures, &live->message, clock_mono_ms()));
}

static bool
read_bus(void *arg, zsock_t *socket)
{
    struct live_counts *live = arg;
    zmq_msg_t topic, body;
    int got = bus_receive(socket, &topic, &body);
    if (!got)
        return false;
    metrics_add(live->metrics, METRIC_LIVE_MESSAGES, 1);
    if (got < 0) {
        note_dropped(live, METRIC_LIVE_DROPPED_FORMAT, "frames");
        return true;
    }
    take_message(live, &topic, &body);
    zmq_msg_close(&topic);
    zmq_msg_close(&body);
    return true;
}

/* The subscription to all counts itself may be lost. */
static void
resubscribe(struct live_counts *live, int64_t now_ms)
{
    if (now_ms < live->resubscribe_ms)
        return;
    char topic[TOPIC_BYTES];
    topic_kind(MESSAGE_COUNT, topic);
    bus_renew(live->socket, topic);
    live->resubscribe_ms = now_ms + RESUBSCRIBE_INTERVAL_MS;
}

static void
renew_shards(struct live_counts *live, int64_t now_ms)
{
    struct reader_renewal renewal;
    while (live_figures_renewal(live->figures, now_ms, &renewal)) {
        char topic[TOPIC_BYTES];
        topic_renewal(NODE_SAMPLER, renewal.node, renewal.shard, topic);
        bus_renew(live->socket, topic);
        metrics_add(live->metrics, METRIC_LIVE_RENEWALS, 1);
        if (renewal.attempt >= READER_RESUBSCRIBE)
            resubscribe(live, now_ms);
    }
}

static void
on_tick(uv_timer_t *timer)
{
    struct live_counts *live = timer->data;
    int64_t now_ms = clock_mono_ms();
    live_figures_tick(live->figures, now_ms);
    renew_shards(live, now_ms);
    note_live(live);
    metrics_set(live->metrics, METRIC_LIVE_SAMPLERS,
                (int64_t)live_figures_samplers(live->figures));
    metrics_set(live->metrics, METRIC_LIVE_AUCTIONS,
                (int64_t)live_figures_auctions(live->figures));
}

static void
answer_question(void *arg, void *letter)
{
    struct live_counts *live = arg;
    struct question *question = letter;
    struct live_page *page = question->page;
    for (unsigned shard = 0; page && shard < SHARD_COUNT; shard++)
        page->known[shard] = live_figures_known(live->figures, shard);
    if (page) {
        page->count = live_figures_list(live->figures, page->after, page->rows, page->most);
    } else {
        question->live = live_figures_known(live->figures, auction_shard(question->auction));
        question->count = live_figures_count(live->figures, question->auction);
    }
    mailbox_answer(&question->reply);
}

static int
open_socket(struct live_counts *live, uv_loop_t *loop,
            const struct live_counts_options *options, char *error, size_t error_bytes)
{
    static const enum message_kind kinds[] = {MESSAGE_COUNT, MESSAGE_HEARTBEAT, MESSAGE_BYE};
    live->socket = bus_socket(ZMQ_SUB, options->hwm);
    if (!live->socket) {
        snprintf(error, error_bytes, "cannot make a bus socket: %s", strerror(errno));
        return -1;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char topic[TOPIC_BYTES];
        topic_kind(kinds[i], topic);
        zsock_set_subscribe(live->socket, topic);
    }
    struct discovery_options peers = {.loop = loop,
                                      .socket = live->socket,
                                      .endpoints = options->endpoints,
                                      .peers = BUS_ROLE_BIT(BUS_SAMPLER),
                                      .interval_ms = options->discovery_interval_ms,
                                      .metrics = options->metrics,
                                      .peers_row = METRIC_PEERS_SAMPLERS,
                                      .connected_row = METRIC_CONNECTED_SAMPLERS,
                                      .failed_row = METRIC_RESOLUTIONS_SAMPLERS};
    live->discovery = discovery_new(&peers, error, error_bytes);
    if (!live->discovery)
        return -1;
    live->watch = bus_watch_new(loop, live->socket, BUDGET, read_bus, live);
    return 0;
}

struct live_counts *
live_counts_new(uv_loop_t *loop, const struct live_counts_options *options, char *error,
                size_t error_bytes)
{
    struct live_counts *live = mem_alloc(sizeof *live);
    live->metrics = options->metrics;
    live->figures = live_figures_new(options->timeout_ms, clock_mono_ms());
    uv_timer_init(loop, &live->timer);
    live->timer.data = live;
    live->mailbox = mailbox_new(loop, answer_question, live);
    bool bus = options->endpoints && *options->endpoints;
    if (!live->mailbox || (bus && open_socket(live, loop, options, error, error_bytes))) {
        if (!live->mailbox)
            snprintf(error, error_bytes, "cannot make a pipe: %s", strerror(errno));
        live_counts_destroy(&live);
        return NULL;
    }
    uv_timer_start(&live->timer, on_tick, TICK_MS, TICK_MS);
    return live;
}

static void
on_timer_closed(uv_handle_t *handle)
{
    struct live_counts *live = handle->data;
    live_figures_destroy(&live->figures);
    free(live);
}

void
live_counts_destroy(struct live_counts **live)
{
    if (!*live)
        return;
    bus_watch_destroy(&(*live)->watch);
    discovery_destroy(&(*live)->discovery);
    zsock_destroy(&(*live)->socket);
    mailbox_destroy(&(*live)->mailbox);
    uv_close((uv_handle_t *)&(*live)->timer, on_timer_closed);
    *live = NULL;
}

bool
live_counts_get(struct live_counts *live, const char *auction, uint64_t *count)
{
    struct question question = {.auction = auction};
    if (mailbox_ask(live->mailbox, &question, &question.reply) || !question.live)
        return false;
    *count = question.count;
    return true;
}

void
live_counts_list(struct live_counts *live, struct live_page *page)
{
    struct question question = {.page = page};
    page->count = 0;
    memset(page->known, 0, sizeof page->known);
    mailbox_ask(live->mailbox, &question, &question.reply);
}
