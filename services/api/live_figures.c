/* Samplers → figures: what stream.c says of each message is done to the figures of its sampler,
 * and one sampler is followed. */
#include <stdlib.h>
#include <string.h>

#include "figure_list.h"
#include "live_figures.h"
#include "mem.h"
#include "stream.h"

#define EMPTY_KEPT_MS 60000 /* an auction empty and unnamed for so long is forgotten */

struct sampler {
    char node[NODE_BYTES];
    struct stream stream;
    struct figure_list shards[SHARD_COUNT];
    bool wanted[SHARD_COUNT]; /* shards to be renewed */
    enum node_state state;    /* by its last heartbeat */
    bool greeted;             /* a heartbeat of this epoch came */
    bool whole;               /* nothing was missing at least once in this epoch */
    int64_t heard_ms;
};

struct live_figures {
    int64_t timeout_ms;
    struct sampler *samplers[LIVE_SAMPLERS_MAX];
    size_t sampler_count;
    struct sampler *followed; /* NULL: none is fit */
    unsigned next_prune;      /* the shard that the next tick looks through */
};

struct live_figures *
live_figures_new(int64_t timeout_ms)
{
    struct live_figures *figures = mem_alloc(sizeof *figures);
    figures->timeout_ms = timeout_ms;
    return figures;
}

static void
drop_figures(struct sampler *sampler)
{
    for (unsigned i = 0; i < SHARD_COUNT; i++)
        figure_list_fini(&sampler->shards[i]);
    sampler->greeted = sampler->whole = false;
    sampler->state = NODE_WARMING;
}

static void
remove_sampler(struct live_figures *figures, size_t index)
{
    struct sampler *sampler = figures->samplers[index];
    if (figures->followed == sampler)
        figures->followed = NULL;
    drop_figures(sampler);
    free(sampler);
    figures->samplers[index] = figures->samplers[--figures->sampler_count];
}

void
live_figures_destroy(struct live_figures **figures)
{
    if (!*figures)
        return;
    while ((*figures)->sampler_count)
        remove_sampler(*figures, 0);
    free(*figures);
    *figures = NULL;
}

static struct sampler *
find_sampler(const struct live_figures *figures, const char *node)
{
    for (size_t i = 0; i < figures->sampler_count; i++) {
        if (!strcmp(figures->samplers[i]->node, node))
            return figures->samplers[i];
    }
    return NULL;
}

static struct sampler *
add_sampler(struct live_figures *figures, const char *node)
{
    if (figures->sampler_count == LIVE_SAMPLERS_MAX)
        return NULL;
    struct sampler *sampler = mem_alloc(sizeof *sampler);
    strcpy(sampler->node, node); /* valid ids fit */
    sampler->state = NODE_WARMING;
    figures->samplers[figures->sampler_count++] = sampler;
    return sampler;
}

static void
set_figure(struct sampler *sampler, const struct message *message, uint32_t mark,
           int64_t mono_ms)
{
    struct figure_list *list = &sampler->shards[message->shard];
    bool known = figure_list_find(list, message->auction);
    struct figure *figure = figure_list_make(list, message->auction);
    figure->mark = mark;
    figure->named_ms = mono_ms;
    if (known && message->sequence <= figure->sequence)
        return;
    figure->count = message->count;
    figure->sequence = message->sequence;
}

static void
take_count(struct sampler *sampler, const struct message *message, int64_t mono_ms)
{
    uint32_t mark = 0;
    bool gap = false;
    switch (stream_take(&sampler->stream, message, &mark, &gap)) {
    case STREAM_RESTART:
        drop_figures(sampler);
        if (*message->auction)
            set_figure(sampler, message, mark, mono_ms);
        break;
    case STREAM_APPLY:
        if (*message->auction)
            set_figure(sampler, message, mark, mono_ms);
        break;
    case STREAM_SWEEP:
        figure_list_sweep(&sampler->shards[message->shard], mark);
        break;
    case STREAM_IGNORE:
        break;
    }
    if (gap)
        sampler->wanted[message->shard] = true;
}

static void
take_heartbeat(struct sampler *sampler, const struct message *message)
{
    bool behind[SHARD_COUNT] = {0}, restart = false;
    if (message->epoch_ms < sampler->stream.epoch_ms)
        return;
    stream_heartbeat(&sampler->stream, message, behind, &restart);
    if (restart)
        drop_figures(sampler);
    for (unsigned i = 0; i < SHARD_COUNT; i++)
        sampler->wanted[i] = sampler->wanted[i] || behind[i];
    sampler->state = message->state;
    sampler->greeted = true;
}

