/* Notices messages that a node sent and the tap did not get, from the sequence numbers of
 * changes and heartbeats. Pure. One thread. */
#ifndef TAP_GAPS_H
#define TAP_GAPS_H

#include "message.h"

#define TAP_NODES_MAX 1024 /* further nodes are not watched */

struct tap_gaps;

struct tap_gaps *tap_gaps_new(void);
void tap_gaps_destroy(struct tap_gaps **gaps);

struct tap_gap {
    unsigned shard;
    uint64_t first, last; /* sequences that were missed */
};

/* Takes a message of a kind whose every message is received, or a heartbeat. Fills at most
 * SHARD_COUNT gaps and returns how many. What a node sent before it was first heard is not
 * missed. */
size_t tap_gaps_take(struct tap_gaps *gaps, const struct message *message,
                     struct tap_gap found[SHARD_COUNT]);

#endif
