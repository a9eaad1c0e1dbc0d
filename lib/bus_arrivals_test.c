/* Sockets that arrive: the oldest that is still in its handshake makes room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus_arrivals.h"

#define MOST 3
#define HANDSHAKE_MS 1000
#define PAIRS 6

static int ours[PAIRS], theirs[PAIRS];
static struct bus_arrivals *arrivals;

static int
start(void **state)
{
    (void)state;
    arrivals = bus_arrivals_new(MOST, HANDSHAKE_MS);
    for (int i = 0; i < PAIRS; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
            return -1;
        ours[i] = pair[0];
        theirs[i] = pair[1];
    }
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    bus_arrivals_destroy(&arrivals);
    bus_arrivals_destroy(&arrivals);
    for (int i = 0; i < PAIRS; i++) {
        close(ours[i]);
        close(theirs[i]);
    }
    return 0;
}

static void
expect_shut(int number, bool shut)
{
    char byte;
    ssize_t got = recv(theirs[number], &byte, 1, MSG_DONTWAIT);
    assert_int_equal(got, shut ? 0 : -1);
}

static void
the_oldest_makes_room(void **state)
{
    (void)state;
    for (int i = 0; i < MOST; i++)
        assert_int_equal(bus_arrivals_note(arrivals, ours[i], i), 0);
    assert_int_equal(bus_arrivals_note(arrivals, ours[MOST], MOST), 1);
    assert_int_equal(bus_arrivals_note(arrivals, ours[MOST + 1], MOST), 1);
    for (int i = 0; i < PAIRS; i++)
        expect_shut(i, i < 2);
}

static void
who_has_been_there_for_long_stays(void **state)
{
    (void)state;
    for (int i = 0; i < MOST; i++)
        bus_arrivals_note(arrivals, ours[i], 0);
    assert_int_equal(bus_arrivals_note(arrivals, ours[MOST], HANDSHAKE_MS), 0);
    expect_shut(0, false);
}

static void
who_has_a_descriptor_of_before_stays(void **state)
{
    (void)state;
    for (int i = 0; i < MOST; i++)
        bus_arrivals_note(arrivals, ours[i], 0);
    dup2(ours[PAIRS - 1], ours[0]); /* another socket has it now */
    assert_int_equal(bus_arrivals_note(arrivals, ours[MOST], 1), 0);
    expect_shut(PAIRS - 1, false);
    close(ours[1]);
    ours[1] = dup(ours[PAIRS - 1]);
    assert_int_equal(bus_arrivals_note(arrivals, -1, 1), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_oldest_makes_room, start, stop),
        cmocka_unit_test_setup_teardown(who_has_been_there_for_long_stays, start, stop),
        cmocka_unit_test_setup_teardown(who_has_a_descriptor_of_before_stays, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
