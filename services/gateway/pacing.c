/* In: marks, times, costs. Out: which auction to tell next. A binary heap of those that wait,
 * by due time. */
#include <assert.h>
#include <stdlib.h>

#include "mem.h"

#include "pacing.h"

#define AUCTION_SHARE 4 /* one auction's telling takes at most 1/4 of the time */
#define WHOLE_SHARE 2   /* all of them together at most 1/2 ... */
#define BURST_US 10000  /* ... of every this long */
#define ROOM_FIRST 64

struct pacing {
    int64_t interval_us;
    int64_t rest_us;    /* nothing is told before this: the fan-out had its share */
    struct pace **heap; /* [1 … count] */
    size_t count;
    size_t room;
};

struct pacing *
pacing_new(int64_t interval_us)
{
    assert(interval_us >= 0);
    struct pacing *pacing = mem_alloc(sizeof *pacing);
    pacing->interval_us = interval_us;
    pacing->rest_us = INT64_MIN;
    pacing->room = ROOM_FIRST;
    pacing->heap = mem_alloc(pacing->room * sizeof *pacing->heap);
    return pacing;
}

void
pacing_destroy(struct pacing **pacing)
{
    if (!*pacing)
        return;
    free((*pacing)->heap);
    free(*pacing);
    *pacing = NULL;
}

static void
put(struct pacing *pacing, size_t place, struct pace *pace)
{
    pacing->heap[place] = pace;
    pace->place = place;
}

static void
sift_up(struct pacing *pacing, size_t place, struct pace *pace)
{
    while (place > 1 && pacing->heap[place / 2]->due_us > pace->due_us) {
        put(pacing, place, pacing->heap[place / 2]);
        place /= 2;
    }
    put(pacing, place, pace);
}

static void
sift_down(struct pacing *pacing, size_t place, struct pace *pace)
{
    for (size_t child; (child = place * 2) <= pacing->count; place = child) {
        if (child < pacing->count &&
            pacing->heap[child + 1]->due_us < pacing->heap[child]->due_us)
            child++;
        if (pacing->heap[child]->due_us >= pace->due_us)
            break;
        put(pacing, place, pacing->heap[child]);
    }
    put(pacing, place, pace);
}

static void
insert(struct pacing *pacing, struct pace *pace, int64_t due_us)
{
    if (pacing->count + 1 == pacing->room) {
        pacing->room *= 2;
        pacing->heap = mem_resize(pacing->heap, pacing->room * sizeof *pacing->heap);
    }
    pace->due_us = due_us;
    sift_up(pacing, ++pacing->count, pace);
}

static void
withdraw(struct pacing *pacing, struct pace *pace)
{
    size_t place = pace->place;
    struct pace *last = pacing->heap[pacing->count--];
    pace->place = 0;
    if (last == pace)
        return;
    if (place > 1 && pacing->heap[place / 2]->due_us > last->due_us)
        sift_up(pacing, place, last);
    else
        sift_down(pacing, place, last);
}

static int64_t
later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void
pacing_mark(struct pacing *pacing, struct pace *pace, int64_t now_us)
{
    if (pace->telling)
        pace->changed = true;
    else if (!pace->place)
        insert(pacing, pace, later(now_us, pace->free_us));
}

struct pace *
pacing_take(struct pacing *pacing, int64_t now_us)
{
    if (!pacing->count || pacing->rest_us > now_us || pacing->heap[1]->due_us > now_us)
        return NULL;
    struct pace *pace = pacing->heap[1];
    withdraw(pacing, pace);
    if (!pace->telling) {
        pace->telling = true;
        pace->changed = false;
        pace->begun_us = now_us;
        pace->spent_us = 0;
    }
    return pace;
}

/* Notes what a part of a telling cost: a bucket that leaks with time. */
static void
spend(struct pacing *pacing, struct pace *pace, int64_t now_us, int64_t cost_us)
{
    assert(pace->telling && !pace->place && cost_us >= 0);
    pace->spent_us += cost_us;
    pacing->rest_us = later(pacing->rest_us, now_us - BURST_US) + cost_us * WHOLE_SHARE;
}

void
pacing_pause(struct pacing *pacing, struct pace *pace, int64_t now_us, int64_t cost_us)
{
    spend(pacing, pace, now_us, cost_us);
    insert(pacing, pace, now_us);
}

void
pacing_finish(struct pacing *pacing, struct pace *pace, int64_t now_us, int64_t cost_us)
{
    spend(pacing, pace, now_us, cost_us);
    pace->telling = false;
    pace->free_us = pace->begun_us + later(pacing->interval_us, pace->spent_us * AUCTION_SHARE);
    if (pace->changed)
        insert(pacing, pace, later(now_us, pace->free_us));
}

void
pacing_hold(struct pacing *pacing, struct pace *pace, int64_t until_us)
{
    assert(!pace->place);
    pace->telling = pace->changed = false;
    insert(pacing, pace, until_us);
}

void
pacing_drop(struct pacing *pacing, struct pace *pace)
{
    if (pace->place)
        withdraw(pacing, pace);
    pace->telling = pace->changed = false;
}

int64_t
pacing_wait_us(const struct pacing *pacing, int64_t now_us)
{
    if (!pacing->count)
        return -1;
    int64_t at = later(pacing->heap[1]->due_us, pacing->rest_us);
    return at > now_us ? at - now_us : 0;
}

size_t
pacing_waiting(const struct pacing *pacing)
{
    return pacing->count;
}
