/* What a gateway says on the bus and when, each rule by hand. What readers make of answers is
 * tested in state_answer_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "auction.h"
#include "event_source.h"

#define BEAT_MS 1000
#define GAP_MS 100
#define STEPS 1000
#define EPOCH_MS 5000
#define WALL_MS 1700000000000 /* at the start of each test */
#define HEARD_MAX 1000

struct bench {
    struct audience *audience;
    struct event_source *source;
    struct message heard[HEARD_MAX]; /* since last taken */
    int count;
    struct event_time now;
};

static void
note_message(void *arg, const struct message *message)
{
    struct bench *bench = arg;
    assert_true(bench->count < HEARD_MAX);
    assert_int_equal(message->role, NODE_GATEWAY);
    assert_string_equal(message->node, "gw-1");
    assert_int_equal(message->epoch_ms, EPOCH_MS);
    bench->heard[bench->count++] = *message;
}

static int
set_up(void **state)
{
    struct bench *bench = mem_alloc(sizeof *bench);
    bench->audience = audience_new(1, 100);
    struct event_source_options options = {.node = "gw-1",
                                           .epoch_ms = EPOCH_MS,
                                           .heartbeat_ms = BEAT_MS,
                                           .audience = bench->audience,
                                           .emit = note_message,
                                           .arg = bench};
    bench->source = event_source_new(&options);
    bench->now = (struct event_time){.wall_ms = WALL_MS};
    *state = bench;
    return 0;
}

static int
tear_down(void **state)
{
    struct bench *bench = *state;
    event_source_destroy(&bench->source);
    event_source_destroy(&bench->source);
    audience_destroy(&bench->audience);
    free(bench);
    return 0;
}

static void
pass(struct bench *bench, int64_t ms)
{
    bench->now.wall_ms += ms;
    bench->now.mono_ms += ms;
}

/* Ticks; returns how long to wait, and what was said is in heard. */
static int64_t
tick(struct bench *bench, unsigned steps)
{
    bench->count = 0;
    return event_source_tick(bench->source, steps, bench->now);
}

static void
subscribe(struct bench *bench, const char *prefix)
{
    struct subscription subscription = subscription_read(MESSAGE_EVENT, prefix, strlen(prefix));
    event_source_subscribe(bench->source, &subscription);
}

static struct auction *
join(struct bench *bench, const char *id, struct viewer *viewer)
{
    struct auction *auction = audience_join(bench->audience, id, viewer);
    event_source_change(bench->source, auction, CHANGE_JOIN, bench->now);
    return auction;
}

static void
leave(struct bench *bench, struct viewer *viewer)
{
    struct auction *auction = audience_leave(bench->audience, viewer, bench->now.mono_ms);
    event_source_change(bench->source, auction, CHANGE_LEAVE, bench->now);
}

static void
expect_event(const struct message *message, enum change_kind change, uint64_t sequence,
             uint64_t joins, uint64_t leaves)
{
    assert_int_equal(message->kind, MESSAGE_EVENT);
    assert_int_equal(message->change, change);
    assert_int_equal(message->sequence, sequence);
    assert_int_equal(message->joins, joins);
    assert_int_equal(message->leaves, leaves);
}

static void
says_joins_and_leaves(void **state)
{
    struct bench *bench = *state;
    struct viewer one = {0}, two = {0}, other = {0};
    unsigned shard = join(bench, "lot-1", &one)->shard;
    pass(bench, 7);
    join(bench, "lot-1", &two);
    join(bench, "lot-2", &other);
    leave(bench, &one);
    assert_int_equal(bench->count, 4);
    expect_event(&bench->heard[0], CHANGE_JOIN, 1, 1, 0);
    expect_event(&bench->heard[1], CHANGE_JOIN, 2, 2, 0);
    expect_event(&bench->heard[2], CHANGE_JOIN, 1, 1, 0);
    expect_event(&bench->heard[3], CHANGE_LEAVE, 3, 2, 1);
    assert_string_equal(bench->heard[2].auction, "lot-2");
    assert_string_equal(bench->heard[3].auction, "lot-1");
    assert_int_equal(bench->heard[3].shard, shard);
    assert_int_equal(bench->heard[0].time_ms, WALL_MS);
    assert_int_equal(bench->heard[1].time_ms, WALL_MS + 7);
    tick(bench, STEPS);
    assert_int_equal(bench->heard[0].kind, MESSAGE_HEARTBEAT);
    assert_int_equal(bench->heard[0].total, 2);
    assert_int_equal(bench->heard[0].sequences[shard], 3);
    assert_int_equal(bench->heard[0].sequences[auction_shard("lot-2")], 1);
    assert_int_equal(bench->heard[0].sequences[(shard + 1) % SHARD_COUNT], 0);
    leave(bench, &two);
    leave(bench, &other);
}

static void
beats_each_interval(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(tick(bench, STEPS), BEAT_MS);
    assert_int_equal(bench->count, 1);
    assert_int_equal(bench->heard[0].state, NODE_WARMING);
    pass(bench, BEAT_MS - 1);
    assert_int_equal(tick(bench, STEPS), 1);
    assert_int_equal(bench->count, 0);
    pass(bench, 1);
    bench->now.wall_ms -= 3600000; /* a clock that steps back keeps nobody waiting */
    assert_int_equal(tick(bench, STEPS), BEAT_MS);
    assert_int_equal(bench->count, 1);
    bench->count = 0;
    pass(bench, 300);
    event_source_set_state(bench->source, NODE_READY, bench->now);
    assert_int_equal(bench->count, 1);
    assert_int_equal(bench->heard[0].state, NODE_READY);
    assert_int_equal(bench->heard[0].time_ms, bench->now.wall_ms);
    assert_int_equal(tick(bench, STEPS), BEAT_MS);
}

