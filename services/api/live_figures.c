/* In: decoded messages of samplers and ticks. Out: figures of each shard from the sampler that
 * is believed there.
 *
 *     proto/reader (who, what was missed) ──▶ figure lists of each node ──┐
 *            └──────▶ live_follow (whom to believe) ──────────────────────┴──▶ counts, lists
 */
#include <stdlib.h>
#include <string.h>

#include "figure_list.h"
#include "live_figures.h"
#include "live_follow.h"
#include "mem.h"

#define EMPTY_KEPT_MS 60000 /* an auction empty and unnamed for so long is forgotten */

struct node_figures { /* of one sampler, in the reader's keeping */
    struct figure_list shards[SHARD_COUNT];
};

struct live_figures {
    struct reader *reader;
    struct live_follow *follow;
    struct figure_list held[SHARD_COUNT]; /* of nodes gone; empty when nothing is held on to */
    int64_t now_ms;                       /* of the call under way */
    unsigned next_prune;                  /* the shard that the next tick looks through */
    bool closing;                         /* nobody is to be followed any more */
};

static void
take_count(void *arg, const struct reader_node *node, const struct message *message,
           uint32_t mark)
{
    const struct live_figures *figures = arg;
    struct node_figures *own = node->figures;
    struct figure_list *list = &own->shards[message->shard];
    bool known = figure_list_find(list, message->auction);
    struct figure *figure = figure_list_make(list, message->auction);
    figure->mark = mark;
    figure->named_ms = figures->now_ms;
    if (known && message->sequence <= figure->sequence)
        return;
    figure->count = message->count;
    figure->sequence = message->sequence;
}

static void
sweep_shard(void *arg, const struct reader_node *node, unsigned shard, uint32_t mark)
{
    struct node_figures *own = node->figures;
    (void)arg;
    figure_list_sweep(&own->shards[shard], mark);
}

/* The node's figures go, but for those that are held on to. */
static void
drop_figures(void *arg, const struct reader_node *node)
{
    struct live_figures *figures = arg;
    struct node_figures *own = node->figures;
    if (!figures->closing)
        live_follow_lose(figures->follow, node, false, figures->now_ms);
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        if (!figures->closing && live_follow_node(figures->follow, shard) == node) {
            figure_list_fini(&figures->held[shard]);
            figures->held[shard] = own->shards[shard];
            own->shards[shard] = (struct figure_list){0};
            live_follow_release(figures->follow, shard);
        }
        figure_list_fini(&own->shards[shard]);
    }
}

static void
take_news(void *arg, const struct reader_node *node, enum reader_news news)
{
    struct live_figures *figures = arg;
    if (news == READER_LOST)
        live_follow_lose(figures->follow, node, true, figures->now_ms);
}

struct live_figures *
live_figures_new(int64_t timeout_ms, int64_t mono_ms)
{
    struct live_figures *figures = mem_alloc(sizeof *figures);
    struct reader_options options = {.role = NODE_SAMPLER,
                                     .node_timeout_ms = timeout_ms,
                                     .nodes_max = LIVE_SAMPLERS_MAX,
                                     .figures_bytes = sizeof(struct node_figures),
                                     .apply = take_count,
                                     .sweep = sweep_shard,
                                     .drop = drop_figures,
                                     .news = take_news,
                                     .arg = figures};
    figures->reader = reader_new(&options, mono_ms);
    figures->follow = live_follow_new(figures->reader, timeout_ms);
    return figures;
}

void
live_figures_destroy(struct live_figures **figures)
{
    if (!*figures)
        return;
    (*figures)->closing = true;
    reader_destroy(&(*figures)->reader);
    live_follow_destroy(&(*figures)->follow);
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
        figure_list_fini(&(*figures)->held[shard]);
    free(*figures);
    *figures = NULL;
}

static const struct reader_node *
find_node(const struct live_figures *figures, const char *id)
{
    const struct reader_node *node = reader_first(figures->reader);
    while (node && strcmp(node->id, id))
        node = reader_next(figures->reader, node);
    return node;
}

/* A node becomes fit, or ceases to be, by a heartbeat or by the end of an answer. */
static bool
may_change_fitness(const struct message *message)
{
    return message->kind == MESSAGE_HEARTBEAT ||
           (message->kind == MESSAGE_COUNT && message->change == CHANGE_END);
}

