/* Following a sampler: each rule by hand, then samplers that come, restart, fall silent and say
 * bye at random, against what must always hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "chance.h"
#include "mem.h"

#include "follow.h"

#define SILENCE_MS 3000
#define QUIET_MS 10000
#define SAMPLERS 4
#define STEPS 300000

static int changes; /* calls of note_change() since it was last zeroed */

static void
note_change(void *arg, struct follow_auction *auction)
{
    (void)arg, (void)auction;
    changes++;
}

static struct message
make_message(const char *node, int64_t epoch_ms)
{
    struct message message = {.role = NODE_SAMPLER, .epoch_ms = epoch_ms};
    snprintf(message.node, sizeof message.node, "%s", node);
    return message;
}

static enum follow_result
beat(struct follow *follow, const char *node, int64_t epoch_ms, enum node_state state,
     int64_t now_ms)
{
    struct message message = make_message(node, epoch_ms);
    message.kind = MESSAGE_HEARTBEAT;
    message.state = state;
    return follow_heartbeat(follow, &message, now_ms);
}

static struct message
make_count(const char *node, int64_t epoch_ms, uint64_t sequence, uint64_t count)
{
    struct message message = make_message(node, epoch_ms);
    message.kind = MESSAGE_COUNT;
    message.change = sequence ? CHANGE_JOIN : CHANGE_STATE;
    message.sequence = sequence;
    message.count = count;
    return message;
}

static enum follow_result
tell(struct follow *follow, const char *node, struct follow_auction *auction, uint64_t sequence,
     uint64_t count, uint64_t own, int64_t now_ms)
{
    struct message message = make_count(node, 1, sequence, count);
    return follow_count(follow, &message, auction, own, now_ms);
}

static void
say_bye(struct follow *follow, const char *node, int64_t epoch_ms, int64_t now_ms)
{
    struct message message = make_message(node, epoch_ms);
    message.kind = MESSAGE_BYE;
    follow_bye(follow, &message, now_ms);
}

static void
alone_until_one_is_ready(void **state)
{
    (void)state;
    struct follow *follow = follow_new(SILENCE_MS, note_change, NULL);
    struct follow_auction auction = {0};
    follow_watch(follow, &auction, 0, 0);
    tell(follow, "a", &auction, 1, 50, 2, 10);
    beat(follow, "a", 1, NODE_WARMING, 20);
    tell(follow, "a", &auction, 2, 50, 2, 30);
    assert_null(follow_node(follow, 0));
    assert_int_equal(auction.others, 0);
    beat(follow, "a", 1, NODE_READY, 40);
    assert_string_equal(follow_node(follow, 0), "a");
    assert_ptr_equal(follow_next_renewal(follow, 41), &auction);
    assert_null(follow_next_renewal(follow, 41));
    tell(follow, "a", &auction, 3, 50, 2, 50);
    assert_int_equal(auction.others, 48);
    tell(follow, "a", &auction, 4, 1, 2, 60); /* our latest joins are not in it yet */
    assert_int_equal(auction.others, 0);
    follow_unwatch(follow, &auction);
    follow_destroy(&follow);
    assert_null(follow);
}

/* A heartbeat of a sampler that serves the even shards, or the odd ones. */
static void
beat_half(struct follow *follow, const char *node, bool odd, enum node_state state,
          int64_t now_ms)
{
    struct message message = make_message(node, 1);
    message.kind = MESSAGE_HEARTBEAT;
    message.state = state;
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++)
        message.unserved[shard] = shard % 2 != odd;
    follow_heartbeat(follow, &message, now_ms);
}

static void
follows_one_of_each_shard(void **state)
{
    (void)state;
    struct follow *follow = follow_new(SILENCE_MS, note_change, NULL);
    struct follow_auction even = {0}, odd = {0};
    follow_watch(follow, &even, 8, 0);
    follow_watch(follow, &odd, 9, 0);
    beat_half(follow, "a", false, NODE_READY, 0);
    assert_string_equal(follow_node(follow, 8), "a");
    assert_null(follow_node(follow, 9));
    assert_int_equal(follow_shards(follow), SHARD_COUNT / 2);
    beat_half(follow, "b", true, NODE_READY, 0);
    beat_half(follow, "c", true, NODE_READY, 0);
    assert_string_equal(follow_node(follow, 9), "b");
    assert_int_equal(follow_shards(follow), SHARD_COUNT);
    tell(follow, "b", &even, 1, 70, 0, 1); /* not its shard */
    tell(follow, "a", &even, 1, 50, 0, 1);
    tell(follow, "b", &odd, 1, 60, 0, 1);
    assert_int_equal(even.others, 50);
    assert_int_equal(odd.others, 60);
    while (follow_next_renewal(follow, 1))
        ;
    say_bye(follow, "b", 1, 2);
    assert_string_equal(follow_node(follow, 8), "a");
    assert_string_equal(follow_node(follow, 9), "c");
    assert_int_equal(odd.others, 60); /* until c tells */
    assert_ptr_equal(follow_next_renewal(follow, 2), &odd);
    assert_null(follow_next_renewal(follow, 2));
    tell(follow, "c", &odd, 1, 61, 0, 3);
    assert_int_equal(odd.others, 61);
    assert_int_equal(even.others, 50);
    follow_unwatch(follow, &even);
    follow_unwatch(follow, &odd);
    follow_destroy(&follow);
}

