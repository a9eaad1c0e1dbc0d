#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "auction.h"

static bool
is_auction(const char *text)
{
    return auction_valid(text, strlen(text));
}

static void
test_ids(void **state)
{
    (void)state;
    char longest[AUCTION_BYTES + 1];
    memset(longest, 'z', sizeof longest);
    assert_true(auction_valid(longest, 64));
    assert_false(auction_valid(longest, 65));
    assert_true(node_valid(longest, 64));
    assert_false(node_valid(longest, 65));
    assert_true(is_auction("azAZ09_-"));
    assert_false(is_auction(""));
    assert_false(is_auction("a.b"));
    assert_true(node_valid("a.b", 3));
    assert_false(node_valid("a/b", 3));
    assert_false(auction_valid("a\0b", 3));
    assert_false(node_valid("a\0b", 3));
    assert_true(auction_valid("abc/", 3)); /* need not be terminated */
}

static void
test_every_byte(void **state)
{
    (void)state;
    const char *allowed = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";
    for (int byte = 0; byte < 256; byte++) {
        char text = (char)byte;
        bool id = byte && strchr(allowed, byte);
        assert_int_equal(auction_valid(&text, 1), id);
        assert_int_equal(node_valid(&text, 1), id || byte == '.');
    }
}

static void
test_shards(void **state)
{
    (void)state;
    assert_int_equal(auction_shard("lot-12"), 0xc8);
    assert_int_equal(auction_shard("A"), 0xf5);
    assert_int_equal(auction_shard("507f1f77bcf86cd799439011"), 0x97);
    unsigned used[SHARD_COUNT] = {0}, most = 0;
    for (int i = 0; i < 256 * 100; i++) {
        char id[32];
        snprintf(id, sizeof id, "lot-%d", i);
        unsigned shard = auction_shard(id);
        assert_in_range(shard, 0, SHARD_COUNT - 1);
        used[shard]++;
        most = used[shard] > most ? used[shard] : most;
    }
    assert_in_range(most, 100, 200); /* near enough to even */
}

static void
test_object_ids(void **state)
{
    (void)state;
    assert_true(auction_is_object_id("507f1f77bcf86cd799439011"));
    assert_true(auction_is_object_id("507F1F77BCF86CD799439011"));
    assert_false(auction_is_object_id("507f1f77bcf86cd79943901"));
    assert_false(auction_is_object_id("507f1f77bcf86cd7994390111"));
    assert_false(auction_is_object_id("507f1f77bcf86cd79943901g"));
    assert_false(auction_is_object_id(""));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids), cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_shards), cmocka_unit_test(test_object_ids)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
