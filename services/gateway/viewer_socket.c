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

#include "container.h"
#include "drain.h"
#include "gateway_metrics.h"
#include "ping_wheel.h"
#include "viewer_handshake.h"
#include "viewer_socket.h"

#define RECEIVE_BYTES 128 /* a viewer's receive buffer: control frames fit */
#define SEND_BYTES 1024   /* in one go, at most */
#define HANDSHAKE_SECONDS 10
#define MESSAGE_BYTES_MAX 4096 /* of a viewer's message; above: close 1009 */
#define CLIENT_FRAMES_MAX 100  /* in a window; above: close 1008 */
#define CLIENT_WINDOW_MS 10000
#define DRAIN_TICK_MS 50
#define DRAIN_GRACE_MS 1000 /* for close handshakes, after the last viewer was asked */
#define DRAIN_RETRY "restarting; connect again"

_Static_assert(LWS_PRE <= FRAME_HEAD, "a frame's head must fit libwebsockets' header");

/* A viewer's WebSocket: libwebsockets' user memory, zeroed before each handshake. */
struct connection {
    struct viewer viewer;
    struct ping ping;
    TAILQ_ENTRY(connection) in_all;
    struct lws *wsi;
    int64_t window_ms;      /* since when client_frames are counted */
    uint32_t client_frames; /* in this window */
    uint32_t message_bytes; /* of the message being received */
};

TAILQ_HEAD(connection_list, connection);

struct viewer_socket {
    struct viewer_socket_options options;
    struct attendance *attendance;
    struct broadcast *broadcast;
    struct metrics *metrics;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2];
    struct ping_wheel *wheel;
    uv_timer_t ping_timer;
    uv_timer_t drain_timer;
    struct connection_list all;   /* the established ones */
    int64_t viewers;              /* of these */
    int64_t sockets;              /* with those in their handshake */
    char admitted[AUCTION_BYTES]; /* the auction that the handshake under way is for */
    uint32_t random;              /* of a xorshift */
    bool draining;
    int64_t drain_end_ms;
    viewer_socket_done_f *done;
    void *done_arg;
};

static uint32_t
next_random(struct viewer_socket *viewers)
{
    viewers->random ^= viewers->random << 13;
    viewers->random ^= viewers->random >> 17;
    viewers->random ^= viewers->random << 5;
    return viewers->random;
}

/* The connection is no viewer's any more; a repeat does nothing. */
static void
drop_viewer(struct viewer_socket *viewers, struct connection *connection)
{
    if (!connection->wsi)
        return;
    connection->wsi = NULL;
    attendance_leave(viewers->attendance, &connection->viewer);
    ping_wheel_remove(viewers->wheel, &connection->ping);
    TAILQ_REMOVE(&viewers->all, connection, in_all);
    viewers->viewers--;
}

/* Ends a connection from outside its own callbacks; code 0: without a word. */
static void
end_connection(struct viewer_socket *viewers, struct connection *connection, unsigned code,
               const char *text)
{
    struct lws *wsi = connection->wsi;
    drop_viewer(viewers, connection);
    if (code)
        lws_close_reason(wsi, (enum lws_close_status)code, (unsigned char *)text, strlen(text));
    lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_SYNC);
}

/* Sends the frame, or leaves it to on_writeable() when earlier ones are not out yet. False: the
 * socket is dead. */
static bool
write_frame(struct viewer_socket *viewers, struct connection *connection, struct frame *frame)
{
    if (lws_partial_buffered(connection->wsi)) {
        metrics_add(viewers->metrics, METRIC_FRAMES_HELD, 1);
        return true; /* a callback comes when they are */
    }
    if (lws_write(connection->wsi, frame->bytes + FRAME_HEAD, frame->length, LWS_WRITE_TEXT) <
        (int)frame->length)
        return false;
    connection->viewer.told = frame->count;
    metrics_add(viewers->metrics, METRIC_FRAMES, 1);
    return true;
}

static void
send_frame(void *arg, struct viewer *viewer, struct frame *frame)
{
    struct viewer_socket *viewers = arg;
    struct connection *connection = container_of(viewer, struct connection, viewer);
    if (!write_frame(viewers, connection, frame))
        end_connection(viewers, connection, 0, NULL);
}

/* The newest count, where the viewer does not know it yet. -1: the socket is dead. */
static int
on_writeable(struct viewer_socket *viewers, struct connection *connection)
{
    if (!connection->wsi || broadcast_awaits_news(connection->viewer.auction))
        return 0;
    struct frame *frame = broadcast_frame(viewers->broadcast, connection->viewer.auction);
    if (connection->viewer.told == frame->count)
        return 0;
    return write_frame(viewers, connection, frame) ? 0 : -1;
}

