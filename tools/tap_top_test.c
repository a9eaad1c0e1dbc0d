/* The top's table: whose figures count, rates, who is alive, limits, and how it is laid out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "tap_figures.h"
#include "tap_frame.h"
#include "tap_top.h"

#define TIMEOUT_MS 3000
#define ALL TAP_TOP_ROWS_MAX

static struct tap_top *top;
static int64_t now_ms;
static uint64_t sequences[2][SHARD_COUNT]; /* of the one node of a role */

static int
start(void **state)
{
    (void)state;
    now_ms = 100000;
    memset(sequences, 0, sizeof sequences);
    top = tap_top_new(TIMEOUT_MS, now_ms);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    tap_top_destroy(&top);
    tap_top_destroy(&top);
    return 0;
}

static void
take(const struct message *message)
{
    tap_top_take(top, message, now_ms);
}

static struct message
make(enum message_kind kind, enum node_role role, const char *node)
{
    struct message message = {.kind = kind, .role = role, .epoch_ms = 1, .time_ms = 7};
    strcpy(message.node, node);
    return message;
}

static void
beat(enum node_role role, const char *node, enum node_state node_state, uint64_t total)
{
    struct message message = make(MESSAGE_HEARTBEAT, role, node);
    message.state = node_state;
    message.total = total;
    memcpy(message.sequences, sequences[role], sizeof message.sequences);
    take(&message);
}

static void
name(struct message *message, const char *auction)
{
    strcpy(message->auction, auction);
    message->shard = auction_shard(auction);
}

static void
event(const char *node, enum change_kind change, const char *auction, uint64_t joins,
      uint64_t leaves)
{
    struct message message = make(MESSAGE_EVENT, NODE_GATEWAY, node);
    name(&message, auction);
    message.change = change;
    message.joins = joins;
    message.leaves = leaves;
    message.sequence = sequences[NODE_GATEWAY][message.shard] += change != CHANGE_STATE;
    take(&message);
}

static void
count(const char *node, const char *auction, uint64_t viewers)
{
    struct message message = make(MESSAGE_COUNT, NODE_SAMPLER, node);
    name(&message, auction);
    message.change = CHANGE_JOIN;
    message.count = viewers;
    message.sequence = ++sequences[NODE_SAMPLER][message.shard];
    take(&message);
}

static const struct tap_table *
table(enum tap_sort sort)
{
    return tap_top_table(top, sort, ALL, now_ms);
}

static void
expect_rows(const struct tap_table *shown, const char *expected)
{
    char text[1000] = "";
    for (size_t i = 0; i < shown->row_count; i++)
        sprintf(text + strlen(text), "%s=%d ", shown->rows[i].name,
                (int)shown->rows[i].viewers);
    assert_string_equal(text, expected);
}

static void
pass(int64_t ms)
{
    for (int64_t until = now_ms + ms; now_ms < until;) {
        now_ms += 250;
        tap_top_tick(top, now_ms);
    }
}

/* Gateways' shares are added up; each leaves with its gateway. */
static void
test_gateways_alone(void **state)
{
    (void)state;
    event("gw-1", CHANGE_STATE, "lot-1", 10, 4);
    event("gw-1", CHANGE_JOIN, "lot-2", 1, 0);
    struct message other = make(MESSAGE_EVENT, NODE_GATEWAY, "gw-2");
    name(&other, "lot-1");
    other.change = CHANGE_STATE;
    other.joins = 3;
    take(&other);
    assert_int_equal(table(TAP_SORT_VIEWERS)->viewers, 10);
    assert_int_equal(table(TAP_SORT_VIEWERS)->auctions, 2);
    expect_rows(table(TAP_SORT_VIEWERS), "lot-1=9 lot-2=1 ");
    other = make(MESSAGE_BYE, NODE_GATEWAY, "gw-1");
    take(&other);
    expect_rows(table(TAP_SORT_VIEWERS), "lot-1=3 ");
    assert_int_equal(table(TAP_SORT_VIEWERS)->alive[NODE_GATEWAY], 1);
    pass(TIMEOUT_MS + 500);
    expect_rows(table(TAP_SORT_VIEWERS), "");
    assert_int_equal(table(TAP_SORT_VIEWERS)->alive[NODE_GATEWAY], 0);
}

