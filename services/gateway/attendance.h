/* What follows from a viewer's coming and going: counters, events on the bus, the subscription
 * to the sampler's count, the telling of the others. Lives in the loop; one thread. */
#ifndef ATTENDANCE_H
#define ATTENDANCE_H

#include <uv.h>

#include "audience.h"
#include "broadcast.h"
#include "count_intake.h"
#include "event_publish.h"

struct attendance;

/* All are borrowed and must outlive it. */
struct attendance_parts {
    struct audience *audience;
    struct broadcast *broadcast;
    struct event_publish *publish;
    struct count_intake *intake;
    struct metrics *metrics;
};

struct attendance *attendance_new(uv_loop_t *loop, const struct attendance_parts *parts);
void attendance_destroy(struct attendance **attendance);

/* The viewer joins the auction named id (a valid one). NULL: too many auctions. */
struct auction *attendance_join(struct attendance *attendance, const char *id,
                                struct viewer *viewer);

/* It leaves; a repeat does nothing. */
void attendance_leave(struct attendance *attendance, struct viewer *viewer);

#endif
