/* In: sockets, libwebsockets' callbacks. Out: joins, leaves, frames, closes. */
#include <errno.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

#include "connection.h"
#include "container.h"
#include "drain.h"
#include "refusals.h"
#include "viewer_handshake.h"
#include "viewer_socket.h"

#define RECEIVE_BYTES 4096 /* read in one go; one buffer for all */
#define SEND_BYTES 16384   /* in one go, at most */
#define PLAIN_BYTES 16384  /* of a TLS record, at most */
#define CLOSE_MS 2000      /* for the viewer's close frame, or its end */
#define LINGER_BYTES 65536 /* thrown away after our last word */
#define DEADLINE_TICK_MS 100
#define DRAIN_TICK_MS 50
#define DRAIN_GRACE_MS 1000 /* for close handshakes, after the last viewer was asked */
#define DRAIN_RETRY "restarting; connect again"

struct viewer_socket {
    struct viewer_socket_options options;
    struct handshake_rules rules;
    struct networks *proxies;
    struct attendance *attendance;
    struct broadcast *broadcast;
    struct metrics *metrics;
    struct refusals *refusals;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2];
    struct ping_wheel *wheel;
    uv_timer_t ping_timer;
    uv_timer_t drain_timer;
    uv_timer_t deadline_timer;
    struct connection_list asking; /* the longest there first */
    struct connection_list viewing;
    struct connection_list leaving; /* the longest there first; CLOSING and LINGERING */
    int64_t viewers;                /* viewing */
    int64_t guests;                 /* asking or leaving */
    int64_t sockets;                /* all, and those that libuv has still to close */
    uint32_t random;                /* of a xorshift */
    bool draining;
    int64_t drain_end_ms;
    viewer_socket_done_f *done;
    void *done_arg;
    unsigned char plain[PLAIN_BYTES]; /* of the TLS record read last */
};

static uint32_t
next_random(struct viewer_socket *viewers)
{
    viewers->random ^= viewers->random << 13;
    viewers->random ^= viewers->random >> 17;
    viewers->random ^= viewers->random << 5;
    return viewers->random;
}

/* Of the state it leaves. */
static void
take_out(struct viewer_socket *viewers, struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_NONE:
        return;
    case CONNECTION_ASKING:
        TAILQ_REMOVE(&viewers->asking, connection, in_list);
        viewers->guests--;
        return;
    case CONNECTION_VIEWING:
        attendance_leave(viewers->attendance, &connection->viewer);
        ping_wheel_remove(viewers->wheel, &connection->ping);
        TAILQ_REMOVE(&viewers->viewing, connection, in_list);
        viewers->viewers--;
        return;
    case CONNECTION_CLOSING:
    case CONNECTION_LINGERING:
        TAILQ_REMOVE(&viewers->leaving, connection, in_list);
        viewers->guests--;
        return;
    }
}

static void
put_among_guests(struct viewer_socket *viewers, struct connection_list *list,
                 struct connection *connection, int64_t time_ms)
{
    connection->deadline_ms = clock_mono_ms() + time_ms;
    TAILQ_INSERT_TAIL(list, connection, in_list);
    viewers->guests++;
}

/* Every change of state; the picture is in connection.h. */
static void
move_to(struct viewer_socket *viewers, struct connection *connection,
        enum connection_state state)
{
    take_out(viewers, connection);
    connection->state = state;
    switch (state) {
    case CONNECTION_NONE:
        crowd_leave(viewers->rules.crowd, &connection->member);
        connection_fini(connection);
        return;
    case CONNECTION_ASKING:
        put_among_guests(viewers, &viewers->asking, connection,
                         viewers->options.handshake_timeout_ms);
        return;
    case CONNECTION_VIEWING: /* has joined */
        TAILQ_INSERT_TAIL(&viewers->viewing, connection, in_list);
        ping_wheel_add(viewers->wheel, &connection->ping, next_random(viewers));
        viewers->viewers++;
        return;
    case CONNECTION_CLOSING:
        put_among_guests(viewers, &viewers->leaving, connection, CLOSE_MS);
        return;
    case CONNECTION_LINGERING:
        free(connection->head);
        connection->head = NULL;
        connection->head_bytes = 0;
        put_among_guests(viewers, &viewers->leaving, connection, CLOSE_MS);
        return;
    }
}