static void
refuse(struct viewer_socket *viewers, struct lws *wsi, enum viewer_verdict verdict)
{
    if (verdict >= VIEWER_NOT_FOUND)
        metrics_add(viewers->metrics, METRIC_REFUSED + verdict - VIEWER_NOT_FOUND, 1);
    viewer_handshake_answer(wsi, verdict, !viewers->draining);
}

/* A request to become a WebSocket. 0: go on; -1: answered, close. Who connected before the port
 * was closed is served for what is left of the drain, and then asked to go like the others. */
static int
on_upgrade(struct viewer_socket *viewers, struct lws *wsi, const char *upgrade)
{
    enum viewer_verdict verdict = viewer_handshake_check(
        wsi, upgrade, viewers->options.allowed_origins, viewers->admitted);
    if (verdict == VIEWER_ADMIT && viewers->draining &&
        clock_mono_ms() >= viewers->drain_end_ms)
        verdict = VIEWER_LEAVING;
    if (verdict == VIEWER_ADMIT && viewers->viewers >= viewers->options.viewers_max)
        verdict = VIEWER_FULL;
    if (verdict == VIEWER_ADMIT)
        return 0;
    refuse(viewers, wsi, verdict);
    return -1;
}

static int
on_http(struct viewer_socket *viewers, struct lws *wsi)
{
    char auction[AUCTION_BYTES];
    refuse(viewers, wsi,
           viewer_handshake_check(wsi, NULL, viewers->options.allowed_origins, auction));
    return -1;
}

/* The handshake is done; within the same callback chain as its on_upgrade(). */
static int
on_established(struct viewer_socket *viewers, struct lws *wsi, struct connection *connection)
{
    if (!attendance_join(viewers->attendance, viewers->admitted, &connection->viewer)) {
        metrics_add(viewers->metrics, METRIC_REFUSED + VIEWER_FULL - VIEWER_NOT_FOUND, 1);
        lws_close_reason(wsi, (enum lws_close_status)1013, NULL, 0);
        return -1;
    }
    connection->wsi = wsi;
    TAILQ_INSERT_TAIL(&viewers->all, connection, in_all);
    viewers->viewers++;
    ping_wheel_add(viewers->wheel, &connection->ping, next_random(viewers));
    return on_writeable(viewers, connection);
}

/* Closes within the viewer's own callback: the caller returns what this returns. */
static int
close_viewer(struct viewer_socket *viewers, struct lws *wsi, struct connection *connection,
             enum lws_close_status status, enum gateway_metric row)
{
    drop_viewer(viewers, connection);
    metrics_add(viewers->metrics, row, 1);
    lws_close_reason(wsi, status, NULL, 0);
    return -1;
}

/* A frame of the viewer's, or a part of one: not wanted, but borne within limits. */
static int
on_receive(struct viewer_socket *viewers, struct lws *wsi, struct connection *connection,
           size_t bytes)
{
    if (!connection->wsi)
        return 0;
    ping_heard(&connection->ping);
    if (lws_is_first_fragment(wsi))
        connection->message_bytes = 0;
    connection->message_bytes += (uint32_t)bytes;
    size_t left = lws_remaining_packet_payload(wsi);
    if (left > MESSAGE_BYTES_MAX || connection->message_bytes + left > MESSAGE_BYTES_MAX)
        return close_viewer(viewers, wsi, connection, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE,
                            METRIC_CLOSED_BIG);
    if (left)
        return 0;
    metrics_add(viewers->metrics, METRIC_CLIENT_FRAMES, 1);
    int64_t now_ms = clock_mono_ms();
    if (now_ms - connection->window_ms >= CLIENT_WINDOW_MS) {
        connection->window_ms = now_ms;
        connection->client_frames = 0;
    }
    if (++connection->client_frames <= CLIENT_FRAMES_MAX)
        return 0;
    return close_viewer(viewers, wsi, connection, LWS_CLOSE_STATUS_POLICY_VIOLATION,
                        METRIC_CLOSED_NOISY);
}

static void
count_socket(struct viewer_socket *viewers, int change)
{
    viewers->sockets += change;
    metrics_set(viewers->metrics, METRIC_CONNECTIONS, viewers->sockets);
}

