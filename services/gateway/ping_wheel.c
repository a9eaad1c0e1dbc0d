/* In: viewers, times, signs of life. Out: whom to ping, who is dead. A slot of the wheel is a
 * tick; whoever is due in a tick hangs in its slot. */
#include <assert.h>
#include <stdlib.h>

#include "mem.h"

#include "ping_wheel.h"

#define SLOTS 512
#define LEAP_MS 1000 /* the most that passes between two turns, whatever the clock says ... */
#define LEAP_SHARE 2 /* ... or half the time-out where that is less */

TAILQ_HEAD(ping_slot, ping);

struct ping_wheel {
    int64_t interval_ms;
    int64_t timeout_ms;
    int64_t tick_ms;
    int64_t leap_ms;
    int64_t seen_ms; /* the caller's clock at the last turn */
    int64_t now_ms;  /* the wheel's own time, from 0, without leaps */
    int64_t tick;    /* the one whose slot is being emptied */
    struct ping_slot slots[SLOTS];
};

struct ping_wheel *
ping_wheel_new(int64_t interval_ms, int64_t timeout_ms, int64_t now_ms)
{
    assert(interval_ms > 0 && timeout_ms > 0);
    struct ping_wheel *wheel = mem_alloc(sizeof *wheel);
    int64_t horizon_ms = interval_ms > timeout_ms ? interval_ms : timeout_ms;
    wheel->interval_ms = interval_ms;
    wheel->timeout_ms = timeout_ms;
    wheel->tick_ms = horizon_ms / (SLOTS - 2) + 1;
    wheel->leap_ms = timeout_ms / LEAP_SHARE < LEAP_MS ? timeout_ms / LEAP_SHARE : LEAP_MS;
    wheel->seen_ms = now_ms;
    for (int i = 0; i < SLOTS; i++)
        TAILQ_INIT(&wheel->slots[i]);
    return wheel;
}

void
ping_wheel_destroy(struct ping_wheel **wheel)
{
    free(*wheel);
    *wheel = NULL;
}

int64_t
ping_wheel_tick_ms(const struct ping_wheel *wheel)
{
    return wheel->tick_ms;
}

/* Hangs ping in the slot of the first tick at or after due_ms that is still to come. */
static void
hang(struct ping_wheel *wheel, struct ping *ping, int64_t due_ms)
{
    int64_t tick = (due_ms + wheel->tick_ms - 1) / wheel->tick_ms;
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    ping->slot = (uint16_t)(tick % SLOTS);
    TAILQ_INSERT_TAIL(&wheel->slots[ping->slot], ping, in_slot);
    ping->on_wheel = true;
}

void
ping_wheel_add(struct ping_wheel *wheel, struct ping *ping, uint32_t random)
{
    assert(!ping->on_wheel);
    int64_t half_ms = wheel->interval_ms / 2;
    ping->waiting = ping->heard = false;
    hang(wheel, ping, wheel->now_ms + half_ms + random % (half_ms + 1));
}

void
ping_wheel_remove(struct ping_wheel *wheel, struct ping *ping)
{
    if (!ping->on_wheel)
        return;
    TAILQ_REMOVE(&wheel->slots[ping->slot], ping, in_slot);
    ping->on_wheel = false;
}

/* What is due for a viewer just taken from its slot. */
static enum ping_action
decide(struct ping_wheel *wheel, struct ping *ping)
{
    if (!ping->waiting) {
        ping->waiting = true;
        ping->heard = false;
        ping->pinged_ms = wheel->tick * wheel->tick_ms; /* now_ms may be far ahead of it */
        hang(wheel, ping, ping->pinged_ms + wheel->timeout_ms);
        return PING_SEND;
    }
    if (!ping->heard)
        return PING_DEAD;
    ping->waiting = false;
    hang(wheel, ping, ping->pinged_ms + wheel->interval_ms);
    return PING_NOTHING;
}

enum ping_action
ping_wheel_turn(struct ping_wheel *wheel, int64_t now_ms, struct ping **ping)
{
    int64_t passed_ms = now_ms - wheel->seen_ms;
    wheel->now_ms += passed_ms < 0                ? 0
                     : passed_ms > wheel->leap_ms ? wheel->leap_ms
                                                  : passed_ms;
    wheel->seen_ms = now_ms;
    for (;;) {
        struct ping_slot *slot = &wheel->slots[wheel->tick % SLOTS];
        while ((*ping = TAILQ_FIRST(slot))) {
            ping_wheel_remove(wheel, *ping);
            enum ping_action action = decide(wheel, *ping);
            if (action != PING_NOTHING)
                return action;
        }
        if ((wheel->tick + 1) * wheel->tick_ms > wheel->now_ms)
            return PING_NOTHING;
        wheel->tick++;
    }
}
