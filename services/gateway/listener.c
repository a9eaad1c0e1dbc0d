/* In: connections. Out: sockets handed on. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mem.h"

#include "gateway_metrics.h"
#include "listener.h"

#define BACKLOG 4096
#define PAUSE_MS 100           /* after descriptors ran out */
#define SEND_BUFFER_BYTES 8192 /* of a viewer's socket: stale counts pile up in it */
#define OTHER_DESCRIPTORS 128  /* everything but viewers' sockets */

struct listener {
    int fd;
    int port;
    struct metrics *metrics;
    listener_accept_f *accept;
    void *arg;
    uv_poll_t poll;
    uv_timer_t pause;
    int open_handles; /* of the two above, until their close callbacks */
};

static void on_readable(uv_poll_t *poll, int status, int events);

static void
on_pause_over(uv_timer_t *pause)
{
    struct listener *listener = pause->data;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

/* Accepts those who wait, at most so many. False: descriptors have run out. */
static bool
accept_waiting(struct listener *listener, int most)
{
    while (most--) {
        struct sockaddr_storage peer = {0};
        socklen_t peer_bytes = sizeof peer;
        int fd = accept4(listener->fd, (struct sockaddr *)&peer, &peer_bytes,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            metrics_add(listener->metrics, METRIC_ACCEPTED, 1);
            listener->accept(listener->arg, fd, (struct sockaddr *)&peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            return false;
        } else if (errno == EAGAIN) {
            return true;
        } /* else: that one went away before it was accepted */
    }
    return true;
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    (void)status, (void)events;
    if (accept_waiting(listener, LISTENER_BUDGET))
        return;
    metrics_add(listener->metrics, METRIC_ACCEPT_PAUSES, 1);
    uv_poll_stop(poll);
    uv_timer_start(&listener->pause, on_pause_over, PAUSE_MS, 0);
}

/* With SO_REUSEPORT the kernel spreads connections over all gateways that listen. */
static int
bind_port(const struct addrinfo *place)
{
    int on = 1, send_bytes = SEND_BUFFER_BYTES;
    int fd = socket(place->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
    if (!bind(fd, place->ai_addr, place->ai_addrlen))
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static int
open_port(const char *address, int64_t port, char *error, size_t error_bytes)
{
    char service[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *places;
    snprintf(service, sizeof service, "%d", (int)port);
    int problem = getaddrinfo(address, service, &hints, &places);
    if (problem) {
        snprintf(error, error_bytes, "cannot listen on %s: %s", address, gai_strerror(problem));
        return -1;
    }
    int fd = bind_port(places);
    if (fd < 0)
        snprintf(error, error_bytes, "cannot listen on %s port %d: %s", address, (int)port,
                 strerror(errno));
    freeaddrinfo(places);
    return fd;
}

static int
read_port(int fd)
{
    struct sockaddr_storage place = {0};
    socklen_t length = sizeof place;
    getsockname(fd, (struct sockaddr *)&place, &length);
    return ntohs(place.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&place)->sin6_port
                                             : ((struct sockaddr_in *)&place)->sin_port);
}

struct listener *
listener_new(uv_loop_t *loop, const char *address, int64_t port, struct metrics *metrics,
             char *error, size_t error_bytes)
{
    int fd = open_port(address, port, error, error_bytes);
    if (fd < 0)
        return NULL;
    struct listener *listener = mem_alloc(sizeof *listener);
    listener->fd = fd;
    listener->port = read_port(fd);
    listener->metrics = metrics;
    uv_poll_init(loop, &listener->poll, fd);
    uv_timer_init(loop, &listener->pause);
    listener->poll.data = listener->pause.data = listener;
    listener->open_handles = 2;
    return listener;
}

int
listener_port(const struct listener *listener)
{
    return listener->port;
}

int
listener_start(struct listener *listener, listener_accept_f *accept, void *arg)
{
    listener->accept = accept;
    listener->arg = arg;
    if (listen(listener->fd, BACKLOG))
        return -1;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    return 0;
}

void
listener_take_waiting(struct listener *listener)
{
    accept_waiting(listener, BACKLOG + 1);
}

static void
on_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    if (!--listener->open_handles)
        free(listener);
}

void
listener_destroy(struct listener **listener)
{
    if (!*listener)
        return;
    uv_close((uv_handle_t *)&(*listener)->poll, on_closed);
    uv_close((uv_handle_t *)&(*listener)->pause, on_closed);
    close((*listener)->fd);
    *listener = NULL;
}

int64_t
listener_reserve(int64_t sockets)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 0;
    rlim_t wanted = (rlim_t)sockets + OTHER_DESCRIPTORS;
    limit.rlim_cur =
        limit.rlim_max == RLIM_INFINITY || wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur <= OTHER_DESCRIPTORS)
        return 0;
    return (int64_t)limit.rlim_cur - OTHER_DESCRIPTORS;
}