static int
on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t bytes)
{
    struct viewer_socket *viewers = lws_context_user(lws_get_context(wsi));
    struct connection *connection = user;
    switch (reason) {
    case LWS_CALLBACK_WSI_CREATE:
        count_socket(viewers, 1);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        count_socket(viewers, -1);
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return on_upgrade(viewers, wsi, in);
    case LWS_CALLBACK_HTTP:
        return on_http(viewers, wsi);
    case LWS_CALLBACK_ESTABLISHED:
        return on_established(viewers, wsi, connection);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return on_writeable(viewers, connection);
    case LWS_CALLBACK_RECEIVE:
        return on_receive(viewers, wsi, connection, bytes);
    case LWS_CALLBACK_RECEIVE_PONG:
        ping_heard(&connection->ping);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
    case LWS_CALLBACK_CLOSED:
        drop_viewer(viewers, connection);
        return 0;
    case LWS_CALLBACK_RAW_ADOPT: /* a CONNECT request would turn the connection raw */
    case LWS_CALLBACK_RAW_RX:
        return -1;
    default:
        return 0;
    }
}

static void
ping_viewer(struct viewer_socket *viewers, struct connection *connection)
{
    /* With a byte in it: libwebsockets does not tell of the pong to an empty one. */
    static unsigned char ping[LWS_PRE + 1] = {[LWS_PRE] = 'p'};
    if (lws_partial_buffered(connection->wsi))
        return; /* it is not reading; unless it does within the time-out, it is dead */
    metrics_add(viewers->metrics, METRIC_PINGS, 1);
    if (lws_write(connection->wsi, ping + LWS_PRE, 1, LWS_WRITE_PING) < 0)
        end_connection(viewers, connection, 0, NULL);
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
            end_connection(viewers, connection, 0, NULL);
        }
    }
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
        end_connection(viewers, TAILQ_FIRST(&viewers->all), 1012, DRAIN_RETRY);
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

void
viewer_socket_accept(void *arg, int fd)
{
    struct viewer_socket *viewers = arg;
    if (viewers->sockets >= viewers->options.sockets_max) {
        metrics_add(viewers->metrics, METRIC_REFUSED_OVERFLOW, 1);
        close(fd);
        return;
    }
    lws_adopt_socket_vhost(viewers->vhost, fd); /* which closes it when it cannot */
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
                               .rx_buffer_size = RECEIVE_BYTES,
                               .tx_packet_size = SEND_BYTES};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = viewers->protocols,
        .options = LWS_SERVER_OPTION_LIBUV,
        .foreign_loops = loops,
        .gid = -1,
        .uid = -1,
        .user = viewers,
        .server_string = "headcount", /* for its own refusals; it may not be empty */
        .timeout_secs = HANDSHAKE_SECONDS,
        .keepalive_timeout = HANDSHAKE_SECONDS,
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

struct viewer_socket *
viewer_socket_new(uv_loop_t *loop, const struct viewer_socket_options *options,
                  struct attendance *attendance, struct broadcast *broadcast,
                  struct metrics *metrics, char *error, size_t error_bytes)
{
    struct viewer_socket *viewers = mem_alloc(sizeof *viewers);
    viewers->options = *options;
    viewers->attendance = attendance;
    viewers->broadcast = broadcast;
    viewers->metrics = metrics;
    TAILQ_INIT(&viewers->all);
    if (getrandom(&viewers->random, sizeof viewers->random, 0) < 0 || !viewers->random)
        viewers->random = 1;
    if (start_library(viewers, loop)) {
        snprintf(error, error_bytes,
                 "cannot start libwebsockets with libuv; is its package "
                 "libwebsockets-evlib-uv installed?");
        free(viewers);
        return NULL;
    }
    viewers->wheel =
        ping_wheel_new(options->ping_interval_ms, options->ping_timeout_ms, clock_mono_ms());
    broadcast_set_sender(broadcast, send_frame, viewers);
    uv_timer_init(loop, &viewers->ping_timer);
    uv_timer_init(loop, &viewers->drain_timer);
    viewers->ping_timer.data = viewers->drain_timer.data = viewers;
    uint64_t tick_ms = (uint64_t)ping_wheel_tick_ms(viewers->wheel);
    uv_timer_start(&viewers->ping_timer, on_ping_tick, tick_ms, tick_ms);
    return viewers;
}

void
viewer_socket_close(struct viewer_socket *viewers)
{
    struct connection *connection;
    while ((connection = TAILQ_FIRST(&viewers->all)))
        drop_viewer(viewers, connection);
    uv_close((uv_handle_t *)&viewers->ping_timer, NULL);
    uv_close((uv_handle_t *)&viewers->drain_timer, NULL);
    lws_context_destroy(viewers->context);
}

void
viewer_socket_destroy(struct viewer_socket **viewers)
{
    if (!*viewers)
        return;
    lws_context_destroy((*viewers)->context);
    ping_wheel_destroy(&(*viewers)->wheel);
    free(*viewers);
    *viewers = NULL;
}
