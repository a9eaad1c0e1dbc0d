/* In: decoded messages of one role's nodes and ticks. Out: figures to take, sweep or drop;
 * news; renewals. Pure; one thread. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "table.h"

#include "reader.h"
#include "stream.h"

#define GRACE_MS 500 /* in which a new node answers the first subscription by itself */

struct node {
    struct reader_node known; /* first, so that reader_next() finds back */
    char id[NODE_BYTES];
    struct stream stream;
    int64_t found_ms;           /* when it was */
    int64_t sound_ms;           /* when a heartbeat last came and nothing was missing */
    int64_t renew_ms;           /* no renewal before */
    bool overdue;               /* silent for longer than a beat should take */
    bool missing[SHARD_COUNT];  /* shards that are not whole */
    bool unserved[SHARD_COUNT]; /* as its heartbeat says */
    bool renew[SHARD_COUNT];    /* wanted */
    bool heard[SHARD_COUNT];    /* so that what is beyond the newest sequence was missed */
    unsigned renew_count;
    unsigned attempts[SHARD_COUNT]; /* renewals asked for since the shard was whole */
    bool troubled;                  /* something of it may be missing */
    UT_hash_handle hh;
    max_align_t figures[];
};

struct reader {
    struct reader_options options;
    bool unread[SHARD_COUNT];
    struct node *nodes;
    struct node *last; /* the last one looked up */
    struct node *next; /* whose renewals are named next; NULL: the first one's */
    int64_t renewals;  /* that may be named now */
    int64_t renew_ms;  /* since when no more have been allowed, monotonic */
    uint64_t gaps;
    unsigned troubled; /* how many nodes are */
    int64_t tick_ms;   /* monotonic */
    bool closing;      /* no more news */
};

struct reader *
reader_new(const struct reader_options *options, int64_t mono_ms)
{
    struct reader *reader = mem_alloc(sizeof *reader);
    reader->options = *options;
    if (options->unread)
        memcpy(reader->unread, options->unread, sizeof reader->unread);
    reader->options.unread = reader->unread;
    reader->tick_ms = mono_ms;
    reader->renew_ms = mono_ms;
    reader->renewals = READER_RENEWALS_MAX;
    return reader;
}

static void
tell_news(struct reader *reader, const struct node *node, enum reader_news news)
{
    if (!reader->closing)
        reader->options.news(reader->options.arg, &node->known, news);
}

static void
drop_figures(struct reader *reader, const struct node *node)
{
    reader->options.drop(reader->options.arg, &node->known);
}

/* To be called after any change of what makes a node troubled. */
static void
judge_trouble(struct reader *reader, struct node *node)
{
    bool troubled = node->overdue || node->known.missing_count || !node->known.introduced;
    reader->troubled += (unsigned)troubled - (unsigned)node->troubled;
    node->troubled = troubled;
    node->known.was_whole |=
        node->known.introduced && !node->known.missing_count && node->known.state == NODE_READY;
}

/* Notes whether the shard is whole now. */
static void
look_at_shard(struct reader *reader, struct node *node, unsigned shard)
{
    bool missing = !reader->unread[shard] && !stream_shard_whole(&node->stream, shard);
    if (missing == node->missing[shard])
        return;
    if (!missing) {
        node->renew_count -= node->renew[shard];
        node->renew[shard] = false;
        node->attempts[shard] = 0;
    }
    node->missing[shard] = missing;
    node->known.missing_count += missing ? 1 : -1u;
    reader->gaps += missing && node->known.introduced;
}

static void
remove_node(struct reader *reader, struct node *node)
{
    drop_figures(reader, node);
    reader->troubled -= node->troubled;
    if (reader->last == node)
        reader->last = NULL;
    if (reader->next == node)
        reader->next = node->hh.next;
    HASH_DELETE(hh, reader->nodes, node);
    free(node);
}

void
reader_destroy(struct reader **reader)
{
    if (!*reader)
        return;
    struct node *node, *next;
    (*reader)->closing = true;
    HASH_ITER(hh, (*reader)->nodes, node, next)
    remove_node(*reader, node);
    free(*reader);
    *reader = NULL;
}

static struct node *
find_node(struct reader *reader, const char *id)
{
    if (reader->last && !strcmp(reader->last->id, id))
        return reader->last;
    struct node *node;
    HASH_FIND_STR(reader->nodes, id, node);
    if (node)
        reader->last = node;
    return node;
}

