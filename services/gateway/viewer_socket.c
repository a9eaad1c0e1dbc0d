/* In: sockets, libwebsockets' callbacks. Out: connections, and calls of viewer_traffic.c. */
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

#include "viewer_socket_inside.h"

#define RECEIVE_BYTES 4096 /* read in one go; one buffer for all */
#define SEND_BYTES 16384   /* in one go, at most */

static int
on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t bytes)
{
    struct viewer_socket *viewers = lws_context_user(lws_get_context(wsi));
    struct connection *connection = user;
    switch (reason) {
    case LWS_CALLBACK_RAW_RX:
        return viewer_traffic_receive(viewers, connection, in, bytes);
    case LWS_CALLBACK_RAW_WRITEABLE:
        return viewer_traffic_resume(viewers, connection);
    case LWS_CALLBACK_RAW_CLOSE:
        if (connection)
            viewer_states_forget(viewers, connection);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        if (connection)
            viewer_states_count(viewers, connection, false);
        return 0;
    default:
        return 0;
    }
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
        viewer_states_kill(viewers, oldest);
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
    viewer_states_count(viewers, connection, true);
    viewer_states_move(viewers, connection, CONNECTION_ASKING);
    viewer_timers_watch(viewers);
    if (viewers->options.tls && connection_encrypt(connection, viewers->options.tls))
        viewer_states_kill(viewers, connection);
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
    broadcast_set_sender(broadcast, viewer_traffic_tell, viewers);
    viewer_timers_start(viewers, loop);
    return viewers;
}

void
viewer_socket_close(struct viewer_socket *viewers)
{
    struct connection_list *lists[] = {&viewers->asking, &viewers->viewing, &viewers->leaving};
    struct connection *connection;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        while ((connection = TAILQ_FIRST(lists[i])))
            viewer_states_forget(viewers, connection);
    }
    viewer_timers_close(viewers);
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
