/* Messages of two frames, [topic][body], in and out of a ZeroMQ socket that a libuv loop drives
 * without a thread of our own. Knows no message. One thread: the loop's.
 */
#ifndef BUS_IO_H
#define BUS_IO_H

#include <czmq.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

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
