/* When an auction's viewers may be told a new count: the first change at once, after that at
 * most every interval, longer when telling is costly, so that one auction takes at most a
 * quarter of a core and all of them together at most half of one. Nothing is queued but the
 * auctions themselves, each at most once.
 *
 * Pure: it is handed times (microseconds of any monotonic clock) and what telling cost. Owned
 * by the broadcast; one thread. A telling may take several turns:
 *
 *          mark              take                finish, nothing new
 *   QUIET ──────▶ WAITING ──────────▶ TELLING ─────────────────────▶ QUIET
 *                    ▲                   │ pause; or finish after a mark
 *                    └───────────────────┘
 *
 * A hold makes it WAITING from any of them, for as long as it says. */
#ifndef PACING_H
#define PACING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An auction's place in the order; part of the auction, zeroed to begin with. */
struct pace {
    int64_t due_us;   /* WAITING: not before this */
    int64_t free_us;  /* no new telling begins before this */
    int64_t begun_us; /* of the telling under way */
    int64_t spent_us; /* on the telling under way */
    size_t place;     /* in the heap, from 1; 0: not WAITING */
    bool telling;     /* begun and not finished */
    bool changed;     /* marked since it began */
};

struct pacing;

struct pacing *pacing_new(int64_t interval_us);
void pacing_destroy(struct pacing **pacing);

/* The auction's count changed. */
void pacing_mark(struct pacing *pacing, struct pace *pace, int64_t now_us);

/* The next auction to tell, or to go on telling; NULL: none yet. The caller tells all or some
 * of its viewers and then calls pause (there are more) or finish, with what it cost. */
struct pace *pacing_take(struct pacing *pacing, int64_t now_us);
void pacing_pause(struct pacing *pacing, struct pace *pace, int64_t now_us, int64_t cost_us);
void pacing_finish(struct pacing *pacing, struct pace *pace, int64_t now_us, int64_t cost_us);

/* The auction is told then, not before and not as soon as it is marked: QUIET, or taken and
 * nobody told yet. */
void pacing_hold(struct pacing *pacing, struct pace *pace, int64_t until_us);

/* Nobody is there to be told any more. */
void pacing_drop(struct pacing *pacing, struct pace *pace);

/* How long until pacing_take() gives one, at least 0; -1: nothing waits. */
int64_t pacing_wait_us(const struct pacing *pacing, int64_t now_us);

size_t pacing_waiting(const struct pacing *pacing);

#endif
