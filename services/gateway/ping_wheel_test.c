/* The ping wheel: by hand, then viewers at random of whom some fall silent: each is pinged once
 * an interval, nobody who answers is dead, whoever does not is dead within interval and
 * time-out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "chance.h"
#include "container.h"
#include "mem.h"

#include "ping_wheel.h"

#define INTERVAL_MS 25000
#define TIMEOUT_MS 20000
#define VIEWERS 2000

/* Turns the wheel up to to_ms, where nothing is to be done on the way. */
static void
wait_until(struct ping_wheel *wheel, int64_t *now_ms, int64_t to_ms)
{
    struct ping *ping;
    for (; *now_ms < to_ms; ++*now_ms)
        assert_int_equal(ping_wheel_turn(wheel, *now_ms, &ping), PING_NOTHING);
}

static void
pings_and_finds_the_dead(void **state)
{
    (void)state;
    struct ping_wheel *wheel = ping_wheel_new(1000, 500, 0);
    struct ping alive = {0}, dead = {0}, *ping;
    int64_t now_ms = 0;
    ping_wheel_add(wheel, &alive, 0); /* in the middle of the interval */
    ping_wheel_add(wheel, &dead, 0);
    wait_until(wheel, &now_ms, 500);
    now_ms = 502;
    assert_int_equal(ping_wheel_turn(wheel, now_ms, &ping), PING_SEND);
    assert_ptr_equal(ping, &alive);
    assert_int_equal(ping_wheel_turn(wheel, now_ms, &ping), PING_SEND);
    ping_heard(&alive);
    wait_until(wheel, &now_ms, 1000);
    now_ms = 1002;
    assert_int_equal(ping_wheel_turn(wheel, now_ms, &ping), PING_DEAD);
    assert_ptr_equal(ping, &dead);
    assert_false(dead.on_wheel);
    wait_until(wheel, &now_ms, 1500);
    now_ms = 1502;
    assert_int_equal(ping_wheel_turn(wheel, now_ms, &ping), PING_SEND);
    assert_ptr_equal(ping, &alive);
    ping_wheel_remove(wheel, &alive);
    ping_wheel_remove(wheel, &alive);
    wait_until(wheel, &now_ms, 4000);
    ping_wheel_destroy(&wheel);
    assert_null(wheel);
}

/* A process that was stopped must not take its viewers for dead: their answers wait unread. */
static void
pause_kills_nobody(void **state)
{
    (void)state;
    struct ping_wheel *wheel = ping_wheel_new(INTERVAL_MS, TIMEOUT_MS, 0);
    struct ping viewer = {0}, *ping;
    int64_t now_ms = 0;
    ping_wheel_add(wheel, &viewer, 0);
    while (ping_wheel_turn(wheel, now_ms, &ping) != PING_SEND)
        now_ms += 50;
    now_ms += 600000;
    assert_int_equal(ping_wheel_turn(wheel, now_ms, &ping), PING_NOTHING);
    ping_heard(&viewer);
    for (int i = 0; i < 25000; i += 50)
        assert_int_not_equal(ping_wheel_turn(wheel, now_ms + i, &ping), PING_DEAD);
    ping_wheel_destroy(&wheel);
}

/* Turned late and in leaps, the wheel still keeps everybody's time. */
static void
late_turns_kill_nobody(void **state)
{
    (void)state;
    struct chance chance = {chance_seed("ping_wheel")};
    struct ping_wheel *wheel = ping_wheel_new(3000, 2500, 0);
    static struct ping viewers[500];
    for (int i = 0; i < 500; i++)
        ping_wheel_add(wheel, &viewers[i], (uint32_t)chance_below(&chance, UINT32_MAX));
    int pings = 0;
    int64_t now_ms = 0;
    for (; now_ms < 300000; now_ms += (int64_t)chance_below(&chance, 1000)) {
        enum ping_action action;
        struct ping *ping;
        while ((action = ping_wheel_turn(wheel, now_ms, &ping)) != PING_NOTHING) {
            assert_int_equal(action, PING_SEND);
            pings++;
        }
        for (int i = 0; i < 500; i++) /* the answers are read after the turn */
            ping_heard(&viewers[i]);
    }
    assert_in_range(pings, 500 * 97, 500 * 100);
    ping_wheel_destroy(&wheel);
}

struct peer {
    struct ping ping;
    int64_t since_ms;  /* joined, or pinged last */
    int64_t silent_ms; /* from when on it does not answer */
    int pings;
    bool dead;
};

static void
check_ping(struct peer *peer, int64_t now_ms, int64_t tick_ms)
{
    int64_t passed_ms = now_ms - peer->since_ms;
    int64_t least_ms = peer->pings ? INTERVAL_MS : INTERVAL_MS / 2;
    assert_in_range(passed_ms, least_ms - tick_ms, INTERVAL_MS + 2 * tick_ms);
    peer->since_ms = now_ms;
    peer->pings++;
    if (now_ms < peer->silent_ms)
        ping_heard(&peer->ping);
}

static void
check_death(struct peer *peer, int64_t now_ms, int64_t tick_ms)
{
    assert_true(now_ms >= peer->silent_ms);
    assert_true(now_ms - peer->silent_ms <= INTERVAL_MS + TIMEOUT_MS + 3 * tick_ms);
    peer->dead = true;
}

static void
finds_exactly_the_silent(void **state)
{
    (void)state;
    struct chance chance = {chance_seed("ping_wheel")};
    static struct peer peers[VIEWERS];
    struct ping_wheel *wheel = ping_wheel_new(INTERVAL_MS, TIMEOUT_MS, 0);
    int64_t tick_ms = ping_wheel_tick_ms(wheel), most = 0, now_ms = 0;
    for (int i = 0; i < VIEWERS; i++) {
        peers[i].silent_ms =
            chance_below(&chance, 2) ? INT64_MAX : (int64_t)chance_below(&chance, 200000);
        ping_wheel_add(wheel, &peers[i].ping, (uint32_t)chance_below(&chance, UINT32_MAX));
    }
    for (; now_ms < 300000; now_ms += 1 + (int64_t)chance_below(&chance, (uint64_t)tick_ms)) {
        enum ping_action action;
        struct ping *ping;
        int64_t pings = 0;
        while ((action = ping_wheel_turn(wheel, now_ms, &ping)) != PING_NOTHING) {
            struct peer *peer = container_of(ping, struct peer, ping);
            assert_false(peer->dead);
            if (action == PING_SEND)
                check_ping(peer, now_ms, tick_ms);
            else
                check_death(peer, now_ms, tick_ms);
            pings += action == PING_SEND;
        }
        most = pings > most ? pings : most;
    }
    for (int i = 0; i < VIEWERS; i++)
        assert_int_equal(peers[i].dead, peers[i].silent_ms != INT64_MAX);
    assert_true(most < VIEWERS / 20); /* spread, though all came at once */
    ping_wheel_destroy(&wheel);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pings_and_finds_the_dead),
        cmocka_unit_test(pause_kills_nobody),
        cmocka_unit_test(late_turns_kill_nobody),
        cmocka_unit_test(finds_exactly_the_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
