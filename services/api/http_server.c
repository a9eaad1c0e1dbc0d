/* libmicrohttpd set up, and its callbacks. Each callback runs in the thread of its connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api_metrics.h"
#include "auth.h"
#include "clock.h"
#include "http_server.h"
#include "log.h"
#include "mem.h"
#include "request.h"
#include "routes.h"

#define DESCRIPTORS_SPARE 256 /* beside the connections: database, bus, log … */

struct http_server {
    struct MHD_Daemon *daemon;
    int listen_fd; /* after quiesce: ours to close; else -1 */
};

#define FORWARDED_LINES 16 /* more than proxies in a row add */

struct forwarded_values {
    const char *name;
    const char *lines[FORWARDED_LINES];
    size_t count;
};

static enum MHD_Result
take_forwarded(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct forwarded_values *values = arg;
    (void)kind;
    if (value && !strcasecmp(name, values->name) && values->count < FORWARDED_LINES)
        values->lines[values->count++] = value;
    return MHD_YES;
}

/* Whose request it is; a proxy that is trusted may say so. False: nobody's. */
static bool
find_caller(const struct request *request, struct address *address)
{
    const struct api_context *api = request->api;
    const struct sockaddr *peer =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
            ->client_addr;
    struct address viewer;
    struct forwarded_values values = {.name = api->settings->forwarded_header};
    if (!address_of_socket(peer, address))
        return false;
    if (!networks_hold(api->proxies, address))
        return true;
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, take_forwarded, &values);
    if (forwarded_viewer(api->form, values.lines, values.count, api->proxies, &viewer))
        *address = viewer;
    return true;
}

/* A key of before is counted, so that one sees when nobody needs it any more. */
static enum api_error
check_key(const struct request *request, struct keyring *keys, const char *header)
{
    const char *authorization = request_header(request, MHD_HTTP_HEADER_AUTHORIZATION);
    const char *key = request_header(request, header);
    struct guesses *guesses = request->api->guesses;
    struct address caller;
    if (!key && !authorization)
        return API_UNAUTHORIZED; /* and no guess */
    bool known = find_caller(request, &caller);
    if (known && !guesses_allowed(guesses, &caller, clock_mono_ms()))
        return API_TOO_MANY_WRONG_KEYS;
    enum keyring_match match = auth_find(keys, key, authorization);
    if (known && !match)
        guesses_note(guesses, &caller, clock_mono_ms());
    if (match == KEYRING_PREVIOUS)
        metrics_add(request->api->metrics, METRIC_PREVIOUS_KEY, 1);
    return match ? API_ERROR_COUNT : API_UNAUTHORIZED;
}

/* API_ERROR_COUNT: granted. */
static enum api_error
check_access(const struct request *request)
{
    switch (request->match.route->access) {
    case ACCESS_PUBLIC:
        return API_ERROR_COUNT;
    case ACCESS_INTERNAL:
        return check_key(request, request->api->internal_keys, "x-internal-api-key");
    case ACCESS_ANALYTICS:
        if (request->api->settings->analytics_public)
            return API_ERROR_COUNT;
        break;
    case ACCESS_ADMIN:
        break;
    }
    return check_key(request, request->api->admin_keys, "x-admin-api-key");
}

static bool
is_json(const char *type)
{
    static const char json[] = "application/json";
    if (!type)
        return true;
    size_t length = strcspn(type, "; \t");
    return length == sizeof json - 1 && !strncasecmp(type, json, length);
}

/* Looks at the first line and the header; what is wrong is answered when the body is in. */
static void
admit(struct request *request, const char *method)
{
    request->match = route_find(routes, route_count, method, &request->target);
    const struct route *route = request->match.route;
    enum api_error access = API_ERROR_COUNT;
    if (request->target.result != TARGET_OK)
        request_refuse(request, API_INVALID_TARGET, "%s",
                       target_result_text(request->target.result));
    else if (request->match.result == ROUTE_NO_PATH)
        request_refuse(request, API_NOT_FOUND,
                       "nothing is here; see /openapi.json for what is where");
    else if (request->match.result == ROUTE_NO_METHOD)
        request_refuse(request, API_METHOD_NOT_ALLOWED,
                       "%.20s is not answered here; allowed: %s", method, request->match.allow);
    else if ((access = check_access(request)) == API_TOO_MANY_WRONG_KEYS)
        request_refuse(request, access,
                       "too many wrong keys came from this address; try again in a minute");
    else if (access != API_ERROR_COUNT)
        request_refuse(
            request, API_UNAUTHORIZED, "%s",
            route->access == ACCESS_INTERNAL
                ? "the internal key is missing or wrong; give it as x-internal-api-key or "
                  "as Authorization: Bearer"
                : "the admin key is missing or wrong; give it as x-admin-api-key or as "
                  "Authorization: Bearer");
    else if (request->match.result == ROUTE_BAD_ID)
        request_refuse(request, API_INVALID_AUCTION_ID,
                       "this is no auction id; allowed: 1 to 64 of A-Z a-z 0-9 _ -");
    else if (route->takes_json &&
             !is_json(request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE)))
        request_refuse(request, API_UNSUPPORTED_MEDIA_TYPE,
                       "the body is of another content type; allowed: application/json");
}

