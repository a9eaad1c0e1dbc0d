/* Live counts by the reader's rules: what samplers say in, what is answered out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <stdlib.h>

#include "live_figures.h"

#define TIMEOUT_MS 3000

struct world {
    struct live_figures *figures;
    int64_t now_ms;
};

static int
set_up(void **state)
{
    static struct world world;
    world = (struct world){live_figures_new(TIMEOUT_MS, 5000), 5000};
    *state = &world;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *world = *state;
    live_figures_destroy(&world->figures);
    return 0;
}

static struct message
make(enum message_kind kind, const char *node, int64_t epoch_ms)
{
    struct message message = {.kind = kind, .role = NODE_SAMPLER, .epoch_ms = epoch_ms};
    strcpy(message.node, node);
    return message;
}

/* A count, or with auction NULL a begin or end, of the shard of `in`. */
static void
say(struct world *world, const char *node, int64_t epoch_ms, enum change_kind change,
    const char *in, uint64_t sequence, uint64_t count)
{
    struct message message = make(MESSAGE_COUNT, node, epoch_ms);
    message.change = change;
    message.shard = auction_shard(in);
    message.sequence = sequence;
    message.count = count;
    if (change != CHANGE_BEGIN && change != CHANGE_END)
        strcpy(message.auction, in);
    if (change == CHANGE_END) /* count: how many states, all of this auction */
        message.count *= auction_check(in);
    assert_int_not_equal(live_figures_take(world->figures, &message, world->now_ms),
                         READER_FULL);
}

static void
beat(struct world *world, const char *node, int64_t epoch_ms, enum node_state node_state,
     const char *in, uint64_t sequence)
{
    struct message message = make(MESSAGE_HEARTBEAT, node, epoch_ms);
    message.state = node_state;
    if (in)
        message.sequences[auction_shard(in)] = sequence;
    assert_int_not_equal(live_figures_take(world->figures, &message, world->now_ms),
                         READER_FULL);
}

/* A sampler that has `count` viewers of one auction, heard from the start. */
static void
introduce(struct world *world, const char *node, int64_t epoch_ms, const char *auction,
          uint64_t count)
{
    say(world, node, epoch_ms, CHANGE_BEGIN, auction, 7, 0);
    say(world, node, epoch_ms, CHANGE_STATE, auction, 7, count);
    say(world, node, epoch_ms, CHANGE_END, auction, 7, 1);
    beat(world, node, epoch_ms, NODE_READY, auction, 7);
}

static void
expect(struct world *world, const char *auction, int64_t count)
{
    bool known = live_figures_known(world->figures, auction_shard(auction));
    assert_int_equal(known, count >= 0);
    if (count >= 0)
        assert_int_equal(live_figures_count(world->figures, auction), count);
}

/* The shard that is to be renewed now, and whose; -1: none. */
static int
next_renewal(struct world *world)
{
    struct reader_renewal renewal;
    if (!live_figures_renewal(world->figures, world->now_ms, &renewal))
        return -1;
    assert_string_equal(renewal.node, "s1");
    return (int)renewal.shard;
}

/* Time passes with a tick every while, as it does in the loop. */
static void
pass(struct world *world, int64_t duration_ms)
{
    for (; duration_ms > 0; duration_ms -= 250) {
        world->now_ms += duration_ms < 250 ? duration_ms : 250;
        live_figures_tick(world->figures, world->now_ms);
    }
}

static void
nothing_is_live_at_first(void **state)
{
    struct world *world = *state;
    struct live_auction rows[4];
    expect(world, "lot-1", -1);
    assert_int_equal(live_figures_list(world->figures, "", rows, 4), 0);
    beat(world, "s1", 100, NODE_WARMING, NULL, 0);
    expect(world, "lot-1", -1);
    beat(world, "s1", 100, NODE_READY, NULL, 0);
    expect(world, "lot-1", 0);
}

static void
state_then_changes(void **state)
{
    struct world *world = *state;
    introduce(world, "s1", 100, "lot-1", 5);
    expect(world, "lot-1", 5);
    say(world, "s1", 100, CHANGE_JOIN, "lot-1", 8, 6);
    expect(world, "lot-1", 6);
    say(world, "s1", 100, CHANGE_JOIN, "lot-1", 7, 4); /* late */
    expect(world, "lot-1", 6);
    expect(world, "other", 0);
}

static void
figures_are_not_told_before_they_are_whole(void **state)
{
    struct world *world = *state;
    beat(world, "s1", 100, NODE_READY, "lot-1", 7);
    expect(world, "lot-1", -1);
    assert_int_equal(next_renewal(world), -1); /* it answers the subscription by itself */
    world->now_ms += 500;
    assert_int_equal(next_renewal(world), auction_shard("lot-1"));
    assert_int_equal(next_renewal(world), -1);
    say(world, "s1", 100, CHANGE_BEGIN, "lot-1", 7, 0);
    say(world, "s1", 100, CHANGE_STATE, "lot-1", 7, 5);
    expect(world, "lot-1", -1);
    say(world, "s1", 100, CHANGE_END, "lot-1", 7, 1);
    expect(world, "lot-1", 5);
}

