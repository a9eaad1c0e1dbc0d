/* In: decoded messages of gateways and ticks. Out: changes of live counts, news and renewals.
 * Pure; the sampler's one thread.
 *
 *     proto/reader (who, what was missed) ──▶ tally (figures) ──▶ changes
 */
#include <stdlib.h>

#include "mem.h"

#include "roster.h"

#define WARM_TIMEOUTS 3 /* warm-up ends after so many node time-outs, whole or not */

struct roster {
    struct roster_options options;
    struct reader *reader;
    struct tally *tally;
    int64_t now_ms;   /* of the call under way */
    int64_t start_ms; /* monotonic */
    bool ready;
    bool closing; /* no more callbacks */
};

static void
tell_change(void *arg, const struct tally_change *change)
{
    struct roster *roster = arg;
    if (!roster->closing)
        roster->options.change(roster->options.change_arg, change);
}

static void
tell_news(void *arg, const struct reader_node *node, enum reader_news news)
{
    struct roster *roster = arg;
    roster->options.news(roster->options.news_arg, node->id, news);
}

static void
take_pair(void *arg, const struct reader_node *node, const struct message *message,
          uint32_t mark)
{
    struct roster *roster = arg;
    struct tally_pair pair = {message->auction, message->shard, message->joins, message->leaves,
                              mark};
    tally_take(roster->tally, node->figures, &pair, roster->now_ms);
}

static void
sweep_shard(void *arg, const struct reader_node *node, unsigned shard, uint32_t mark)
{
    struct roster *roster = arg;
    tally_sweep(roster->tally, node->figures, shard, mark);
}

static void
drop_figures(void *arg, const struct reader_node *node)
{
    struct roster *roster = arg;
    tally_drop(roster->tally, node->figures);
}

struct roster *
roster_new(const struct roster_options *options, int64_t mono_ms)
{
    struct roster *roster = mem_alloc(sizeof *roster);
    struct reader_options reader = {.role = NODE_GATEWAY,
                                    .unread = options->unserved,
                                    .node_timeout_ms = options->node_timeout_ms,
                                    .nodes_max = ROSTER_NODES_MAX,
                                    .figures_bytes = sizeof(struct tally_shares),
                                    .apply = take_pair,
                                    .sweep = sweep_shard,
                                    .drop = drop_figures,
                                    .news = tell_news,
                                    .arg = roster};
    roster->options = *options;
    roster->tally = tally_new(tell_change, roster);
    roster->reader = reader_new(&reader, mono_ms);
    roster->start_ms = mono_ms;
    return roster;
}

void
roster_destroy(struct roster **roster)
{
    if (!*roster)
        return;
    (*roster)->closing = true;
    reader_destroy(&(*roster)->reader);
    tally_destroy(&(*roster)->tally);
    free(*roster);
    *roster = NULL;
}

static bool
has_range(const struct message *message)
{
    return message->kind != MESSAGE_EVENT || message->change == CHANGE_BEGIN ||
           message->change == CHANGE_END ||
           (message->joins >= message->leaves &&
            message->joins - message->leaves <= ROSTER_VIEWERS_MAX);
}

enum roster_result
roster_take(struct roster *roster, const struct message *message, int64_t mono_ms)
{
    static const enum roster_result results[] = {[READER_TAKEN] = ROSTER_TAKEN,
                                                 [READER_OLD] = ROSTER_OLD,
                                                 [READER_FULL] = ROSTER_FULL,
                                                 [READER_FOREIGN] = ROSTER_FOREIGN};
    if (!has_range(message))
        return ROSTER_RANGE;
    roster->now_ms = mono_ms;
    return results[reader_take(roster->reader, message, mono_ms)];
}

static bool
is_warm(const struct roster *roster, int64_t mono_ms)
{
    int64_t elapsed_ms = mono_ms - roster->start_ms;
    int64_t timeout_ms = roster->options.node_timeout_ms;
    if (!reader_nodes(roster->reader))
        return elapsed_ms >= timeout_ms;
    if (elapsed_ms < roster->options.settle_ms)
        return false;
    return !reader_troubled(roster->reader) || elapsed_ms >= WARM_TIMEOUTS * timeout_ms;
}

void
roster_tick(struct roster *roster, int64_t mono_ms)
{
    roster->now_ms = mono_ms;
    reader_tick(roster->reader, mono_ms);
    tally_forget(roster->tally, mono_ms);
    if (!roster->ready)
        roster->ready = is_warm(roster, mono_ms);
}

bool
roster_renewal(struct roster *roster, int64_t mono_ms, struct reader_renewal *renewal)
{
    return reader_renewal(roster->reader, mono_ms, renewal);
}

bool
roster_ready(const struct roster *roster)
{
    return roster->ready;
}

bool
roster_troubled(const struct roster *roster)
{
    return reader_troubled(roster->reader);
}

const struct tally *
roster_tally(const struct roster *roster)
{
    return roster->tally;
}

const struct reader *
roster_reader(const struct roster *roster)
{
    return roster->reader;
}

size_t
roster_nodes(const struct roster *roster)
{
    return reader_nodes(roster->reader);
}

uint64_t
roster_gaps(const struct roster *roster)
{
    return reader_gaps(roster->reader);
}