static enum MHD_Result
send_refusal(struct request *request)
{
    return request_fail(request, request->refused, "%s", request->reason);
}

static enum MHD_Result
begin(struct request *request, const char *method)
{
    const char *length = request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    request->begun = true;
    admit(request, method);
    if (!length || strtoull(length, NULL, 10) <= BODY_DISCARD_MAX)
        return MHD_YES;
    request_refuse(request, API_PAYLOAD_TOO_LARGE, TOO_LARGE, BODY_BYTES_MAX);
    return send_refusal(request); /* unread: the connection closes */
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
           const char *version, const char *bytes, size_t *count, void **context)
{
    struct request *request = *context;
    (void)arg, (void)url, (void)version;
    request->connection = connection;
    if (!request->begun)
        return begin(request, method);
    if (*count) {
        bool wanted = request_take_body(request, bytes, *count);
        *count = 0;
        return wanted ? MHD_YES : MHD_NO;
    }
    if (request->refused != API_ERROR_COUNT)
        return send_refusal(request);
    if (request->resume)
        return request->resume(request);
    return request->match.route->handle(request);
}

static struct request **
find_slot(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
        ->socket_context;
}

/* Each connection has a slot for its request: the library does not report the end of every
 * request that it began, such as one of more parameters than its memory holds. */
static void
on_connection(void *arg, struct MHD_Connection *connection, void **slot,
              enum MHD_ConnectionNotificationCode code)
{
    (void)arg, (void)connection;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        *slot = mem_alloc(sizeof(struct request *));
    else if (*slot) {
        request_destroy(*slot);
        free(*slot);
        *slot = NULL;
    }
}

static void *
on_first_line(void *arg, const char *target, struct MHD_Connection *connection)
{
    struct request **slot = find_slot(connection);
    request_destroy(slot);
    return *slot = request_new(arg, target);
}

static void
on_completed(void *arg, struct MHD_Connection *connection, void **context,
             enum MHD_RequestTerminationCode code)
{
    const struct api_context *api = arg;
    if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        metrics_add(api->metrics, METRIC_ABORTED, 1);
    request_destroy(find_slot(connection));
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
    rlim_t needed = (rlim_t)settings->max_connections + DESCRIPTORS_SPARE;
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

union place {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int
find_place(const struct api_settings *settings, union place *place)
{
    uint16_t port = htons((uint16_t)settings->port);
    *place = (union place){.v4 = {.sin_family = AF_INET, .sin_port = port}};
    if (inet_pton(AF_INET, settings->listen_address, &place->v4.sin_addr) == 1)
        return 0;
    *place = (union place){.v6 = {.sin6_family = AF_INET6, .sin6_port = port}};
    return inet_pton(AF_INET6, settings->listen_address, &place->v6.sin6_addr) == 1 ? 0 : -1;
}

static struct MHD_Daemon *
start_daemon(const struct api_context *api, const union place *place)
{
    const struct api_settings *settings = api->settings;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG |
                     (place->any.sa_family == AF_INET6 ? MHD_USE_DUAL_STACK : 0u);
    errno = 0;
    return MHD_start_daemon(
        flags, (uint16_t)settings->port, NULL, NULL, on_request, (void *)api,
        MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL, MHD_OPTION_SOCK_ADDR, &place->any,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)settings->threads, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)settings->max_connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)settings->connections_per_address, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)settings->connection_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)settings->connection_bytes, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, on_first_line, (void *)api, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, (void *)api, MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL,
        MHD_OPTION_END);
}

struct http_server *
http_server_new(const struct api_context *api, char *error, size_t error_bytes)
{
    const struct api_settings *settings = api->settings;
    union place place;
    if (raise_descriptors(settings, error, error_bytes))
        return NULL;
    if (find_place(settings, &place)) {
        snprintf(error, error_bytes,
                 "LISTEN_ADDRESS: '%s' is no address; allowed: an IPv4 or IPv6 address",
                 settings->listen_address);
        return NULL;
    }
    struct MHD_Daemon *daemon = start_daemon(api, &place);
    if (!daemon) {
        snprintf(error, error_bytes, "cannot listen on %s port %lld: %s",
                 settings->listen_address, (long long)settings->port,
                 errno ? strerror(errno) : "refused");
        return NULL;
    }
    struct http_server *server = mem_alloc(sizeof *server);
    *server = (struct http_server){daemon, -1};
    log_info("api.listening", "requests are served",
             LOG_STR("address", settings->listen_address),
             LOG_INT("port", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port));
    return server;
}

void
http_server_quiesce(struct http_server *server)
{
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
    free(*server);
    *server = NULL;
}
