/* libmicrohttpd set up, and its callbacks. Each callback runs in the thread of its connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include "address.h"
#include "admit.h"
#include "answer.h"
#include "api_metrics.h"
#include "callers.h"
#include "clock.h"
#include "http_server.h"
#include "log.h"
#include "mem.h"

#define DESCRIPTORS_SPARE 256 /* beside the connections: database, bus, log … */
#define CONNECTIONS_SPARE 32  /* for each thread, of those that are cut and not yet closed */
#define TICK_MS 250
#define LOG_INTERVAL_MS 10000
#define REFUSAL_REST                                                                           \
    "\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 10\r\n"                        \
    "X-Content-Type-Options: nosniff\r\n\r\n"

struct http_server {
    const struct api_context *api;
    struct MHD_Daemon *daemon;
    struct callers *callers;
    uv_timer_t *timer; /* looks for those that take too long */
    int listen_fd;     /* after quiesce: ours to close; else -1 */
    struct log_limit limits[CALLERS_ENDS];
};

/* What the library keeps with each connection. */
struct connection {
    struct request *request; /* NULL between two */
    struct caller *caller;   /* NULL: it is cut */
};

static enum MHD_Result
send_refusal(struct request *request)
{
    return answer_error(request, request->refused, "%s", request->reason);
}

static enum MHD_Result
begin(struct request *request, const char *method, const char *version)
{
    const char *length = request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    request->begun = true;
    admit(request, method, version);
    if (request->refused == API_MALFORMED_REQUEST)
        return send_refusal(request); /* what comes next may be no body */
    if (!length || strtoull(length, NULL, 10) <= BODY_DISCARD_MAX)
        return MHD_YES;
    request_refuse(request, API_PAYLOAD_TOO_LARGE, TOO_LARGE, BODY_BYTES_MAX);
    return send_refusal(request); /* unread: the connection closes */
}

static struct connection *
find_slot(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
        ->socket_context;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
           const char *version, const char *bytes, size_t *count, void **context)
{
    const struct http_server *server = arg;
    struct request *request = *context;
    (void)url;
    request->connection = connection;
    if (!request->begun)
        return begin(request, method, version);
    if (*count) {
        bool wanted = request_take_body(request, bytes, *count);
        *count = 0;
        return wanted ? MHD_YES : MHD_NO;
    }
    struct caller *caller = find_slot(connection)->caller;
    if (caller)
        callers_answer(server->callers, caller, clock_mono_ms());
    if (request->refused != API_ERROR_COUNT)
        return send_refusal(request);
    if (request->preflight)
        return answer_preflight(request);
    if (request->resume)
        return request->resume(request);
    return request->match.route->handle(request);
}

/* Each connection has a slot for its request: the library does not report the end of every
 * request that it began, such as one of more parameters than its memory holds. */
static void
open_connection(struct http_server *server, struct MHD_Connection *connection, void **slot)
{
    const struct sockaddr *peer =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    int descriptor =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    struct connection *opened = mem_alloc(sizeof *opened);
    struct address address;
    bool known = address_of_socket(peer, &address);
    opened->caller =
        callers_enter(server->callers, known ? &address : NULL, descriptor, clock_mono_ms());
    *slot = opened;
}

/* A request whose header never came to its end was answered by the library, if at all. */
static void
close_connection(struct http_server *server, struct connection *closed)
{
    bool unread = closed->request && !closed->request->begun;
    metrics_add(server->api->metrics, METRIC_UNREAD, unread);
    request_destroy(&closed->request);
    callers_leave(server->callers, &closed->caller);
    free(closed);
}

static void
on_connection(void *arg, struct MHD_Connection *connection, void **slot,
              enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        open_connection(arg, connection, slot);
    else if (*slot) {
        close_connection(arg, *slot);
        *slot = NULL;
    }
}

static void *
on_first_line(void *arg, const char *target, struct MHD_Connection *connection)
{
    const struct http_server *server = arg;
    struct connection *slot = find_slot(connection);
    request_destroy(&slot->request);
    return slot->request = request_new(server->api, target);
}

static void
on_completed(void *arg, struct MHD_Connection *connection, void **context,
             enum MHD_RequestTerminationCode code)
{
    const struct http_server *server = arg;
    struct connection *slot = find_slot(connection);
    if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        metrics_add(server->api->metrics, METRIC_ABORTED, 1);
    if (!slot->request || slot->request->begun) /* else it is counted at the close */
        request_destroy(&slot->request);
    if (slot->caller)
        callers_wait(server->callers, slot->caller, clock_mono_ms());
    *context = NULL;
}

/* Targets are decoded by target.c, after they were split. */
static size_t
keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg, (void)connection;
    return strlen(text);
}

static void
on_library_log(void *arg, const char *format, va_list arguments)
{
    char text[256];
    (void)arg;
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = 0;
    log_debug("http.library", text, LOG_NONE);
}

