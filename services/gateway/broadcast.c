/* In: marks. Out: frames to viewers, a slice of an auction at a time. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mem.h"

#include "broadcast.h"
#include "container.h"
#include "gateway_metrics.h"

#define SLICE 500          /* viewers told in one go */
#define TURN_US 4000       /* after so long the loop gets to do other things */
#define NEWS_US 500000     /* that first viewers wait for a sampler's count at most */
#define NEWS_TICK_US 10000 /* how often it is looked whether news that is awaited came */

struct broadcast {
    uv_timer_t timer;
    int64_t armed_us; /* when it fires; INT64_MAX: not armed */
    struct pacing *pacing;
    struct metrics *metrics;
    broadcast_send_f *send;
    void *arg;
    const struct auction *framed; /* the one that frame is of */
    struct frame frame;
};

static int64_t
read_us(void)
{
    return (int64_t)(uv_hrtime() / 1000);
}

/* What this thread has worked. A telling in which the process was stopped, or others had the
 * processor, has cost no more for that. */
static int64_t
read_worked_us(void)
{
    struct timespec worked;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &worked);
    return worked.tv_sec * INT64_C(1000000) + worked.tv_nsec / 1000;
}

struct broadcast *
broadcast_new(uv_loop_t *loop, int64_t interval_ms, struct metrics *metrics)
{
    struct broadcast *broadcast = mem_alloc(sizeof *broadcast);
    broadcast->pacing = pacing_new(interval_ms * 1000);
    broadcast->metrics = metrics;
    broadcast->armed_us = INT64_MAX;
    uv_timer_init(loop, &broadcast->timer);
    broadcast->timer.data = broadcast;
    return broadcast;
}

void
broadcast_set_sender(struct broadcast *broadcast, broadcast_send_f *send, void *arg)
{
    broadcast->send = send;
    broadcast->arg = arg;
}

static void
on_closed(uv_handle_t *handle)
{
    struct broadcast *broadcast = handle->data;
    pacing_destroy(&broadcast->pacing);
    free(broadcast);
}

void
broadcast_destroy(struct broadcast **broadcast)
{
    if (!*broadcast)
        return;
    uv_close((uv_handle_t *)&(*broadcast)->timer, on_closed);
    *broadcast = NULL;
}

struct frame *
broadcast_frame(struct broadcast *broadcast, const struct auction *auction)
{
    struct frame *frame = &broadcast->frame;
    uint64_t count = auction_count(auction);
    if (broadcast->framed == auction && frame->count == count)
        return frame;
    unsigned char head[FRAME_HEAD_BYTES];
    size_t text = viewer_frame(auction->id, count, (char *)frame->room + FRAME_HEAD_BYTES);
    size_t head_bytes = frame_head(FRAME_TEXT, text, head);
    unsigned char *start = frame->room + FRAME_HEAD_BYTES - head_bytes;
    memcpy(start, head, head_bytes);
    frame->bytes = start;
    frame->length = head_bytes + text;
    frame->count = count;
    broadcast->framed = auction;
    return frame;
}

static void
tell_viewer(void *arg, struct viewer *viewer)
{
    struct broadcast *broadcast = arg;
    struct frame *frame = broadcast_frame(broadcast, viewer->auction);
    if (viewer->told != frame->count)
        broadcast->send(broadcast->arg, viewer, frame);
}

static bool
awaits_news(const struct auction *auction, int64_t now_us)
{
    return auction->follow.expected && !auction->follow.heard &&
           now_us < auction->news_until_us;
}

/* Tells a slice of an auction's viewers. Returns the time after it. */
static int64_t
tell_slice(struct broadcast *broadcast, struct pace *pace, int64_t start_us)
{
    struct auction *auction = container_of(pace, struct auction, pace);
    if (awaits_news(auction, start_us)) {
        pacing_hold(broadcast->pacing, pace, start_us + NEWS_TICK_US);
        return start_us;
    }
    int64_t before_us = read_worked_us();
    bool done = audience_sweep(auction, SLICE, tell_viewer, broadcast);
    int64_t cost_us = read_worked_us() - before_us, now_us = read_us();
    if (!pace->telling)
        return now_us; /* the last viewer left while it was told */
    if (!done) {
        pacing_pause(broadcast->pacing, pace, now_us, cost_us);
        return now_us;
    }
    metrics_add(broadcast->metrics, METRIC_TELLINGS, 1);
    pacing_finish(broadcast->pacing, pace, now_us, cost_us);
    return now_us;
}

static void arm(struct broadcast *broadcast, int64_t now_us);

static void
on_timer(uv_timer_t *timer)
{
    struct broadcast *broadcast = timer->data;
    int64_t now_us = read_us(), end_us = now_us + TURN_US;
    struct pace *pace;
    while (now_us < end_us && (pace = pacing_take(broadcast->pacing, now_us)))
        now_us = tell_slice(broadcast, pace, now_us);
    broadcast->armed_us = INT64_MAX;
    arm(broadcast, now_us);
}

static void
arm(struct broadcast *broadcast, int64_t now_us)
{
    int64_t wait_us = pacing_wait_us(broadcast->pacing, now_us);
    if (wait_us < 0 || now_us + wait_us >= broadcast->armed_us)
        return;
    broadcast->armed_us = now_us + wait_us;
    uv_timer_start(&broadcast->timer, on_timer, (uint64_t)(wait_us + 999) / 1000, 0);
}

void
broadcast_begin(struct broadcast *broadcast, struct auction *auction)
{
    int64_t now_us = read_us();
    auction->news_until_us = now_us + NEWS_US;
    if (!awaits_news(auction, now_us))
        return;
    pacing_hold(broadcast->pacing, &auction->pace, now_us + NEWS_TICK_US);
    arm(broadcast, now_us);
}

bool
broadcast_awaits_news(const struct auction *auction)
{
    return awaits_news(auction, read_us());
}

void
broadcast_mark(struct broadcast *broadcast, struct auction *auction)
{
    int64_t now_us = read_us();
    pacing_mark(broadcast->pacing, &auction->pace, now_us);
    arm(broadcast, now_us);
}

void
broadcast_drop(struct broadcast *broadcast, struct auction *auction)
{
    pacing_drop(broadcast->pacing, &auction->pace);
    auction->sweep = NULL;
    if (broadcast->framed == auction)
        broadcast->framed = NULL;
}
