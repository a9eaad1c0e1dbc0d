/* ZeroMQ sockets as this system uses them: generous marks, no linger, bounded messages, IPv6
 * beside IPv4, and driven by a libuv loop without a thread of our own. Knows no message. One
 * thread: the loop's.
 */
#ifndef BUS_H
#define BUS_H

#include <czmq.h>
#include <stdbool.h>
#include <uv.h>

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

/* Reads and handles one message without blocking. False: there was none. */
typedef bool bus_read_f(void *arg, zsock_t *socket);

struct bus_watch;

/* Calls read while messages are there, at most budget (say 1,000) times a turn of the loop, so
 * that a flood cannot starve other work. socket is borrowed and must outlive the watch. A
 * uv_prepare handle that sends on the same socket is to be started after the watch: libuv calls
 * it first then, and a send may take away the wake that a message meant. */
struct bus_watch *bus_watch_new(uv_loop_t *loop, zsock_t *socket, int budget, bus_read_f *read,
                                void *arg);

/* Stops reading at once; its handles close in the loop's next turns, touching no socket. */
void bus_watch_destroy(struct bus_watch **watch);

/* Sends [topic][body] without blocking. False with errno EAGAIN when the mark is reached (never
 * on PUB and XPUB, which drop instead). */
bool bus_send(zsock_t *socket, const void *topic, size_t topic_bytes, const void *body,
              size_t body_bytes);

/* Reads one message [topic][body] without blocking. 1: read, and the caller closes both frames
 * with zmq_msg_close(); 0: there was none; -1: one with fewer or more frames was read and
 * dropped. */
int bus_receive(zsock_t *socket, zmq_msg_t *topic, zmq_msg_t *body);

#endif
