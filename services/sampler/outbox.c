/* In: rows and acknowledgements; out: batches when their time has come. Pure; the sampler's one
 * thread. Batches stand in a list, oldest first; only the first OUTBOX_SENT_MAX are looked at.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include <utlist.h>

#include "outbox.h"

struct batch {
    uint64_t id;
    struct snapshot *rows; /* owned */
    size_t row_count;
    bool sent;      /* and its acknowledgement is awaited */
    int attempts;   /* so far */
    int64_t due_ms; /* sent: when that is given up; else when it is to be sent */
    struct batch *prev, *next;
};

struct outbox {
    struct outbox_options options;
    struct batch *batches; /* closed, oldest first */
    struct batch *open;    /* gathers rows, or NULL */
    struct batch *gone;    /* answered for good: freed at the next call */
    size_t batch_count, rows;
    uint64_t dropped;
    uint64_t random;
};

struct outbox *
outbox_new(const struct outbox_options *options)
{
    assert(options->rows_max >= BATCH_ROWS_MAX && options->retry_ms > 0 &&
           options->retry_max_ms >= options->retry_ms);
    struct outbox *outbox = mem_alloc(sizeof *outbox);
    outbox->options = *options;
    outbox->random = options->seed | 1;
    return outbox;
}

static void
free_batch(struct batch *batch)
{
    if (!batch)
        return;
    free(batch->rows);
    free(batch);
}

static void
free_gone(struct outbox *outbox)
{
    free_batch(outbox->gone);
    outbox->gone = NULL;
}

void
outbox_destroy(struct outbox **outbox)
{
    if (!*outbox)
        return;
    struct batch *batch, *next;
    DL_FOREACH_SAFE((*outbox)->batches, batch, next)
    free_batch(batch);
    free_batch((*outbox)->open);
    free_gone(*outbox);
    free(*outbox);
    *outbox = NULL;
}

/* xorshift64: what is left of ms is between a half and the whole. */
static int64_t
jitter(struct outbox *outbox, int64_t ms)
{
    outbox->random ^= outbox->random << 13;
    outbox->random ^= outbox->random >> 7;
    outbox->random ^= outbox->random << 17;
    return ms - (int64_t)(outbox->random % (uint64_t)(ms / 2 + 1));
}

static void
take_out(struct outbox *outbox, struct batch *batch)
{
    DL_DELETE(outbox->batches, batch);
    outbox->batch_count--;
    outbox->rows -= batch->row_count;
}

static void
make_room(struct outbox *outbox)
{
    if (outbox->rows < outbox->options.rows_max)
        return;
    struct batch *oldest = outbox->batches;
    assert(oldest);
    const struct outbox_options *options = &outbox->options;
    if (!options->evicted || !options->evicted(options->arg, oldest->id))
        outbox->dropped += oldest->row_count;
    take_out(outbox, oldest);
    free_batch(oldest);
}

void
outbox_add(struct outbox *outbox, const struct snapshot *row)
{
    free_gone(outbox);
    make_room(outbox);
    struct batch *open = outbox->open;
    if (!open) {
        open = outbox->open = mem_alloc(sizeof *open);
        open->rows = mem_alloc(BATCH_ROWS_MAX * sizeof *open->rows);
    }
    open->rows[open->row_count++] = *row;
    outbox->rows++;
    if (open->row_count == BATCH_ROWS_MAX)
        outbox_seal(outbox);
}

static struct outbox_batch
show(const struct batch *batch)
{
    return (struct outbox_batch){batch->id, batch->rows, batch->row_count, batch->attempts};
}

static void
enqueue(struct outbox *outbox, struct batch *batch)
{
    batch->id = outbox->options.first_id++;
    DL_APPEND(outbox->batches, batch);
    outbox->batch_count++;
}

void
outbox_seal(struct outbox *outbox)
{
    free_gone(outbox);
    struct batch *open = outbox->open;
    if (!open)
        return;
    outbox->open = NULL;
    open->rows = mem_resize(open->rows, open->row_count * sizeof *open->rows);
    enqueue(outbox, open);
    struct outbox_batch shown = show(open);
    if (outbox->options.closed)
        outbox->options.closed(outbox->options.arg, &shown);
}

uint64_t
outbox_restore(struct outbox *outbox, struct snapshot *rows, size_t count)
{
    struct batch *batch = mem_alloc(sizeof *batch);
    batch->rows = rows;
    batch->row_count = count;
    outbox->rows += count;
    enqueue(outbox, batch);
    return batch->id;
}