static void
beats_for_a_subscriber(void **state)
{
    struct bench *bench = *state;
    tick(bench, STEPS);
    pass(bench, GAP_MS);
    subscribe(bench, "heartbeat/gateway/");
    assert_int_equal(tick(bench, STEPS), BEAT_MS);
    assert_int_equal(bench->count, 1);
    subscribe(bench, "heartbeat/"); /* too soon after that: waits a little */
    assert_int_equal(tick(bench, STEPS), GAP_MS);
    assert_int_equal(bench->count, 0);
    pass(bench, GAP_MS);
    subscribe(bench, "snapshot/");
    assert_int_equal(tick(bench, STEPS), BEAT_MS);
    assert_int_equal(bench->count, 1);
}

static void
answers_in_steps(void **state)
{
    struct bench *bench = *state;
    struct viewer one = {0}, two = {0};
    char topic[TOPIC_BYTES];
    tick(bench, STEPS);
    join(bench, "lot-1", &one);
    topic_shard(MESSAGE_EVENT, auction_shard("lot-1"), topic);
    subscribe(bench, topic);
    assert_int_equal(tick(bench, 1), EVENT_SOURCE_TURN_MS);
    assert_int_equal(bench->count, 1);
    expect_event(&bench->heard[0], CHANGE_BEGIN, 1, 0, 0);
    assert_string_equal(bench->heard[0].auction, "");
    pass(bench, EVENT_SOURCE_TURN_MS);
    join(bench, "lot-1", &two);
    assert_int_equal(tick(bench, STEPS), BEAT_MS - EVENT_SOURCE_TURN_MS);
    assert_int_equal(bench->count, 2);
    expect_event(&bench->heard[0], CHANGE_STATE, 2, 2, 0);
    assert_int_equal(bench->heard[0].time_ms, WALL_MS + EVENT_SOURCE_TURN_MS);
    expect_event(&bench->heard[1], CHANGE_END, 2, auction_check("lot-1"), 0);
    assert_int_equal(bench->heard[1].time_ms, WALL_MS);
    leave(bench, &one);
    leave(bench, &two);
}

/* However the clock goes, a begin never has the time of an earlier one. */
static void
begins_at_times_of_their_own(void **state)
{
    struct bench *bench = *state;
    int64_t newest_ms = 0;
    char topic[TOPIC_BYTES];
    topic_shard(MESSAGE_EVENT, 7, topic);
    for (int i = 0; i < 20; i++) {
        subscribe(bench, topic);
        tick(bench, STEPS);
        const struct message *begin = &bench->heard[bench->count - 2];
        expect_event(begin, CHANGE_BEGIN, 0, 0, 0);
        expect_event(&begin[1], CHANGE_END, 0, 0, 0);
        assert_true(begin->time_ms > newest_ms);
        assert_int_equal(begin[1].time_ms, begin->time_ms);
        newest_ms = begin->time_ms;
        bench->now.mono_ms += GAP_MS;
        bench->now.wall_ms += i % 3 - 1;
    }
}

static void
answers_renewals_meant_for_it(void **state)
{
    struct bench *bench = *state;
    char topic[TOPIC_BYTES];
    tick(bench, STEPS);
    topic_renewal(NODE_GATEWAY, "gw-10", 7, topic);
    subscribe(bench, topic);
    topic_renewal(NODE_SAMPLER, "gw-1", 7, topic);
    subscribe(bench, topic);
    tick(bench, STEPS);
    assert_int_equal(bench->count, 0);
    topic_renewal(NODE_GATEWAY, "gw-1", 7, topic);
    subscribe(bench, topic);
    tick(bench, STEPS);
    assert_int_equal(bench->count, 2);
    expect_event(&bench->heard[0], CHANGE_BEGIN, 0, 0, 0);
    assert_int_equal(bench->heard[0].shard, 7);
    expect_event(&bench->heard[1], CHANGE_END, 0, 0, 0);
}

static void
forgets_between_steps(void **state)
{
    struct bench *bench = *state;
    struct viewer viewer = {0};
    char topic[TOPIC_BYTES];
    tick(bench, STEPS);
    struct auction *auction = join(bench, "lot-1", &viewer);
    leave(bench, &viewer);
    topic_shard(MESSAGE_EVENT, auction->shard, topic);
    subscribe(bench, topic);
    tick(bench, 1);
    event_source_forget(bench->source, auction);
    audience_forget(bench->audience, auction);
    tick(bench, STEPS);
    assert_int_equal(bench->count, 1);
    expect_event(&bench->heard[0], CHANGE_END, 2, 0, 0);
}

static void
says_bye(void **state)
{
    struct bench *bench = *state;
    event_source_bye(bench->source, bench->now);
    assert_int_equal(bench->count, 1);
    assert_int_equal(bench->heard[0].kind, MESSAGE_BYE);
    assert_int_equal(bench->heard[0].time_ms, WALL_MS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(says_joins_and_leaves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(beats_each_interval, set_up, tear_down),
        cmocka_unit_test_setup_teardown(beats_for_a_subscriber, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_in_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(begins_at_times_of_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_renewals_meant_for_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forgets_between_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_bye, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
