/* Renewals of many nodes: all get their turn, and no turn of a loop is long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "reader.h"

#define NODES 20
#define LATE_MS 1000 /* when new nodes may be asked */

struct bench {
    struct reader *reader;
    struct message beat;
    int asked[NODES];
};

static void
pass_apply(void *arg, const struct reader_node *node, const struct message *message,
           uint32_t mark)
{
    (void)arg, (void)node, (void)message, (void)mark;
}

static void
pass_sweep(void *arg, const struct reader_node *node, unsigned shard, uint32_t mark)
{
    (void)arg, (void)node, (void)shard, (void)mark;
}

static void
pass_drop(void *arg, const struct reader_node *node)
{
    (void)arg, (void)node;
}

static void
pass_news(void *arg, const struct reader_node *node, enum reader_news news)
{
    (void)arg, (void)node, (void)news;
}

/* Every node says that it has spoken in every shard, of which nothing came. */
static void
beat_all(struct bench *bench, int64_t mono_ms)
{
    struct message *beat = &bench->beat;
    for (int i = 0; i < NODES; i++) {
        snprintf(beat->node, sizeof beat->node, "%d", i);
        assert_int_equal(reader_take(bench->reader, beat, mono_ms), READER_TAKEN);
    }
}

static int
set_up(void **state)
{
    static struct bench bench;
    struct reader_options options = {.role = NODE_GATEWAY,
                                     .node_timeout_ms = 10000,
                                     .nodes_max = NODES,
                                     .apply = pass_apply,
                                     .sweep = pass_sweep,
                                     .drop = pass_drop,
                                     .news = pass_news};
    bench = (struct bench){.reader = reader_new(&options, 0)};
    bench.beat = (struct message){
        .kind = MESSAGE_HEARTBEAT, .role = NODE_GATEWAY, .epoch_ms = 1, .state = NODE_READY};
    for (int shard = 0; shard < SHARD_COUNT; shard++)
        bench.beat.sequences[shard] = 1;
    beat_all(&bench, 0);
    *state = &bench;
    return 0;
}

static int
tear_down(void **state)
{
    struct bench *bench = *state;
    reader_destroy(&bench->reader);
    return 0;
}

/* Asks for all that may be; how many. */
static int
ask(struct bench *bench, int64_t mono_ms)
{
    struct reader_renewal renewal;
    int count = 0, node;
    while (reader_renewal(bench->reader, mono_ms, &renewal)) {
        assert_int_equal(sscanf(renewal.node, "%d", &node), 1);
        bench->asked[node]++;
        count++;
    }
    return count;
}

static void
renews_in_parts(void **state)
{
    struct bench *bench = *state;
    int left = NODES * SHARD_COUNT - READER_RENEWALS_MAX;
    int64_t now_ms = LATE_MS;
    assert_int_equal(ask(bench, now_ms), READER_RENEWALS_MAX);
    assert_int_equal(ask(bench, now_ms), 0);
    for (; left > 10 * READER_RENEWALS_MS; left -= 10 * READER_RENEWALS_MS)
        assert_int_equal(ask(bench, now_ms += 10), 10 * READER_RENEWALS_MS);
    assert_int_equal(ask(bench, now_ms += 10), left);
    assert_int_equal(ask(bench, now_ms += 10), 0);
    for (int i = 0; i < NODES; i++)
        assert_int_equal(bench->asked[i], SHARD_COUNT);
}

/* The first ones, wanted again meanwhile, do not come before those that were not named yet. */
static void
all_nodes_get_their_turn(void **state)
{
    struct bench *bench = *state;
    int64_t now_ms = LATE_MS;
    for (int named = 0; named < NODES * SHARD_COUNT; now_ms += 1000) {
        beat_all(bench, now_ms);
        named += ask(bench, now_ms);
    }
    for (int i = 0; i < NODES; i++)
        assert_in_range(bench->asked[i], 1, 2 * SHARD_COUNT);
}

/* The node whose turn is next leaves. */
static void
a_node_may_go_in_its_turn(void **state)
{
    struct bench *bench = *state;
    struct message bye = bench->beat;
    bye.kind = MESSAGE_BYE;
    assert_int_equal(ask(bench, LATE_MS), READER_RENEWALS_MAX);
    snprintf(bye.node, sizeof bye.node, "%d", READER_RENEWALS_MAX / SHARD_COUNT);
    assert_int_equal(reader_take(bench->reader, &bye, LATE_MS), READER_TAKEN);
    int gone = READER_RENEWALS_MAX / SHARD_COUNT, before = bench->asked[gone];
    for (int64_t now_ms = LATE_MS + 100; ask(bench, now_ms); now_ms += 100)
        ;
    for (int i = 0; i < NODES; i++)
        assert_int_equal(bench->asked[i], i == gone ? before : SHARD_COUNT);
}

/* What was sound before a time is not said to be by those that were found after it. */
static void
soundness_is_of_all_who_were_there(void **state)
{
    struct bench *bench = *state; /* nobody is sound: all miss something */
    struct message beat = bench->beat;
    assert_int_equal(reader_sound_ms(bench->reader, 0), 0);
    struct message bye = beat;
    bye.kind = MESSAGE_BYE;
    for (int i = 0; i < NODES; i++) {
        snprintf(bye.node, sizeof bye.node, "%d", i);
        reader_take(bench->reader, &bye, 50);
    }
    assert_int_equal(reader_sound_ms(bench->reader, 50), INT64_MAX);
    memset(beat.sequences, 0, sizeof beat.sequences);
    snprintf(beat.node, sizeof beat.node, "first");
    reader_take(bench->reader, &beat, 100);
    snprintf(beat.node, sizeof beat.node, "second");
    reader_take(bench->reader, &beat, 200);
    snprintf(beat.node, sizeof beat.node, "first");
    reader_take(bench->reader, &beat, 300);
    assert_int_equal(reader_sound_ms(bench->reader, 100), 300);
    assert_int_equal(reader_sound_ms(bench->reader, 199), 300);
    assert_int_equal(reader_sound_ms(bench->reader, 200), 200);
    snprintf(beat.node, sizeof beat.node, "second");
    reader_take(bench->reader, &beat, 400);
    assert_int_equal(reader_sound_ms(bench->reader, 200), 300);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(renews_in_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_nodes_get_their_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_node_may_go_in_its_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(soundness_is_of_all_who_were_there, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
