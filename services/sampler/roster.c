/* In: decoded messages of gateways and ticks; out: changes of live counts and renewals. Pure;
 * the sampler's one thread. What was missed is judged by proto/stream; here are the figures.
 *
 *     node ──shares[shard]──▶ share ──▶ audience (an auction's sum) ◀── audiences[shard]
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#define uthash_malloc(bytes_) mem_alloc(bytes_)
#include <uthash.h>
#include <utlist.h>

#include "stream.h"

#include "roster.h"

#define RENEW_MS 1000   /* between two renewals of a shard */
#define GRACE_MS 500    /* in which a new node answers the first subscription by itself */
#define WARM_TIMEOUTS 3 /* warm-up ends after so many node time-outs, whole or not */

struct audience {
    char auction[AUCTION_BYTES];
    unsigned shard;
    unsigned shares; /* how many refer to it */
    uint64_t count;  /* the sum of its shares' viewers */
    UT_hash_handle hh;
};

struct share {
    struct audience *audience; /* the key */
    struct node *node;
    uint64_t joins, leaves;    /* the gateway's pair; viewers are the difference */
    uint32_t mark;             /* of the begin it was last named under */
    bool empty;                /* is in the roster's list of empty shares */
    int64_t empty_ms;          /* since when */
    struct share *prev, *next; /* in that list, oldest first */
    UT_hash_handle hh;
};

struct node {
    char id[NODE_BYTES];
    struct stream stream;
    int64_t heard_ms;          /* when the last message came */
    int64_t renew_ms;          /* no renewal on its behalf before */
    bool introduced;           /* a heartbeat has told which shards there are */
    bool overdue;              /* silent for longer than a beat should take */
    bool missing[SHARD_COUNT]; /* shards that are not whole */
    unsigned missing_count;
    struct share *shares[SHARD_COUNT];
    UT_hash_handle hh;
};

struct roster {
    struct roster_options options;
    struct node *nodes;
    struct node *last; /* the last one looked up */
    struct audience *audiences[SHARD_COUNT];
    struct share *empty; /* shares without viewers, longest first */
    size_t audience_count;
    uint64_t total;
    uint64_t lost, gaps;
    unsigned troubled;             /* nodes overdue or not whole */
    int64_t start_ms, tick_ms;     /* monotonic */
    int64_t renew_ms[SHARD_COUNT]; /* no renewal of the shard before */
    bool renew[SHARD_COUNT];       /* wanted */
    unsigned renew_next;           /* where roster_renewal() looks on */
    bool ready;
};

struct roster *
roster_new(const struct roster_options *options, int64_t mono_ms)
{
    struct roster *roster = mem_alloc(sizeof *roster);
    roster->options = *options;
    roster->start_ms = roster->tick_ms = mono_ms;
    return roster;
}

static bool
is_troubled(const struct node *node)
{
    return node->overdue || node->missing_count || !node->introduced;
}

/* Changes what makes a node troubled, keeping the roster's number of such nodes right. */
static void
set_missing(struct roster *roster, struct node *node, unsigned shard, bool missing)
{
    if (node->missing[shard] == missing)
        return;
    bool before = is_troubled(node);
    node->missing[shard] = missing;
    node->missing_count += missing ? 1 : -1u;
    roster->gaps += missing && node->introduced;
    roster->troubled += (unsigned)is_troubled(node) - (unsigned)before;
}

static void
set_overdue(struct roster *roster, struct node *node, bool overdue)
{
    bool before = is_troubled(node);
    node->overdue = overdue;
    roster->troubled += (unsigned)is_troubled(node) - (unsigned)before;
}

static void
set_introduced(struct roster *roster, struct node *node, bool introduced)
{
    bool before = is_troubled(node);
    node->introduced = introduced;
    roster->troubled += (unsigned)is_troubled(node) - (unsigned)before;
}