/* It is gone, or as good as. A repeat does nothing. */
static void
forget(struct viewer_socket *viewers, struct connection *connection)
{
    if (connection->state == CONNECTION_NONE)
        return;
    move_to(viewers, connection, CONNECTION_NONE);
    metrics_set(viewers->metrics, METRIC_ADDRESSES,
                (int64_t)crowd_addresses(viewers->rules.crowd));
}

/* Ends a connection at once, from outside its own callbacks. */
static void
kill_connection(struct viewer_socket *viewers, struct connection *connection)
{
    forget(viewers, connection);
    connection_kill(connection);
}

/* The last word was said; -1: it could not be. */
static int
linger(struct viewer_socket *viewers, struct connection *connection, int said)
{
    move_to(viewers, connection, CONNECTION_LINGERING);
    if (!said)
        connection_end_sending(connection);
    return said;
}

/* Sends the frame, or leaves it to on_writeable() when earlier ones are not out yet. -1: the
 * socket is dead. */
static int
write_frame(struct viewer_socket *viewers, struct connection *connection,
            const struct frame *frame)
{
    if (connection_clogged(connection)) {
        metrics_add(viewers->metrics, METRIC_FRAMES_HELD, 1);
        return 0; /* a callback comes when they are */
    }
    if (connection_send(connection, frame->bytes, frame->length))
        return -1;
    connection->viewer.told = frame->count;
    metrics_add(viewers->metrics, METRIC_FRAMES, 1);
    return 0;
}

static void
send_frame(void *arg, struct viewer *viewer, struct frame *frame)
{
    struct viewer_socket *viewers = arg;
    struct connection *connection = container_of(viewer, struct connection, viewer);
    if (write_frame(viewers, connection, frame))
        kill_connection(viewers, connection);
}

/* The newest count, where the viewer does not know it yet. -1: the socket is dead. */
static int
tell_news(struct viewer_socket *viewers, struct connection *connection)
{
    if (broadcast_awaits_news(connection->viewer.auction))
        return 0;
    struct frame *frame = broadcast_frame(viewers->broadcast, connection->viewer.auction);
    if (connection->viewer.told == frame->count)
        return 0;
    return write_frame(viewers, connection, frame);
}

static int
on_writeable(struct viewer_socket *viewers, struct connection *connection)
{
    connection_resume(connection);
    return connection->state == CONNECTION_VIEWING ? tell_news(viewers, connection) : 0;
}

/* Answers a request that makes no viewer. */
static int
answer(struct viewer_socket *viewers, struct connection *connection,
       enum viewer_verdict verdict)
{
    char response[RESPONSE_BYTES];
    if (verdict >= VIEWER_NOT_FOUND)
        refusals_add(viewers->refusals, refusals_row(verdict));
    size_t length = viewer_response(verdict, !viewers->draining, response);
    return linger(viewers, connection, connection_send(connection, response, length));
}

/* Who connected before the port was closed is served for what is left of the drain, and then
 * asked to go like the others. */
static enum viewer_verdict
join(struct viewer_socket *viewers, struct connection *connection, const char *auction)
{
    if (viewers->draining && clock_mono_ms() >= viewers->drain_end_ms)
        return VIEWER_LEAVING;
    if (viewers->viewers >= viewers->options.viewers_max)
        return VIEWER_FULL;
    if (!attendance_join(viewers->attendance, auction, &connection->viewer))
        return VIEWER_AUCTIONS;
    return VIEWER_ADMIT;
}

