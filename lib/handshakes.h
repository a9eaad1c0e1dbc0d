/* Connections whose handshake failed, tried again. ZeroMQ gives an endpoint up for good when
 * the other end refuses our key or speaks another mechanism, and it goes on with the key it has
 * when that is not the other end's; after a change of keys or settings over there both must
 * pass. So about once a second each such endpoint is connected anew, with the next key that is
 * known for its roles. Loop thread.
 */
#ifndef HANDSHAKES_H
#define HANDSHAKES_H

#include <czmq.h>
#include <uv.h>

/* Socket monitor events to ask for and to hand to handshakes_failed(). */
#define HANDSHAKES_FAILED                                                                      \
    (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |              \
     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

struct handshakes;

/* socket is borrowed; peers: bits of roles (bus_keys.h). */
struct handshakes *handshakes_new(uv_loop_t *loop, zsock_t *socket, unsigned peers);

/* Touches the socket no more; its handle closes in the loop's next turns. */
void handshakes_destroy(struct handshakes **handshakes);

/* An event of the monitor says that it failed; logged at a limited rate. */
void handshakes_failed(struct handshakes *handshakes, const char *endpoint, int event);

/* It succeeded, or the endpoint is connected no more. */
void handshakes_over(struct handshakes *handshakes, const char *endpoint);

#endif
