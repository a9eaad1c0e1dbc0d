/* Socket options in one place, and what an endpoint may not be. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus.h"
#include "bus_guard.h"
#include "endpoint.h"

/* For resolv.conf(5): a name server that is silent costs a query about 3 s and not 10, so that
 * other names get their turn and a stop does not wait. What RES_OPTIONS says already stays. */
#define RESOLVER "timeout:1 attempts:2"
#define RECONNECT_MS 100
/* Of an XPUB, read in one go: ZeroMQ takes subscriptions in until none is there, so that one
 * who sends them faster than that would have the loop to himself. The rest waits at the sender.
 */
#define SUBSCRIPTIONS 100
/* With the settings' usual values a cut TCP link is noticed 3 to 4 s after the last byte came,
 * and messages flow again about a second after it is mended, because no attempt to connect
 * lasts longer than that (measured, see docs/decisions/0006-discovery.md, also for why ZMTP's
 * heartbeats are not used). */
#define PROBE_SECONDS 1 /* of silence before a probe, and between probes */

void
bus_start(void)
{
    setenv("ZSYS_SIGHANDLER", "false", 1);
    setenv("RES_OPTIONS", RESOLVER, 0);
    zsys_init();
}

/* By the kernels of both ends, for they see more than this process reads. */
static void
watch_links(zsock_t *socket)
{
    struct bus_timeouts timeouts = bus_guard_timeouts();
    zsock_set_handshake_ivl(socket, timeouts.handshake_ms);
    zsock_set_connect_timeout(socket, timeouts.connect_ms);
    zsock_set_tcp_maxrt(socket, timeouts.link_ms);
    zsock_set_tcp_keepalive(socket, 1);
    zsock_set_tcp_keepalive_idle(socket, PROBE_SECONDS);
    zsock_set_tcp_keepalive_intvl(socket, PROBE_SECONDS);
    zsock_set_reconnect_ivl(socket, RECONNECT_MS);
}

zsock_t *
bus_socket(int type, int64_t hwm)
{
    zsock_t *socket = zsock_new(type);
    if (!socket)
        return NULL;
    zsock_set_sndhwm(socket, (int)hwm);
    zsock_set_rcvhwm(socket, type == ZMQ_XPUB ? SUBSCRIPTIONS : (int)hwm);
    zsock_set_linger(socket, 0);
    zsock_set_maxmsgsize(socket,
                         type == ZMQ_XPUB ? BUS_SUBSCRIPTION_BYTES_MAX : BUS_MESSAGE_BYTES_MAX);
    watch_links(socket);
    zsock_set_ipv6(socket, 1);
    return socket;
}

bool
bus_endpoints_valid(const char *endpoints)
{
    char endpoint[ENDPOINT_BYTES];
    int count = 0;
    while (endpoint_next(&endpoints, endpoint))
        count++;
    return count && !*endpoint;
}

/* Whether somebody listens on an ipc endpoint. ZeroMQ would take the path away from them. */
static bool
is_taken(const char *endpoint)
{
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    const char *path = endpoint + strlen("ipc://");
    if (strncmp(endpoint, "ipc://", 6) || strlen(path) >= sizeof place.sun_path)
        return false;
    strcpy(place.sun_path, path);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return false;
    bool taken = !connect(probe, (struct sockaddr *)&place, sizeof place);
    close(probe);
    return taken;
}

static int
bind_endpoint(zsock_t *socket, const char *endpoint)
{
    if (!is_taken(endpoint))
        return bus_guard_bind(socket, endpoint);
    errno = EADDRINUSE;
    return -1;
}

/* Those with or without a TCP scheme. 0, or -1 with the reason. */
static int
bind_some(zsock_t *socket, const char *endpoints, bool tcp, char *error, size_t error_bytes)
{
    char endpoint[ENDPOINT_BYTES];
    while (endpoint_next(&endpoints, endpoint)) {
        if (!strncmp(endpoint, "tcp://", 6) != tcp || !bind_endpoint(socket, endpoint))
            continue;
        snprintf(error, error_bytes, "cannot bind %s: %s%s", endpoint, zmq_strerror(errno),
                 errno == ENOENT ? "; allowed: a path in a folder that exists" : "");
        return -1;
    }
    if (!*endpoint)
        return 0;
    snprintf(error, error_bytes, "'%s' is no endpoint; allowed: tcp://HOST:PORT, ipc://PATH",
             endpoint);
    return -1;
}

/* A socket's guard over TCP cannot be taken off again, so the others come first. */
int
bus_bind(zsock_t *socket, const char *endpoints, char *error, size_t error_bytes)
{
    int result = bind_some(socket, endpoints, false, error, error_bytes);
    return result ? result : bind_some(socket, endpoints, true, error, error_bytes);
}

/* A SUB socket counts repeats: what is not taken back would outlive an unsubscription. */
void
bus_renew(zsock_t *socket, const char *prefix)
{
    zsock_set_subscribe(socket, prefix);
    zsock_set_unsubscribe(socket, prefix);
}
