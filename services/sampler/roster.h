/* Which gateways there are, and how many viewers each has of each auction: their messages in,
 * live counts across all of them out. Pure: decoded messages and monotonic times in, changes
 * and news through callbacks; no socket, no clock, no log. One thread.
 *
 * Who comes, goes and was missed is proto/reader's to judge, the figures are in the tally. A
 * gateway that is lost takes its viewers along as leaves, one that is found brings them as
 * joins. At most ROSTER_NODES_MAX gateways are kept. */
#ifndef ROSTER_H
#define ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"
#include "reader.h"

#include "tally.h"

#define ROSTER_NODES_MAX 4096
#define ROSTER_VIEWERS_MAX 1000000000 /* of one gateway in one auction */

struct roster_options {
    int64_t node_timeout_ms; /* silence after which a gateway is gone */
    int64_t settle_ms;       /* warm-up lasts at least this long */
    const bool *unserved;    /* by shard: left to other samplers; NULL: none */
    tally_change_f *change;
    void (*news)(void *arg, const char *node, enum reader_news news);
    void *change_arg, *news_arg;
};

struct roster;

struct roster *roster_new(const struct roster_options *options, int64_t mono_ms);
void roster_destroy(struct roster **roster); /* tells no change any more */

enum roster_result {
    ROSTER_TAKEN,
    ROSTER_OLD,    /* of an epoch that is over: ignored */
    ROSTER_RANGE,  /* more viewers than ROSTER_VIEWERS_MAX: ignored */
    ROSTER_FULL,   /* one gateway too many: ignored */
    ROSTER_FOREIGN /* nothing a gateway says */
};

/* An event, heartbeat or bye. */
enum roster_result roster_take(struct roster *roster, const struct message *message,
                               int64_t mono_ms);

/* Silence, warm-up and forgetting; as reader_tick(). */
void roster_tick(struct roster *roster, int64_t mono_ms);

/* The next renewal to ask for; as reader_renewal(). */
bool roster_renewal(struct roster *roster, int64_t mono_ms, struct reader_renewal *renewal);

/* Warm-up is over: every gateway heard is whole, or nobody was heard, or it took too long
 * (then roster_troubled() is true as well). Never goes back. */
bool roster_ready(const struct roster *roster);

/* Whether anything may be missing now: a gateway is overdue or a gap is not healed yet. */
bool roster_troubled(const struct roster *roster);

const struct tally *roster_tally(const struct roster *roster);   /* the figures; borrowed */
const struct reader *roster_reader(const struct roster *roster); /* the gateways; borrowed */
size_t roster_nodes(const struct roster *roster);
uint64_t roster_gaps(const struct roster *roster); /* times something was missed so far */

#endif