/* How long the attempts so far make the next wait. */
static int64_t
backoff_ms(struct outbox *outbox, int attempts)
{
    int64_t ms = outbox->options.retry_ms;
    int64_t most_ms = outbox->options.retry_max_ms;
    while (attempts-- > 1 && ms < most_ms)
        ms *= 2;
    return ms < most_ms ? ms : most_ms;
}

/* The next of the batches that may be under way; start with NULL and *left OUTBOX_SENT_MAX. */
static struct batch *
walk(const struct outbox *outbox, const struct batch *batch, int *left)
{
    if (!(*left)--)
        return NULL;
    return batch ? batch->next : outbox->batches;
}

bool
outbox_next(struct outbox *outbox, int64_t mono_ms, struct outbox_batch *batch)
{
    free_gone(outbox);
    int left = OUTBOX_SENT_MAX;
    struct batch *each = NULL;
    while ((each = walk(outbox, each, &left))) {
        if (mono_ms < each->due_ms)
            continue;
        each->sent = true;
        each->attempts++;
        int64_t wait_ms = backoff_ms(outbox, each->attempts);
        each->due_ms = mono_ms + (each->attempts > 1 ? jitter(outbox, wait_ms) : wait_ms);
        *batch = show(each);
        return true;
    }
    return false;
}

static struct batch *
find_sent(const struct outbox *outbox, uint64_t id)
{
    int left = OUTBOX_SENT_MAX;
    struct batch *batch = NULL;
    while ((batch = walk(outbox, batch, &left)) && batch->id != id)
        ;
    return batch && batch->attempts ? batch : NULL;
}

void
outbox_unsent(struct outbox *outbox, uint64_t id, int64_t mono_ms)
{
    struct batch *batch = find_sent(outbox, id);
    if (!batch)
        return;
    batch->sent = false;
    batch->attempts--;
    batch->due_ms = mono_ms + OUTBOX_UNSENT_MS;
}

void
outbox_hurry(struct outbox *outbox)
{
    int left = OUTBOX_SENT_MAX;
    struct batch *batch = NULL;
    while ((batch = walk(outbox, batch, &left))) {
        if (!batch->sent)
            batch->due_ms = 0;
    }
}

static void
put_off(struct outbox *outbox, struct batch *batch, enum ack_code code, int64_t mono_ms)
{
    batch->sent = false;
    int64_t ms =
        code == ACK_UNAVAILABLE ? backoff_ms(outbox, batch->attempts) : OUTBOX_REFUSED_MS;
    batch->due_ms = mono_ms + jitter(outbox, ms);
}

enum outbox_verdict
outbox_answer(struct outbox *outbox, uint64_t id, enum ack_code code, int64_t mono_ms,
              struct outbox_batch *batch)
{
    free_gone(outbox);
    struct batch *found = find_sent(outbox, id);
    if (!found)
        return OUTBOX_UNKNOWN;
    if (code != ACK_OK && code != ACK_INVALID) {
        put_off(outbox, found, code, mono_ms);
        return OUTBOX_LATER;
    }
    take_out(outbox, found);
    outbox->gone = found;
    *batch = show(found);
    if (code != ACK_OK)
        return OUTBOX_INVALID;
    outbox_hurry(outbox); /* the store works again */
    return OUTBOX_DONE;
}

int64_t
outbox_wait_ms(const struct outbox *outbox, int64_t mono_ms)
{
    int64_t wait_ms = -1;
    int left = OUTBOX_SENT_MAX;
    const struct batch *batch = NULL;
    while ((batch = walk(outbox, batch, &left))) {
        int64_t due_ms = batch->due_ms - mono_ms;
        if (due_ms <= 0)
            return 0;
        wait_ms = wait_ms < 0 || due_ms < wait_ms ? due_ms : wait_ms;
    }
    return wait_ms;
}

uint64_t
outbox_next_id(const struct outbox *outbox)
{
    return outbox->options.first_id;
}

size_t
outbox_rows(const struct outbox *outbox)
{
    return outbox->rows;
}

size_t
outbox_batches(const struct outbox *outbox)
{
    return outbox->batch_count + (outbox->open ? 1 : 0);
}

uint64_t
outbox_dropped(const struct outbox *outbox)
{
    return outbox->dropped;
}