static void
ignores_late_counts(void **state)
{
    (void)state;
    struct follow *follow = follow_new(SILENCE_MS, note_change, NULL);
    struct follow_auction auction = {0};
    follow_watch(follow, &auction, 0, 0);
    beat(follow, "a", 1, NODE_READY, 0);
    tell(follow, "a", &auction, 5, 10, 0, 1);
    tell(follow, "a", &auction, 4, 99, 0, 2);
    tell(follow, "a", &auction, 5, 98, 0, 3);
    tell(follow, "b", &auction, 9, 97, 0, 4);
    assert_int_equal(auction.others, 10);
    struct message message = make_message("a", 1);
    message.kind = MESSAGE_COUNT;
    message.change = CHANGE_STATE; /* an answer carries the newest sequence as it is */
    message.sequence = 5;
    message.count = 11;
    follow_count(follow, &message, &auction, 0, 5);
    assert_int_equal(auction.others, 11);
    follow_count(follow, &message, NULL, 0, 5);
    follow_unwatch(follow, &auction);
    follow_destroy(&follow);
}

static void
sticks_and_fails_over(void **state)
{
    (void)state;
    struct follow *follow = follow_new(SILENCE_MS, note_change, NULL);
    struct follow_auction auction = {0};
    follow_watch(follow, &auction, 0, 0);
    beat(follow, "b", 1, NODE_READY, 0);
    beat(follow, "a", 1, NODE_READY, 0);
    assert_string_equal(follow_node(follow, 0), "b");
    assert_ptr_equal(follow_next_renewal(follow, 0), &auction);
    tell(follow, "b", &auction, 1, 20, 5, 0);
    for (int64_t now_ms = 0; now_ms <= SILENCE_MS; now_ms += 100) {
        beat(follow, "a", 1, NODE_READY, now_ms);
        follow_tick(follow, now_ms);
    }
    assert_string_equal(follow_node(follow, 0), "a");
    assert_int_equal(auction.others, 15); /* until the new one has spoken */
    assert_ptr_equal(follow_next_renewal(follow, SILENCE_MS), &auction);
    tell(follow, "a", &auction, 1, 21, 5, SILENCE_MS); /* sequences start anew */
    assert_int_equal(auction.others, 16);
    follow_unwatch(follow, &auction);
    follow_destroy(&follow);
}

static void
silence_drops_what_was_elsewhere(void **state)
{
    (void)state;
    struct follow *follow = follow_new(SILENCE_MS, note_change, NULL);
    struct follow_auction auction = {0};
    follow_watch(follow, &auction, 0, 0);
    beat(follow, "a", 1, NODE_READY, 0);
    tell(follow, "a", &auction, 1, 20, 5, 100);
    follow_tick(follow, 100 + SILENCE_MS - 1);
    assert_int_equal(auction.others, 15);
    changes = 0;
    follow_tick(follow, 100 + SILENCE_MS);
    assert_null(follow_node(follow, 0));
    assert_int_equal(auction.others, 0);
    assert_int_equal(changes, 1);
    follow_unwatch(follow, &auction);
    follow_destroy(&follow);
}

/* A process that was stopped blames nobody for what it did not hear. */
static void
own_deafness_is_nobodys_fault(void **state)
{
    (void)state;
    struct follow *follow = follow_new(SILENCE_MS, note_change, NULL);
    struct follow_auction auction = {0};
    follow_watch(follow, &auction, 0, 0);
    beat(follow, "a", 1, NODE_READY, 0);
    tell(follow, "a", &auction, 1, 20, 5, 100);
    follow_tick(follow, 100);
    changes = 0;
    follow_tick(follow, 20000);
    assert_string_equal(follow_node(follow, 0), "a");
    for (int64_t now_ms = 20100; now_ms < 20000 + SILENCE_MS; now_ms += 100)
        follow_tick(follow, now_ms);
    assert_int_equal(changes, 0);
    follow_tick(follow, 20000 + SILENCE_MS);
    assert_null(follow_node(follow, 0));
    assert_int_equal(auction.others, 0);
    follow_unwatch(follow, &auction);
    follow_destroy(&follow);
}

