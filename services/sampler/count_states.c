/* Two queues: those to be told now, and those told less than an interval ago, in the order in
 * which they may be told again. Pure; the sampler's one thread. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "table.h"
#include <utlist.h>

#include "auction.h"

#include "count_states.h"

struct asked {
    char auction[AUCTION_BYTES];
    bool ready;      /* in that queue; else in the other */
    bool again;      /* asked for since it was told */
    int64_t told_ms; /* not ready: when */
    struct asked *prev, *next;
    UT_hash_handle hh;
};

struct count_states {
    int64_t interval_ms;
    struct asked *all;
    struct asked *ready, *told;
    size_t again; /* how many of those told are asked for again */
};

struct count_states *
count_states_new(int64_t interval_ms)
{
    struct count_states *states = mem_alloc(sizeof *states);
    states->interval_ms = interval_ms;
    return states;
}

void
count_states_destroy(struct count_states **states)
{
    struct asked *asked, *next;
    if (!*states)
        return;
    HASH_ITER(hh, (*states)->all, asked, next)
    {
        HASH_DELETE(hh, (*states)->all, asked);
        free(asked);
    }
    free(*states);
    *states = NULL;
}

void
count_states_ask(struct count_states *states, const char *auction)
{
    struct asked *asked;
    size_t length = strlen(auction);
    HASH_FIND(hh, states->all, auction, length, asked);
    if (asked) {
        states->again += !asked->ready && !asked->again;
        asked->again = !asked->ready;
        return;
    }
    asked = mem_alloc(sizeof *asked);
    strcpy(asked->auction, auction);
    asked->ready = true;
    HASH_ADD(hh, states->all, auction, length, asked);
    DL_APPEND(states->ready, asked);
}

/* Those whose interval is over are to be told again, or forgotten. */
static void
wake(struct count_states *states, int64_t mono_ms)
{
    struct asked *asked;
    while ((asked = states->told) && mono_ms - asked->told_ms >= states->interval_ms) {
        DL_DELETE(states->told, asked);
        if (!asked->again) {
            HASH_DELETE(hh, states->all, asked);
            free(asked);
            continue;
        }
        states->again--;
        asked->again = false;
        asked->ready = true;
        DL_APPEND(states->ready, asked);
    }
}

const char *
count_states_next(struct count_states *states, int64_t mono_ms)
{
    wake(states, mono_ms);
    struct asked *asked = states->ready;
    if (!asked)
        return NULL;
    DL_DELETE(states->ready, asked);
    asked->ready = false;
    asked->told_ms = mono_ms;
    DL_APPEND(states->told, asked);
    return asked->auction;
}

int64_t
count_states_wait_ms(const struct count_states *states, int64_t mono_ms)
{
    if (states->ready)
        return 0;
    if (!states->again)
        return -1;
    int64_t wait_ms = states->told->told_ms + states->interval_ms - mono_ms;
    return wait_ms > 0 ? wait_ms : 0;
}