static int
raise_descriptors(const struct api_settings *settings, char *error, size_t error_bytes)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)settings->max_connections + DESCRIPTORS_SPARE +
                    (rlim_t)settings->threads * CONNECTIONS_SPARE;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= needed)
        return 0;
    limit.rlim_cur = needed;
    if (needed <= limit.rlim_max && !setrlimit(RLIMIT_NOFILE, &limit))
        return 0;
    snprintf(error, error_bytes,
             "MAX_CONNECTIONS %lld needs %llu descriptors, and the process may have %llu",
             (long long)settings->max_connections, (unsigned long long)needed,
             (unsigned long long)limit.rlim_max);
    return -1;
}

/* Tells who is refused why, as far as the kernel takes it at once, and closes. Any thread. */
static void
cut_connection(void *arg, int descriptor, enum callers_end why)
{
    static const char *const answers[CALLERS_ENDS] = {
        [CALLERS_FULL] = "HTTP/1.1 503 Service Unavailable" REFUSAL_REST,
        [CALLERS_ADDRESS] = "HTTP/1.1 429 Too Many Requests" REFUSAL_REST};
    struct http_server *server = arg;
    int64_t suppressed;
    metrics_add(server->api->metrics, METRIC_CUT + why, 1);
    if (answers[why])
        send(descriptor, answers[why], strlen(answers[why]), MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(descriptor, SHUT_RDWR);
    if (log_allowed(&server->limits[why], clock_mono_ms(), LOG_INTERVAL_MS, &suppressed))
        log_warn("http.cut", "a connection was cut",
                 LOG_STR("reason", api_metric_table[METRIC_CUT + why].labels),
                 LOG_INT("suppressed", suppressed));
}

static struct callers *
make_callers(struct http_server *server)
{
    const struct api_settings *settings = server->api->settings;
    struct callers_options options = {.most = (size_t)settings->max_connections,
                                      .most_of_address =
                                          (uint64_t)settings->connections_per_address,
                                      .proxies = server->api->proxies,
                                      .request_ms = settings->request_timeout_s * 1000,
                                      .answer_ms = settings->answer_timeout_s * 1000,
                                      .cut = cut_connection,
                                      .arg = server};
    randombytes_buf(&options.seed, sizeof options.seed);
    return callers_new(&options);
}

static void
on_tick(uv_timer_t *timer)
{
    const struct http_server *server = timer->data;
    callers_tick(server->callers, clock_mono_ms());
}

static void
start_timer(struct http_server *server, uv_loop_t *loop)
{
    server->timer = mem_alloc(sizeof *server->timer);
    uv_timer_init(loop, server->timer);
    server->timer->data = server;
    uv_timer_start(server->timer, on_tick, TICK_MS, TICK_MS);
}

/* Its own limit is a little above ours, and for each of its threads. */
static struct MHD_Daemon *
start_daemon(struct http_server *server, const union address_place *place)
{
    const struct api_settings *settings = server->api->settings;
    unsigned spare = (unsigned)settings->threads * CONNECTIONS_SPARE;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG |
                     (place->any.sa_family == AF_INET6 ? MHD_USE_DUAL_STACK : 0u);
    errno = 0;
    return MHD_start_daemon(
        flags, (uint16_t)settings->port, NULL, NULL, on_request, server,
        MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL, MHD_OPTION_SOCK_ADDR, &place->any,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)settings->threads, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)settings->max_connections + spare, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)settings->connection_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)settings->connection_bytes, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, on_first_line, server, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_END);
}

struct http_server *
http_server_new(const struct api_context *api, uv_loop_t *loop, char *error, size_t error_bytes)
{
    const struct api_settings *settings = api->settings;
    union address_place place;
    if (raise_descriptors(settings, error, error_bytes))
        return NULL;
    address_place(settings->listen_address, (int)settings->port, &place);
    struct http_server *server = mem_alloc(sizeof *server);
    *server = (struct http_server){.api = api, .listen_fd = -1};
    server->callers = make_callers(server);
    server->daemon = start_daemon(server, &place);
    if (!server->daemon) {
        snprintf(error, error_bytes, "cannot listen on %s port %lld: %s",
                 settings->listen_address, (long long)settings->port,
                 errno ? strerror(errno) : "refused");
        callers_destroy(&server->callers);
        free(server);
        return NULL;
    }
    start_timer(server, loop);
    log_info(
        "api.listening", "requests are served", LOG_STR("address", settings->listen_address),
        LOG_INT("port", MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port));
    return server;
}

static void
on_timer_closed(uv_handle_t *timer)
{
    free(timer);
}

void
http_server_quiesce(struct http_server *server)
{
    uv_close((uv_handle_t *)server->timer, on_timer_closed);
    server->listen_fd = MHD_quiesce_daemon(server->daemon);
    if (server->listen_fd >= 0)
        shutdown(server->listen_fd, SHUT_RDWR); /* refused from now on, and not left to wait */
}

void
http_server_destroy(struct http_server **server)
{
    if (!*server)
        return;
    MHD_stop_daemon((*server)->daemon);
    if ((*server)->listen_fd >= 0)
        close((*server)->listen_fd);
    callers_destroy(&(*server)->callers);
    free(*server);
    *server = NULL;
}