/* One that is not ready any more is left, though it may still be heard. */
static void
one_that_is_not_ready_is_left(void **state)
{
    (void)state;
    struct follow *follow = follow_new(SILENCE_MS, note_change, NULL);
    beat(follow, "a", 1, NODE_READY, 0);
    beat(follow, "b", 1, NODE_READY, 0);
    assert_string_equal(follow_node(follow, 0), "a");
    beat(follow, "a", 1, NODE_LEAVING, 100);
    assert_string_equal(follow_node(follow, 0), "b");
    beat(follow, "b", 1, NODE_LEAVING, 200);
    assert_null(follow_node(follow, 0));
    follow_destroy(&follow);
}

/* One that starts again is no longer believed, and its sequences begin anew. */
static void
restart_is_followed_anew(void **state)
{
    (void)state;
    struct follow *follow = follow_new(SILENCE_MS, note_change, NULL);
    struct follow_auction auction = {0};
    follow_watch(follow, &auction, 0, 0);
    beat(follow, "a", 1, NODE_READY, 0);
    tell(follow, "a", &auction, 100, 20, 5, 100);
    beat(follow, "a", 2, NODE_READY, 200);
    assert_ptr_equal(follow_next_renewal(follow, 200), &auction);
    struct message message = make_count("a", 2, 1, 30);
    follow_count(follow, &message, &auction, 5, 300);
    assert_int_equal(auction.others, 25);
    follow_unwatch(follow, &auction);
    follow_destroy(&follow);
}

static void
quick_restart_does_not_show(void **state)
{
    (void)state;
    struct follow *follow = follow_new(SILENCE_MS, note_change, NULL);
    struct follow_auction auction = {0};
    follow_watch(follow, &auction, 0, 0);
    beat(follow, "a", 1, NODE_READY, 0);
    tell(follow, "a", &auction, 7, 20, 5, 0);
    changes = 0;
    say_bye(follow, "a", 1, 1000);
    tell(follow, "a", &auction, 8, 3, 5, 1000); /* still under way */
    beat(follow, "a", 2, NODE_WARMING, 2000);
    follow_tick(follow, 2000);
    assert_null(follow_node(follow, 0));
    assert_int_equal(auction.others, 15);
    beat(follow, "a", 2, NODE_READY, 2500);
    assert_string_equal(follow_node(follow, 0), "a");
    follow_tick(follow, 2000 + SILENCE_MS);
    assert_int_equal(changes, 0);
    assert_int_equal(auction.others, 15);
    follow_unwatch(follow, &auction);
    follow_destroy(&follow);
}

static void
hold_ends(void **state)
{
    (void)state;
    struct follow *follow = follow_new(SILENCE_MS, note_change, NULL);
    struct follow_auction auction = {0};
    follow_watch(follow, &auction, 0, 0);
    beat(follow, "a", 1, NODE_READY, 0);
    tell(follow, "a", &auction, 7, 20, 5, 0);
    say_bye(follow, "a", 1, 1000);
    follow_tick(follow, 1000 + SILENCE_MS - 1);
    assert_int_equal(auction.others, 15);
    follow_tick(follow, 1000 + SILENCE_MS);
    assert_int_equal(auction.others, 0);
    follow_unwatch(follow, &auction);
    follow_destroy(&follow);
}

static void
former_epochs_are_not_heard(void **state)
{
    (void)state;
    struct follow *follow = follow_new(SILENCE_MS, note_change, NULL);
    struct follow_auction auction = {0};
    follow_watch(follow, &auction, 0, 0);
    assert_int_equal(beat(follow, "a", 2, NODE_READY, 0), FOLLOW_TAKEN);
    assert_int_equal(tell(follow, "a", &auction, 9, 20, 5, 1), FOLLOW_OLD); /* of epoch 1 */
    assert_int_equal(beat(follow, "a", 1, NODE_WARMING, 1), FOLLOW_OLD);
    say_bye(follow, "a", 1, 2);
    assert_string_equal(follow_node(follow, 0), "a");
    assert_int_equal(auction.others, 0);
    follow_unwatch(follow, &auction);
    follow_destroy(&follow);
}

static void
quiet_subscriptions_are_renewed(void **state)
{
    (void)state;
    struct follow *follow = follow_new(SILENCE_MS, note_change, NULL);
    struct follow_auction a = {0}, b = {0};
    beat(follow, "a", 1, NODE_READY, 0);
    follow_watch(follow, &a, 0, 0);
    follow_watch(follow, &b, 0, 5000);
    beat(follow, "a", 1, NODE_READY, 9000);
    assert_null(follow_next_renewal(follow, QUIET_MS - 1));
    tell(follow, "a", &a, 1, 1, 1, QUIET_MS - 1);
    assert_null(follow_next_renewal(follow, 5000 + QUIET_MS - 1));
    assert_ptr_equal(follow_next_renewal(follow, 5000 + QUIET_MS), &b);
    assert_null(follow_next_renewal(follow, 5000 + QUIET_MS));
    assert_ptr_equal(follow_next_renewal(follow, 2 * QUIET_MS), &a);
    follow_unwatch(follow, &a);
    follow_unwatch(follow, &b);
    follow_destroy(&follow);
}

