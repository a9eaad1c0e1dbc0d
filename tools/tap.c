/* headcount-tap: in: messages of gateways and samplers; out: lines on stdout. One thread, one
 * libuv loop. When stdout does not keep up the socket is not read, its mark fills, and the
 * publishers drop this reader's share and nobody else's; heartbeats tell afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "clock.h"
#include "log.h"

#include "tap_gaps.h"
#include "tap_line.h"
#include "tap_output.h"
#include "tap_settings.h"

#define READ_BUDGET 1000
#define JUNK_LOG_MS 10000

struct tap {
    struct tap_settings settings;
    uv_loop_t loop;
    uv_signal_t interrupt, terminate;
    zsock_t *socket;
    struct bus_watch *watch; /* NULL while stdout has no room */
    struct tap_output *output;
    struct tap_gaps *gaps;
    struct message message; /* the one being shown */
    struct log_limit junk;
    bool ended;
    int status; /* to end with */
};

static void
stop(struct tap *tap, int status)
{
    tap->ended = true;
    tap->status = status;
    uv_stop(&tap->loop);
}

static void
on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    stop(handle->data, 0);
}

static void
drop(struct tap *tap, const char *reason)
{
    int64_t held_back;
    if (log_allowed(&tap->junk, clock_mono_ms(), JUNK_LOG_MS, &held_back))
        log_warn("tap.junk", "a message does not decode", LOG_STR("reason", reason),
                 LOG_INT("held_back", held_back));
}

static void
show(struct tap *tap, char *line)
{
    if (line)
        tap_output_write(tap->output, line);
    free(line);
}

/* Whether every message of the sender's shards comes here, so that one not coming is missed. */
static bool
is_tracked(const struct tap *tap, enum node_role role)
{
    return !tap->settings.auction &&
           tap_shows(&tap->settings, role == NODE_GATEWAY ? MESSAGE_EVENT : MESSAGE_COUNT);
}

static void
show_message(struct tap *tap)
{
    static struct tap_gap found[SHARD_COUNT];
    const struct message *message = &tap->message;
    size_t count =
        is_tracked(tap, message->role) ? tap_gaps_take(tap->gaps, message, found) : 0;
    for (size_t i = 0; i < count; i++)
        show(tap, tap_gap_line(message, &found[i], tap->settings.json));
    if (tap_shows(&tap->settings, message->kind))
        show(tap, tap_line(message, tap->settings.json));
}

static bool
read_message(void *arg, zsock_t *socket)
{
    struct tap *tap = arg;
    zmq_msg_t topic, body;
    int result = bus_receive(socket, &topic, &body);
    if (result < 0)
        drop(tap, "frames");
    if (result <= 0)
        return result;
    enum decode_result decoded =
        message_decode(zmq_msg_data(&topic), zmq_msg_size(&topic), zmq_msg_data(&body),
                       zmq_msg_size(&body), &tap->message);
    zmq_msg_close(&topic);
    zmq_msg_close(&body);
    if (decoded != DECODE_OK) {
        drop(tap, decode_result_text(decoded));
        return true;
    }
    show_message(tap);
    if (!tap_output_flush(tap->output))
        bus_watch_destroy(&tap->watch);
    return tap->watch && !tap->ended;
}

static void
on_room(void *arg)
{
    struct tap *tap = arg;
    if (!tap->watch && !tap->ended)
        tap->watch = bus_watch_new(&tap->loop, tap->socket, READ_BUDGET, read_message, tap);
}

static void
on_end(void *arg, int error)
{
    struct tap *tap = arg;
    if (error)
        log_error("tap.output", "cannot write to stdout", LOG_STR("reason", strerror(error)));
    stop(tap, error ? EXIT_SYSTEM : 0);
}

static void
subscribe_auctions(struct tap *tap, enum message_kind kind)
{
    const char *list = tap->settings.auction, *name;
    char auction[AUCTION_BYTES], topic[TOPIC_BYTES];
    size_t length;
    while ((length = tap_next_name(&list, &name))) {
        snprintf(auction, sizeof auction, "%.*s", (int)length, name);
        topic_auction(kind, auction, topic);
        zsock_set_subscribe(tap->socket, topic);
    }
}

