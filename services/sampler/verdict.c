/* In: snapshots by window, doubts, times. Out: snapshots, oldest window first. Pure; the
 * sampler's one thread. */
#include <stdlib.h>

#include "mem.h"
#include <utlist.h>

#include "verdict.h"

/* The snapshots of one window. */
struct batch {
    struct snapshot *rows;
    size_t count, room, next; /* next: to go out */
    int64_t ended_ms;         /* the window, monotonic */
    bool gathered;            /* all rows are here */
    bool sound;               /* all gateways were, since */
    bool doubted;
    struct batch *prev, *following;
};

struct verdict {
    struct verdict_options options;
    struct batch *batches; /* oldest first */
};

struct verdict *
verdict_new(const struct verdict_options *options)
{
    struct verdict *verdict = mem_alloc(sizeof *verdict);
    verdict->options = *options;
    return verdict;
}

static void
remove_batch(struct verdict *verdict, struct batch *batch)
{
    DL_DELETE2(verdict->batches, batch, prev, following);
    free(batch->rows);
    free(batch);
}

void
verdict_destroy(struct verdict **verdict)
{
    if (!*verdict)
        return;
    while ((*verdict)->batches)
        remove_batch(*verdict, (*verdict)->batches);
    free(*verdict);
    *verdict = NULL;
}

/* The one that gathers, or NULL. */
static struct batch *
newest(const struct verdict *verdict)
{
    struct batch *last = verdict->batches ? verdict->batches->prev : NULL;
    return last && !last->gathered ? last : NULL;
}

void
verdict_end(struct verdict *verdict)
{
    struct batch *batch = newest(verdict);
    if (batch)
        batch->gathered = true;
}

void
verdict_begin(struct verdict *verdict, int64_t mono_ms)
{
    verdict_end(verdict);
    struct batch *batch = mem_alloc(sizeof *batch);
    batch->ended_ms = mono_ms;
    DL_APPEND2(verdict->batches, batch, prev, following);
}

void
verdict_add(struct verdict *verdict, const struct snapshot *snapshot)
{
    struct batch *batch = newest(verdict);
    if (batch->count == batch->room) {
        batch->room = batch->room ? 2 * batch->room : 64;
        batch->rows = mem_resize(batch->rows, batch->room * sizeof *batch->rows);
    }
    batch->rows[batch->count++] = *snapshot;
}

void
verdict_doubt(struct verdict *verdict)
{
    struct batch *batch;
    DL_FOREACH2(verdict->batches, batch, following)
    batch->doubted |= !batch->sound;
}

bool
verdict_waits(const struct verdict *verdict, int64_t *since_ms)
{
    const struct batch *batch;
    DL_FOREACH2(verdict->batches, batch, following)
    {
        if (batch->sound || batch->doubted)
            continue;
        *since_ms = batch->ended_ms;
        return true;
    }
    return false;
}

void
verdict_sound(struct verdict *verdict, int64_t sound_ms)
{
    struct batch *batch;
    DL_FOREACH2(verdict->batches, batch, following)
    {
        if (batch->sound || batch->doubted)
            continue;
        batch->sound = sound_ms > batch->ended_ms;
        return;
    }
}

bool
verdict_release(struct verdict *verdict, size_t most, int64_t mono_ms)
{
    struct batch *batch = verdict->batches;
    if (!batch || !batch->gathered)
        return false;
    batch->doubted |= !batch->sound && mono_ms - batch->ended_ms > verdict->options.patience_ms;
    if (!batch->sound && !batch->doubted)
        return false;
    for (; most && batch->next < batch->count; most--) {
        struct snapshot *snapshot = &batch->rows[batch->next++];
        snapshot->complete &= !batch->doubted;
        verdict->options.emit(verdict->options.arg, snapshot);
    }
    if (batch->next < batch->count)
        return true;
    remove_batch(verdict, batch);
    verdict->options.closed(verdict->options.arg);
    return verdict->batches && verdict->batches->gathered;
}