static void
too_many_nodes_do_no_harm(void **state)
{
    (void)state;
    struct follow *follow = follow_new(SILENCE_MS, note_change, NULL);
    char node[NODE_BYTES];
    for (int i = 0; i < 1000; i++) {
        snprintf(node, sizeof node, "n%d", i);
        beat(follow, node, 1, NODE_WARMING, 0);
    }
    assert_int_equal(beat(follow, "z", 1, NODE_READY, 1), FOLLOW_FULL);
    assert_null(follow_node(follow, 0));
    follow_tick(follow, SILENCE_MS);
    beat(follow, "z", 1, NODE_READY, SILENCE_MS);
    assert_string_equal(follow_node(follow, 0), "z");
    follow_destroy(&follow);
}

struct world {
    struct follow *follow;
    int64_t epoch_ms[SAMPLERS], heard_ms[SAMPLERS];
    enum node_state state[SAMPLERS];
    bool heard_of[SAMPLERS]; /* in this epoch, before this step */
    int64_t now_ms;
};

static const char *const nodes[SAMPLERS] = {"s0", "s1", "s2", "s3"};

static void
step(struct world *world, struct chance *chance)
{
    size_t i = chance_below(chance, SAMPLERS);
    world->now_ms += (int64_t)chance_below(chance, 500);
    switch (chance_below(chance, 20)) {
    case 0: /* a restart */
        world->epoch_ms[i]++;
        world->state[i] = NODE_WARMING;
        world->heard_of[i] = false;
        return;
    case 1:
        say_bye(world->follow, nodes[i], world->epoch_ms[i], world->now_ms);
        world->state[i] = NODE_LEAVING;
        world->epoch_ms[i]++; /* whoever comes back is new */
        world->heard_of[i] = false;
        return;
    case 2: /* silence for all */
        for (uint64_t ticks = chance_below(chance, 2 * SILENCE_MS / 100); ticks; ticks--)
            follow_tick(world->follow, world->now_ms += 100);
        return;
    case 3:
        follow_tick(world->follow, world->now_ms);
        return;
    default:
        if (chance_below(chance, 3) == 0)
            world->state[i] = NODE_READY;
        world->heard_ms[i] = world->now_ms;
        beat(world->follow, nodes[i], world->epoch_ms[i], world->state[i], world->now_ms);
    }
}

static void
follows_one_that_is_fit(void **state)
{
    (void)state;
    struct chance chance = {chance_seed("follow")};
    struct world world = {.follow = follow_new(SILENCE_MS, note_change, NULL),
                          .epoch_ms = {1, 1, 1, 1}};
    char last[NODE_BYTES] = "";
    int steps = chance_steps(STEPS);
    for (int n = 0; n < steps; n++) {
        step(&world, &chance);
        follow_tick(world.follow, world.now_ms);
        const char *node = follow_node(world.follow, 0);
        bool any = false, last_fit = false;
        for (int i = 0; i < SAMPLERS; i++) {
            bool fit = world.state[i] == NODE_READY && world.heard_ms[i] &&
                       world.now_ms - world.heard_ms[i] < SILENCE_MS;
            any |= fit;
            last_fit |= fit && world.heard_of[i] && !strcmp(last, nodes[i]);
            world.heard_of[i] |= fit;
            if (node && !strcmp(node, nodes[i]))
                assert_true(world.now_ms - world.heard_ms[i] < SILENCE_MS);
        }
        if (last_fit)
            assert_string_equal(node, last); /* sticky */
        if (any)
            assert_non_null(node);
        snprintf(last, sizeof last, "%s", node ? node : "");
    }
    follow_destroy(&world.follow);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_until_one_is_ready),
        cmocka_unit_test(ignores_late_counts),
        cmocka_unit_test(follows_one_of_each_shard),
        cmocka_unit_test(sticks_and_fails_over),
        cmocka_unit_test(silence_drops_what_was_elsewhere),
        cmocka_unit_test(own_deafness_is_nobodys_fault),
        cmocka_unit_test(one_that_is_not_ready_is_left),
        cmocka_unit_test(restart_is_followed_anew),
        cmocka_unit_test(quick_restart_does_not_show),
        cmocka_unit_test(hold_ends),
        cmocka_unit_test(former_epochs_are_not_heard),
        cmocka_unit_test(quiet_subscriptions_are_renewed),
        cmocka_unit_test(too_many_nodes_do_no_harm),
        cmocka_unit_test(follows_one_that_is_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