/* A sampler that is ready counts before gateways, a second one never adds to it. */
static void
test_a_sampler_counts_before_gateways(void **state)
{
    (void)state;
    event("gw-1", CHANGE_JOIN, "lot-1", 5, 0);
    count("s-1", "lot-1", 7);
    expect_rows(table(TAP_SORT_VIEWERS), "lot-1=5 ");
    beat(NODE_SAMPLER, "s-1", NODE_WARMING, 7);
    expect_rows(table(TAP_SORT_VIEWERS), "lot-1=5 ");
    beat(NODE_SAMPLER, "s-1", NODE_READY, 7);
    expect_rows(table(TAP_SORT_VIEWERS), "lot-1=7 ");
    struct message replica = make(MESSAGE_COUNT, NODE_SAMPLER, "s-0");
    name(&replica, "lot-1");
    replica.change = CHANGE_JOIN;
    replica.sequence = 1;
    replica.count = 6;
    take(&replica);
    replica = make(MESSAGE_HEARTBEAT, NODE_SAMPLER, "s-0");
    replica.state = NODE_READY;
    replica.sequences[auction_shard("lot-1")] = 1;
    take(&replica);
    expect_rows(table(TAP_SORT_VIEWERS), "lot-1=7 ");
    struct message bye = make(MESSAGE_BYE, NODE_SAMPLER, "s-1");
    take(&bye);
    expect_rows(table(TAP_SORT_VIEWERS), "lot-1=6 ");
    bye = make(MESSAGE_BYE, NODE_SAMPLER, "s-0");
    take(&bye);
    expect_rows(table(TAP_SORT_VIEWERS), "lot-1=5 ");
}

/* Only in the shards that it serves. */
static void
test_shards(void **state)
{
    (void)state;
    event("gw-1", CHANGE_JOIN, "lot-1", 5, 0);
    event("gw-1", CHANGE_JOIN, "lot-2", 4, 0);
    count("s-1", "lot-1", 50);
    struct message message = make(MESSAGE_HEARTBEAT, NODE_SAMPLER, "s-1");
    message.state = NODE_READY;
    memcpy(message.sequences, sequences[NODE_SAMPLER], sizeof message.sequences);
    message.unserved[auction_shard("lot-2")] = true;
    take(&message);
    expect_rows(table(TAP_SORT_VIEWERS), "lot-1=50 lot-2=4 ");
}

static void
test_rates_and_orders(void **state)
{
    (void)state;
    event("gw-1", CHANGE_STATE, "b", 100, 0);
    event("gw-1", CHANGE_STATE, "a", 50, 0);
    tap_top_close_interval(top, now_ms += 1000);
    assert_int_equal(table(TAP_SORT_VIEWERS)->joins_s, 0); /* what was before counts not */
    for (uint64_t i = 1; i <= 10; i++)
        event("gw-1", CHANGE_JOIN, "a", 50 + i, 0);
    event("gw-1", CHANGE_LEAVE, "b", 100, 1);
    event("gw-1", CHANGE_STATE, "b", 104, 1); /* four missed, seen now */
    event("gw-1", CHANGE_JOIN, "c", 1, 0);
    beat(NODE_GATEWAY, "gw-1", NODE_READY, 1);
    tap_top_close_interval(top, now_ms);
    tap_top_close_interval(top, now_ms += 2000);
    const struct tap_table *shown = table(TAP_SORT_VIEWERS);
    expect_rows(shown, "b=103 a=60 c=1 ");
    assert_int_equal(shown->joins_s * 10, 75);
    assert_int_equal(shown->leaves_s * 10, 5);
    assert_int_equal(shown->rows[1].joins_s, 5);
    assert_int_equal(shown->messages_s[MESSAGE_EVENT] * 10, 65);
    assert_int_equal(shown->messages_s[MESSAGE_HEARTBEAT] * 10, 5);
    expect_rows(table(TAP_SORT_JOINS), "a=60 b=103 c=1 ");
    expect_rows(table(TAP_SORT_NAME), "a=60 b=103 c=1 ");
    expect_rows(tap_top_table(top, TAP_SORT_VIEWERS, 2, now_ms), "b=103 a=60 ");
    expect_rows(tap_top_table(top, TAP_SORT_NAME, 1, now_ms), "a=60 ");
    assert_int_equal(tap_top_table(top, TAP_SORT_NAME, 0, now_ms)->row_count, 0);
}