static bool
is_fit(const struct sampler *sampler)
{
    return sampler->state == NODE_READY && sampler->whole;
}

/* Stays with the followed one while it is fit; else takes the fit one of the least name. */
static void
choose_followed(struct live_figures *figures)
{
    if (figures->followed && is_fit(figures->followed))
        return;
    figures->followed = NULL;
    for (size_t i = 0; i < figures->sampler_count; i++) {
        struct sampler *sampler = figures->samplers[i];
        if (is_fit(sampler) &&
            (!figures->followed || strcmp(sampler->node, figures->followed->node) < 0))
            figures->followed = sampler;
    }
}

static void
take_bye(struct live_figures *figures, const struct message *message)
{
    for (size_t i = 0; i < figures->sampler_count; i++) {
        if (strcmp(figures->samplers[i]->node, message->node))
            continue;
        if (message->epoch_ms >= figures->samplers[i]->stream.epoch_ms)
            remove_sampler(figures, i);
        return;
    }
}

bool
live_figures_take(struct live_figures *figures, const struct message *message, int64_t mono_ms)
{
    bool count = message->kind == MESSAGE_COUNT;
    bool heartbeat = message->kind == MESSAGE_HEARTBEAT && message->role == NODE_SAMPLER;
    if (message->kind == MESSAGE_BYE && message->role == NODE_SAMPLER)
        take_bye(figures, message);
    if (count || heartbeat) {
        struct sampler *sampler = find_sampler(figures, message->node);
        if (!sampler)
            sampler = add_sampler(figures, message->node);
        if (!sampler)
            return false;
        sampler->heard_ms = mono_ms;
        if (count)
            take_count(sampler, message, mono_ms);
        else
            take_heartbeat(sampler, message);
        if (!sampler->whole)
            sampler->whole = sampler->greeted && stream_whole(&sampler->stream);
    }
    choose_followed(figures);
    return true;
}

void
live_figures_tick(struct live_figures *figures, int64_t mono_ms)
{
    unsigned shard = figures->next_prune++ % SHARD_COUNT;
    for (size_t i = figures->sampler_count; i-- > 0;) {
        struct sampler *sampler = figures->samplers[i];
        if (mono_ms - sampler->heard_ms >= figures->timeout_ms)
            remove_sampler(figures, i);
        else
            figure_list_prune(&sampler->shards[shard], mono_ms - EMPTY_KEPT_MS);
    }
    choose_followed(figures);
}

unsigned
live_figures_renewals(struct live_figures *figures, int64_t mono_ms, bool due[SHARD_COUNT])
{
    unsigned count = 0;
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        due[shard] = false;
        for (size_t i = 0; i < figures->sampler_count; i++) {
            struct sampler *sampler = figures->samplers[i];
            if (!sampler->wanted[shard] || !stream_renew(&sampler->stream, shard, mono_ms))
                continue;
            sampler->wanted[shard] = false;
            due[shard] = true;
        }
        count += due[shard];
    }
    return count;
}

bool
live_figures_live(const struct live_figures *figures)
{
    return figures->followed;
}

size_t
live_figures_samplers(const struct live_figures *figures)
{
    return figures->sampler_count;
}

size_t
live_figures_auctions(const struct live_figures *figures)
{
    size_t count = 0;
    for (unsigned i = 0; figures->followed && i < SHARD_COUNT; i++)
        count += figures->followed->shards[i].count;
    return count;
}

uint64_t
live_figures_count(const struct live_figures *figures, const char *auction)
{
    if (!figures->followed)
        return 0;
    const struct figure *figure =
        figure_list_find(&figures->followed->shards[auction_shard(auction)], auction);
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
    if (!figures->followed)
        return 0;
    const struct figure_list *shards = figures->followed->shards;
    for (unsigned i = 0; i < SHARD_COUNT; i++)
        heads[i] = figure_list_next(&shards[i], &places[i], after);
    for (; count < most; count++) {
        unsigned least = find_least(heads);
        if (least == SHARD_COUNT)
            break;
        strcpy(rows[count].auction, heads[least]->auction);
        rows[count].count = heads[least]->count;
        heads[least] = figure_list_next(&shards[least], &places[least], after);
    }
    return count;
}
