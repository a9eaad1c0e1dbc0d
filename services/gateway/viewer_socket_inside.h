/* What viewer_socket.c, viewer_states.c, viewer_traffic.c and viewer_timers.c share; nobody
 * else includes it. One thread. */
#ifndef VIEWER_SOCKET_INSIDE_H
#define VIEWER_SOCKET_INSIDE_H

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "connection.h"
#include "refusals.h"
#include "viewer_handshake.h"
#include "viewer_socket.h"

#define PLAIN_BYTES 16384 /* of a TLS record, at most */

struct viewer_socket {
    struct viewer_socket_options options;
    struct handshake_rules rules;
    struct networks *proxies;
    struct attendance *attendance;
    struct broadcast *broadcast;
    struct metrics *metrics;
    struct refusals *refusals;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2];
    struct ping_wheel *wheel;
    uv_timer_t ping_timer;
    uv_timer_t drain_timer;
    uv_timer_t deadline_timer;
    struct connection_list asking; /* the longest there first */
    struct connection_list viewing;
    struct connection_list leaving; /* the longest there first; CLOSING and LINGERING */
    int64_t viewers;                /* viewing */
    int64_t guests;                 /* asking or leaving */
    int64_t sockets;                /* all, and those that libuv has still to close */
    uint32_t random;                /* of a xorshift */
    bool draining;
    int64_t drain_end_ms;
    viewer_socket_done_f *done;
    void *done_arg;
    unsigned char plain[PLAIN_BYTES]; /* of the TLS record read last */
};

/* viewer_states.c: which connections there are, and in which state. */

/* Every change of state; the picture is in connection.h. */
void viewer_states_move(struct viewer_socket *viewers, struct connection *connection,
                        enum connection_state state);

/* It is gone, or as good as. A repeat does nothing. */
void viewer_states_forget(struct viewer_socket *viewers, struct connection *connection);

/* Ends a connection at once, from outside its own callbacks. */
void viewer_states_kill(struct viewer_socket *viewers, struct connection *connection);

/* Its socket is open, or closed for good. A repeat does nothing. */
void viewer_states_count(struct viewer_socket *viewers, struct connection *connection,
                         bool open);

/* Of a xorshift: spreads pings and the drain. */
uint32_t viewer_states_random(struct viewer_socket *viewers);

/* viewer_traffic.c: what viewers say, and what they are told. */

/* Bytes that came. -1: close. */
int viewer_traffic_receive(struct viewer_socket *viewers, struct connection *connection,
                           unsigned char *bytes, size_t length);

/* The kernel takes bytes again. -1: close. */
int viewer_traffic_resume(struct viewer_socket *viewers, struct connection *connection);

/* Tells a viewer the frame, or the newest one later (a broadcast_send_f; arg: the
 * viewer_socket).
 */
void viewer_traffic_tell(void *arg, struct viewer *viewer, struct frame *frame);

/* viewer_timers.c: pings, deadlines and the drain. */

void viewer_timers_start(struct viewer_socket *viewers, uv_loop_t *loop);
void viewer_timers_close(struct viewer_socket *viewers);

/* A connection has a deadline: they are looked at until none has. */
void viewer_timers_watch(struct viewer_socket *viewers);

#endif
