/* How many connections each address has. Only addresses that have some are held, so it is never
 * greater than the connections in all. Pure: no socket, no log; one thread. */
#ifndef CROWD_H
#define CROWD_H

#include <stddef.h>
#include <stdint.h>

#include "address.h"

struct crowd;
struct crowd_member;

/* seed: random, so that nobody can choose addresses that collide. most: connections that one
 * address may have, 0: no limit. */
struct crowd *crowd_new(uint64_t seed, uint64_t most);
void crowd_destroy(struct crowd **crowd); /* all must have left */

/* Counts a connection of the address's group; to be given back by crowd_leave(). NULL: it has
 * too many already. */
struct crowd_member *crowd_enter(struct crowd *crowd, const struct address *address);

/* The connection is gone; NULL does nothing. */
void crowd_leave(struct crowd *crowd, struct crowd_member **member);

size_t crowd_addresses(const struct crowd *crowd); /* held now */

#endif
