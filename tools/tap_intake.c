/* In: endpoints, and frames from the bus. Out: decoded messages. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "bus_io.h"
#include "clock.h"
#include "discovery.h"
#include "log.h"
#include "mem.h"

#include "tap_intake.h"

#define READ_BUDGET 1000
#define JUNK_LOG_MS 10000
#define RESUBSCRIBE_INTERVAL_MS 1000
#define ERROR_BYTES 512

struct tap_intake {
    uv_loop_t *loop;
    const struct tap_settings *settings;
    zsock_t *socket;
    struct discovery *discovery;
    struct bus_watch *watch; /* NULL while paused */
    tap_take_f *take;
    void *arg;
    struct message message; /* the one being read: too big for the stack of every call */
    uint64_t undecodable;
    struct log_limit junk;
    int64_t resubscribe_ms[2]; /* by role: not before, monotonic */
};

static void
drop(struct tap_intake *intake, const char *reason)
{
    int64_t held_back;
    intake->undecodable++;
    if (log_allowed(&intake->junk, clock_mono_ms(), JUNK_LOG_MS, &held_back))
        log_warn("tap.junk", "a message does not decode", LOG_STR("reason", reason),
                 LOG_INT("held_back", held_back));
}

static void
take_frames(struct tap_intake *intake, zmq_msg_t *topic, zmq_msg_t *body)
{
    struct tap_arrival arrival = {&intake->message, zmq_msg_data(topic), zmq_msg_data(body),
                                  zmq_msg_size(topic), zmq_msg_size(body)};
    enum decode_result decoded = message_decode(
        arrival.topic, arrival.topic_bytes, arrival.body, arrival.body_bytes, &intake->message);
    if (decoded == DECODE_OK)
        intake->take(intake->arg, &arrival);
    else
        drop(intake, decode_result_text(decoded));
}

static bool
read_message(void *arg, zsock_t *socket)
{
    struct tap_intake *intake = arg;
    zmq_msg_t topic, body;
    int result = bus_receive(socket, &topic, &body);
    if (result < 0)
        drop(intake, "frames");
    if (result <= 0)
        return result;
    take_frames(intake, &topic, &body);
    zmq_msg_close(&topic);
    zmq_msg_close(&body);
    return intake->watch;
}

static void
subscribe_auctions(struct tap_intake *intake, enum message_kind kind)
{
    const char *list = intake->settings->auction, *name;
    char auction[AUCTION_BYTES], topic[TOPIC_BYTES];
    size_t length;
    while ((length = tap_next_name(&list, &name))) {
        snprintf(auction, sizeof auction, "%.*s", (int)length, name);
        topic_auction(kind, auction, topic);
        zsock_set_subscribe(intake->socket, topic);
    }
}

static void
subscribe(struct tap_intake *intake)
{
    const struct tap_settings *settings = intake->settings;
    char topic[TOPIC_BYTES];
    for (int i = MESSAGE_EVENT; i <= MESSAGE_BYE; i++) {
        enum message_kind kind = (enum message_kind)i;
        bool shown = tap_shows(settings, kind);
        topic_kind(kind, topic);
        if (kind <= MESSAGE_SNAPSHOT && shown && settings->auction)
            subscribe_auctions(intake, kind);
        else if (shown || (kind >= MESSAGE_HEARTBEAT && !settings->auction))
            zsock_set_subscribe(intake->socket, topic);
    }
}

static char *
join_endpoints(char **endpoints)
{
    char *list = mem_text(*endpoints);
    while (*++endpoints) {
        char *longer = mem_format("%s,%s", list, *endpoints);
        free(list);
        list = longer;
    }
    return list;
}

static int
connect_all(struct tap_intake *intake, char **endpoints)
{
    char error[ERROR_BYTES];
    char *list = join_endpoints(endpoints);
    struct discovery_options options = {.loop = intake->loop,
                                        .socket = intake->socket,
                                        .endpoints = list,
                                        .peers = TAP_PEERS,
                                        .interval_ms = intake->settings->discovery_interval_ms};
    intake->discovery = discovery_new(&options, error, sizeof error);
    free(list);
    if (!intake->discovery)
        log_error("tap.connect", "an endpoint is refused", LOG_STR("reason", error));
    return intake->discovery ? 0 : -1;
}

struct tap_intake *
tap_intake_new(uv_loop_t *loop, const struct tap_settings *settings, char **endpoints,
               tap_take_f *take, void *arg)
{
    struct tap_intake *intake = mem_alloc(sizeof *intake);
    intake->loop = loop;
    intake->settings = settings;
    intake->take = take;
    intake->arg = arg;
    struct bus_guard_options guard = {loop, &settings->bus, BUS_TAP, NULL, 0};
    char error[BUS_ERROR_BYTES];
    bool guarded = !bus_guard_open(&guard, error, sizeof error);
    intake->socket = guarded ? bus_socket(ZMQ_SUB, settings->bus_hwm) : NULL;
    if (!guarded)
        log_error("tap.keys", error, LOG_NONE);
    else if (!intake->socket)
        log_error("tap.socket", "cannot make a socket", LOG_STR("reason", strerror(errno)));
    else
        subscribe(intake);
    if (!intake->socket || connect_all(intake, endpoints))
        tap_intake_destroy(&intake);
    else
        tap_intake_resume(intake);
    return intake;
}

void
tap_intake_destroy(struct tap_intake **intake)
{
    if (!*intake)
        return;
    bus_watch_destroy(&(*intake)->watch);
    discovery_destroy(&(*intake)->discovery);
    zsock_destroy(&(*intake)->socket);
    bus_guard_close();
    free(*intake);
    *intake = NULL;
}

void
tap_intake_pause(struct tap_intake *intake)
{
    bus_watch_destroy(&intake->watch);
}

void
tap_intake_resume(struct tap_intake *intake)
{
    if (!intake->watch)
        intake->watch =
            bus_watch_new(intake->loop, intake->socket, READ_BUDGET, read_message, intake);
}

void
tap_intake_renew(struct tap_intake *intake, enum node_role role,
                 const struct reader_renewal *renewal)
{
    char topic[TOPIC_BYTES];
    topic_renewal(role, renewal->node, renewal->shard, topic);
    bus_renew(intake->socket, topic);
    int64_t now_ms = clock_mono_ms();
    if (renewal->attempt < READER_RESUBSCRIBE || now_ms < intake->resubscribe_ms[role])
        return;
    intake->resubscribe_ms[role] = now_ms + RESUBSCRIBE_INTERVAL_MS;
    topic_kind(role == NODE_GATEWAY ? MESSAGE_EVENT : MESSAGE_COUNT, topic);
    bus_renew(intake->socket, topic);
}

uint64_t
tap_intake_undecodable(const struct tap_intake *intake)
{
    return intake->undecodable;
}

bool
tap_intake_is_whole(const struct tap_settings *settings, enum node_role role)
{
    return !settings->auction &&
           tap_shows(settings, role == NODE_GATEWAY ? MESSAGE_EVENT : MESSAGE_COUNT);
}
