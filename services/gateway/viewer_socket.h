/* The viewers' WebSockets: connections in, joins and leaves out; counts to viewers straight
 * with a write where the socket takes it. Viewers' own frames are checked, counted and thrown
 * away. Of who a viewer is nothing but its address is looked at, and that only to count. One
 * thread; one instance a process (libwebsockets keeps its log function globally). */
#ifndef VIEWER_SOCKET_H
#define VIEWER_SOCKET_H

#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "metrics.h"

#include "attendance.h"
#include "broadcast.h"
#include "forwarded.h"
#include "tls_server.h"

struct viewer_socket;

struct viewer_socket_options {
    int64_t viewers_max;
    int64_t sockets_max;    /* with those that are no viewer's */
    int64_t handshakes_max; /* of these */
    int64_t handshake_timeout_ms;
    uint64_t address_max;        /* connections of one; 0: no limit */
    const char *trusted_proxies; /* see networks_read() */
    enum forwarded_form forwarded;
    const char *allowed_origins; /* borrowed for good */
    uint64_t message_bytes_max;
    int64_t messages_per_second;
    int64_t ping_interval_ms;
    int64_t ping_timeout_ms;
    const struct tls_server *tls; /* borrowed; NULL: plain */
};

/* attendance, broadcast, metrics: borrowed, and must outlive it. NULL with the reason in error.
 */
struct viewer_socket *viewer_socket_new(uv_loop_t *loop,
                                        const struct viewer_socket_options *options,
                                        struct attendance *attendance,
                                        struct broadcast *broadcast, struct metrics *metrics,
                                        char *error, size_t error_bytes);

/* Takes over a connected socket (a listener_accept_f; arg is the viewer_socket). */
void viewer_socket_accept(void *arg, int fd, const struct sockaddr *peer);

/* Asks all viewers to connect elsewhere (close 1012), spread over drain_ms; then admits nobody
 * any more and calls done, when all are gone or shortly after. */
typedef void viewer_socket_done_f(void *arg);
void viewer_socket_drain(struct viewer_socket *viewers, int64_t drain_ms,
                         viewer_socket_done_f *done, void *arg);

/* Closes what is still open; the sockets go in the loop's next turns. */
void viewer_socket_close(struct viewer_socket *viewers);

/* Frees the memory, when it is closed and the loop has run for the last time (libwebsockets
 * frees handles that libuv would go on to touch). */
void viewer_socket_destroy(struct viewer_socket **viewers);

#endif
