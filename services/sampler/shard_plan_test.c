/* The promises of shard_plan.h, for every number of samplers that one may run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "shard_plan.h"

#define MOST 40

static bool plans[MOST][SHARD_COUNT];

static void
make_plans(unsigned samplers, unsigned replicas)
{
    for (unsigned i = 0; i < samplers; i++)
        shard_plan(i, samplers, replicas, plans[i]);
}

static void
expect_replicas(unsigned samplers, unsigned replicas)
{
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        unsigned served = 0;
        for (unsigned i = 0; i < samplers; i++)
            served += plans[i][shard];
        assert_int_equal(served, replicas < samplers ? replicas : samplers);
    }
}

static void
expect_balance(unsigned samplers)
{
    unsigned least = SHARD_COUNT, most = 0;
    for (unsigned i = 0; i < samplers; i++) {
        unsigned load = 0;
        for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
            load += plans[i][shard];
        least = load < least ? load : least;
        most = load > most ? load : most;
    }
    assert_in_range(most - least, 0, 1);
}

static void
test_every_shard_has_its_replicas(void **state)
{
    (void)state;
    for (unsigned replicas = 1; replicas <= 4; replicas++)
        for (unsigned samplers = 1; samplers <= MOST; samplers++) {
            make_plans(samplers, replicas);
            expect_replicas(samplers, replicas);
            expect_balance(samplers);
        }
}

/* Those who stay gain nothing when one comes, and lose only what it takes. */
static void
test_one_more_moves_only_its_own(void **state)
{
    static bool before[MOST][SHARD_COUNT];
    (void)state;
    for (unsigned replicas = 1; replicas <= 3; replicas++)
        for (unsigned samplers = replicas + 1; samplers <= MOST; samplers++) {
            make_plans(samplers - 1, replicas);
            memcpy(before, plans, sizeof before);
            make_plans(samplers, replicas);
            for (unsigned i = 0; i < samplers - 1; i++)
                for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
                    assert_true(plans[i][shard] == before[i][shard] ||
                                (before[i][shard] && plans[samplers - 1][shard]));
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_shard_has_its_replicas),
                                       cmocka_unit_test(test_one_more_moves_only_its_own)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
