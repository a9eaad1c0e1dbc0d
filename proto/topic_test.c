#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "topic.h"

static void
test_prefixes(void **state)
{
    (void)state;
    char topic[TOPIC_BYTES];
    assert_int_equal(topic_kind(MESSAGE_SNAPSHOT, topic), 9);
    assert_string_equal(topic, "snapshot/");
    assert_int_equal(topic_shard(MESSAGE_EVENT, 0x0f, topic), 9);
    assert_string_equal(topic, "event/0f/");
    assert_int_equal(topic_auction(MESSAGE_COUNT, "lot-12", topic), 16);
    assert_string_equal(topic, "count/c8/lot-12/");
    char longest[AUCTION_BYTES];
    memset(longest, 'a', sizeof longest - 1);
    longest[64] = 0;
    assert_int_equal(topic_auction(MESSAGE_SNAPSHOT, longest, topic), 9 + 3 + 64 + 1);
}

static struct subscription
read_prefix(const char *prefix)
{
    return subscription_read(MESSAGE_EVENT, prefix, strlen(prefix));
}

static void
expect_scope(const char *prefix, enum subscription_scope scope, bool heartbeat)
{
    struct subscription read = read_prefix(prefix);
    if (read.scope != scope || read.heartbeat != heartbeat)
        fail_msg("'%s': scope %d, heartbeat %d", prefix, read.scope, read.heartbeat);
}

static void
test_scopes(void **state)
{
    (void)state;
    expect_scope("", SCOPE_ALL, true);
    const char *all[] = {"e", "even", "event", "event/", "event/0", "event/c"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        expect_scope(all[i], SCOPE_ALL, false);
    const char *shard[] = {"event/c8", "event/c8/", "event/c8/l", "event/c8/lot-12"};
    for (size_t i = 0; i < sizeof shard / sizeof *shard; i++) {
        expect_scope(shard[i], SCOPE_SHARD, false);
        assert_int_equal(read_prefix(shard[i]).shard, 0xc8);
        assert_string_equal(read_prefix(shard[i]).auction, "");
    }
    expect_scope("event/c8/lot-12/", SCOPE_AUCTION, false);
    assert_string_equal(read_prefix("event/c8/lot-12/").auction, "lot-12");
    assert_int_equal(read_prefix("event/c8/lot-12/").shard, 0xc8);
    assert_int_equal(subscription_read(MESSAGE_COUNT, "count/c8/", 9).scope, SCOPE_SHARD);
    assert_int_equal(subscription_read(MESSAGE_EVENT, NULL, 0).scope, SCOPE_ALL);
}

static void
test_nothing(void **state)
{
    (void)state;
    const char *nothing[] = {"x",
                             "events",
                             "event//",
                             "event/C8/",
                             "event/g",
                             "event/cg",
                             "event/c8x",
                             "event/c8//",
                             "event/c8/l.",
                             "event/c8/l/x",
                             "count/",
                             "count/c8/",
                             "snapshot/",
                             "snapshot/c8/a/",
                             "bye/",
                             "bye/gateway/",
                             "event/c9/lot-12/",
                             "event/c8/lot-12//",
                             "batch/",
                             "heartbeatx"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        expect_scope(nothing[i], SCOPE_NOTHING, false);
    assert_int_equal(subscription_read(MESSAGE_EVENT, "event/c8/a\0/", 12).scope,
                     SCOPE_NOTHING);
    assert_int_equal(subscription_read(MESSAGE_EVENT, "\0", 1).scope, SCOPE_NOTHING);
    char long_id[128] = "event/c8/";
    memset(long_id + 9, 'a', 65);
    assert_int_equal(subscription_read(MESSAGE_EVENT, long_id, 9 + 65).scope, SCOPE_NOTHING);
    assert_int_equal(subscription_read(MESSAGE_EVENT, long_id, 9 + 64).scope, SCOPE_SHARD);
}

static void
test_heartbeats(void **state)
{
    (void)state;
    const char *mine[] = {"h",
                          "heartbeat",
                          "heartbeat/",
                          "heartbeat/g",
                          "heartbeat/gateway",
                          "heartbeat/gateway/",
                          "heartbeat/gateway/gw",
                          "heartbeat/gateway/gw/"};
    for (size_t i = 0; i < sizeof mine / sizeof *mine; i++)
        expect_scope(mine[i], SCOPE_NOTHING, true);
    expect_scope("heartbeat/sampler/", SCOPE_NOTHING, false);
    expect_scope("heartbeat/gateway//", SCOPE_NOTHING, false);
    expect_scope("heartbeat/gateway/a b", SCOPE_NOTHING, false);
    expect_scope("heartbeat/gateway/gw/x", SCOPE_NOTHING, false);
    assert_true(subscription_read(MESSAGE_COUNT, "heartbeat/sampler/", 18).heartbeat);
    assert_false(subscription_read(MESSAGE_COUNT, "heartbeat/gateway/", 18).heartbeat);
}

/* A prefix that receives a topic must have an answer that covers it. */
static void
test_every_prefix_is_answered(void **state)
{
    (void)state;
    const char *topic = "event/c8/lot-12/", *heartbeat = "heartbeat/gateway/gw-1/";
    for (size_t length = 0; length <= strlen(topic); length++) {
        struct subscription read = subscription_read(MESSAGE_EVENT, topic, length);
        bool covered = read.scope == SCOPE_ALL ||
                       (read.scope == SCOPE_SHARD && read.shard == 0xc8) ||
                       (read.scope == SCOPE_AUCTION && !strcmp(read.auction, "lot-12"));
        assert_true(covered);
    }
    for (size_t length = 0; length <= strlen(heartbeat); length++)
        assert_true(subscription_read(MESSAGE_EVENT, heartbeat, length).heartbeat);
}

static void
test_renewals(void **state)
{
    (void)state;
    char topic[TOPIC_BYTES];
    size_t length = topic_renewal(NODE_GATEWAY, "gw-1", 0x3f, topic);
    assert_string_equal(topic, "renew/gateway/gw-1/3f/");
    struct subscription read = subscription_read(MESSAGE_EVENT, topic, length);
    assert_int_equal(read.scope, SCOPE_SHARD);
    assert_int_equal(read.shard, 0x3f);
    assert_string_equal(read.node, "gw-1");
    assert_int_equal(subscription_read(MESSAGE_COUNT, topic, length).scope, SCOPE_NOTHING);
    assert_string_equal(subscription_read(MESSAGE_EVENT, "event/3f/", 9).node, "");
    const char *nothing[] = {"renew",
                             "renew/",
                             "renew/gateway/",
                             "renew/gateway/gw-1",
                             "renew/gateway/gw-1/",
                             "renew/gateway/gw-1/3",
                             "renew/gateway/gw-1/3f",
                             "renew/gateway/gw-1/3F/",
                             "renew/gateway/gw-1/3f/x",
                             "renew/gateway//3f/",
                             "renew/gateway/g w/3f/",
                             "renew/store/gw-1/3f/"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        expect_scope(nothing[i], SCOPE_NOTHING, false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefixes),   cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_nothing),    cmocka_unit_test(test_renewals),
        cmocka_unit_test(test_heartbeats), cmocka_unit_test(test_every_prefix_is_answered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