static struct node *
add_node(struct reader *reader, const char *id, int64_t mono_ms)
{
    if (HASH_COUNT(reader->nodes) >= reader->options.nodes_max)
        return NULL;
    struct node *node = mem_alloc(sizeof *node + reader->options.figures_bytes);
    strcpy(node->id, id);
    node->known = (struct reader_node){.id = node->id,
                                       .state = NODE_WARMING,
                                       .heard_ms = mono_ms,
                                       .unserved = node->unserved,
                                       .figures = node->figures};
    node->renew_ms = mono_ms + GRACE_MS;
    node->found_ms = mono_ms;
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
        node->stream.shards[shard].unread = reader->unread[shard];
    HASH_ADD_STR(reader->nodes, id, node);
    judge_trouble(reader, node);
    reader->last = node;
    tell_news(reader, node, READER_FOUND);
    return node;
}

/* The stream has gone on to a newer epoch, of which it knows nothing. */
static void
restart_node(struct reader *reader, struct node *node, int64_t mono_ms)
{
    bool first = !node->known.epoch_ms;
    if (!first)
        drop_figures(reader, node);
    memset(node->missing, 0, sizeof node->missing);
    memset(node->renew, 0, sizeof node->renew);
    memset(node->attempts, 0, sizeof node->attempts);
    memset(node->unserved, 0, sizeof node->unserved);
    memset(node->heard, !first, sizeof node->heard); /* from its start on */
    node->renew_count = 0;
    node->known.missing_count = 0;
    node->known.introduced = node->known.was_whole = false;
    node->known.state = NODE_WARMING;
    node->known.total = 0;
    node->known.epoch_ms = node->stream.epoch_ms;
    node->renew_ms = mono_ms + GRACE_MS;
    judge_trouble(reader, node);
    if (!first)
        tell_news(reader, node, READER_RESTARTED);
}

static void
want_renewal(struct node *node, unsigned shard)
{
    node->renew_count += !node->renew[shard];
    node->renew[shard] = true;
}

static bool
has_figures(const struct message *message)
{
    return message->change == CHANGE_STATE || message->change == CHANGE_JOIN ||
           message->change == CHANGE_LEAVE;
}

/* The newest sequence of the message's epoch that is known to have been said. */
static uint64_t
newest(const struct node *node, const struct message *message, unsigned shard)
{
    const struct stream_shard *known = &node->stream.shards[shard];
    if (message->epoch_ms > node->stream.epoch_ms)
        return 0;
    return known->sequence > known->announced ? known->sequence : known->announced;
}

/* A message told of changes up to last, of which those up to known were known before. */
static void
judge_missed(struct reader *reader, struct node *node, unsigned shard, uint64_t known,
             uint64_t last)
{
    bool missed = node->heard[shard] && !reader->unread[shard] && last > known;
    if (missed && reader->options.missed)
        reader->options.missed(reader->options.arg, &node->known, shard, known + 1, last);
    node->heard[shard] = true;
}

static void
take_change(struct reader *reader, struct node *node, const struct message *message,
            int64_t mono_ms)
{
    if (reader->unread[message->shard])
        return;
    uint32_t mark = 0;
    bool gap = false;
    bool own = message->change == CHANGE_JOIN || message->change == CHANGE_LEAVE;
    uint64_t known = newest(node, message, message->shard);
    enum stream_verdict verdict = stream_take(&node->stream, message, &mark, &gap);
    if (verdict == STREAM_RESTART)
        restart_node(reader, node, mono_ms);
    judge_missed(reader, node, message->shard, known, message->sequence - own);
    if (verdict == STREAM_SWEEP)
        reader->options.sweep(reader->options.arg, &node->known, message->shard, mark);
    if (has_figures(message) && (verdict == STREAM_APPLY || verdict == STREAM_RESTART))
        reader->options.apply(reader->options.arg, &node->known, message, mark);
    look_at_shard(reader, node, message->shard);
    judge_trouble(reader, node);
    if (gap)
        want_renewal(node, message->shard);
}

static void
take_heartbeat(struct reader *reader, struct node *node, const struct message *message,
               int64_t mono_ms)
{
    bool behind[SHARD_COUNT] = {false};
    bool restart = false;
    uint64_t known[SHARD_COUNT];
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
        known[shard] = newest(node, message, shard);
    stream_heartbeat(&node->stream, message, behind, &restart);
    if (restart)
        restart_node(reader, node, mono_ms);
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        judge_missed(reader, node, shard, known[shard], message->sequences[shard]);
        look_at_shard(reader, node, shard);
        if (behind[shard])
            want_renewal(node, shard);
    }
    memcpy(node->unserved, message->unserved, sizeof node->unserved);
    node->known.state = message->state;
    node->known.total = message->total;
    node->known.introduced = true;
    if (!node->known.missing_count)
        node->sound_ms = mono_ms;
    judge_trouble(reader, node);
}

static void
take_bye(struct reader *reader, struct node *node)
{
    if (!node)
        return;
    tell_news(reader, node, READER_LEFT);
    remove_node(reader, node);
}

