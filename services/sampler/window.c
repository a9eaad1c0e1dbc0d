/* In: changes of live counts and moments; out: snapshots. Pure; the sampler's one thread.
 *
 *     current frame ──close──▶ closed frame ──drain──▶ a snapshot per auction
 *
 * A frame holds what all auctions share (which samples were taken, how much was observed), a
 * record what one auction has of the frame it was last settled in. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "table.h"

#include "window.h"

#define SLACK_MIN_MS 250 /* a busy machine's hiccup */
#define SLACK_MAX_MS 1000

struct frame {
    uint64_t number;     /* of frames begun */
    int64_t end_ms;      /* wall time T */
    int64_t samples;     /* taken */
    int64_t observed_ms; /* so far */
    bool troubled;       /* ever */
};

struct record {
    char auction[AUCTION_BYTES];
    uint64_t frame;                /* the number of the frame that the figures belong to */
    int64_t count;                 /* now */
    int64_t seen_samples, seen_ms; /* how far of the frame is in the figures */
    int64_t samples, sum, min, max, last;
    int64_t exact_min, exact_max, joins, leaves;
    double area; /* viewers times observed ms */
    UT_hash_handle hh;
};

struct window {
    struct window_options options;
    struct frame current, closed;
    bool started;
    bool troubled;      /* now */
    struct moment last; /* the last call's, its wall time held where it stepped back */
    struct record *records;
    struct record *cursor; /* the next record to drain, NULL: none */
    uint64_t total_samples, total_closed, unobserved_ms;
};

struct window *
window_new(const struct window_options *options)
{
    assert(options->sample_ms > 0 && options->window_ms % options->sample_ms == 0);
    struct window *window = mem_alloc(sizeof *window);
    window->options = *options;
    return window;
}

void
window_destroy(struct window **window)
{
    if (!*window)
        return;
    struct record *record, *next;
    HASH_ITER(hh, (*window)->records, record, next)
    {
        HASH_DELETE(hh, (*window)->records, record);
        free(record);
    }
    free(*window);
    *window = NULL;
}

/* The first multiple of step after wall_ms. */
static int64_t
next_multiple(int64_t wall_ms, int64_t step_ms)
{
    return wall_ms - wall_ms % step_ms + step_ms;
}

static int64_t
least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t
most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t
window_slack_ms(const struct window *window)
{
    return most(SLACK_MIN_MS, least(window->options.sample_ms, SLACK_MAX_MS));
}

static int64_t
cut(uint64_t figure)
{
    return figure > WINDOW_COUNT_MAX ? WINDOW_COUNT_MAX : (int64_t)figure;
}

/* Brings the record's figures up to what its frame has now; its count stood still. */
static void
catch_up(struct record *record, const struct frame *frame)
{
    int64_t samples = frame->samples - record->seen_samples;
    if (samples) {
        record->min = record->samples ? least(record->min, record->count) : record->count;
        record->max = record->samples ? most(record->max, record->count) : record->count;
        record->samples += samples;
        record->sum += samples * record->count;
        record->last = record->count;
        record->seen_samples = frame->samples;
    }
    record->area += (double)record->count * (double)(frame->observed_ms - record->seen_ms);
    record->seen_ms = frame->observed_ms;
}

static double
round_within(double value, int64_t min, int64_t max)
{
    double rounded = round(value * 100) / 100;
    return fmin(fmax(rounded, (double)min), (double)max);
}

static void
emit_record(struct window *window, const struct record *record, const struct frame *frame)
{
    if (!record->samples || !record->exact_max)
        return;
    struct snapshot snapshot = {
        .timestamp_ms = frame->end_ms,
        .viewer_count = record->last,
        .avg_viewers = round_within((double)record->sum / (double)record->samples, record->min,
                                    record->max),
        .peak_viewers = record->max,
        .min_viewers = record->min,
        .sample_count = record->samples,
        .exact = true,
        .exact_peak = record->exact_max,
        .exact_min = record->exact_min,
        .exact_avg = round_within(frame->observed_ms ? record->area / (double)frame->observed_ms
                                                     : (double)record->last,
                                  record->exact_min, record->exact_max),
        .joins = record->joins,
        .leaves = record->leaves,
        .coverage_ms = frame->observed_ms,
        .complete = !frame->troubled && frame->observed_ms == window->options.window_ms,
    };
    strcpy(snapshot.auction, record->auction);
    window->options.emit(window->options.arg, &snapshot);
}

/* Begins the record's figures anew in the current frame, which so far had nothing of it. */
static void
renew_record(const struct window *window, struct record *record)
{
    int64_t count = record->count;
    record->frame = window->current.number;
    record->seen_samples = record->seen_ms = 0;
    record->samples = record->sum = record->min = record->max = record->last = 0;
    record->exact_min = record->exact_max = count;
    record->joins = record->leaves = 0;
    record->area = 0;
}

/* Makes the record belong to the current frame, emitting what it has of the closed one. */
static void
settle_record(struct window *window, struct record *record)
{
    if (record->frame == window->current.number)
        return;
    if (window->closed.number && record->frame == window->closed.number) {
        catch_up(record, &window->closed);
        emit_record(window, record, &window->closed);
    }
    renew_record(window, record);
}

