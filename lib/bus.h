/* ZeroMQ sockets as this system uses them: generous marks, no linger, bounded messages, IPv6
 * beside IPv4. What is read and sent on them: bus_io.h. Knows no message. One thread: the
 * loop's.
 */
#ifndef BUS_H
#define BUS_H

#include <czmq.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUS_MESSAGE_BYTES_MAX (4 * 1024 * 1024)
/* What an XPUB takes: a longer subscription ends the connection, because ZeroMQ keeps some 30
 * bytes for each of its bytes. A handshake must fit, too. */
#define BUS_SUBSCRIPTION_BYTES_MAX 512

/* Once per process, before the first socket and thread: keeps czmq from taking signals over,
 * and the resolver from waiting long for a silent name server. */
void bus_start(void);

/* A socket of a ZMQ_ type, its marks set to hwm messages in both directions. NULL with errno.
 */
zsock_t *bus_socket(int type, int64_t hwm);

/* Binds every endpoint of a comma-separated list ("tcp://host:port", "ipc://path").
 * A path that somebody listens on is refused, as a port is. With keys, TCP is guarded (see
 * bus_guard.h). Once for each socket. For connecting, see discovery.h.
 * 0, or -1 with the endpoint that was refused and the reason in error. */
int bus_bind(zsock_t *socket, const char *endpoints, char *error, size_t error_bytes);

/* Lets every XPUB with ZMQ_XPUB_VERBOSE see a SUB socket's subscription to a prefix, once more
 * or for this once; the socket's own subscriptions stay as they are. */
void bus_renew(zsock_t *socket, const char *prefix);

/* Whether text is such a list (of at least one), for settings checks. */
bool bus_endpoints_valid(const char *endpoints);

#endif
