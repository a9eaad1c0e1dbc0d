#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tap_gaps.h"

static struct tap_gap found[SHARD_COUNT];

static size_t
take(struct tap_gaps *gaps, int64_t epoch_ms, enum change_kind change, uint64_t sequence)
{
    struct message message = {.kind = MESSAGE_EVENT,
                              .node = "gw-1",
                              .shard = 9,
                              .epoch_ms = epoch_ms,
                              .change = change,
                              .sequence = sequence};
    return tap_gaps_take(gaps, &message, found);
}

static size_t
beat(struct tap_gaps *gaps, int64_t epoch_ms, uint64_t sequence)
{
    struct message message = {.kind = MESSAGE_HEARTBEAT,
                              .node = "gw-1",
                              .epoch_ms = epoch_ms,
                              .sequences = {[9] = sequence}};
    return tap_gaps_take(gaps, &message, found);
}

static void
expect_gap(size_t count, uint64_t first, uint64_t last)
{
    assert_int_equal(count, 1);
    assert_int_equal(found[0].shard, 9);
    assert_int_equal(found[0].first, first);
    assert_int_equal(found[0].last, last);
}

static void
test_changes(void **state)
{
    (void)state;
    struct tap_gaps *gaps = tap_gaps_new();
    assert_int_equal(take(gaps, 1, CHANGE_JOIN, 57), 0); /* the first heard */
    assert_int_equal(take(gaps, 1, CHANGE_LEAVE, 58), 0);
    assert_int_equal(take(gaps, 1, CHANGE_JOIN, 58), 0); /* doubled */
    assert_int_equal(take(gaps, 1, CHANGE_BEGIN, 58), 0);
    assert_int_equal(take(gaps, 1, CHANGE_STATE, 58), 0);
    expect_gap(take(gaps, 1, CHANGE_JOIN, 60), 59, 59);
    expect_gap(take(gaps, 1, CHANGE_STATE, 63), 61, 63);
    expect_gap(take(gaps, 1, CHANGE_END, 64), 64, 64);
    assert_int_equal(take(gaps, 1, CHANGE_JOIN, 61), 0); /* late */
    assert_int_equal(take(gaps, 1, CHANGE_JOIN, 65), 0);
    tap_gaps_destroy(&gaps);
    tap_gaps_destroy(&gaps);
}

static void
test_heartbeats(void **state)
{
    (void)state;
    struct tap_gaps *gaps = tap_gaps_new();
    assert_int_equal(beat(gaps, 1, 7), 0);
    assert_int_equal(take(gaps, 1, CHANGE_JOIN, 8), 0);
    expect_gap(beat(gaps, 1, 10), 9, 10);
    assert_int_equal(beat(gaps, 1, 10), 0);
    assert_int_equal(take(gaps, 1, CHANGE_JOIN, 11), 0);
    tap_gaps_destroy(&gaps);
}

static void
test_restart(void **state)
{
    (void)state;
    struct tap_gaps *gaps = tap_gaps_new();
    assert_int_equal(take(gaps, 5, CHANGE_JOIN, 100), 0);
    assert_int_equal(take(gaps, 6, CHANGE_JOIN, 1), 0);
    assert_int_equal(take(gaps, 5, CHANGE_JOIN, 200), 0);
    assert_int_equal(take(gaps, 6, CHANGE_JOIN, 2), 0);
    expect_gap(take(gaps, 7, CHANGE_JOIN, 3), 1, 2); /* of an epoch heard from its start */
    tap_gaps_destroy(&gaps);
}

static void
test_nodes_are_bounded(void **state)
{
    (void)state;
    struct tap_gaps *gaps = tap_gaps_new();
    struct message message = {
        .kind = MESSAGE_COUNT, .role = NODE_SAMPLER, .epoch_ms = 1, .change = CHANGE_JOIN};
    for (int round = 1; round <= 3; round += 2) {
        size_t count = 0;
        for (int i = 0; i < TAP_NODES_MAX + 100; i++) {
            snprintf(message.node, sizeof message.node, "node-%d", i);
            message.sequence = (uint64_t)round;
            count += tap_gaps_take(gaps, &message, found);
        }
        assert_int_equal(count, round == 1 ? 0 : TAP_NODES_MAX);
    }
    tap_gaps_destroy(&gaps);
}

static void
test_roles_are_apart(void **state)
{
    (void)state;
    struct tap_gaps *gaps = tap_gaps_new();
    struct message message = {.kind = MESSAGE_COUNT,
                              .role = NODE_SAMPLER,
                              .node = "gw-1",
                              .shard = 9,
                              .epoch_ms = 1,
                              .change = CHANGE_JOIN,
                              .sequence = 1};
    assert_int_equal(tap_gaps_take(gaps, &message, found), 0);
    assert_int_equal(take(gaps, 1, CHANGE_JOIN, 90), 0);
    tap_gaps_destroy(&gaps);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes), cmocka_unit_test(test_heartbeats),
        cmocka_unit_test(test_restart), cmocka_unit_test(test_nodes_are_bounded),
        cmocka_unit_test(test_roles_are_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
