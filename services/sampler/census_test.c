/* What a sampler learns after a minute's end of what came before it: the minute's snapshot is
 * not complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "auction.h"

#include "census.h"

#define AUCTION "lot-1"
#define WALL_MS INT64_C(1700000000000)
#define WINDOW_MS 5000
#define BEAT_MS 1000
#define LAST_BEAT_MS (2 * WINDOW_MS - 400) /* before the second window ends */
#define TICK_MS 50

struct world {
    struct census *census;
    int64_t now_ms;
    uint64_t sequence; /* of the gateway, in the auction's shard */
    int snapshots;     /* of the second window */
    bool complete;     /* the last of them */
};

static void
note_snapshot(void *arg, const struct snapshot *snapshot)
{
    struct world *world = arg;
    if (snapshot->timestamp_ms != WALL_MS + 2 * WINDOW_MS)
        return;
    world->snapshots++;
    world->complete = snapshot->complete;
}

static void
pass_change(void *arg, const char *auction, uint64_t count)
{
    (void)arg, (void)auction, (void)count;
}

static void
pass_closed(void *arg)
{
    (void)arg;
}

static void
pass_renew(void *arg, const struct reader_renewal *renewal)
{
    (void)arg, (void)renewal;
}

static void
pass_news(void *arg, const char *node, enum reader_news news)
{
    (void)arg, (void)node, (void)news;
}

static struct moment
now(const struct world *world)
{
    return (struct moment){WALL_MS + world->now_ms, world->now_ms};
}

static void
say(struct world *world, int64_t epoch_ms, struct message message)
{
    message.role = NODE_GATEWAY;
    message.epoch_ms = epoch_ms;
    strcpy(message.node, "g");
    strcpy(message.auction, message.kind == MESSAGE_EVENT ? AUCTION : "");
    message.shard = auction_shard(AUCTION);
    assert_int_equal(census_take(world->census, &message, now(world)), ROSTER_TAKEN);
}

static void
beat(struct world *world, int64_t epoch_ms)
{
    struct message message = {.kind = MESSAGE_HEARTBEAT, .state = NODE_READY};
    message.sequences[auction_shard(AUCTION)] = world->sequence;
    say(world, epoch_ms, message);
}

static void
join(struct world *world, int64_t epoch_ms, uint64_t joins, bool lost)
{
    struct message message = {.kind = MESSAGE_EVENT,
                              .change = CHANGE_JOIN,
                              .sequence = ++world->sequence,
                              .joins = joins};
    if (!lost)
        say(world, epoch_ms, message);
}

/* The gateway's state, in answer to a renewal. */
static void
answer(struct world *world, int64_t epoch_ms, uint64_t joins)
{
    struct message message = {.kind = MESSAGE_EVENT,
                              .change = CHANGE_BEGIN,
                              .sequence = world->sequence,
                              .time_ms = WALL_MS + world->now_ms};
    say(world, epoch_ms, message);
    message.change = CHANGE_STATE;
    message.joins = joins;
    say(world, epoch_ms, message);
    message.change = CHANGE_END;
    message.joins = auction_check(AUCTION);
    say(world, epoch_ms, message);
}

/* With a heartbeat every second, or in silence. */
static void
pass_time(struct world *world, int64_t until_ms, bool silent)
{
    while (world->now_ms < until_ms) {
        world->now_ms += TICK_MS;
        if (!silent && world->now_ms % BEAT_MS == LAST_BEAT_MS % BEAT_MS)
            beat(world, 1);
        census_tick(world->census, now(world));
    }
}

static int
set_up(void **state)
{
    static struct world world;
    struct census_options options = {.sample_interval_ms = 1000,
                                     .snapshot_interval_ms = WINDOW_MS,
                                     .heartbeat_interval_ms = BEAT_MS,
                                     .node_timeout_ms = 3000,
                                     .change = pass_change,
                                     .snapshot = note_snapshot,
                                     .closed = pass_closed,
                                     .renew = pass_renew,
                                     .news = pass_news,
                                     .arg = &world};
    world = (struct world){.census = census_new(&options, 0)};
    beat(&world, 1);
    join(&world, 1, 1, false);
    pass_time(&world, LAST_BEAT_MS, false);
    *state = &world;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *world = *state;
    census_destroy(&world->census);
    return 0;
}

static void
heard_throughout_is_complete(void **state)
{
    struct world *world = *state;
    pass_time(world, 3 * WINDOW_MS, false);
    assert_int_equal(world->snapshots, 1);
    assert_true(world->complete);
}

static void
a_gateway_lost_since_is_not(void **state)
{
    struct world *world = *state;
    pass_time(world, 3 * WINDOW_MS, true);
    assert_int_equal(world->snapshots, 1);
    assert_false(world->complete);
}

static void
a_gateway_that_restarted_since_is_not(void **state)
{
    struct world *world = *state;
    pass_time(world, 2 * WINDOW_MS + 400, true);
    world->sequence = 0;
    beat(world, 2);
    pass_time(world, 2 * WINDOW_MS + 1400, true);
    beat(world, 2);
    pass_time(world, 2 * WINDOW_MS + 1500, true);
    assert_int_equal(world->snapshots, 1);
    assert_false(world->complete);
}

static void
what_was_missed_and_made_good_since_is_not(void **state)
{
    struct world *world = *state;
    join(world, 1, 2, true);
    pass_time(world, 2 * WINDOW_MS + 600, false); /* the heartbeat tells */
    answer(world, 1, 2);
    pass_time(world, 3 * WINDOW_MS, false);
    assert_int_equal(world->snapshots, 1);
    assert_false(world->complete);
}

#define WORLD(test_) cmocka_unit_test_setup_teardown(test_, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(heard_throughout_is_complete),
        WORLD(a_gateway_lost_since_is_not),
        WORLD(a_gateway_that_restarted_since_is_not),
        WORLD(what_was_missed_and_made_good_since_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