static void
a_gap_is_applied_and_renewed(void **state)
{
    struct world *world = *state;
    introduce(world, "s1", 100, "lot-1", 5);
    world->now_ms += 500;
    assert_int_equal(next_renewal(world), -1);
    say(world, "s1", 100, CHANGE_JOIN, "lot-1", 9, 8);
    expect(world, "lot-1", 8);
    say(world, "s1", 100, CHANGE_JOIN, "lot-1", 8, 3); /* late, in a shard with a gap */
    expect(world, "lot-1", 8);
    assert_int_equal(next_renewal(world), auction_shard("lot-1"));
    beat(world, "s1", 100, NODE_READY, "lot-1", 9); /* the answer was lost as well */
    assert_int_equal(next_renewal(world), -1);
    world->now_ms += 1000;
    assert_int_equal(next_renewal(world), auction_shard("lot-1"));
}

static void
a_sweep_removes_what_was_not_named(void **state)
{
    struct world *world = *state;
    introduce(world, "s1", 100, "lot-1", 5);
    say(world, "s1", 100, CHANGE_BEGIN, "lot-1", 9, 0);
    expect(world, "lot-1", 5);
    say(world, "s1", 100, CHANGE_END, "lot-1", 9, 0);
    expect(world, "lot-1", 0);
}

static void
a_restart_shows_only_when_it_takes_long(void **state)
{
    struct world *world = *state;
    introduce(world, "s1", 100, "lot-1", 5);
    say(world, "s1", 99, CHANGE_JOIN, "lot-1", 50, 50); /* from before */
    expect(world, "lot-1", 5);
    beat(world, "s1", 200, NODE_WARMING, NULL, 0);
    expect(world, "lot-1", 5); /* held on to */
    say(world, "s1", 200, CHANGE_JOIN, "lot-1", 1, 2);
    expect(world, "lot-1", 5);
    beat(world, "s1", 200, NODE_READY, "lot-1", 1);
    expect(world, "lot-1", 2);
    beat(world, "s1", 300, NODE_WARMING, NULL, 0);
    pass(world, TIMEOUT_MS - 1);
    beat(world, "s1", 300, NODE_WARMING, NULL, 0);
    expect(world, "lot-1", 2);
    pass(world, 1);
    expect(world, "lot-1", -1);
    assert_int_equal(live_figures_auctions(world->figures), 0);
    beat(world, "s1", 300, NODE_READY, NULL, 0);
    expect(world, "lot-1", 0);
}

static void
follows_one_until_it_is_gone(void **state)
{
    struct world *world = *state;
    introduce(world, "s2", 100, "lot-1", 2);
    introduce(world, "s1", 100, "lot-1", 1);
    expect(world, "lot-1", 2); /* the first one heard */
    assert_string_equal(live_figures_node(world->figures, 0), "s2");
    pass(world, TIMEOUT_MS);
    beat(world, "s1", 100, NODE_READY, "lot-1", 7);
    expect(world, "lot-1", 2);
    pass(world, 1);
    expect(world, "lot-1", 1);
    introduce(world, "s2", 100, "lot-1", 3);
    expect(world, "lot-1", 1);
    beat(world, "s1", 100, NODE_LEAVING, "lot-1", 7);
    expect(world, "lot-1", 3);
    assert_string_equal(live_figures_node(world->figures, 0), "s2");
    pass(world, TIMEOUT_MS + 1);
    expect(world, "lot-1", -1); /* silent for long enough: not held on to */
    assert_null(live_figures_node(world->figures, 0));
    assert_int_equal(live_figures_samplers(world->figures), 0);
}

static void
a_bye_hands_over_at_once_or_holds_on(void **state)
{
    struct world *world = *state;
    introduce(world, "s1", 100, "lot-1", 1);
    introduce(world, "s2", 100, "lot-1", 2);
    struct message bye = make(MESSAGE_BYE, "s1", 99);
    live_figures_take(world->figures, &bye, world->now_ms);
    expect(world, "lot-1", 1); /* an older run's */
    bye.epoch_ms = 100;
    live_figures_take(world->figures, &bye, world->now_ms);
    expect(world, "lot-1", 2);
    beat(world, "s2", 100, NODE_LEAVING, "lot-1", 7);
    pass(world, 1000);
    strcpy(bye.node, "s2");
    live_figures_take(world->figures, &bye, world->now_ms);
    assert_int_equal(live_figures_samplers(world->figures), 0);
    expect(world, "lot-1", 2);
    pass(world, TIMEOUT_MS - 1001);
    expect(world, "lot-1", 2); /* counted from when it was lost, not from its bye */
    pass(world, 1);
    expect(world, "lot-1", -1);
}

