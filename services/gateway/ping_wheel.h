/* Who is to be pinged and who is dead: every viewer is pinged once an interval (the first time
 * somewhere in its second half, so that those who came together are spread) and is dead when
 * nothing was heard of it within the time-out. A timing wheel: no sorting, no timer a viewer.
 *
 * Pure: handed times in milliseconds of any monotonic clock. Time during which the wheel was
 * not turned (a paused process) does not count against the viewers. One thread. */
#ifndef PING_WHEEL_H
#define PING_WHEEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* A viewer's place on the wheel; part of the viewer, zeroed to begin with. */
struct ping {
    TAILQ_ENTRY(ping) in_slot;
    int64_t pinged_ms; /* the wheel's time of the last ping */
    uint16_t slot;
    bool on_wheel;
    bool waiting; /* pinged, and not yet asked whether anything was heard */
    bool heard;   /* since the last ping */
};

struct ping_wheel;

struct ping_wheel *ping_wheel_new(int64_t interval_ms, int64_t timeout_ms, int64_t now_ms);
void ping_wheel_destroy(struct ping_wheel **wheel);

/* How often to turn the wheel. */
int64_t ping_wheel_tick_ms(const struct ping_wheel *wheel);

/* random spreads the first ping: any number. */
void ping_wheel_add(struct ping_wheel *wheel, struct ping *ping, uint32_t random);
void ping_wheel_remove(struct ping_wheel *wheel, struct ping *ping);

/* Anything came from the viewer. */
static inline void
ping_heard(struct ping *ping)
{
    ping->heard = true;
}

enum ping_action {
    PING_NOTHING, /* all is done for now */
    PING_SEND,    /* ping it */
    PING_DEAD     /* it did not answer; it is off the wheel */
};

/* Turns the wheel to now and gives the next thing to do. Call until PING_NOTHING. */
enum ping_action ping_wheel_turn(struct ping_wheel *wheel, int64_t now_ms, struct ping **ping);

#endif