/* Bytes of a request. -1: close. */
static int
on_request(struct viewer_socket *viewers, struct connection *connection, unsigned char *bytes,
           size_t length)
{
    char auction[AUCTION_BYTES], response[RESPONSE_BYTES];
    enum viewer_verdict verdict;
    const char *key;
    if (!viewer_handshake_read(&viewers->rules, connection, (char *)bytes, length, &verdict,
                               auction, &key))
        return 0;
    if (verdict == VIEWER_ADMIT)
        verdict = join(viewers, connection, auction);
    if (verdict != VIEWER_ADMIT)
        return answer(viewers, connection, verdict);
    move_to(viewers, connection, CONNECTION_VIEWING);
    size_t response_length = viewer_accept(key, response);
    free(connection->head);
    connection->head = NULL;
    if (connection_send(connection, response, response_length))
        return -1;
    return tell_news(viewers, connection);
}

/* Says close and does no more. */
static int
fail(struct viewer_socket *viewers, struct connection *connection, unsigned code)
{
    static const struct {
        unsigned code;
        enum gateway_metric row;
    } rows[] = {{CLOSE_PROTOCOL, METRIC_CLOSED_PROTOCOL},
                {CLOSE_NO_UTF8, METRIC_CLOSED_NO_UTF8},
                {CLOSE_TOO_BIG, METRIC_CLOSED_BIG},
                {CLOSE_POLICY, METRIC_CLOSED_NOISY}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].code == code)
            metrics_add(viewers->metrics, rows[i].row, 1);
    }
    return linger(viewers, connection, connection_say_close(connection, code, ""));
}

/* A frame of the viewer's has ended. -1: close. */
static int
on_frame(struct viewer_socket *viewers, struct connection *connection, enum frame_read read)
{
    struct frame_reader *reader = &connection->reader;
    bool closing = connection->state == CONNECTION_CLOSING;
    if (closing || read == FRAME_READ_CLOSE) {
        if (!closing)
            connection_say_close(connection, reader->code, "");
        if (connection->tls)
            tls_session_end(connection->tls);
        return read == FRAME_READ_CLOSE || read == FRAME_READ_FAULT ? -1 : 0;
    }
    if (read == FRAME_READ_FAULT)
        return fail(viewers, connection, reader->code);
    metrics_add(viewers->metrics, METRIC_CLIENT_FRAMES, 1);
    if (!bucket_take(&connection->frames, viewers->options.messages_per_second,
                     clock_mono_ms()))
        return fail(viewers, connection, CLOSE_POLICY);
    if (read == FRAME_READ_PING)
        return connection_frame(connection, FRAME_PONG, reader->control,
                                reader->control_length);
    return 0;
}

static int
on_frames(struct viewer_socket *viewers, struct connection *connection, unsigned char *bytes,
          size_t length)
{
    if (connection->state == CONNECTION_VIEWING)
        ping_heard(&connection->ping);
    while (length && connection->state != CONNECTION_LINGERING) {
        enum frame_read read = frame_reader_next(
            &connection->reader, viewers->options.message_bytes_max, &bytes, &length);
        if (read != FRAME_READ_MORE && on_frame(viewers, connection, read))
            return -1;
    }
    return 0;
}

/* Plain text of a viewer. -1: close. */
static int
on_bytes(struct viewer_socket *viewers, struct connection *connection, unsigned char *bytes,
         size_t length)
{
    switch (connection->state) {
    case CONNECTION_ASKING:
        return on_request(viewers, connection, bytes, length);
    case CONNECTION_VIEWING:
    case CONNECTION_CLOSING:
        return on_frames(viewers, connection, bytes, length);
    case CONNECTION_LINGERING:
        connection->head_bytes += (uint32_t)length;
        return connection->head_bytes > LINGER_BYTES ? -1 : 0;
    case CONNECTION_NONE:
        break;
    }
    return -1;
}

static int
on_receive(struct viewer_socket *viewers, struct connection *connection, unsigned char *bytes,
           size_t length)
{
    if (!connection->tls)
        return on_bytes(viewers, connection, bytes, length);
    int plain;
    tls_session_feed(connection->tls, bytes, length);
    while ((plain = tls_session_read(connection->tls, viewers->plain, PLAIN_BYTES)) > 0) {
        if (on_bytes(viewers, connection, viewers->plain, (size_t)plain))
            return -1;
    }
    if (plain < 0 && !tls_session_ready(connection->tls) &&
        connection->state == CONNECTION_ASKING)
        refusals_add(viewers->refusals, METRIC_REFUSED_TLS);
    return plain;
}