enum reader_result
live_figures_take(struct live_figures *figures, const struct message *message, int64_t mono_ms)
{
    figures->now_ms = mono_ms;
    enum reader_result result = reader_take(figures->reader, message, mono_ms);
    if (result == READER_TAKEN && may_change_fitness(message))
        live_follow_judge(figures->follow, find_node(figures, message->node), mono_ms);
    return result;
}

/* Frees what was held on to and is not any more. (Holding ends in a tick only.) */
static void
free_held(struct live_figures *figures)
{
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        if (live_follow_node(figures->follow, shard) ||
            !live_follow_known(figures->follow, shard))
            figure_list_fini(&figures->held[shard]);
    }
}

void
live_figures_tick(struct live_figures *figures, int64_t mono_ms)
{
    unsigned shard = figures->next_prune++ % SHARD_COUNT;
    figures->now_ms = mono_ms;
    reader_tick(figures->reader, mono_ms);
    live_follow_tick(figures->follow, mono_ms);
    free_held(figures);
    for (const struct reader_node *node = reader_first(figures->reader); node;
         node = reader_next(figures->reader, node)) {
        struct node_figures *own = node->figures;
        figure_list_prune(&own->shards[shard], mono_ms - EMPTY_KEPT_MS);
    }
}

bool
live_figures_renewal(struct live_figures *figures, int64_t mono_ms,
                     struct reader_renewal *renewal)
{
    return reader_renewal(figures->reader, mono_ms, renewal);
}

bool
live_figures_known(const struct live_figures *figures, unsigned shard)
{
    return live_follow_known(figures->follow, shard);
}

unsigned
live_figures_shards(const struct live_figures *figures)
{
    return live_follow_known_count(figures->follow);
}

const char *
live_figures_node(const struct live_figures *figures, unsigned shard)
{
    const struct reader_node *node = live_follow_node(figures->follow, shard);
    return node ? node->id : NULL;
}

uint64_t
live_figures_changes(const struct live_figures *figures)
{
    return live_follow_changes(figures->follow);
}

size_t
live_figures_samplers(const struct live_figures *figures)
{
    return reader_nodes(figures->reader);
}

/* The figures of a shard that are believed. */
static const struct figure_list *
find_list(const struct live_figures *figures, unsigned shard)
{
    const struct reader_node *node = live_follow_node(figures->follow, shard);
    if (!node)
        return &figures->held[shard];
    const struct node_figures *own = node->figures;
    return &own->shards[shard];
}

size_t
live_figures_auctions(const struct live_figures *figures)
{
    size_t count = 0;
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
        count += find_list(figures, shard)->count;
    return count;
}

uint64_t
live_figures_count(const struct live_figures *figures, const char *auction)
{
    const struct figure *figure =
        figure_list_find(find_list(figures, auction_shard(auction)), auction);
    return figure ? figure->count : 0;
}

/* The index of the head that sorts first, or SHARD_COUNT when there is none. */
static unsigned
find_least(const struct figure *const heads[SHARD_COUNT])
{
    unsigned least = SHARD_COUNT;
    for (unsigned i = 0; i < SHARD_COUNT; i++) {
        if (heads[i] &&
            (least == SHARD_COUNT || strcmp(heads[i]->auction, heads[least]->auction) < 0))
            least = i;
    }
    return least;
}

size_t
live_figures_list(const struct live_figures *figures, const char *after,
                  struct live_auction *rows, size_t most)
{
    size_t places[SHARD_COUNT] = {0}, count = 0;
    const struct figure *heads[SHARD_COUNT];
    const struct figure_list *lists[SHARD_COUNT];
    for (unsigned i = 0; i < SHARD_COUNT; i++) {
        lists[i] = find_list(figures, i);
        heads[i] = figure_list_next(lists[i], &places[i], after);
    }
    for (; count < most; count++) {
        unsigned least = find_least(heads);
        if (least == SHARD_COUNT)
            break;
        strcpy(rows[count].auction, heads[least]->auction);
        rows[count].count = heads[least]->count;
        heads[least] = figure_list_next(lists[least], &places[least], after);
    }
    return count;
}
