/* Three queues, each in the order in which its auctions fall due, so that every step costs the
 * same however many auctions there are. Pure; the sampler's one thread. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "table.h"
#include <utlist.h>

#include "auction.h"

#include "count_pacing.h"

enum place {
    READY,   /* may be sent now */
    COOLING, /* was sent less than an interval ago */
    IDLE,    /* was sent earlier, waits for a change or its repeat */
    PLACES
};

struct paced {
    char auction[AUCTION_BYTES];
    uint64_t count;
    int64_t sent_ms;
    bool changed; /* since it was sent */
    int zeros;    /* sent in a row */
    enum place place;
    struct paced *prev, *next; /* of the same place */
    UT_hash_handle hh;
};

struct count_pacing {
    int64_t interval_ms;
    struct paced *all;
    struct paced *queues[PLACES]; /* COOLING and IDLE by sent_ms */
    struct paced *spent;          /* sent for the last time: freed at the next call */
};

struct count_pacing *
count_pacing_new(int64_t interval_ms)
{
    struct count_pacing *pacing = mem_alloc(sizeof *pacing);
    pacing->interval_ms = interval_ms;
    return pacing;
}

static void
free_spent(struct count_pacing *pacing)
{
    free(pacing->spent);
    pacing->spent = NULL;
}

void
count_pacing_destroy(struct count_pacing **pacing)
{
    if (!*pacing)
        return;
    struct paced *paced, *next;
    HASH_ITER(hh, (*pacing)->all, paced, next)
    {
        HASH_DELETE(hh, (*pacing)->all, paced);
        free(paced);
    }
    free_spent(*pacing);
    free(*pacing);
    *pacing = NULL;
}

static void
move(struct count_pacing *pacing, struct paced *paced, enum place place)
{
    DL_DELETE(pacing->queues[paced->place], paced);
    paced->place = place;
    DL_APPEND(pacing->queues[place], paced);
}

static struct paced *
add(struct count_pacing *pacing, const char *auction)
{
    struct paced *paced = mem_alloc(sizeof *paced);
    strcpy(paced->auction, auction);
    paced->place = READY;
    HASH_ADD_STR(pacing->all, auction, paced);
    DL_APPEND(pacing->queues[READY], paced);
    return paced;
}

void
count_pacing_change(struct count_pacing *pacing, const char *auction, uint64_t count)
{
    free_spent(pacing);
    struct paced *paced;
    HASH_FIND_STR(pacing->all, auction, paced);
    if (!paced)
        paced = add(pacing, auction);
    paced->count = count;
    paced->changed = true;
    paced->zeros = 0;
    if (paced->place == IDLE)
        move(pacing, paced, READY);
}

/* Lets what has cooled go on: what changed meanwhile may be sent, the rest rests. */
static void
cool(struct count_pacing *pacing, int64_t mono_ms)
{
    struct paced *paced;
    while ((paced = pacing->queues[COOLING]) && mono_ms - paced->sent_ms >= pacing->interval_ms)
        move(pacing, paced, paced->changed ? READY : IDLE);
}

static void
forget(struct count_pacing *pacing, struct paced *paced)
{
    DL_DELETE(pacing->queues[paced->place], paced);
    HASH_DELETE(hh, pacing->all, paced);
    pacing->spent = paced;
}

const char *
count_pacing_next(struct count_pacing *pacing, int64_t mono_ms, uint64_t *count)
{
    free_spent(pacing);
    cool(pacing, mono_ms);
    struct paced *paced = pacing->queues[READY];
    struct paced *oldest = pacing->queues[IDLE];
    if (!paced && oldest && mono_ms - oldest->sent_ms >= COUNT_REPEAT_MS)
        paced = oldest;
    if (!paced)
        return NULL;
    *count = paced->count;
    paced->sent_ms = mono_ms;
    paced->changed = false;
    paced->zeros = paced->count ? 0 : paced->zeros + 1;
    if (paced->zeros > COUNT_ZEROS)
        forget(pacing, paced);
    else
        move(pacing, paced, COOLING);
    return paced->auction;
}

int64_t
count_pacing_wait_ms(const struct count_pacing *pacing, int64_t mono_ms)
{
    if (pacing->queues[READY])
        return 0;
    int64_t wait_ms = -1;
    const struct paced *cooling = pacing->queues[COOLING], *idle = pacing->queues[IDLE];
    if (idle)
        wait_ms = idle->sent_ms + COUNT_REPEAT_MS - mono_ms;
    if (cooling) {
        int64_t cooled_ms = cooling->sent_ms + pacing->interval_ms - mono_ms;
        wait_ms = wait_ms < 0 || cooled_ms < wait_ms ? cooled_ms : wait_ms;
    }
    return (cooling || idle) && wait_ms < 0 ? 0 : wait_ms;
}

size_t
count_pacing_auctions(const struct count_pacing *pacing)
{
    return HASH_COUNT(pacing->all);
}
