/* In: messages and ticks. Out: news. The readers keep no figures. */
#include <stdbool.h>
#include <stdlib.h>

#include "mem.h"

#include "reader.h"

#include "tap_gaps.h"

struct side {
    struct tap_gaps *gaps;
    enum node_role role;
    struct reader *reader;
    bool beats; /* a heartbeat came: silence means something */
};

struct tap_gaps {
    struct side sides[2]; /* by role */
    tap_news_f *news;
    void *arg;
};

static void
pass_apply(void *arg, const struct reader_node *node, const struct message *message,
           uint32_t mark)
{
    (void)arg, (void)node, (void)message, (void)mark;
}

static void
pass_sweep(void *arg, const struct reader_node *node, unsigned shard, uint32_t mark)
{
    (void)arg, (void)node, (void)shard, (void)mark;
}

static void
pass_drop(void *arg, const struct reader_node *node)
{
    (void)arg, (void)node;
}

static void
tell(const struct side *side, struct tap_news news)
{
    news.role = side->role;
    side->gaps->news(side->gaps->arg, &news);
}

static void
on_news(void *arg, const struct reader_node *node, enum reader_news news)
{
    if (news == READER_LOST)
        tell(arg, (struct tap_news){.kind = TAP_LOST, .node = node->id});
    else if (news == READER_RESTARTED)
        tell(arg, (struct tap_news){.kind = TAP_RESTARTED, .node = node->id});
}

static void
on_missed(void *arg, const struct reader_node *node, unsigned shard, uint64_t first,
          uint64_t last)
{
    tell(arg, (struct tap_news){.kind = TAP_MISSED,
                                .node = node->id,
                                .shard = shard,
                                .first = first,
                                .last = last});
}

struct tap_gaps *
tap_gaps_new(int64_t node_timeout_ms, tap_news_f *news, void *arg, int64_t mono_ms)
{
    struct tap_gaps *gaps = mem_alloc(sizeof *gaps);
    gaps->news = news;
    gaps->arg = arg;
    for (int role = NODE_GATEWAY; role <= NODE_SAMPLER; role++) {
        struct side *side = &gaps->sides[role];
        struct reader_options options = {.role = (enum node_role)role,
                                         .node_timeout_ms = node_timeout_ms,
                                         .nodes_max = TAP_NODES_MAX,
                                         .apply = pass_apply,
                                         .sweep = pass_sweep,
                                         .drop = pass_drop,
                                         .news = on_news,
                                         .missed = on_missed,
                                         .arg = side};
        *side = (struct side){gaps, options.role, reader_new(&options, mono_ms), false};
    }
    return gaps;
}

void
tap_gaps_destroy(struct tap_gaps **gaps)
{
    if (!*gaps)
        return;
    reader_destroy(&(*gaps)->sides[NODE_GATEWAY].reader);
    reader_destroy(&(*gaps)->sides[NODE_SAMPLER].reader);
    free(*gaps);
    *gaps = NULL;
}

void
tap_gaps_take(struct tap_gaps *gaps, const struct message *message, int64_t mono_ms)
{
    struct side *side = &gaps->sides[message->role];
    side->beats |= message->kind == MESSAGE_HEARTBEAT;
    reader_take(side->reader, message, mono_ms);
}

void
tap_gaps_tick(struct tap_gaps *gaps, int64_t mono_ms)
{
    for (int role = NODE_GATEWAY; role <= NODE_SAMPLER; role++)
        if (gaps->sides[role].beats)
            reader_tick(gaps->sides[role].reader, mono_ms);
}