static void
count_socket(struct viewer_socket *viewers, struct connection *connection, bool open)
{
    if (connection->counted == open)
        return;
    connection->counted = open;
    viewers->sockets += open ? 1 : -1;
    metrics_set(viewers->metrics, METRIC_CONNECTIONS, viewers->sockets);
}

static int
on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t bytes)
{
    struct viewer_socket *viewers = lws_context_user(lws_get_context(wsi));
    struct connection *connection = user;
    switch (reason) {
    case LWS_CALLBACK_RAW_RX:
        return on_receive(viewers, connection, in, bytes);
    case LWS_CALLBACK_RAW_WRITEABLE:
        return on_writeable(viewers, connection);
    case LWS_CALLBACK_RAW_CLOSE:
        if (connection)
            forget(viewers, connection);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        if (connection)
            count_socket(viewers, connection, false);
        return 0;
    default:
        return 0;
    }
}

static void
ping_viewer(struct viewer_socket *viewers, struct connection *connection)
{
    if (connection_clogged(connection))
        return; /* it is not reading; unless it does within the time-out, it is dead */
    metrics_add(viewers->metrics, METRIC_PINGS, 1);
    if (connection_frame(connection, FRAME_PING, (const unsigned char *)"p", 1))
        kill_connection(viewers, connection);
}

static void
on_ping_tick(uv_timer_t *timer)
{
    struct viewer_socket *viewers = timer->data;
    int64_t now_ms = clock_mono_ms();
    enum ping_action action;
    struct ping *ping;
    while ((action = ping_wheel_turn(viewers->wheel, now_ms, &ping)) != PING_NOTHING) {
        struct connection *connection = container_of(ping, struct connection, ping);
        if (action == PING_SEND) {
            ping_viewer(viewers, connection);
        } else {
            metrics_add(viewers->metrics, METRIC_CLOSED_DEAD, 1);
            kill_connection(viewers, connection);
        }
    }
}

/* Asks a viewer to go, from outside its own callbacks. */
static void
ask_to_go(struct viewer_socket *viewers, struct connection *connection)
{
    move_to(viewers, connection, CONNECTION_CLOSING);
    if (connection_say_close(connection, CLOSE_RESTART, DRAIN_RETRY))
        kill_connection(viewers, connection);
}

/* The lists are in the order of their deadlines. */
static void
on_deadline_tick(uv_timer_t *timer)
{
    struct viewer_socket *viewers = timer->data;
    int64_t now_ms = clock_mono_ms();
    struct connection *connection;
    while ((connection = TAILQ_FIRST(&viewers->asking)) && connection->deadline_ms <= now_ms) {
        refusals_add(viewers->refusals, METRIC_REFUSED_SLOW);
        kill_connection(viewers, connection);
    }
    while ((connection = TAILQ_FIRST(&viewers->leaving)) && connection->deadline_ms <= now_ms)
        kill_connection(viewers, connection);
    if (!viewers->guests)
        uv_timer_stop(timer);
}

static void
on_drain_tick(uv_timer_t *timer)
{
    struct viewer_socket *viewers = timer->data;
    int64_t left_ms = viewers->drain_end_ms - clock_mono_ms();
    uint64_t share =
        drain_share((uint64_t)viewers->viewers, DRAIN_TICK_MS, left_ms, next_random(viewers));
    metrics_add(viewers->metrics, METRIC_CLOSED_DRAINED, (int64_t)share);
    while (share--)
        ask_to_go(viewers, TAILQ_FIRST(&viewers->viewing));
    if (viewers->sockets && left_ms > -DRAIN_GRACE_MS)
        return;
    uv_timer_stop(timer);
    viewers->done(viewers->done_arg);
}

void
viewer_socket_drain(struct viewer_socket *viewers, int64_t drain_ms, viewer_socket_done_f *done,
                    void *arg)
{
    viewers->draining = true;
    viewers->drain_end_ms = clock_mono_ms() + drain_ms;
    viewers->done = done;
    viewers->done_arg = arg;
    uv_timer_start(&viewers->drain_timer, on_drain_tick, 0, DRAIN_TICK_MS);
}

