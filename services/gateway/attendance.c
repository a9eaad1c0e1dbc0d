/* In: joins, leaves, news from samplers. Out: everything that has to hear of them. */
#include <stdlib.h>

#include "clock.h"
#include "mem.h"

#include "attendance.h"
#include "gateway_metrics.h"

#define FORGET_TICK_MS 1000
#define FORGET_MAX 10000 /* auctions a tick */

struct attendance {
    struct attendance_parts parts;
    uv_timer_t forget;
};

static void
on_elsewhere_changed(void *arg, struct auction *auction)
{
    struct attendance *attendance = arg;
    broadcast_mark(attendance->parts.broadcast, auction);
}

static void
show_sizes(struct attendance *attendance)
{
    const struct attendance_parts *parts = &attendance->parts;
    metrics_set(parts->metrics, METRIC_VIEWERS, (int64_t)audience_viewers(parts->audience));
    metrics_set(parts->metrics, METRIC_AUCTIONS, (int64_t)audience_auctions(parts->audience));
}

static void
on_forget(uv_timer_t *timer)
{
    struct attendance *attendance = timer->data;
    const struct attendance_parts *parts = &attendance->parts;
    int64_t now_ms = clock_mono_ms();
    struct auction *auction;
    for (int i = 0; i < FORGET_MAX && (auction = audience_forgettable(parts->audience, now_ms));
         i++) {
        event_publish_forget(parts->publish, auction);
        audience_forget(parts->audience, auction);
    }
    show_sizes(attendance);
}

struct attendance *
attendance_new(uv_loop_t *loop, const struct attendance_parts *parts)
{
    struct attendance *attendance = mem_alloc(sizeof *attendance);
    attendance->parts = *parts;
    count_intake_set_changed(parts->intake, on_elsewhere_changed, attendance);
    uv_timer_init(loop, &attendance->forget);
    attendance->forget.data = attendance;
    uv_timer_start(&attendance->forget, on_forget, FORGET_TICK_MS, FORGET_TICK_MS);
    return attendance;
}

static void
on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void
attendance_destroy(struct attendance **attendance)
{
    if (!*attendance)
        return;
    uv_close((uv_handle_t *)&(*attendance)->forget, on_closed);
    *attendance = NULL;
}

struct auction *
attendance_join(struct attendance *attendance, const char *id, struct viewer *viewer)
{
    const struct attendance_parts *parts = &attendance->parts;
    struct auction *auction = audience_join(parts->audience, id, viewer);
    if (!auction)
        return NULL;
    event_publish_change(parts->publish, auction, CHANGE_JOIN);
    if (auction_viewers(auction) == 1) {
        count_intake_watch(parts->intake, auction);
        broadcast_begin(parts->broadcast, auction);
    } else {
        broadcast_mark(parts->broadcast, auction); /* whoever joins is told by the caller */
    }
    metrics_add(parts->metrics, METRIC_JOINS, 1);
    show_sizes(attendance);
    return auction;
}

void
attendance_leave(struct attendance *attendance, struct viewer *viewer)
{
    const struct attendance_parts *parts = &attendance->parts;
    struct auction *auction = audience_leave(parts->audience, viewer, clock_mono_ms());
    if (!auction)
        return;
    event_publish_change(parts->publish, auction, CHANGE_LEAVE);
    if (auction_viewers(auction)) {
        broadcast_mark(parts->broadcast, auction);
    } else {
        count_intake_unwatch(parts->intake, auction);
        broadcast_drop(parts->broadcast, auction);
    }
    metrics_add(parts->metrics, METRIC_LEAVES, 1);
    show_sizes(attendance);
}