enum reader_result
reader_take(struct reader *reader, const struct message *message, int64_t mono_ms)
{
    enum message_kind change =
        reader->options.role == NODE_GATEWAY ? MESSAGE_EVENT : MESSAGE_COUNT;
    bool known = message->kind == change || message->kind == MESSAGE_HEARTBEAT ||
                 message->kind == MESSAGE_BYE;
    if (!known || message->role != reader->options.role)
        return READER_FOREIGN;
    struct node *node = find_node(reader, message->node);
    if (node && message->epoch_ms < node->stream.epoch_ms)
        return READER_OLD;
    if (message->kind == MESSAGE_BYE) {
        take_bye(reader, node);
        return READER_TAKEN;
    }
    if (!node)
        node = add_node(reader, message->node, mono_ms);
    if (!node)
        return READER_FULL;
    node->known.heard_ms = mono_ms;
    node->overdue = false;
    if (message->kind == MESSAGE_HEARTBEAT)
        take_heartbeat(reader, node, message, mono_ms);
    else
        take_change(reader, node, message, mono_ms);
    return READER_TAKEN;
}

static void
judge_silence(struct reader *reader, struct node *node, int64_t mono_ms)
{
    int64_t silent_ms = mono_ms - node->known.heard_ms;
    if (silent_ms > reader->options.node_timeout_ms) {
        tell_news(reader, node, READER_LOST);
        remove_node(reader, node);
        return;
    }
    node->overdue = silent_ms > reader->options.node_timeout_ms / 2;
    judge_trouble(reader, node);
}

void
reader_tick(struct reader *reader, int64_t mono_ms)
{
    int64_t deaf_ms = mono_ms - reader->tick_ms;
    reader->tick_ms = mono_ms;
    struct node *node, *next;
    HASH_ITER(hh, reader->nodes, node, next)
    {
        if (deaf_ms > READER_DEAF_MS)
            node->known.heard_ms = mono_ms;
        judge_silence(reader, node, mono_ms);
    }
}

/* The first shard that the node may be asked for now, or -1. A node that is new answers the
 * first subscription by itself. */
static int
take_renewal(struct node *node, int64_t mono_ms)
{
    if (mono_ms < node->renew_ms)
        return -1;
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        if (!node->renew[shard] || !stream_renew(&node->stream, shard, mono_ms))
            continue;
        node->renew[shard] = false;
        node->renew_count--;
        node->attempts[shard]++;
        return (int)shard;
    }
    return -1;
}

/* More of them, as time has passed. */
static void
allow_renewals(struct reader *reader, int64_t mono_ms)
{
    int64_t passed_ms = mono_ms - reader->renew_ms;
    if (passed_ms > READER_RENEWALS_MAX / READER_RENEWALS_MS)
        passed_ms = READER_RENEWALS_MAX / READER_RENEWALS_MS;
    reader->renewals += passed_ms * READER_RENEWALS_MS;
    if (reader->renewals > READER_RENEWALS_MAX)
        reader->renewals = READER_RENEWALS_MAX;
    reader->renew_ms = mono_ms;
}

bool
reader_renewal(struct reader *reader, int64_t mono_ms, struct reader_renewal *renewal)
{
    allow_renewals(reader, mono_ms);
    if (!reader->renewals)
        return false;
    for (size_t left = HASH_COUNT(reader->nodes); left; left--) {
        struct node *node = reader->next ? reader->next : reader->nodes;
        int shard = node->renew_count ? take_renewal(node, mono_ms) : -1;
        reader->next = shard < 0 ? node->hh.next : node;
        if (shard < 0)
            continue;
        reader->renewals--;
        *renewal = (struct reader_renewal){node->id, (unsigned)shard, node->attempts[shard]};
        return true;
    }
    return false;
}

bool
reader_troubled(const struct reader *reader)
{
    return reader->troubled;
}

int64_t
reader_sound_ms(const struct reader *reader, int64_t found_ms)
{
    int64_t least_ms = INT64_MAX;
    for (const struct node *node = reader->nodes; node; node = node->hh.next)
        if (node->found_ms <= found_ms && node->sound_ms < least_ms)
            least_ms = node->sound_ms;
    return least_ms;
}

size_t
reader_nodes(const struct reader *reader)
{
    return HASH_COUNT(reader->nodes);
}

uint64_t
reader_gaps(const struct reader *reader)
{
    return reader->gaps;
}

const struct reader_node *
reader_first(const struct reader *reader)
{
    return reader->nodes ? &reader->nodes->known : NULL;
}

const struct reader_node *
reader_next(const struct reader *reader, const struct reader_node *node)
{
    (void)reader;
    const struct node *next = ((const struct node *)(const void *)node)->hh.next;
    return next ? &next->known : NULL;
}