/* Heartbeats are read also when they are not shown: they tell what was missed. */
static void
subscribe(struct tap *tap)
{
    char topic[TOPIC_BYTES];
    for (int i = MESSAGE_EVENT; i <= MESSAGE_BYE; i++) {
        enum message_kind kind = (enum message_kind)i;
        bool shown = tap_shows(&tap->settings, kind);
        topic_kind(kind, topic);
        if (kind <= MESSAGE_SNAPSHOT && shown && tap->settings.auction)
            subscribe_auctions(tap, kind);
        else if (shown || (kind == MESSAGE_HEARTBEAT && !tap->settings.auction))
            zsock_set_subscribe(tap->socket, topic);
    }
}

static int
connect_all(struct tap *tap, char **endpoints)
{
    char error[512];
    tap->socket = bus_socket(ZMQ_SUB, tap->settings.bus_hwm);
    if (!tap->socket) {
        log_error("tap.socket", "cannot make a socket", LOG_STR("reason", strerror(errno)));
        return -1;
    }
    subscribe(tap);
    for (; *endpoints; endpoints++) {
        if (!bus_connect(tap->socket, *endpoints, error, sizeof error))
            continue;
        log_error("tap.connect", "an endpoint is refused", LOG_STR("reason", error));
        return -1;
    }
    return 0;
}

static int
check_operands(char **endpoints)
{
    if (!*endpoints) {
        fprintf(stderr, "headcount-tap: no ENDPOINT; allowed: one or more of tcp://HOST:PORT, "
                        "ipc://PATH\n");
        return -1;
    }
    for (; *endpoints; endpoints++) {
        if (bus_endpoints_valid(*endpoints))
            continue;
        fprintf(
            stderr,
            "headcount-tap: '%.100s' is no endpoint; allowed: tcp://HOST:PORT, ipc://PATH\n",
            *endpoints);
        return -1;
    }
    return 0;
}

static void
run(struct tap *tap)
{
    struct tap_output_events events = {on_room, on_end, tap};
    uv_signal_init(&tap->loop, &tap->interrupt);
    uv_signal_init(&tap->loop, &tap->terminate);
    tap->interrupt.data = tap->terminate.data = tap;
    uv_signal_start(&tap->interrupt, on_signal, SIGINT);
    uv_signal_start(&tap->terminate, on_signal, SIGTERM);
    tap->gaps = tap_gaps_new();
    tap->output = tap_output_new(&tap->loop, STDOUT_FILENO, events);
    on_room(tap);
    uv_run(&tap->loop, UV_RUN_DEFAULT);
    bus_watch_destroy(&tap->watch);
    tap_output_destroy(&tap->output);
    tap_gaps_destroy(&tap->gaps);
    uv_close((uv_handle_t *)&tap->interrupt, NULL);
    uv_close((uv_handle_t *)&tap->terminate, NULL);
    uv_run(&tap->loop, UV_RUN_DEFAULT);
}

int
main(int argc, char **argv)
{
    static struct tap tap;
    int first;
    int status = settings_read(&tap_program, argc, argv, &tap.settings, &first);
    if (status != SETTINGS_RUN)
        return status;
    settings_start_log(&tap.settings.common, "tap");
    if (fcntl(STDOUT_FILENO, F_GETFD) < 0) {
        log_error("tap.output", "cannot write to stdout", LOG_STR("reason", strerror(errno)));
        tap.status = EXIT_SYSTEM;
    } else if (check_operands(argv + first)) {
        tap.status = EXIT_USAGE;
    } else {
        signal(SIGPIPE, SIG_IGN);
        bus_start();
        uv_loop_init(&tap.loop);
        if (connect_all(&tap, argv + first))
            tap.status = EXIT_SYSTEM;
        else
            run(&tap);
        zsock_destroy(&tap.socket);
        uv_loop_close(&tap.loop);
    }
    settings_free(&tap_program, &tap.settings);
    return tap.status;
}
