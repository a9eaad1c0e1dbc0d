/* Questions about single auctions: told at once, then once an interval. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "count_states.h"

#define INTERVAL_MS 50

static void
test_once_an_interval(void **state)
{
    (void)state;
    struct count_states *states = count_states_new(INTERVAL_MS);
    assert_int_equal(count_states_wait_ms(states, 0), -1);
    for (int i = 0; i < 40; i++)
        count_states_ask(states, "lot-1");
    count_states_ask(states, "lot-2");
    assert_int_equal(count_states_wait_ms(states, 0), 0);
    assert_string_equal(count_states_next(states, 0), "lot-1");
    assert_string_equal(count_states_next(states, 0), "lot-2");
    assert_null(count_states_next(states, 0));
    assert_int_equal(count_states_wait_ms(states, 0), -1);
    for (int i = 0; i < 40; i++)
        count_states_ask(states, "lot-1");
    assert_int_equal(count_states_wait_ms(states, 10), INTERVAL_MS - 10);
    assert_null(count_states_next(states, INTERVAL_MS - 1));
    assert_string_equal(count_states_next(states, INTERVAL_MS), "lot-1");
    assert_null(count_states_next(states, INTERVAL_MS));
    assert_null(count_states_next(states, 3 * INTERVAL_MS)); /* all are forgotten */
    count_states_ask(states, "lot-1");
    assert_string_equal(count_states_next(states, 3 * INTERVAL_MS), "lot-1");
    count_states_ask(states, "lot-1");
    count_states_destroy(&states);
    count_states_destroy(&states);
}

/* However many ask, and however often: no auction too often, and nobody in vain. */
static void
test_many(void **state)
{
    enum { AUCTIONS = 30 };
    (void)state;
    struct count_states *states = count_states_new(INTERVAL_MS);
    int64_t told_ms[AUCTIONS], asked_ms[AUCTIONS];
    for (int i = 0; i < AUCTIONS; i++)
        told_ms[i] = asked_ms[i] = -1000;
    for (int64_t ms = 0; ms < 5000; ms++) {
        char name[16];
        for (int i = 0; ms < 4000 && i < AUCTIONS; i++) {
            if ((ms * 7 + i * 13) % 11)
                continue;
            snprintf(name, sizeof name, "lot-%d", i);
            count_states_ask(states, name);
            asked_ms[i] = ms;
        }
        for (const char *next; (next = count_states_next(states, ms));) {
            int i = -1;
            sscanf(next, "lot-%d", &i);
            assert_in_range(i, 0, AUCTIONS - 1);
            assert_true(ms - told_ms[i] >= INTERVAL_MS);
            told_ms[i] = ms;
        }
    }
    for (int i = 0; i < AUCTIONS; i++)
        assert_true(told_ms[i] >= asked_ms[i]);
    count_states_destroy(&states);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_once_an_interval),
                                       cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