/* Closes the oldest connection that is no viewer's to make room, where there is no other. A
 * slow or idle one thus goes before one that is about to become a viewer's. False: all are. */
static bool
make_room(struct viewer_socket *viewers)
{
    if (viewers->sockets < viewers->options.sockets_max &&
        viewers->guests < viewers->options.handshakes_max)
        return true;
    struct connection *oldest = TAILQ_FIRST(&viewers->asking);
    if (!oldest)
        oldest = TAILQ_FIRST(&viewers->leaving);
    refusals_add(viewers->refusals, oldest ? METRIC_REFUSED_CROWDED : METRIC_REFUSED_OVERFLOW);
    if (oldest)
        kill_connection(viewers, oldest);
    return oldest;
}

/* Before there is anything to read: says why where that is possible, and closes. */
static void
turn_away(struct viewer_socket *viewers, int fd)
{
    char response[RESPONSE_BYTES];
    refusals_add(viewers->refusals, METRIC_REFUSED_ADDRESS);
    size_t length = viewer_response(VIEWER_ADDRESS, true, response);
    if (!viewers->options.tls && send(fd, response, length, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        shutdown(fd, SHUT_WR);
        recv(fd, response, sizeof response, MSG_DONTWAIT); /* unread, it would reset ours */
    }
    close(fd);
}

static void
adopt(struct viewer_socket *viewers, int fd, struct crowd_member *member, bool proxied)
{
    lws_sock_file_fd_type socket = {.sockfd = fd};
    struct lws *wsi = lws_adopt_descriptor_vhost(viewers->vhost, LWS_ADOPT_SOCKET, socket,
                                                 viewers->protocols[0].name, NULL);
    if (!wsi) { /* which has closed it */
        crowd_leave(viewers->rules.crowd, &member);
        return;
    }
    struct connection *connection = lws_wsi_user(wsi);
    connection->wsi = wsi;
    connection->member = member;
    connection->proxied = proxied;
    count_socket(viewers, connection, true);
    move_to(viewers, connection, CONNECTION_ASKING);
    if (!uv_is_active((uv_handle_t *)&viewers->deadline_timer))
        uv_timer_start(&viewers->deadline_timer, on_deadline_tick, DEADLINE_TICK_MS,
                       DEADLINE_TICK_MS);
    if (viewers->options.tls && connection_encrypt(connection, viewers->options.tls))
        kill_connection(viewers, connection);
}

void
viewer_socket_accept(void *arg, int fd, const struct sockaddr *peer)
{
    struct viewer_socket *viewers = arg;
    struct crowd_member *member = NULL;
    struct address address;
    bool known = address_of_socket(peer, &address);
    bool proxied = known && networks_hold(viewers->proxies, &address);
    if (known && !proxied && !(member = crowd_enter(viewers->rules.crowd, &address))) {
        turn_away(viewers, fd);
    } else if (make_room(viewers)) {
        adopt(viewers, fd, member, proxied);
    } else {
        crowd_leave(viewers->rules.crowd, &member);
        close(fd);
    }
    metrics_set(viewers->metrics, METRIC_ADDRESSES,
                (int64_t)crowd_addresses(viewers->rules.crowd));
}

static void
log_library(int level, const char *line)
{
    static struct log_limit limit;
    int64_t suppressed;
    (void)level;
    if (log_allowed(&limit, clock_mono_ms(), 1000, &suppressed))
        log_debug("viewers.library", "libwebsockets says", LOG_STR("line", line),
                  LOG_INT("suppressed", suppressed));
}

static int
start_library(struct viewer_socket *viewers, uv_loop_t *loop)
{
    static const lws_retry_bo_t no_policy; /* pings are our own */
    void *loops[] = {loop};
    viewers->protocols[0] =
        (struct lws_protocols){.name = "headcount",
                               .callback = on_event,
                               .per_session_data_size = sizeof(struct connection),
                               .tx_packet_size = SEND_BYTES};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = viewers->protocols,
        .options = LWS_SERVER_OPTION_LIBUV,
        .foreign_loops = loops,
        .gid = -1,
        .uid = -1,
        .user = viewers,
        .server_string = "headcount", /* it may not be empty */
        .pt_serv_buf_size = RECEIVE_BYTES,
        .retry_and_idle_policy = &no_policy,
        .vhost_name = "viewers",
    };
    lws_set_log_level(LLL_ERR | LLL_WARN, log_library);
    viewers->context = lws_create_context(&info);
    if (!viewers->context)
        return -1;
    viewers->vhost = lws_get_vhost_by_name(viewers->context, info.vhost_name);
    return viewers->vhost ? 0 : -1;
}