/* Tells a change, unless a gateway's merged counters moved without moving anything. */
static void
tell_change(struct roster *roster, const struct audience *audience, uint64_t joins,
            uint64_t leaves)
{
    if (!joins && !leaves)
        return;
    struct roster_change change = {audience->auction, joins, leaves, audience->count};
    roster->options.change(roster->options.arg, &change);
}

static struct audience *
find_audience(const struct roster *roster, const char *auction, unsigned shard)
{
    struct audience *audience;
    HASH_FIND(hh, roster->audiences[shard], auction, strlen(auction), audience);
    return audience;
}

static struct audience *
add_audience(struct roster *roster, const char *auction, unsigned shard)
{
    struct audience *audience = mem_alloc(sizeof *audience);
    strcpy(audience->auction, auction);
    audience->shard = shard;
    HASH_ADD(hh, roster->audiences[shard], auction, strlen(auction), audience);
    roster->audience_count++;
    return audience;
}

static struct share *
add_share(struct node *node, struct audience *audience)
{
    struct share *share = mem_alloc(sizeof *share);
    share->audience = audience;
    share->node = node;
    audience->shares++;
    HASH_ADD(hh, node->shares[audience->shard], audience, sizeof share->audience, share);
    return share;
}

static void
note_emptiness(struct roster *roster, struct share *share, int64_t mono_ms)
{
    bool empty = share->joins == share->leaves;
    if (empty == share->empty)
        return;
    share->empty = empty;
    share->empty_ms = mono_ms;
    if (empty)
        DL_APPEND(roster->empty, share);
    else
        DL_DELETE(roster->empty, share);
}

static void
forget_share(struct roster *roster, struct share *share)
{
    struct audience *audience = share->audience;
    HASH_DELETE(hh, share->node->shares[audience->shard], share);
    if (share->empty)
        DL_DELETE(roster->empty, share);
    free(share);
    if (--audience->shares)
        return;
    HASH_DELETE(hh, roster->audiences[audience->shard], audience);
    roster->audience_count--;
    free(audience);
}

/* Its viewers are gone, and so is the share. */
static void
drop_share(struct roster *roster, struct share *share)
{
    uint64_t viewers = share->joins - share->leaves;
    share->audience->count -= viewers;
    roster->total -= viewers;
    tell_change(roster, share->audience, 0, viewers);
    forget_share(roster, share);
}

static void
drop_shard(struct roster *roster, struct node *node, unsigned shard, const uint32_t *mark)
{
    struct share *share, *next;
    HASH_ITER(hh, node->shares[shard], share, next)
    {
        if (!mark || share->mark != *mark)
            drop_share(roster, share);
    }
}

static void
drop_shares(struct roster *roster, struct node *node)
{
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
        drop_shard(roster, node, shard, NULL);
}

static void
drop_node(struct roster *roster, struct node *node)
{
    drop_shares(roster, node);
    roster->troubled -= is_troubled(node);
    if (roster->last == node)
        roster->last = NULL;
    HASH_DELETE(hh, roster->nodes, node);
    free(node);
}

void
roster_destroy(struct roster **roster)
{
    if (!*roster)
        return;
    struct node *node, *next;
    (*roster)->options.change = NULL;
    HASH_ITER(hh, (*roster)->nodes, node, next)
    {
        for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
            struct share *share, *next_share;
            HASH_ITER(hh, node->shares[shard], share, next_share)
            forget_share(*roster, share);
        }
        HASH_DELETE(hh, (*roster)->nodes, node);
        free(node);
    }
    free(*roster);
    *roster = NULL;
}

static struct node *
find_node(struct roster *roster, const char *id)
{
    if (roster->last && !strcmp(roster->last->id, id))
        return roster->last;
    struct node *node;
    HASH_FIND_STR(roster->nodes, id, node);
    if (node)
        roster->last = node;
    return node;
}

static struct node *
add_node(struct roster *roster, const char *id, int64_t mono_ms)
{
    if (HASH_COUNT(roster->nodes) >= ROSTER_NODES_MAX)
        return NULL;
    struct node *node = mem_alloc(sizeof *node);
    strcpy(node->id, id);
    node->renew_ms = mono_ms + GRACE_MS;
    HASH_ADD_STR(roster->nodes, id, node);
    roster->troubled++; /* until it is introduced */
    roster->last = node;
    return node;
}

