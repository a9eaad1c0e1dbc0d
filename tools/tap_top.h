/* What is going on on the bus now: the busiest auctions, rates, who is alive, what was missed.
 * Pure: decoded messages and times in, a table and renewals out; no socket, no clock, no
 * screen. One thread.
 *
 * It reads whole shards by the rules of proto/reader. An auction's viewers are what the sampler
 * followed in its shard says (a ready one that serves it, until it is not), else what the
 * gateways say together. Memory is bounded by TAP_TOP_AUCTIONS_MAX and TAP_TOP_NODES_MAX. */
#ifndef TAP_TOP_H
#define TAP_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"
#include "reader.h"

#define TAP_TOP_AUCTIONS_MAX 100000 /* further ones are refused, and counted */
#define TAP_TOP_FIGURES_MAX 500000  /* auctions times the nodes that speak of them */
#define TAP_TOP_NODES_MAX 1024      /* of each role */
#define TAP_TOP_GONE_MAX 16         /* of those lost lately */
#define TAP_TOP_GONE_MS 60000       /* how long they are told of */
#define TAP_TOP_ROWS_MAX 1000
#define TAP_TOP_KINDS (MESSAGE_BYE + 1)

struct tap_top;

struct tap_top *tap_top_new(int64_t node_timeout_ms, int64_t mono_ms);
void tap_top_destroy(struct tap_top **top);

/* Any message. */
void tap_top_take(struct tap_top *top, const struct message *message, int64_t mono_ms);

/* Silence and forgetting; a few times a second. */
void tap_top_tick(struct tap_top *top, int64_t mono_ms);

/* The next renewal to ask for, and of which role's node; as reader_renewal(). */
bool tap_top_renewal(struct tap_top *top, int64_t mono_ms, enum node_role *role,
                     struct reader_renewal *renewal);

/* Ends the interval that rates are of, and begins the next; nothing when it would be empty. */
void tap_top_close_interval(struct tap_top *top, int64_t mono_ms);

enum tap_sort { TAP_SORT_VIEWERS, TAP_SORT_JOINS, TAP_SORT_NAME };

struct tap_table_auction {
    char name[AUCTION_BYTES];
    uint64_t viewers;
    double joins_s, leaves_s;
};

enum tap_node_fate { TAP_NODE_ALIVE, TAP_NODE_LOST, TAP_NODE_LEFT };

struct tap_table_node {
    enum node_role role;
    char id[NODE_BYTES];
    enum tap_node_fate fate;
    enum node_state state; /* alive */
    uint64_t viewers;      /* alive, by its last heartbeat */
    unsigned missing;      /* alive: shards of which something is missing */
    int64_t epoch_ms;
    int64_t heard_ago_ms; /* since its last message, or since it was gone */
};

/* All of the top's, valid until its next call. */
struct tap_table {
    uint64_t viewers;
    size_t auctions;          /* with viewers */
    double joins_s, leaves_s; /* per second, over all auctions */
    double messages_s[TAP_TOP_KINDS];
    uint64_t gaps, missed; /* so far: times, and messages */
    uint64_t refused;      /* messages of more auctions or nodes than are kept, so far */
    size_t alive[2];       /* nodes, by role */
    const struct tap_table_node *nodes;
    size_t node_count;
    const struct tap_table_auction *rows;
    size_t row_count;
};

/* At most `rows` auctions (0 to TAP_TOP_ROWS_MAX) that have viewers, joins or leaves, sorted.
 */
const struct tap_table *tap_top_table(struct tap_top *top, enum tap_sort sort, size_t rows,
                                      int64_t mono_ms);

#endif
