/* One minute of every auction: changes and time in, snapshots out. Pure: wall and monotonic
 * times are handed in; no socket, no clock, no log. One thread.
 *
 * A window is (T - window_ms, T], T a multiple of window_ms since 1970; it is sampled at every
 * multiple of sample_ms in it. Between two calls all counts stand still, so a sample costs the
 * same for one auction and for 100,000: it is only counted here, and an auction catches up
 * with the samples it missed when it next changes or when its window is closed.
 *
 * Only time that was observed counts. Where two calls lie more than window_slack_ms() apart
 * (a paused process) or the wall clock leapt ahead by more than that, the time between was not
 * observed: its samples are missing and coverageMs is short. Steps back within the slack hold
 * the clock until it has caught up; a greater one drops what the current window has gathered
 * and begins it again at the new time.
 *
 * An auction without viewers is forgotten when its window has been closed. */
#ifndef WINDOW_H
#define WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot.h"

#define WINDOW_COUNT_MAX 1000000000 /* greater figures are cut to this */

struct window_options {
    int64_t sample_ms;
    int64_t window_ms;        /* a multiple of sample_ms */
    void (*ended)(void *arg); /* a window has, and what is emitted from now on is its */
    void (*emit)(void *arg, const struct snapshot *snapshot); /* borrowed for the call */
    void *arg;
};

/* A moment on both clocks. */
struct moment {
    int64_t wall_ms;
    int64_t mono_ms;
};

struct window;

struct window *window_new(const struct window_options *options);
void window_destroy(struct window **window);

/* One sample interval, but 250 to 1,000 ms. */
int64_t window_slack_ms(const struct window *window);

/* Observation begins: what changed until now is the baseline. Once. */
void window_start(struct window *window, struct moment now);

/* Moves the clock: takes the samples that are due and closes windows that are over. Cheap, but
 * for what window_drain() had not done yet when the next window closes. */
void window_advance(struct window *window, struct moment now);

/* An auction's live count is count now, after joins and leaves. Advances the clock first. */
void window_change(struct window *window, const char *auction, uint64_t joins, uint64_t leaves,
                   uint64_t count, struct moment now);

/* Whether something may be missing from now on; a window in which that was ever so is not
 * complete. */
void window_trouble(struct window *window, bool troubled);

/* Closes the window that is open, as far as it got: its snapshots are not complete. */
void window_finish(struct window *window, struct moment now);

/* Emits snapshots of the window closed last, looking at no more than at_most auctions.
 * True while there are more to look at. */
bool window_drain(struct window *window, size_t at_most);

/* Milliseconds until window_advance() has the next sample to take, at least 1. */
int64_t window_wait_ms(const struct window *window, int64_t wall_ms);

uint64_t window_closed(const struct window *window);     /* windows closed so far */
size_t window_auctions(const struct window *window);     /* held now */
uint64_t window_samples(const struct window *window);    /* taken so far */
uint64_t window_unobserved(const struct window *window); /* ms that were not observed, so far */

#endif