static void
test_gaps_are_renewed(void **state)
{
    (void)state;
    struct reader_renewal renewal;
    enum node_role role;
    event("gw-1", CHANGE_JOIN, "lot-1", 1, 0);
    sequences[NODE_GATEWAY][auction_shard("lot-1")] += 3;
    event("gw-1", CHANGE_JOIN, "lot-1", 5, 0);
    assert_int_equal(table(TAP_SORT_VIEWERS)->gaps, 1);
    assert_int_equal(table(TAP_SORT_VIEWERS)->missed, 3);
    assert_int_equal(table(TAP_SORT_VIEWERS)->nodes[0].missing, 1);
    pass(1000);
    assert_true(tap_top_renewal(top, now_ms, &role, &renewal));
    assert_int_equal(role, NODE_GATEWAY);
    assert_string_equal(renewal.node, "gw-1");
    assert_int_equal(renewal.shard, auction_shard("lot-1"));
    assert_false(tap_top_renewal(top, now_ms, &role, &renewal));
    struct message answer = make(MESSAGE_EVENT, NODE_GATEWAY, "gw-1");
    answer.shard = auction_shard("lot-1");
    answer.sequence = 5;
    answer.change = CHANGE_BEGIN;
    take(&answer);
    answer.change = CHANGE_END; /* the gateway knows of nobody any more */
    take(&answer);
    expect_rows(table(TAP_SORT_VIEWERS), "");
    assert_int_equal(table(TAP_SORT_VIEWERS)->nodes[0].missing, 0);
}

static void
test_nodes(void **state)
{
    (void)state;
    beat(NODE_SAMPLER, "s-1", NODE_WARMING, 3);
    beat(NODE_GATEWAY, "gw-2", NODE_LEAVING, 12);
    beat(NODE_GATEWAY, "gw-1", NODE_READY, 5);
    pass(1000);
    const struct tap_table *shown = table(TAP_SORT_VIEWERS);
    assert_int_equal(shown->node_count, 3);
    assert_string_equal(shown->nodes[0].id, "gw-1");
    assert_string_equal(shown->nodes[1].id, "gw-2");
    assert_string_equal(shown->nodes[2].id, "s-1");
    assert_int_equal(shown->nodes[1].state, NODE_LEAVING);
    assert_int_equal(shown->nodes[1].viewers, 12);
    assert_int_equal(shown->nodes[1].heard_ago_ms, 1000);
    pass(TIMEOUT_MS);
    beat(NODE_GATEWAY, "gw-1", NODE_READY, 5);
    struct message bye = make(MESSAGE_BYE, NODE_GATEWAY, "gw-1");
    take(&bye);
    shown = table(TAP_SORT_VIEWERS);
    assert_int_equal(shown->node_count, 3);
    assert_int_equal(shown->nodes[0].fate, TAP_NODE_LEFT);
    assert_int_equal(shown->nodes[1].fate, TAP_NODE_LOST);
    beat(NODE_GATEWAY, "gw-2", NODE_READY, 5);
    shown = table(TAP_SORT_VIEWERS);
    assert_int_equal(shown->node_count, 3);
    assert_int_equal(shown->nodes[1].fate, TAP_NODE_ALIVE);
    pass(TAP_TOP_GONE_MS + 2 * TIMEOUT_MS);
    assert_int_equal(table(TAP_SORT_VIEWERS)->node_count, 0);
}

