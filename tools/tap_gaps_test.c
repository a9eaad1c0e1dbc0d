#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tap_gaps.h"

#define TIMEOUT_MS 3000

static struct tap_news found[TAP_NODES_MAX + 1];
static size_t found_count;
static int64_t now_ms;

static void
on_news(void *arg, const struct tap_news *news)
{
    assert_null(arg);
    found[found_count] = *news;
    found[found_count++].node = NULL;
}

static struct tap_gaps *
start(void)
{
    found_count = 0;
    now_ms = 1000;
    return tap_gaps_new(TIMEOUT_MS, on_news, NULL, now_ms);
}

/* Each returns how many news came with it. */
static size_t
take_message(struct tap_gaps *gaps, const struct message *message)
{
    found_count = 0;
    tap_gaps_take(gaps, message, now_ms);
    return found_count;
}

static size_t
take(struct tap_gaps *gaps, int64_t epoch_ms, enum change_kind change, uint64_t sequence)
{
    struct message message = {.kind = MESSAGE_EVENT,
                              .node = "gw-1",
                              .shard = 9,
                              .epoch_ms = epoch_ms,
                              .change = change,
                              .sequence = sequence};
    return take_message(gaps, &message);
}

static size_t
beat(struct tap_gaps *gaps, int64_t epoch_ms, uint64_t sequence)
{
    struct message message = {.kind = MESSAGE_HEARTBEAT,
                              .node = "gw-1",
                              .epoch_ms = epoch_ms,
                              .sequences = {[9] = sequence}};
    return take_message(gaps, &message);
}

static size_t
tick_until(struct tap_gaps *gaps, int64_t ms)
{
    found_count = 0;
    for (; now_ms < ms; now_ms += 250)
        tap_gaps_tick(gaps, now_ms);
    return found_count;
}

static void
expect_gap(size_t count, uint64_t first, uint64_t last)
{
    assert_true(count);
    const struct tap_news *news = &found[count - 1];
    assert_int_equal(news->kind, TAP_MISSED);
    assert_int_equal(news->shard, 9);
    assert_int_equal(news->first, first);
    assert_int_equal(news->last, last);
}

static void
test_changes(void **state)
{
    (void)state;
    struct tap_gaps *gaps = start();
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
    struct tap_gaps *gaps = start();
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
    struct tap_gaps *gaps = start();
    assert_int_equal(take(gaps, 5, CHANGE_JOIN, 100), 0);
    assert_int_equal(take(gaps, 6, CHANGE_JOIN, 1), 1);
    assert_int_equal(found[0].kind, TAP_RESTARTED);
    assert_int_equal(take(gaps, 5, CHANGE_JOIN, 200), 0);
    assert_int_equal(take(gaps, 6, CHANGE_JOIN, 2), 0);
    expect_gap(take(gaps, 7, CHANGE_JOIN, 3), 1, 2); /* of an epoch heard from its start */
    assert_int_equal(found_count, 2);
    tap_gaps_destroy(&gaps);
}

static void
test_nodes_are_bounded(void **state)
{
    (void)state;
    struct tap_gaps *gaps = start();
    struct message message = {
        .kind = MESSAGE_COUNT, .role = NODE_SAMPLER, .epoch_ms = 1, .change = CHANGE_JOIN};
    for (int round = 1; round <= 3; round += 2) {
        size_t count = 0;
        for (int i = 0; i < TAP_NODES_MAX + 100; i++) {
            snprintf(message.node, sizeof message.node, "node-%d", i);
            message.sequence = (uint64_t)round;
            count += take_message(gaps, &message);
        }
        assert_int_equal(count, round == 1 ? 0 : TAP_NODES_MAX);
    }
    tap_gaps_destroy(&gaps);
}

static void
test_silence(void **state)
{
    (void)state;
    struct tap_gaps *gaps = start();
    assert_int_equal(take(gaps, 1, CHANGE_JOIN, 5), 0);
    assert_int_equal(tick_until(gaps, 60000), 0); /* no heartbeats come: it means nothing */
    assert_int_equal(beat(gaps, 1, 5), 0);
    assert_int_equal(tick_until(gaps, now_ms + TIMEOUT_MS), 0);
    assert_int_equal(tick_until(gaps, now_ms + 500), 1);
    assert_int_equal(found[0].kind, TAP_LOST);
    assert_int_equal(beat(gaps, 1, 90), 0); /* heard again: it begins anew */
    expect_gap(beat(gaps, 1, 91), 91, 91);
    struct message bye = {.kind = MESSAGE_BYE, .node = "gw-1", .epoch_ms = 1};
    assert_int_equal(take_message(gaps, &bye), 0);
    assert_int_equal(tick_until(gaps, now_ms + 2 * TIMEOUT_MS), 0);
    tap_gaps_destroy(&gaps);
}

static void
test_roles_are_apart(void **state)
{
    (void)state;
    struct tap_gaps *gaps = start();
    struct message message = {.kind = MESSAGE_COUNT,
                              .role = NODE_SAMPLER,
                              .node = "gw-1",
                              .shard = 9,
                              .epoch_ms = 1,
                              .change = CHANGE_JOIN,
                              .sequence = 1};
    assert_int_equal(take_message(gaps, &message), 0);
    assert_int_equal(take(gaps, 1, CHANGE_JOIN, 90), 0);
    tap_gaps_destroy(&gaps);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes), cmocka_unit_test(test_heartbeats),
        cmocka_unit_test(test_restart), cmocka_unit_test(test_nodes_are_bounded),
        cmocka_unit_test(test_silence), cmocka_unit_test(test_roles_are_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