static void
who_is_ready_again_is_followed_again(void **state)
{
    struct world *world = *state;
    introduce(world, "s1", 100, "lot-1", 4);
    beat(world, "s1", 100, NODE_WARMING, "lot-1", 7);
    say(world, "s1", 100, CHANGE_JOIN, "lot-1", 8, 5);
    expect(world, "lot-1", 5);
    beat(world, "s1", 100, NODE_READY, "lot-1", 8);
    pass(world, TIMEOUT_MS - 1);
    beat(world, "s1", 100, NODE_READY, "lot-1", 8);
    pass(world, TIMEOUT_MS - 1);
    expect(world, "lot-1", 5);
}

static void
gateways_are_none_of_ours(void **state)
{
    struct world *world = *state;
    struct message message = make(MESSAGE_HEARTBEAT, "g1", 100);
    message.role = NODE_GATEWAY;
    message.state = NODE_READY;
    live_figures_take(world->figures, &message, world->now_ms);
    expect(world, "lot-1", -1);
    assert_int_equal(live_figures_samplers(world->figures), 0);
}

static void
lists_in_order_by_pages(void **state)
{
    struct world *world = *state;
    struct live_auction rows[100];
    char id[AUCTION_BYTES];
    introduce(world, "s1", 100, "lot-000", 1);
    for (int i = 1; i < 500; i++) {
        snprintf(id, sizeof id, "lot-%03d", i);
        say(world, "s1", 100, CHANGE_STATE, id, 7, i % 5 ? (uint64_t)i : 0);
    }
    char after[AUCTION_BYTES] = "";
    int expected = 0;
    size_t count, total = 0;
    while ((count = live_figures_list(world->figures, after, rows, 100))) {
        for (size_t i = 0; i < count; i++, expected++) {
            if (expected && expected % 5 == 0)
                expected++;
            snprintf(id, sizeof id, "lot-%03d", expected);
            assert_string_equal(rows[i].auction, id);
        }
        total += count;
        strcpy(after, rows[count - 1].auction);
    }
    assert_int_equal(total, 401);
}

static void
forgets_auctions_long_empty(void **state)
{
    struct world *world = *state;
    introduce(world, "s1", 100, "lot-1", 0);
    say(world, "s1", 100, CHANGE_STATE, "lot-2", 7, 1);
    assert_int_equal(live_figures_auctions(world->figures), 2);
    for (int i = 0; i < SHARD_COUNT; i++) {
        beat(world, "s1", 100, NODE_READY, "lot-1", 7);
        live_figures_tick(world->figures, world->now_ms);
    }
    assert_int_equal(live_figures_auctions(world->figures), 2);
    world->now_ms += 61000;
    for (int i = 0; i < SHARD_COUNT; i++) {
        beat(world, "s1", 100, NODE_READY, "lot-1", 7);
        live_figures_tick(world->figures, world->now_ms);
    }
    assert_int_equal(live_figures_auctions(world->figures), 1);
    expect(world, "lot-2", 1);
}

static void
former_epochs_are_told(void **state)
{
    struct world *world = *state;
    introduce(world, "s1", 100, "lot-1", 5);
    struct message former = make(MESSAGE_HEARTBEAT, "s1", 99);
    former.state = NODE_WARMING;
    assert_int_equal(live_figures_take(world->figures, &former, world->now_ms), READER_OLD);
    expect(world, "lot-1", 5);
}

static void
refuses_more_samplers_than_it_has_room_for(void **state)
{
    struct world *world = *state;
    char node[NODE_BYTES];
    for (int i = 0; i < LIVE_SAMPLERS_MAX; i++) {
        snprintf(node, sizeof node, "s%d", i);
        beat(world, node, 100, NODE_READY, NULL, 0);
    }
    struct message one_more = make(MESSAGE_HEARTBEAT, "more", 100);
    assert_int_equal(live_figures_take(world->figures, &one_more, world->now_ms), READER_FULL);
}

#define WORLD(test_) cmocka_unit_test_setup_teardown(test_, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(nothing_is_live_at_first),
        WORLD(state_then_changes),
        WORLD(figures_are_not_told_before_they_are_whole),
        WORLD(a_gap_is_applied_and_renewed),
        WORLD(a_sweep_removes_what_was_not_named),
        WORLD(a_restart_shows_only_when_it_takes_long),
        WORLD(follows_one_until_it_is_gone),
        WORLD(a_bye_hands_over_at_once_or_holds_on),
        WORLD(who_is_ready_again_is_followed_again),
        WORLD(gateways_are_none_of_ours),
        WORLD(lists_in_order_by_pages),
        WORLD(forgets_auctions_long_empty),
        WORLD(former_epochs_are_told),
        WORLD(refuses_more_samplers_than_it_has_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