static void
restart_node(struct roster *roster, struct node *node, int64_t mono_ms)
{
    drop_shares(roster, node);
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
        set_missing(roster, node, shard, false);
    set_introduced(roster, node, false);
    node->renew_ms = mono_ms + GRACE_MS;
}

static uint64_t
greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Takes a gateway's pair of an auction. A pair seen for the first time brings its viewers as
 * joins; an empty one that is unknown is not worth keeping. */
static void
apply_pair(struct roster *roster, struct node *node, const struct message *message,
           uint32_t mark, int64_t mono_ms)
{
    struct audience *audience = find_audience(roster, message->auction, message->shard);
    struct share *share = NULL;
    if (audience)
        HASH_FIND(hh, node->shares[message->shard], &audience, sizeof audience, share);
    if (!share && message->joins == message->leaves)
        return;
    if (!share) {
        if (!audience)
            audience = add_audience(roster, message->auction, message->shard);
        share = add_share(node, audience);
        share->joins = share->leaves = message->leaves;
    }
    uint64_t joins = greater(share->joins, message->joins) - share->joins;
    uint64_t leaves = greater(share->leaves, message->leaves) - share->leaves;
    share->joins += joins;
    share->leaves += leaves;
    share->mark = mark;
    audience->count += joins - leaves;
    roster->total += joins - leaves;
    note_emptiness(roster, share, mono_ms);
    tell_change(roster, audience, joins, leaves);
}

/* A node that is new answers the first subscription by itself, and what it leaves out its
 * heartbeats tell. */
static void
want_renewal(struct roster *roster, const struct node *node, unsigned shard, int64_t mono_ms)
{
    if (mono_ms >= node->renew_ms)
        roster->renew[shard] = true;
}

static enum roster_result
take_event(struct roster *roster, struct node *node, const struct message *message,
           int64_t mono_ms)
{
    if (message->joins < message->leaves ||
        message->joins - message->leaves > ROSTER_VIEWERS_MAX)
        return ROSTER_RANGE;
    uint32_t mark = 0;
    bool gap = false;
    enum stream_verdict verdict = stream_take(&node->stream, message, &mark, &gap);
    bool figures = message->change == CHANGE_STATE || message->change == CHANGE_JOIN ||
                   message->change == CHANGE_LEAVE;
    if (verdict == STREAM_RESTART)
        restart_node(roster, node, mono_ms);
    if (verdict == STREAM_SWEEP)
        drop_shard(roster, node, message->shard, &mark);
    if (figures && (verdict == STREAM_APPLY || verdict == STREAM_RESTART))
        apply_pair(roster, node, message, mark, mono_ms);
    bool whole = stream_shard_whole(&node->stream, message->shard);
    set_missing(roster, node, message->shard, !whole);
    if (gap)
        want_renewal(roster, node, message->shard, mono_ms);
    return ROSTER_TAKEN;
}

static enum roster_result
take_heartbeat(struct roster *roster, struct node *node, const struct message *message,
               int64_t mono_ms)
{
    bool behind[SHARD_COUNT] = {false};
    bool restart = false;
    stream_heartbeat(&node->stream, message, behind, &restart);
    if (restart)
        restart_node(roster, node, mono_ms);
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        set_missing(roster, node, shard, !stream_shard_whole(&node->stream, shard));
        if (behind[shard])
            want_renewal(roster, node, shard, mono_ms);
    }
    set_introduced(roster, node, true);
    return ROSTER_TAKEN;
}

