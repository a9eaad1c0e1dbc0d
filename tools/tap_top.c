/* In: messages and times. Out: a table, renewals. Pure; one thread. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "tap_figures.h"
#include "tap_top.h"

#define NODES_MAX (2 * TAP_TOP_NODES_MAX + TAP_TOP_GONE_MAX)

struct side {
    struct tap_top *top;
    enum node_role role;
    struct reader *reader;
};

struct tap_top {
    struct side sides[2]; /* by role */
    struct tap_figures *figures;
    struct tap_owner *followed[SHARD_COUNT];      /* the sampler; NULL: none */
    unsigned forget_shard;                        /* the next to look through */
    int64_t now_ms;                               /* of the call, monotonic */
    int64_t interval_ms;                          /* when the open interval began */
    uint64_t messages[TAP_TOP_KINDS];             /* in it */
    struct tap_table_node gone[TAP_TOP_GONE_MAX]; /* latest last; heard_ago_ms is when */
    size_t gone_count;
    struct tap_table table;
    struct tap_table_node *nodes;   /* the table's, owned */
    struct tap_table_auction *rows; /* the table's, owned */
    size_t rows_wanted;
    enum tap_sort sort;
};

static void
apply(void *arg, const struct reader_node *node, const struct message *message, uint32_t mark)
{
    struct tap_top *top = ((struct side *)arg)->top;
    if (!tap_figures_take(top->figures, node->figures, message, mark, top->now_ms))
        top->table.refused++;
}

static void
sweep(void *arg, const struct reader_node *node, unsigned shard, uint32_t mark)
{
    tap_figures_sweep(((struct side *)arg)->top->figures, node->figures, shard, mark);
}

static void
drop(void *arg, const struct reader_node *node)
{
    struct tap_top *top = ((struct side *)arg)->top;
    tap_figures_drop(top->figures, node->figures);
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
        if (top->followed[shard] == node->figures)
            top->followed[shard] = NULL;
}

static void
remove_gone(struct tap_top *top, size_t index)
{
    memmove(&top->gone[index], &top->gone[index + 1],
            (--top->gone_count - index) * sizeof *top->gone);
}

static void
on_news(void *arg, const struct reader_node *node, enum reader_news news)
{
    struct side *side = arg;
    struct tap_top *top = side->top;
    for (size_t i = top->gone_count; i-- > 0;)
        if (top->gone[i].role == side->role && !strcmp(top->gone[i].id, node->id))
            remove_gone(top, i);
    if (news != READER_LOST && news != READER_LEFT)
        return;
    if (top->gone_count == TAP_TOP_GONE_MAX)
        remove_gone(top, 0);
    struct tap_table_node *gone = &top->gone[top->gone_count++];
    *gone = (struct tap_table_node){.role = side->role,
                                    .fate = news == READER_LOST ? TAP_NODE_LOST : TAP_NODE_LEFT,
                                    .epoch_ms = node->epoch_ms,
                                    .heard_ago_ms = top->now_ms};
    strcpy(gone->id, node->id);
}

static void
on_missed(void *arg, const struct reader_node *node, unsigned shard, uint64_t first,
          uint64_t last)
{
    struct tap_top *top = ((struct side *)arg)->top;
    (void)node, (void)shard;
    top->table.gaps++;
    top->table.missed += last - first + 1;
}

static struct reader *
make_reader(struct side *side, int64_t node_timeout_ms, int64_t mono_ms)
{
    struct reader_options options = {.role = side->role,
                                     .node_timeout_ms = node_timeout_ms,
                                     .nodes_max = TAP_TOP_NODES_MAX,
                                     .figures_bytes = sizeof(struct tap_owner),
                                     .apply = apply,
                                     .sweep = sweep,
                                     .drop = drop,
                                     .news = on_news,
                                     .missed = on_missed,
                                     .arg = side};
    return reader_new(&options, mono_ms);
}

struct tap_top *
tap_top_new(int64_t node_timeout_ms, int64_t mono_ms)
{
    struct tap_top *top = mem_alloc(sizeof *top);
    top->now_ms = top->interval_ms = mono_ms;
    top->figures = tap_figures_new(TAP_TOP_AUCTIONS_MAX, TAP_TOP_FIGURES_MAX);
    top->nodes = mem_alloc(NODES_MAX * sizeof *top->nodes);
    top->rows = mem_alloc(TAP_TOP_ROWS_MAX * sizeof *top->rows);
    top->table.nodes = top->nodes;
    top->table.rows = top->rows;
    for (int role = NODE_GATEWAY; role <= NODE_SAMPLER; role++) {
        struct side *side = &top->sides[role];
        side->top = top;
        side->role = (enum node_role)role;
        side->reader = make_reader(side, node_timeout_ms, mono_ms);
    }
    return top;
}

void
tap_top_destroy(struct tap_top **top)
{
    if (!*top)
        return;
    reader_destroy(&(*top)->sides[NODE_GATEWAY].reader);
    reader_destroy(&(*top)->sides[NODE_SAMPLER].reader);
    tap_figures_destroy(&(*top)->figures);
    free((*top)->nodes);
    free((*top)->rows);
    free(*top);
    *top = NULL;
}

void
tap_top_take(struct tap_top *top, const struct message *message, int64_t mono_ms)
{
    top->now_ms = mono_ms;
    top->messages[message->kind]++;
    enum reader_result result = reader_take(top->sides[message->role].reader, message, mono_ms);
    top->table.refused += result == READER_FULL;
}

