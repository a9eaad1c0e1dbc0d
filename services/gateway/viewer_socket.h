/* The viewers' WebSockets: libwebsockets in the libuv loop. Handshakes in, joins and leaves
 * out; counts to viewers straight with a write where the socket takes it. Viewers' own frames
 * are counted and thrown away. Nothing of who a viewer is (address, agent, cookies) is looked
 * at. One thread; one instance a process (libwebsockets keeps its log function globally). */
#ifndef VIEWER_SOCKET_H
#define VIEWER_SOCKET_H

#include <stdint.h>
#include <uv.h>

#include "metrics.h"

#include "attendance.h"
#include "broadcast.h"

struct viewer_socket;

struct viewer_socket_options {
    int64_t viewers_max;
    int64_t sockets_max;         /* with those still in their handshake */
    const char *allowed_origins; /* borrowed for good */
    int64_t ping_interval_ms;
    int64_t ping_timeout_ms;
};

/* attendance, broadcast, metrics: borrowed, and must outlive it. NULL with the reason in error.
 */
struct viewer_socket *viewer_socket_new(uv_loop_t *loop,
                                        const struct viewer_socket_options *options,
                                        struct attendance *attendance,
                                        struct broadcast *broadcast, struct metrics *metrics,
                                        char *error, size_t error_bytes);

/* Takes over a connected socket (a listener_accept_f; arg is the viewer_socket). */
void viewer_socket_accept(void *arg, int fd);

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
