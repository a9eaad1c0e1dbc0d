/* The cache of enable flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "guard.h"

static void
test_a_flag_is_known_until_it_is_stale(void **state)
{
    (void)state;
    struct guard *guard = guard_new(5000, 10);
    bool enabled = false;
    assert_false(guard_lookup(guard, "lot-1", 100, &enabled));
    guard_note(guard, "lot-1", true, 100);
    assert_true(guard_lookup(guard, "lot-1", 5100, &enabled));
    assert_true(enabled);
    assert_false(guard_lookup(guard, "lot-1", 5101, &enabled));
    guard_destroy(&guard);
    guard_destroy(&guard);
}

static void
test_a_change_counts_at_once(void **state)
{
    (void)state;
    struct guard *guard = guard_new(5000, 10);
    bool enabled = true;
    guard_note(guard, "lot-1", true, 100);
    guard_note(guard, "lot-1", false, 101);
    assert_true(guard_lookup(guard, "lot-1", 101, &enabled));
    assert_false(enabled);
    guard_destroy(&guard);
}

static void
test_it_is_bounded(void **state)
{
    (void)state;
    struct guard *guard = guard_new(5000, 10);
    char id[16];
    bool enabled;
    int known = 0;
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "lot-%d", i);
        guard_note(guard, id, true, 1);
        assert_true(guard_lookup(guard, id, 1, &enabled));
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "lot-%d", i);
        known += guard_lookup(guard, id, 1, &enabled);
    }
    assert_true(known <= 10);
    guard_destroy(&guard);
}

static void
test_reserved_room_keeps_what_is_noted_in_it(void **state)
{
    (void)state;
    struct guard *guard = guard_new(0, 10);
    char id[16];
    bool enabled;
    for (int i = 0; i < 7; i++) {
        snprintf(id, sizeof id, "old-%d", i);
        guard_note(guard, id, true, 1);
    }
    guard_reserve(guard, 10);
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "new-%d", i);
        guard_note(guard, id, true, 1);
    }
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "new-%d", i);
        assert_true(guard_lookup(guard, id, 1, &enabled));
    }
    guard_destroy(&guard);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flag_is_known_until_it_is_stale),
        cmocka_unit_test(test_a_change_counts_at_once),
        cmocka_unit_test(test_it_is_bounded),
        cmocka_unit_test(test_reserved_room_keeps_what_is_noted_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
