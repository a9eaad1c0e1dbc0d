/* To which addresses a socket connects: those that endpoints and names give, each once, and
 * those no longer named for as long as their connection lives. Pure: no socket, no clock; it is
 * told what was resolved and what is connected, and says whom to connect and to disconnect. */
#ifndef PEERS_H
#define PEERS_H

#include <stddef.h>

enum peers_action { PEERS_CONNECT, PEERS_DISCONNECT };

/* Does it; 0 or -1. An address that could not be connected is forgotten, and tried again when
 * it is named the next time. Must not call the peers. */
typedef int peers_act_f(void *arg, enum peers_action action, const char *endpoint);

struct peers;

/* names: of as many names answers will come. most: addresses at once. */
struct peers *peers_new(size_t names, size_t most, peers_act_f *act, void *arg);

/* Forgets everything; disconnects nobody. */
void peers_destroy(struct peers **peers);

/* An endpoint that needs no resolving: connected for good. 0, or -1: it could not be. */
int peers_fix(struct peers *peers, const char *endpoint);

/* The whole answer for a name, which replaces its last one; when there is no answer nothing is
 * to be told, so that what it named stays. Returns how many were left out for room. */
size_t peers_resolved(struct peers *peers, size_t name, const char *const *endpoints,
                      size_t count);

/* The connection to an endpoint is there; is lost or did not come about. Others are ignored. */
void peers_up(struct peers *peers, const char *endpoint);
void peers_down(struct peers *peers, const char *endpoint);

/* Connected or being connected; connected. */
size_t peers_count(const struct peers *peers);
size_t peers_connected(const struct peers *peers);

#endif