enum roster_result
roster_take(struct roster *roster, const struct message *message, int64_t mono_ms)
{
    bool known = message->kind == MESSAGE_EVENT || message->kind == MESSAGE_HEARTBEAT ||
                 message->kind == MESSAGE_BYE;
    if (!known || message->role != NODE_GATEWAY)
        return ROSTER_FOREIGN;
    struct node *node = find_node(roster, message->node);
    if (node && message->epoch_ms < node->stream.epoch_ms)
        return ROSTER_OLD;
    if (message->kind == MESSAGE_BYE) {
        if (node)
            drop_node(roster, node);
        return ROSTER_TAKEN;
    }
    if (!node)
        node = add_node(roster, message->node, mono_ms);
    if (!node)
        return ROSTER_FULL;
    node->heard_ms = mono_ms;
    set_overdue(roster, node, false);
    return message->kind == MESSAGE_EVENT ? take_event(roster, node, message, mono_ms)
                                          : take_heartbeat(roster, node, message, mono_ms);
}

static void
judge_silence(struct roster *roster, struct node *node, int64_t mono_ms)
{
    int64_t silent_ms = mono_ms - node->heard_ms;
    if (silent_ms > roster->options.node_timeout_ms) {
        roster->lost++;
        drop_node(roster, node);
        return;
    }
    set_overdue(roster, node, silent_ms > roster->options.node_timeout_ms / 2);
}

static void
forget_empty(struct roster *roster, int64_t mono_ms)
{
    while (roster->empty && mono_ms - roster->empty->empty_ms >= ROSTER_FORGET_MS)
        forget_share(roster, roster->empty);
}

static bool
is_warm(const struct roster *roster, int64_t mono_ms)
{
    int64_t elapsed_ms = mono_ms - roster->start_ms;
    int64_t timeout_ms = roster->options.node_timeout_ms;
    if (!roster->nodes)
        return elapsed_ms >= timeout_ms;
    if (elapsed_ms < roster->options.settle_ms)
        return false;
    return !roster->troubled || elapsed_ms >= WARM_TIMEOUTS * timeout_ms;
}

void
roster_tick(struct roster *roster, int64_t mono_ms)
{
    int64_t deaf_ms = mono_ms - roster->tick_ms;
    roster->tick_ms = mono_ms;
    struct node *node, *next;
    HASH_ITER(hh, roster->nodes, node, next)
    {
        if (deaf_ms > ROSTER_DEAF_MS)
            node->heard_ms = mono_ms;
        judge_silence(roster, node, mono_ms);
    }
    forget_empty(roster, mono_ms);
    if (!roster->ready)
        roster->ready = is_warm(roster, mono_ms);
}

int
roster_renewal(struct roster *roster, int64_t mono_ms)
{
    for (; roster->renew_next < SHARD_COUNT; roster->renew_next++) {
        unsigned shard = roster->renew_next;
        if (!roster->renew[shard] || mono_ms < roster->renew_ms[shard])
            continue;
        roster->renew[shard] = false;
        roster->renew_ms[shard] = mono_ms + RENEW_MS;
        return (int)shard;
    }
    roster->renew_next = 0;
    return -1;
}

bool
roster_ready(const struct roster *roster)
{
    return roster->ready;
}

bool
roster_troubled(const struct roster *roster)
{
    return roster->troubled;
}

uint64_t
roster_count(const struct roster *roster, const char *auction)
{
    const struct audience *audience = find_audience(roster, auction, auction_shard(auction));
    return audience ? audience->count : 0;
}

uint64_t
roster_total(const struct roster *roster)
{
    return roster->total;
}

size_t
roster_auctions(const struct roster *roster)
{
    return roster->audience_count;
}

size_t
roster_nodes(const struct roster *roster)
{
    return HASH_COUNT(roster->nodes);
}

uint64_t
roster_lost(const struct roster *roster)
{
    return roster->lost;
}

uint64_t
roster_gaps(const struct roster *roster)
{
    return roster->gaps;
}

void
roster_each(const struct roster *roster, unsigned shard,
            void (*each)(void *arg, const char *auction, uint64_t count), void *arg)
{
    const struct audience *audience;
    for (audience = roster->audiences[shard]; audience; audience = audience->hh.next) {
        if (audience->count)
            each(arg, audience->auction, audience->count);
    }
}
