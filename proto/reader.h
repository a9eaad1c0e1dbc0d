/* All publishing nodes of one role as a reader of whole shards sees them: the rules of "What a
 * reader must do" in proto/README.md, for gateways' events and samplers' counts alike. What was
 * missed of a node's shard is judged by stream.h; here the nodes come and go. Pure: decoded
 * messages and monotonic times in; figures to take, news and renewals out; no socket, no clock,
 * no log. One thread.
 *
 *                     heartbeat; all shards whole       silent for half the time-out; gap
 *     (unknown) ─▶ NEW ─────────────────────────▶ SOUND ◀────────────────────────▶ TROUBLED
 *                   └──────── bye, silence ─────────┴──── bye, silence ──▶ (unknown) ◀┘
 *
 * The reader keeps no figures: whoever uses it keeps those of each node in a block of its own,
 * which lives as long as the node does. */
#ifndef READER_H
#define READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

enum reader_news {
    READER_FOUND,     /* heard for the first time, or again after it was gone */
    READER_RESTARTED, /* a newer epoch: all it had said before is void */
    READER_LOST,      /* silent for too long */
    READER_LEFT       /* said bye */
};

/* What is known of a node now. */
struct reader_node {
    const char *id;
    int64_t epoch_ms;       /* 0: no message of an epoch yet */
    int64_t heard_ms;       /* when the last message came, monotonic */
    enum node_state state;  /* by its last heartbeat; warming before the first */
    bool introduced;        /* a heartbeat of this epoch came */
    bool was_whole;         /* ready and nothing missing, at least once in this epoch */
    uint64_t total;         /* viewers, by its last heartbeat */
    const bool *unserved;   /* by shard */
    unsigned missing_count; /* shards of which something is missing now */
    void *figures;          /* the user's block */
};

struct reader_options {
    enum node_role role;     /* whom to listen to */
    const bool *unread;      /* by shard: not followed, so none of it is missed; NULL: all are
                              * followed. Copied. */
    int64_t node_timeout_ms; /* silence after which a node is gone */
    size_t nodes_max;        /* further ones are refused */
    size_t figures_bytes;    /* of the block kept for each node, zeroed when it is new */
    /* A message's figures are to be taken, marked with mark. */
    void (*apply)(void *arg, const struct reader_node *node, const struct message *message,
                  uint32_t mark);
    /* The node's figures of a shard whose mark is not this are gone. */
    void (*sweep)(void *arg, const struct reader_node *node, unsigned shard, uint32_t mark);
    /* All figures of the node are gone: it is, or it has restarted. */
    void (*drop)(void *arg, const struct reader_node *node);
    void (*news)(void *arg, const struct reader_node *node, enum reader_news news);
    /* Changes of a shard, with these sequences, did not come: told once each, of what was said
     * after the shard was first heard of. NULL: not wanted. */
    void (*missed)(void *arg, const struct reader_node *node, unsigned shard, uint64_t first,
                   uint64_t last);
    void *arg; /* of all */
};

struct reader;

struct reader *reader_new(const struct reader_options *options, int64_t mono_ms);
void reader_destroy(struct reader **reader); /* drops every node's figures, tells no news */

enum reader_result {
    READER_TAKEN,
    READER_OLD,    /* of an epoch that is over: ignored */
    READER_FULL,   /* one node too many: ignored */
    READER_FOREIGN /* of no kind that such a node says */
};

/* An event (or count), heartbeat or bye. */
enum reader_result reader_take(struct reader *reader, const struct message *message,
                               int64_t mono_ms);

/* Silence; call it several times within node_timeout_ms. When it was not called for
 * READER_DEAF_MS the process itself was deaf, and no node is blamed. */
#define READER_DEAF_MS 1000
void reader_tick(struct reader *reader, int64_t mono_ms);

/* The next renewal to ask for now: a node's shard. False: none. Call it until then; it names
 * each at most once a second, all nodes in turn, and at most READER_RENEWALS_MAX at once and
 * READER_RENEWALS_MS a millisecond: each goes to every peer of the socket. node is valid until
 * the next call of anything here. */
struct reader_renewal {
    const char *node;
    unsigned shard;
    unsigned attempt; /* 1: the first since the shard was whole. From READER_RESUBSCRIBE on
                       * the subscription itself may be lost: subscribe again, too */
};
#define READER_RESUBSCRIBE 2
#define READER_RENEWALS_MAX 2000
#define READER_RENEWALS_MS 20
bool reader_renewal(struct reader *reader, int64_t mono_ms, struct reader_renewal *renewal);

/* Whether anything may be missing now: a node is overdue, not introduced, or has a gap. */
bool reader_troubled(const struct reader *reader);

/* The earliest of the times at which each node was last sound: a heartbeat of it came and
 * nothing of it was missing. Nodes found after `found_ms` are passed over; INT64_MAX: there are
 * none. */
int64_t reader_sound_ms(const struct reader *reader, int64_t found_ms);

size_t reader_nodes(const struct reader *reader);
uint64_t reader_gaps(const struct reader *reader); /* times something was missed so far */

/* The nodes, in no order that means anything; NULL: no further one. Valid until the next call
 * of reader_take() or reader_tick(). */
const struct reader_node *reader_first(const struct reader *reader);
const struct reader_node *reader_next(const struct reader *reader,
                                      const struct reader_node *node);

#endif
