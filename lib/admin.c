/* libmicrohttpd driven by a libuv loop: its epoll descriptor is polled, its time-outs ticked.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "callers.h"
#include "clock.h"
#include "http_head.h"
#include "log.h"
#include "mem.h"

#define TICK_MS 1000
#define CONNECTION_SECONDS 10u
#define CONNECTIONS 64u       /* beyond, who has asked nothing for longest makes room */
#define CONNECTIONS_SPARE 64u /* for those that are cut and not yet closed */
#define METHODS "GET, HEAD"
#define TURNS 16 /* of libmicrohttpd in one turn of the loop, at most */

struct admin {
    struct MHD_Daemon *daemon;
    struct callers *callers;
    struct networks *proxies; /* none */
    uv_poll_t poll;           /* libmicrohttpd's epoll descriptor */
    uv_timer_t timer;         /* drives its time-outs */
    int open_handles;         /* of the two above, until their close callbacks */
    const struct metrics *metrics;
    admin_ready_f *ready;
    void *arg; /* of ready */
};

static enum MHD_Result
send_text(struct MHD_Connection *connection, unsigned status, const char *type,
          const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (status == MHD_HTTP_BAD_REQUEST)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, METHODS);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result
send_ready(struct admin *admin, struct MHD_Connection *connection)
{
    const char *why = "starting";
    if (admin->ready(admin->arg, &why))
        return send_text(connection, MHD_HTTP_OK, "text/plain", "ready\n");
    char text[256];
    snprintf(text, sizeof text, "not ready: %s\n", why);
    return send_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain", text);
}

static enum MHD_Result
send_metrics(struct admin *admin, struct MHD_Connection *connection)
{
    char *page = metrics_render(admin->metrics);
    enum MHD_Result result =
        send_text(connection, MHD_HTTP_OK, "text/plain; version=0.0.4", page);
    free(page);
    return result;
}

/* Its request is there whole. */
static void
note_request(const struct admin *admin, struct MHD_Connection *connection)
{
    struct caller *caller =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (caller)
        callers_answer(admin->callers, caller, clock_mono_ms());
}

static enum MHD_Result
answer(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
       const char *version, const char *body, size_t *body_bytes, void **request)
{
    struct admin *admin = arg;
    (void)body;
    if (!*request) {
        const char *fault = http_head_fault(connection, method, 0, version);
        *request = admin; /* the second call comes after the body */
        return fault ? send_text(connection, MHD_HTTP_BAD_REQUEST, "text/plain",
                                 "the request is malformed\n")
                     : MHD_YES;
    }
    if (*body_bytes) {
        *body_bytes = 0; /* a body is read and not used */
        return MHD_YES;
    }
    note_request(admin, connection);
    if (strcmp(method, "GET") && strcmp(method, "HEAD"))
        return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain",
                         "method not allowed; allowed: " METHODS "\n");
    if (!strcmp(url, "/healthz"))
        return send_text(connection, MHD_HTTP_OK, "text/plain", "ok\n");
    if (!strcmp(url, "/readyz"))
        return send_ready(admin, connection);
    if (!strcmp(url, "/metrics"))
        return send_metrics(admin, connection);
    return send_text(connection, MHD_HTTP_NOT_FOUND, "text/plain",
                     "not found; here are /healthz, /readyz and /metrics\n");
}

static void
cut_connection(void *arg, int descriptor, enum callers_end why)
{
    (void)arg, (void)why;
    shutdown(descriptor, SHUT_RDWR);
}

static void
make_callers(struct admin *admin)
{
    admin->proxies = networks_read("none");
    struct callers_options options = {.most = CONNECTIONS,
                                      .proxies = admin->proxies,
                                      .request_ms = CONNECTION_SECONDS * 1000,
                                      .answer_ms = CONNECTION_SECONDS * 1000,
                                      .cut = cut_connection};
    randombytes_buf(&options.seed, sizeof options.seed);
    admin->callers = callers_new(&options);
}

static void
on_connection(void *arg, struct MHD_Connection *connection, void **slot,
              enum MHD_ConnectionNotificationCode code)
{
    struct admin *admin = arg;
    struct caller *caller = *slot;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        caller = callers_enter(
            admin->callers, NULL,
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
            clock_mono_ms());
    else
        callers_leave(admin->callers, &caller);
    *slot = caller;
}

static void
on_completed(void *arg, struct MHD_Connection *connection, void **request,
             enum MHD_RequestTerminationCode code)
{
    const struct admin *admin = arg;
    struct caller *caller =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    (void)request, (void)code;
    if (caller)
        callers_wait(admin->callers, caller, clock_mono_ms());
}

static void
run_daemon(struct admin *admin)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 1;
    int turns = 0;
    do
        MHD_run(admin->daemon);
    while (++turns < TURNS && MHD_get_timeout(admin->daemon, &wait_ms) == MHD_YES && !wait_ms);
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    run_daemon(poll->data);
}

static void
on_tick(uv_timer_t *timer)
{
    const struct admin *admin = timer->data;
    callers_tick(admin->callers, clock_mono_ms());
    run_daemon(timer->data);
}

static struct MHD_Daemon *
start_daemon(struct admin *admin, const char *address, int port)
{
    union address_place place;
    unsigned flags = MHD_USE_EPOLL;
    if (!address_place(address, port, &place)) {
        errno = EINVAL;
        return NULL;
    }
    if (place.any.sa_family == AF_INET6)
        flags |= MHD_USE_DUAL_STACK;
    errno = 0;
    return MHD_start_daemon(
        flags, (uint16_t)port, NULL, NULL, answer, admin, MHD_OPTION_SOCK_ADDR, &place.any,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS + CONNECTIONS_SPARE,
        MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_SECONDS, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, admin, MHD_OPTION_NOTIFY_COMPLETED, on_completed, admin, MHD_OPTION_END);
}

struct admin *
admin_new(uv_loop_t *loop, const char *address, int port, const struct metrics *metrics,
          admin_ready_f *ready, void *arg)
{
    struct admin *admin = mem_alloc(sizeof *admin);
    *admin = (struct admin){.metrics = metrics, .ready = ready, .arg = arg};
    make_callers(admin);
    admin->daemon = start_daemon(admin, address, port);
    if (!admin->daemon) {
        int reason = errno;
        callers_destroy(&admin->callers);
        networks_destroy(&admin->proxies);
        free(admin);
        errno = reason;
        return NULL;
    }
    int epoll_fd = MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int bound = MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    uv_poll_init(loop, &admin->poll, epoll_fd);
    uv_timer_init(loop, &admin->timer);
    admin->poll.data = admin->timer.data = admin;
    admin->open_handles = 2;
    uv_poll_start(&admin->poll, UV_READABLE, on_poll);
    uv_timer_start(&admin->timer, on_tick, TICK_MS, TICK_MS);
    log_info("admin.listening", "health and metrics are served", LOG_STR("address", address),
             LOG_INT("port", bound));
    return admin;
}

static void
on_closed(uv_handle_t *handle)
{
    struct admin *admin = handle->data;
    if (--admin->open_handles)
        return;
    MHD_stop_daemon(admin->daemon);
    callers_destroy(&admin->callers);
    networks_destroy(&admin->proxies);
    free(admin);
}

void
admin_destroy(struct admin **admin)
{
    if (!*admin)
        return;
    uv_close((uv_handle_t *)&(*admin)->poll, on_closed);
    uv_close((uv_handle_t *)&(*admin)->timer, on_closed);
    *admin = NULL;
}
