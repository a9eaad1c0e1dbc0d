/* Answers: what is asked together is answered once, in order, in parts, and not too often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "count_answers.h"

static void
give(struct count_answers *answers, int64_t mono_ms, unsigned wanted, int auctions)
{
    unsigned shard;
    char auction[AUCTION_BYTES];
    assert_int_equal(count_answers_wait_ms(answers, mono_ms), 0);
    assert_true(count_answers_begin(answers, mono_ms, &shard));
    assert_int_equal(shard, wanted);
    for (int i = 0; i < auctions; i++) {
        snprintf(auction, sizeof auction, "lot-%d", i);
        count_answers_add(answers, auction);
    }
    for (int i = 0; i < auctions; i++) {
        assert_true(count_answers_giving(answers));
        assert_int_equal(count_answers_wait_ms(answers, mono_ms), 0);
        snprintf(auction, sizeof auction, "lot-%d", i);
        assert_string_equal(count_answers_next(answers), auction);
    }
    assert_null(count_answers_next(answers));
    assert_false(count_answers_giving(answers));
}

static void
test_one_shard(void **state)
{
    struct count_answers *answers = count_answers_new();
    unsigned shard;
    (void)state;
    assert_false(count_answers_begin(answers, 0, &shard));
    assert_int_equal(count_answers_wait_ms(answers, 0), -1);
    count_answers_want(answers, 0x3f);
    count_answers_want(answers, 0x3f);
    give(answers, 0, 0x3f, 1000);
    assert_int_equal(count_answers_wait_ms(answers, 0), -1);
    count_answers_want(answers, 0x3f); /* a reader that comes and goes */
    assert_false(count_answers_begin(answers, 1, &shard));
    assert_int_equal(count_answers_wait_ms(answers, 1), ANSWER_INTERVAL_MS - 1);
    give(answers, ANSWER_INTERVAL_MS, 0x3f, 0);
    count_answers_destroy(&answers);
    count_answers_destroy(&answers);
}

/* Who asks while the answer is given has missed its begin, and gets another. */
static void
test_asked_meanwhile(void **state)
{
    struct count_answers *answers = count_answers_new();
    unsigned shard;
    (void)state;
    count_answers_want(answers, 5);
    assert_true(count_answers_begin(answers, 0, &shard));
    count_answers_want(answers, 5);
    assert_null(count_answers_next(answers));
    give(answers, ANSWER_INTERVAL_MS, 5, 2);
    count_answers_destroy(&answers);
}

/* Somebody who asks for one shard over and over does not keep the others waiting. */
static void
test_all_in_turn(void **state)
{
    struct count_answers *answers = count_answers_new();
    (void)state;
    for (unsigned i = 0; i < 2 * SHARD_COUNT; i++)
        count_answers_want(answers, i % SHARD_COUNT);
    for (unsigned shard = 0; shard < SHARD_COUNT; shard++) {
        give(answers, 1000 * (int64_t)shard, shard, 1);
        count_answers_want(answers, 0);
    }
    give(answers, 1000 * SHARD_COUNT, 0, 1);
    assert_int_equal(count_answers_wait_ms(answers, 1000 * SHARD_COUNT), -1);
    count_answers_destroy(&answers);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_shard),
        cmocka_unit_test(test_asked_meanwhile),
        cmocka_unit_test(test_all_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
