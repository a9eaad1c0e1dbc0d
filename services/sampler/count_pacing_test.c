/* Pacing: the rules by hand, then random changes against what they promise each reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "chance.h"
#include "count_pacing.h"

#define INTERVAL_MS 50
#define AUCTIONS 30

static void
expect_send(struct count_pacing *pacing, int64_t mono_ms, const char *auction, uint64_t count)
{
    uint64_t told;
    assert_int_equal(count_pacing_wait_ms(pacing, mono_ms), 0);
    const char *next = count_pacing_next(pacing, mono_ms, &told);
    assert_non_null(next);
    assert_string_equal(next, auction);
    assert_int_equal(told, count);
}

static void
expect_silence(struct count_pacing *pacing, int64_t mono_ms, int64_t wait_ms)
{
    uint64_t told;
    assert_null(count_pacing_next(pacing, mono_ms, &told));
    assert_int_equal(count_pacing_wait_ms(pacing, mono_ms), wait_ms);
}

static void
test_changes(void **state)
{
    struct count_pacing *pacing = count_pacing_new(INTERVAL_MS);
    (void)state;
    expect_silence(pacing, 0, -1);
    count_pacing_change(pacing, "a", 1);
    expect_send(pacing, 100, "a", 1);
    count_pacing_change(pacing, "a", 2);
    count_pacing_change(pacing, "b", 7);
    count_pacing_change(pacing, "a", 3);
    expect_send(pacing, 110, "b", 7); /* another auction's pace is its own */
    expect_silence(pacing, 110, 40);
    expect_silence(pacing, 149, 1);
    expect_send(pacing, 150, "a", 3); /* the newest only */
    expect_silence(pacing, 190, 10);
    expect_silence(pacing, 1000, COUNT_REPEAT_MS - 890);
    count_pacing_change(pacing, "a", 4);
    expect_send(pacing, 1000, "a", 4); /* at once after a rest */
    count_pacing_destroy(&pacing);
    count_pacing_destroy(&pacing);
}

static void
test_repeats(void **state)
{
    struct count_pacing *pacing = count_pacing_new(INTERVAL_MS);
    (void)state;
    count_pacing_change(pacing, "a", 5);
    for (int64_t mono_ms = 0; mono_ms < 100000; mono_ms += COUNT_REPEAT_MS) {
        expect_send(pacing, mono_ms, "a", 5);
        expect_silence(pacing, mono_ms + INTERVAL_MS, COUNT_REPEAT_MS - INTERVAL_MS);
    }
    count_pacing_destroy(&pacing);
}

static void
test_zero_is_forgotten(void **state)
{
    struct count_pacing *pacing = count_pacing_new(INTERVAL_MS);
    (void)state;
    count_pacing_change(pacing, "a", 0);
    int64_t mono_ms = 0;
    for (int i = 0; i <= COUNT_ZEROS; i++, mono_ms += COUNT_REPEAT_MS) {
        expect_send(pacing, mono_ms, "a", 0);
        uint64_t told;
        assert_null(count_pacing_next(pacing, mono_ms + INTERVAL_MS, &told));
    }
    assert_int_equal(count_pacing_auctions(pacing), 0);
    expect_silence(pacing, mono_ms, -1);
    count_pacing_change(pacing, "a", 1); /* and may come back, also in between */
    expect_send(pacing, mono_ms, "a", 1);
    count_pacing_change(pacing, "a", 0);
    expect_send(pacing, mono_ms + INTERVAL_MS, "a", 0);
    count_pacing_change(pacing, "a", 2);
    expect_send(pacing, mono_ms + 2 * INTERVAL_MS, "a", 2);
    assert_int_equal(count_pacing_auctions(pacing), 1);
    count_pacing_destroy(&pacing);
}

/* What one auction's reader may expect. */
struct promise {
    uint64_t count, told;
    bool known;         /* told at least once */
    int64_t changed_ms; /* first change since it was told, or -1 */
    int64_t told_ms;
};

static void
send_due(struct count_pacing *pacing, struct promise *promises, int64_t mono_ms)
{
    uint64_t count;
    const char *auction;
    while ((auction = count_pacing_next(pacing, mono_ms, &count))) {
        struct promise *promise = &promises[atoi(auction)];
        assert_int_equal(count, promise->count);
        assert_true(!promise->known || mono_ms - promise->told_ms >= INTERVAL_MS);
        promise->told = count;
        promise->told_ms = mono_ms;
        promise->known = true;
        promise->changed_ms = -1;
    }
}

static void
check_promises(const struct promise *promises, int64_t mono_ms)
{
    for (int i = 0; i < AUCTIONS; i++) {
        const struct promise *promise = &promises[i];
        int64_t since_ms = mono_ms - promise->told_ms;
        assert_true(promise->changed_ms < 0 || since_ms < INTERVAL_MS);
        assert_true(!promise->told || since_ms <= COUNT_REPEAT_MS);
        if (promise->changed_ms < 0)
            assert_int_equal(promise->told, promise->count);
    }
}

static void
test_random_changes(void **state)
{
    struct count_pacing *pacing = count_pacing_new(INTERVAL_MS);
    struct chance chance = {chance_seed("count_pacing")};
    struct promise promises[AUCTIONS] = {0};
    int64_t mono_ms = 12345;
    (void)state;
    for (int i = 0; i < AUCTIONS; i++)
        promises[i].changed_ms = -1;
    for (int step = 0; step < 50000; step++) {
        int64_t wait_ms = count_pacing_wait_ms(pacing, mono_ms);
        int64_t step_ms = (int64_t)chance_below(&chance, chance_percent(&chance, 1) ? 9000 : 5);
        mono_ms += wait_ms >= 0 && wait_ms < step_ms ? wait_ms : step_ms;
        send_due(pacing, promises, mono_ms);
        if (chance_percent(&chance, 30)) {
            int i = (int)chance_below(&chance, AUCTIONS);
            char auction[8];
            snprintf(auction, sizeof auction, "%d", i);
            promises[i].count = chance_below(&chance, 3);
            promises[i].changed_ms = mono_ms;
            count_pacing_change(pacing, auction, promises[i].count);
            send_due(pacing, promises, mono_ms);
        }
        check_promises(promises, mono_ms);
    }
    count_pacing_destroy(&pacing);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_zero_is_forgotten),
        cmocka_unit_test(test_random_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