static void
test_limits(void **state)
{
    (void)state;
    char text[32];
    for (int i = 0; i < TAP_TOP_AUCTIONS_MAX + 10; i++) {
        snprintf(text, sizeof text, "lot-%d", i);
        event("gw-1", CHANGE_JOIN, text, 1, 1);
    }
    assert_int_equal(table(TAP_SORT_VIEWERS)->refused, 10);
    for (int i = 1; i < TAP_TOP_NODES_MAX + 10; i++) {
        snprintf(text, sizeof text, "gw-%d", i);
        beat(NODE_GATEWAY, text, NODE_READY, 1);
    }
    const struct tap_table *shown = table(TAP_SORT_VIEWERS);
    assert_int_equal(shown->refused, 10 + 9);
    assert_int_equal(shown->node_count, TAP_TOP_NODES_MAX);
    for (int i = 0; i < 4 * (TAP_FIGURES_FORGET_MS / 1000 + 70); i++) {
        beat(NODE_GATEWAY, "gw-1", NODE_READY, 0);
        pass(250);
    }
    event("gw-1", CHANGE_JOIN, "there-is-room-again", 2, 1);
    expect_rows(table(TAP_SORT_VIEWERS), "there-is-room-again=1 ");
    assert_int_equal(table(TAP_SORT_VIEWERS)->refused, 19);
    for (int i = 0; i < 100; i++) {
        struct message bye = make(MESSAGE_BYE, NODE_GATEWAY, "");
        snprintf(bye.node, sizeof bye.node, "left-%d", i);
        beat(NODE_GATEWAY, bye.node, NODE_READY, 0);
        take(&bye);
    }
    assert_int_equal(table(TAP_SORT_VIEWERS)->node_count, 1 + TAP_TOP_GONE_MAX);
}

/* Every size of screen: no line too long, none too many, nothing read or written beyond. */
static void
test_frames(void **state)
{
    (void)state;
    char text[AUCTION_BYTES];
    struct tap_frame_line *lines = mem_alloc(TAP_FRAME_LINES_MAX * sizeof *lines);
    for (int i = 0; i < 60; i++) {
        snprintf(text, sizeof text, "%0*d", 1 + i, i);
        event("gw-1", CHANGE_JOIN, text, 1, 0);
        snprintf(text, sizeof text, "gateway-%d", i);
        beat(NODE_GATEWAY, text, NODE_READY, 1);
    }
    struct tap_frame_view view = {.wall_ms = 1761056100000, .keys = true, .paused = true};
    const struct tap_table *shown = table(TAP_SORT_NAME);
    for (view.width = 1; view.width < 300; view.width += view.width < 130 ? 1 : 50) {
        for (view.height = 1; view.height < 140; view.height += 3) {
            size_t made = tap_frame_make(shown, &view, lines);
            assert_in_range(made, 1, view.height);
            for (size_t i = 0; i < made; i++)
                assert_in_range(strlen(lines[i].text), 0, view.width);
        }
    }
    view.width = view.height = 0;
    size_t made = tap_frame_make(shown, &view, lines);
    assert_int_equal(made, 4 + 2 + 61 + 2 + 60); /* gw-1 is the 61st node */
    assert_non_null(strstr(lines[0].text, "PAUSED"));
    assert_int_equal(lines[5].style, TAP_FRAME_HEAD);
    view.width = 80;
    view.height = 24;
    made = tap_frame_make(shown, &view, lines);
    assert_int_equal(made, 24);
    assert_non_null(strstr(lines[11].text, "... and 56 more"));
    free(lines);
}

int
main(void)
{
#define TEST(test_) cmocka_unit_test_setup_teardown(test_, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(test_gateways_alone),   TEST(test_a_sampler_counts_before_gateways),
        TEST(test_shards),           TEST(test_rates_and_orders),
        TEST(test_gaps_are_renewed), TEST(test_nodes),
        TEST(test_limits),           TEST(test_frames)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
