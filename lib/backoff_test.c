#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backoff.h"

static void
test_doubles_up_to_the_most(void **state)
{
    (void)state;
    struct backoff backoff = {.least_ms = 100, .most_ms = 1500};
    static const int64_t whole[] = {100, 200, 400, 800, 1500, 1500};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        struct backoff low = backoff, high = backoff;
        assert_int_equal(backoff_next_ms(&low, 0), whole[i] / 2);
        assert_int_equal(backoff_next_ms(&high, (uint32_t)(whole[i] / 2)), whole[i]);
        assert_in_range(backoff_next_ms(&backoff, 0xfffffff3u), whole[i] / 2, whole[i]);
    }
    backoff_reset(&backoff);
    assert_in_range(backoff_next_ms(&backoff, 12345), 50, 100);
}

static void
test_waits_even_after_very_many(void **state)
{
    (void)state;
    struct backoff backoff = {.least_ms = 1, .most_ms = INT64_C(1) << 40};
    for (int i = 0; i < 10000; i++)
        assert_in_range(backoff_next_ms(&backoff, (uint32_t)i), 1, INT64_C(1) << 40);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_up_to_the_most),
        cmocka_unit_test(test_waits_even_after_very_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
