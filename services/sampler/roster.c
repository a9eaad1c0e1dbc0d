/* In: decoded messages of gateways and ticks; out: changes of live counts, news and renewals.
 * Pure; the sampler's one thread.
 *
 *                     heartbeat; all shards whole       silent for half the time-out; gap
 *     (unknown) ─▶ NEW ─────────────────────────▶ SOUND ◀────────────────────────▶ TROUBLED
 *                   └──────── bye, silence ─────────┴──── bye, silence ──▶ (unknown) ◀┘
 */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#define uthash_malloc(bytes_) mem_alloc(bytes_)
#include <uthash.h>

#include "stream.h"

#include "roster.h"

#define RENEW_MS 1000   /* between two renewals of a shard */
#define GRACE_MS 500    /* in which a new node answers the first subscription by itself */
#define WARM_TIMEOUTS 3 /* warm-up ends after so many node time-outs, whole or not */

struct node {
    char id[NODE_BYTES];
    struct stream stream;
    struct tally_shares shares;
    int64_t heard_ms;          /* when the last message came */
    int64_t renew_ms;          /* no renewal on its behalf before */
    bool introduced;           /* a heartbeat has told which shards there are */
    bool overdue;              /* silent for longer than a beat should take */
    bool missing[SHARD_COUNT]; /* shards that are not whole */
    unsigned missing_count;
    bool troubled; /* any of these: something of it may be missing */
    UT_hash_handle hh;
};

struct roster {
    struct roster_options options;
    struct tally *tally;
    struct node *nodes;
    struct node *last; /* the last one looked up */
    uint64_t gaps;
    unsigned troubled;             /* how many nodes are */
    int64_t start_ms, tick_ms;     /* monotonic */
    int64_t renew_ms[SHARD_COUNT]; /* no renewal of the shard before */
    bool renew[SHARD_COUNT];       /* wanted */
    unsigned renew_next;           /* where roster_renewal() looks on */
    bool ready;
    bool closing; /* no more callbacks */
};

static void
tell_change(void *arg, const struct tally_change *change)
{
    struct roster *roster = arg;
    if (!roster->closing)
        roster->options.change(roster->options.arg, change);
}

static void
tell_news(struct roster *roster, const struct node *node, enum roster_news news)
{
    roster->options.news(roster->options.arg, node->id, news);
}

struct roster *
roster_new(const struct roster_options *options, int64_t mono_ms)
{
    struct roster *roster = mem_alloc(sizeof *roster);
    roster->options = *options;
    roster->tally = tally_new(tell_change, roster);
    roster->start_ms = roster->tick_ms = mono_ms;
    return roster;
}

/* To be called after any change of what makes a node troubled. */
static void
judge_trouble(struct roster *roster, struct node *node)
{
    bool troubled = node->overdue || node->missing_count || !node->introduced;
    roster->troubled += (unsigned)troubled - (unsigned)node->troubled;
    node->troubled = troubled;
}

/* Notes whether the shard is whole now. */
static void
look_at_shard(struct roster *roster, struct node *node, unsigned shard)
{
    bool missing = !stream_shard_whole(&node->stream, shard);
    if (missing == node->missing[shard])
        return;
    node->missing[shard] = missing;
    node->missing_count += missing ? 1 : -1u;
    roster->gaps += missing && node->introduced;
    judge_trouble(roster, node);
}

static void
drop_node(struct roster *roster, struct node *node)
{
    tally_drop(roster->tally, &node->shares);
    roster->troubled -= node->troubled;
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
    (*roster)->closing = true;
    HASH_ITER(hh, (*roster)->nodes, node, next)
    drop_node(*roster, node);
    tally_destroy(&(*roster)->tally);
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
    judge_trouble(roster, node);
    roster->last = node;
    tell_news(roster, node, ROSTER_FOUND);
    return node;
}

/* The stream has gone on to a newer epoch, of which it knows nothing. */
static void
restart_node(struct roster *roster, struct node *node, bool first, int64_t mono_ms)
{
    tally_drop(roster->tally, &node->shares);
    memset(node->missing, 0, sizeof node->missing);
    node->missing_count = 0;
    node->introduced = false;
    node->renew_ms = mono_ms + GRACE_MS;
    judge_trouble(roster, node);
    if (!first)
        tell_news(roster, node, ROSTER_RESTARTED);
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
    bool gap = false, first = !node->stream.epoch_ms;
    enum stream_verdict verdict = stream_take(&node->stream, message, &mark, &gap);
    bool figures = message->change == CHANGE_STATE || message->change == CHANGE_JOIN ||
                   message->change == CHANGE_LEAVE;
    if (verdict == STREAM_RESTART)
        restart_node(roster, node, first, mono_ms);
    if (verdict == STREAM_SWEEP)
        tally_sweep(roster->tally, &node->shares, message->shard, mark);
    if (figures && (verdict == STREAM_APPLY || verdict == STREAM_RESTART)) {
        struct tally_pair pair = {message->auction, message->shard, message->joins,
                                  message->leaves, mark};
        tally_take(roster->tally, &node->shares, &pair, mono_ms);
    }
    look_at_shard(roster, node, message->shard);
    if (gap)
        want_renewal(roster, node, message->shard, mono_ms);
    return ROSTER_TAKEN;
}

static enum roster_result
take_heartbeat(struct roster *roster, struct node *node, const struct message *message,
               int64_t mono_ms)
{
    bool behind[SHARD_COUNT] = {false};
    bool restart = false, first = !node->stream.epoch_ms;
    stream_heartbeat(&node->stream, message, behind, &restart);
    if (restart)
        restart_node(roster, node, first, mono_ms);
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        look_at_shard(roster, node, shard);
        if (behind[shard])
            want_renewal(roster, node, shard, mono_ms);
    }
    node->introduced = true;
    judge_trouble(roster, node);
    return ROSTER_TAKEN;
}

static enum roster_result
take_bye(struct roster *roster, struct node *node)
{
    if (!node)
        return ROSTER_TAKEN;
    tell_news(roster, node, ROSTER_LEFT);
    drop_node(roster, node);
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
    if (message->kind == MESSAGE_BYE)
        return take_bye(roster, node);
    if (!node)
        node = add_node(roster, message->node, mono_ms);
    if (!node)
        return ROSTER_FULL;
    node->heard_ms = mono_ms;
    if (node->overdue) {
        node->overdue = false;
        judge_trouble(roster, node);
    }
    return message->kind == MESSAGE_EVENT ? take_event(roster, node, message, mono_ms)
                                          : take_heartbeat(roster, node, message, mono_ms);
}

static void
judge_silence(struct roster *roster, struct node *node, int64_t mono_ms)
{
    int64_t silent_ms = mono_ms - node->heard_ms;
    if (silent_ms > roster->options.node_timeout_ms) {
        tell_news(roster, node, ROSTER_LOST);
        drop_node(roster, node);
        return;
    }
    node->overdue = silent_ms > roster->options.node_timeout_ms / 2;
    judge_trouble(roster, node);
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
    tally_forget(roster->tally, mono_ms);
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

const struct tally *
roster_tally(const struct roster *roster)
{
    return roster->tally;
}

size_t
roster_nodes(const struct roster *roster)
{
    return HASH_COUNT(roster->nodes);
}

uint64_t
roster_gaps(const struct roster *roster)
{
    return roster->gaps;
}
