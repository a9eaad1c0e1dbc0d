/* The port viewers come to: accepts sockets and hands them on. Gateways on one host that run as
 * the same user may share a port; the kernel spreads the viewers over them. Its own and not
 * libwebsockets', so that sockets inherit what they need from the listening one (a small send
 * buffer, no delay) without a system call each, and so that running out of descriptors is a
 * pause, not a spin. Lives in the loop; one thread. */
#ifndef LISTENER_H
#define LISTENER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "metrics.h"

#define LISTENER_BUDGET 64 /* connections accepted in a turn of the loop, at most */

struct listener;

/* Takes over fd, non-blocking. peer: who connected. */
typedef void listener_accept_f(void *arg, int fd, const struct sockaddr *peer);

/* Binds, so that a port held by another program shows now; nobody can connect yet, so that
 * nobody is lost should the start fail. NULL with the reason in error. */
struct listener *listener_new(uv_loop_t *loop, const char *address, int64_t port,
                              struct metrics *metrics, char *error, size_t error_bytes);

int listener_port(const struct listener *listener);

/* Listens. 0, or -1 with errno. */
int listener_start(struct listener *listener, listener_accept_f *accept, void *arg);

/* Accepts at once all who have connected and wait, before listener_destroy(): the kernel would
 * reset them, and not hand them to another gateway on the port. */
void listener_take_waiting(struct listener *listener);

/* Closes the port at once. */
void listener_destroy(struct listener **listener);

/* Sets the process's limit of descriptors to what `sockets` need, down as well as up (a table
 * of libwebsockets' is as long as the limit). Returns for how many sockets there is room. */
int64_t listener_reserve(int64_t sockets);

#endif
