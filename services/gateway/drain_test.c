/* A drain: everybody goes, by the end, evenly but not in step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "chance.h"

#include "drain.h"

#define TICK_MS 50

static void
drain_all(struct chance *chance, uint64_t viewers, int64_t drain_ms)
{
    uint64_t left = viewers, most = 0;
    for (int64_t now_ms = 0; now_ms < drain_ms; now_ms += TICK_MS) {
        uint64_t share = drain_share(left, TICK_MS, drain_ms - now_ms,
                                     (uint32_t)chance_below(chance, 1u << 31) * 2);
        assert_true(share <= left);
        if (drain_ms - now_ms > TICK_MS)
            most = share > most ? share : most;
        left -= share;
    }
    assert_int_equal(left, 0);
    assert_true(most <= viewers * TICK_MS / (uint64_t)drain_ms * 5 + 10);
}

static void
spreads_over_the_whole_time(void **state)
{
    (void)state;
    struct chance chance = {chance_seed("drain")};
    for (int i = 0; i < 500; i++)
        drain_all(&chance, chance_below(&chance, 20000),
                  1000 + (int64_t)chance_below(&chance, 60000));
}

static void
no_time_means_all_at_once(void **state)
{
    (void)state;
    assert_int_equal(drain_share(1000, TICK_MS, 0, 1), 1000);
    assert_int_equal(drain_share(1000, TICK_MS, -5, 1), 1000);
    assert_int_equal(drain_share(0, TICK_MS, 100000, 0), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spreads_over_the_whole_time),
        cmocka_unit_test(no_time_means_all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