bool
window_drain(struct window *window, size_t at_most)
{
    while (window->cursor && at_most--) {
        struct record *record = window->cursor;
        window->cursor = record->hh.next;
        bool fresh = record->frame == window->current.number;
        settle_record(window, record);
        if (fresh || record->count)
            continue;
        HASH_DELETE(hh, window->records, record);
        free(record);
    }
    return window->cursor;
}

/* Begins the frame that holds what comes after wall_ms. */
static void
begin_frame(struct window *window, int64_t wall_ms)
{
    uint64_t number = window->current.number + 1;
    window->current = (struct frame){.number = number, .troubled = window->troubled};
    window->current.end_ms = next_multiple(wall_ms, window->options.window_ms);
}

/* The frame is over and the one after wall_ms begins: the records of this one are drained from
 * now on, those of the one before at once. */
static void
close_frame(struct window *window, int64_t wall_ms)
{
    while (window_drain(window, SIZE_MAX))
        ;
    window->closed = window->current;
    window->total_closed++;
    if (window->options.ended)
        window->options.ended(window->options.arg);
    window->cursor = window->records;
    begin_frame(window, wall_ms);
}

/* What the current window has gathered is void; it begins again at wall_ms. */
static void
restart_frame(struct window *window, int64_t wall_ms)
{
    while (window_drain(window, SIZE_MAX))
        ;
    window->closed = (struct frame){0};
    begin_frame(window, wall_ms);
    window->cursor = window->records;
}

static void
take_sample(struct window *window)
{
    window->current.samples++;
    window->total_samples++;
}

/* Moves over time in which nothing changed, from the last moment to wall_ms. */
static void
observe(struct window *window, int64_t wall_ms)
{
    int64_t at_ms = window->last.wall_ms;
    while (at_ms < wall_ms) {
        int64_t slot_ms = next_multiple(at_ms, window->options.sample_ms);
        int64_t to_ms = least(slot_ms, wall_ms);
        window->current.observed_ms += to_ms - at_ms;
        at_ms = to_ms;
        if (at_ms == slot_ms)
            take_sample(window);
        if (at_ms == window->current.end_ms)
            close_frame(window, at_ms);
    }
}

/* Goes on at wall_ms, having seen nothing since the last moment. */
static void
skip(struct window *window, int64_t wall_ms)
{
    window->unobserved_ms += (uint64_t)(wall_ms - window->last.wall_ms);
    if (wall_ms >= window->current.end_ms)
        close_frame(window, wall_ms);
}

void
window_start(struct window *window, struct moment now)
{
    assert(!window->started);
    window->started = true;
    window->last = now;
    restart_frame(window, now.wall_ms);
}

void
window_advance(struct window *window, struct moment now)
{
    if (!window->started)
        return;
    int64_t slack_ms = window_slack_ms(window);
    int64_t passed_ms = now.mono_ms - window->last.mono_ms;
    int64_t moved_ms = now.wall_ms - window->last.wall_ms;
    if (moved_ms < -slack_ms) {
        restart_frame(window, now.wall_ms);
    } else if (moved_ms < 0) {
        now.wall_ms = window->last.wall_ms;
    } else if (passed_ms > slack_ms || moved_ms > passed_ms + slack_ms) {
        skip(window, now.wall_ms);
    } else {
        observe(window, now.wall_ms);
    }
    window->last = now;
}

void
window_finish(struct window *window, struct moment now)
{
    window_advance(window, now);
    if (!window->started || !window->current.samples)
        return;
    window->current.troubled = true;
    close_frame(window, window->last.wall_ms);
}

static struct record *
find_record(struct window *window, const char *auction)
{
    struct record *record;
    size_t length = strlen(auction);
    HASH_FIND(hh, window->records, auction, length, record);
    if (record)
        return record;
    record = mem_alloc(sizeof *record);
    strcpy(record->auction, auction);
    renew_record(window, record);
    HASH_ADD(hh, window->records, auction, length, record);
    return record;
}

void
window_change(struct window *window, const char *auction, uint64_t joins, uint64_t leaves,
              uint64_t count, struct moment now)
{
    window_advance(window, now);
    struct record *record = find_record(window, auction);
    settle_record(window, record);
    catch_up(record, &window->current);
    record->count = cut(count);
    record->exact_min = least(record->exact_min, record->count);
    record->exact_max = most(record->exact_max, record->count);
    record->joins = cut((uint64_t)record->joins + joins);
    record->leaves = cut((uint64_t)record->leaves + leaves);
}

void
window_trouble(struct window *window, bool troubled)
{
    window->troubled = troubled;
    window->current.troubled |= troubled;
}

int64_t
window_wait_ms(const struct window *window, int64_t wall_ms)
{
    return next_multiple(wall_ms, window->options.sample_ms) - wall_ms;
}

uint64_t
window_closed(const struct window *window)
{
    return window->total_closed;
}

size_t
window_auctions(const struct window *window)
{
    return HASH_COUNT(window->records);
}

uint64_t
window_samples(const struct window *window)
{
    return window->total_samples;
}

uint64_t
window_unobserved(const struct window *window)
{
    return window->unobserved_ms;
}