void
tap_top_tick(struct tap_top *top, int64_t mono_ms)
{
    top->now_ms = mono_ms;
    for (int role = NODE_GATEWAY; role <= NODE_SAMPLER; role++) {
        const struct reader *reader = top->sides[role].reader;
        reader_tick(top->sides[role].reader, mono_ms);
        for (const struct reader_node *node = reader_first(reader); node;
             node = reader_next(reader, node))
            tap_figures_forget(top->figures, node->figures, top->forget_shard, mono_ms);
    }
    top->forget_shard = (top->forget_shard + 1) % SHARD_COUNT;
    while (top->gone_count && mono_ms - top->gone[0].heard_ago_ms > TAP_TOP_GONE_MS)
        remove_gone(top, 0);
}

bool
tap_top_renewal(struct tap_top *top, int64_t mono_ms, enum node_role *role,
                struct reader_renewal *renewal)
{
    *role = NODE_GATEWAY;
    if (reader_renewal(top->sides[NODE_GATEWAY].reader, mono_ms, renewal))
        return true;
    *role = NODE_SAMPLER;
    return reader_renewal(top->sides[NODE_SAMPLER].reader, mono_ms, renewal);
}

void
tap_top_close_interval(struct tap_top *top, int64_t mono_ms)
{
    int64_t elapsed_ms = mono_ms - top->interval_ms;
    if (elapsed_ms < 1)
        return;
    for (int kind = 0; kind < TAP_TOP_KINDS; kind++)
        top->table.messages_s[kind] = (double)top->messages[kind] * 1000 / (double)elapsed_ms;
    memset(top->messages, 0, sizeof top->messages);
    tap_figures_close_interval(top->figures, elapsed_ms);
    top->interval_ms = mono_ms;
}

/* Chooses whom to follow in each shard: the one followed so far, while it is fit. */
static void
follow(struct tap_top *top)
{
    const struct reader *reader = top->sides[NODE_SAMPLER].reader;
    struct tap_owner *before[SHARD_COUNT];
    memcpy(before, top->followed, sizeof before);
    memset(top->followed, 0, sizeof top->followed);
    for (const struct reader_node *node = reader_first(reader); node;
         node = reader_next(reader, node)) {
        if (node->state != NODE_READY || !node->was_whole)
            continue;
        for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
            if (!node->unserved[shard] &&
                (!top->followed[shard] || node->figures == before[shard]))
                top->followed[shard] = node->figures;
    }
}

/* Whether a stands above b. Names are unique. */
static bool
is_above(enum tap_sort sort, const struct tap_auction *a, const struct tap_table_auction *b)
{
    if (sort == TAP_SORT_JOINS && a->joins_s != b->joins_s)
        return a->joins_s > b->joins_s;
    if (sort != TAP_SORT_NAME && a->viewers != b->viewers)
        return a->viewers > b->viewers;
    return strcmp(a->name, b->name) < 0;
}

/* Adds up an auction, and keeps it among the rows if it belongs there. */
static void
add_auction(void *arg, const struct tap_auction *auction)
{
    struct tap_top *top = arg;
    struct tap_table *table = &top->table;
    table->viewers += auction->viewers;
    table->auctions += auction->viewers > 0;
    table->joins_s += auction->joins_s;
    table->leaves_s += auction->leaves_s;
    if (!auction->viewers && auction->joins_s <= 0 && auction->leaves_s <= 0)
        return;
    size_t at = table->row_count;
    while (at && is_above(top->sort, auction, &top->rows[at - 1]))
        at--;
    if (at == top->rows_wanted)
        return;
    if (table->row_count < top->rows_wanted)
        table->row_count++;
    memmove(&top->rows[at + 1], &top->rows[at],
            (table->row_count - at - 1) * sizeof *top->rows);
    struct tap_table_auction *row = &top->rows[at];
    strcpy(row->name, auction->name);
    row->viewers = auction->viewers;
    row->joins_s = auction->joins_s;
    row->leaves_s = auction->leaves_s;
}

static void
add_nodes(struct tap_top *top, const struct side *side)
{
    for (const struct reader_node *node = reader_first(side->reader); node;
         node = reader_next(side->reader, node)) {
        struct tap_table_node *row = &top->nodes[top->table.node_count++];
        *row = (struct tap_table_node){.role = side->role,
                                       .state = node->state,
                                       .viewers = node->total,
                                       .missing = node->missing_count,
                                       .epoch_ms = node->epoch_ms,
                                       .heard_ago_ms = top->now_ms - node->heard_ms};
        strcpy(row->id, node->id);
    }
}

static int
compare_nodes(const void *a, const void *b)
{
    const struct tap_table_node *one = a, *other = b;
    if (one->role != other->role)
        return one->role < other->role ? -1 : 1;
    return strcmp(one->id, other->id);
}

const struct tap_table *
tap_top_table(struct tap_top *top, enum tap_sort sort, size_t rows, int64_t mono_ms)
{
    struct tap_table *table = &top->table;
    assert(rows <= TAP_TOP_ROWS_MAX);
    top->now_ms = mono_ms;
    top->sort = sort;
    top->rows_wanted = rows;
    table->viewers = table->auctions = table->row_count = table->node_count = 0;
    table->joins_s = table->leaves_s = 0;
    follow(top);
    tap_figures_each(top->figures, top->followed, add_auction, top);
    for (int role = NODE_GATEWAY; role <= NODE_SAMPLER; role++) {
        table->alive[role] = reader_nodes(top->sides[role].reader);
        add_nodes(top, &top->sides[role]);
    }
    for (size_t i = 0; i < top->gone_count; i++) {
        struct tap_table_node *row = &top->nodes[table->node_count++];
        *row = top->gone[i];
        row->heard_ago_ms = mono_ms - row->heard_ago_ms;
    }
    qsort(top->nodes, table->node_count, sizeof *top->nodes, compare_nodes);
    return table;
}
