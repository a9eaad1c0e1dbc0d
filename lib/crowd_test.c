/* Connections per address: limits, and nothing kept of who has left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"

#define MANY 5000

static struct address
make(const char *text)
{
    struct address address;
    assert_true(address_read(text, strlen(text), &address));
    return address;
}

static void
limits_each_address(void **state)
{
    (void)state;
    struct crowd *crowd = crowd_new(7, 2);
    struct address one = make("192.0.2.1"), same = make("::ffff:192.0.2.1"),
                   other = make("192.0.2.2");
    struct crowd_member *first = crowd_enter(crowd, &one), *second = crowd_enter(crowd, &same);
    assert_non_null(first);
    assert_non_null(second);
    assert_null(crowd_enter(crowd, &one));
    struct crowd_member *third = crowd_enter(crowd, &other);
    assert_non_null(third);
    crowd_leave(crowd, &first);
    assert_null(first);
    crowd_leave(crowd, &first); /* a repeat does nothing */
    first = crowd_enter(crowd, &same);
    assert_non_null(first);
    assert_null(crowd_enter(crowd, &same));
    crowd_leave(crowd, &first);
    crowd_leave(crowd, &second);
    crowd_leave(crowd, &third);
    assert_int_equal(crowd_addresses(crowd), 0);
    crowd_destroy(&crowd);
    assert_null(crowd);
}

static void
counts_an_ipv6_network_as_one(void **state)
{
    (void)state;
    struct crowd *crowd = crowd_new(7, 1);
    struct address one = make("2001:db8::1"), near = make("2001:db8::ffff:1"),
                   far = make("2001:db8:0:1::1");
    struct crowd_member *first = crowd_enter(crowd, &one), *second = crowd_enter(crowd, &far);
    assert_non_null(first);
    assert_null(crowd_enter(crowd, &near));
    assert_non_null(second);
    crowd_leave(crowd, &first);
    crowd_leave(crowd, &second);
    crowd_destroy(&crowd);
}

/* Comings and goings of many addresses against plain arrays. */
static void
keeps_nothing_of_who_left(void **state)
{
    (void)state;
    static struct crowd_member *members[MANY];
    static unsigned owners[MANY], counts[MANY / 10];
    struct crowd *crowd = crowd_new(3, 5);
    unsigned chance = 1;
    for (unsigned step = 0; step < 20 * MANY; step++) {
        chance = chance * 1664525 + 1013904223;
        unsigned i = (chance >> 8) % MANY, owner = i % (MANY / 10);
        if (members[i]) {
            crowd_leave(crowd, &members[i]);
            counts[owners[i]]--;
            continue;
        }
        struct address address = {{0x20, 1, [4] = owner >> 8, [5] = owner & 255, [15] = 1}};
        members[i] = crowd_enter(crowd, &address);
        assert_int_equal(members[i] == NULL, counts[owner] == 5);
        owners[i] = owner;
        counts[owner] += members[i] != NULL;
    }
    size_t held = 0;
    for (unsigned owner = 0; owner < MANY / 10; owner++)
        held += counts[owner] > 0;
    assert_int_equal(crowd_addresses(crowd), held);
    for (unsigned i = 0; i < MANY; i++)
        crowd_leave(crowd, &members[i]);
    assert_int_equal(crowd_addresses(crowd), 0);
    crowd_destroy(&crowd);
}

static void
without_a_limit_all_may_enter(void **state)
{
    (void)state;
    struct crowd *crowd = crowd_new(7, 0);
    struct crowd_member *members[100];
    struct address address = make("192.0.2.1");
    for (int i = 0; i < 100; i++)
        assert_non_null(members[i] = crowd_enter(crowd, &address));
    assert_int_equal(crowd_addresses(crowd), 1);
    for (int i = 0; i < 100; i++)
        crowd_leave(crowd, &members[i]);
    crowd_destroy(&crowd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_each_address),
        cmocka_unit_test(counts_an_ipv6_network_as_one),
        cmocka_unit_test(keeps_nothing_of_who_left),
        cmocka_unit_test(without_a_limit_all_may_enter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