static void
start_timers(struct viewer_socket *viewers, uv_loop_t *loop)
{
    uv_timer_init(loop, &viewers->ping_timer);
    uv_timer_init(loop, &viewers->drain_timer);
    uv_timer_init(loop, &viewers->deadline_timer);
    viewers->ping_timer.data = viewers->drain_timer.data = viewers->deadline_timer.data =
        viewers;
    uint64_t tick_ms = (uint64_t)ping_wheel_tick_ms(viewers->wheel);
    uv_timer_start(&viewers->ping_timer, on_ping_tick, tick_ms, tick_ms);
}

struct viewer_socket *
viewer_socket_new(uv_loop_t *loop, const struct viewer_socket_options *options,
                  struct attendance *attendance, struct broadcast *broadcast,
                  struct metrics *metrics, char *error, size_t error_bytes)
{
    struct viewer_socket *viewers = mem_alloc(sizeof *viewers);
    uint64_t seed = 0;
    viewers->options = *options;
    viewers->attendance = attendance;
    viewers->broadcast = broadcast;
    viewers->metrics = metrics;
    TAILQ_INIT(&viewers->asking);
    TAILQ_INIT(&viewers->viewing);
    TAILQ_INIT(&viewers->leaving);
    if (start_library(viewers, loop)) {
        snprintf(error, error_bytes,
                 "cannot start libwebsockets with libuv; is its package "
                 "libwebsockets-evlib-uv installed?");
        free(viewers);
        return NULL;
    }
    if (getrandom(&seed, sizeof seed, 0) < 0 || !(uint32_t)seed)
        seed = uv_hrtime() | 1;
    viewers->random = (uint32_t)seed;
    viewers->proxies = networks_read(options->trusted_proxies);
    viewers->rules = (struct handshake_rules){.allowed_origins = options->allowed_origins,
                                              .proxies = viewers->proxies,
                                              .form = options->forwarded,
                                              .crowd = crowd_new(seed, options->address_max)};
    viewers->refusals = refusals_new(metrics);
    viewers->wheel =
        ping_wheel_new(options->ping_interval_ms, options->ping_timeout_ms, clock_mono_ms());
    broadcast_set_sender(broadcast, send_frame, viewers);
    start_timers(viewers, loop);
    return viewers;
}

void
viewer_socket_close(struct viewer_socket *viewers)
{
    struct connection_list *lists[] = {&viewers->asking, &viewers->viewing, &viewers->leaving};
    struct connection *connection;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        while ((connection = TAILQ_FIRST(lists[i])))
            forget(viewers, connection);
    }
    uv_close((uv_handle_t *)&viewers->ping_timer, NULL);
    uv_close((uv_handle_t *)&viewers->drain_timer, NULL);
    uv_close((uv_handle_t *)&viewers->deadline_timer, NULL);
    lws_context_destroy(viewers->context);
}

void
viewer_socket_destroy(struct viewer_socket **viewers)
{
    if (!*viewers)
        return;
    lws_context_destroy((*viewers)->context);
    ping_wheel_destroy(&(*viewers)->wheel);
    crowd_destroy(&(*viewers)->rules.crowd);
    networks_destroy(&(*viewers)->proxies);
    refusals_destroy(&(*viewers)->refusals);
    free(*viewers);
    *viewers = NULL;
}
