/* Pacing: each rule by hand, then marks at random against what must always hold: never told
 * more often than the interval, the newest always told in the end, a storm of N costs time /
 * interval. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "chance.h"
#include "mem.h"

#include "pacing.h"

#define INTERVAL_US 50000
#define AUCTIONS 50
#define STEPS 300000

static void
first_change_goes_at_once(void **state)
{
    (void)state;
    struct pacing *pacing = pacing_new(INTERVAL_US);
    struct pace pace = {0};
    assert_int_equal(pacing_wait_us(pacing, 7), -1);
    pacing_mark(pacing, &pace, 1000);
    pacing_mark(pacing, &pace, 1000);
    assert_int_equal(pacing_waiting(pacing), 1);
    assert_int_equal(pacing_wait_us(pacing, 1000), 0);
    assert_ptr_equal(pacing_take(pacing, 1000), &pace);
    pacing_finish(pacing, &pace, 1010, 10);
    assert_null(pacing_take(pacing, 2000));
    pacing_mark(pacing, &pace, 2000);
    assert_null(pacing_take(pacing, 1000 + INTERVAL_US - 1));
    assert_int_equal(pacing_wait_us(pacing, 2000), INTERVAL_US - 1000);
    assert_ptr_equal(pacing_take(pacing, 1000 + INTERVAL_US), &pace);
    pacing_destroy(&pacing);
    assert_null(pacing);
}

static void
change_while_telling_is_told_again(void **state)
{
    (void)state;
    struct pacing *pacing = pacing_new(INTERVAL_US);
    struct pace pace = {0};
    pacing_mark(pacing, &pace, 0);
    assert_ptr_equal(pacing_take(pacing, 0), &pace);
    pacing_pause(pacing, &pace, 100, 100);
    pacing_mark(pacing, &pace, 150);
    assert_ptr_equal(pacing_take(pacing, 10000), &pace); /* goes on */
    pacing_finish(pacing, &pace, 10100, 100);
    assert_null(pacing_take(pacing, INTERVAL_US - 1));
    assert_ptr_equal(pacing_take(pacing, INTERVAL_US), &pace);
    pacing_finish(pacing, &pace, INTERVAL_US, 0);
    assert_int_equal(pacing_wait_us(pacing, INTERVAL_US), -1);
    pacing_destroy(&pacing);
}

static void
costly_auction_is_told_less_often(void **state)
{
    (void)state;
    struct pacing *pacing = pacing_new(INTERVAL_US);
    struct pace pace = {0};
    pacing_mark(pacing, &pace, 0);
    assert_ptr_equal(pacing_take(pacing, 0), &pace);
    pacing_finish(pacing, &pace, 100000, 100000);
    pacing_mark(pacing, &pace, 100000);
    assert_int_equal(pacing_wait_us(pacing, 100000), 300000); /* a quarter of the time */
    pacing_destroy(&pacing);
}

static void
held_is_told_when_the_hold_is_over(void **state)
{
    (void)state;
    struct pacing *pacing = pacing_new(INTERVAL_US);
    struct pace pace = {0};
    pacing_hold(pacing, &pace, 1000);
    pacing_mark(pacing, &pace, 10); /* makes it no sooner */
    assert_null(pacing_take(pacing, 999));
    assert_int_equal(pacing_wait_us(pacing, 999), 1);
    assert_ptr_equal(pacing_take(pacing, 1000), &pace);
    pacing_hold(pacing, &pace, 2000); /* nobody was told yet */
    assert_null(pacing_take(pacing, 1999));
    assert_ptr_equal(pacing_take(pacing, 2000), &pace);
    pacing_finish(pacing, &pace, 2000, 0);
    pacing_mark(pacing, &pace, 2001);
    assert_int_equal(pacing_wait_us(pacing, 2001), INTERVAL_US - 1);
    pacing_drop(pacing, &pace);
    pacing_hold(pacing, &pace, 3000);
    pacing_drop(pacing, &pace);
    assert_int_equal(pacing_wait_us(pacing, 3000), -1);
    pacing_destroy(&pacing);
}

static void
dropped_is_told_no_more(void **state)
{
    (void)state;
    struct pacing *pacing = pacing_new(INTERVAL_US);
    struct pace a = {0}, b = {0};
    pacing_mark(pacing, &a, 0);
    pacing_mark(pacing, &b, 1);
    pacing_drop(pacing, &a);
    pacing_drop(pacing, &a);
    assert_ptr_equal(pacing_take(pacing, 1), &b);
    pacing_drop(pacing, &b);
    assert_false(b.telling);
    assert_int_equal(pacing_wait_us(pacing, 1), -1);
    pacing_destroy(&pacing);
}

/* Many small auctions that all change all the time: together they get half the time. */
static void
all_together_leave_half_the_time(void **state)
{
    (void)state;
    struct pacing *pacing = pacing_new(1000);
    static struct pace paces[1000];
    int64_t now_us = 0, spent_us = 0;
    while (now_us < 10000000) {
        struct pace *pace = pacing_take(pacing, now_us);
        for (int i = 0; i < 1000; i += 97)
            pacing_mark(pacing, &paces[(now_us + i) % 1000], now_us);
        if (!pace) {
            now_us += 50;
            continue;
        }
        now_us += 200;
        spent_us += 200;
        pacing_finish(pacing, pace, now_us, 200);
    }
    assert_in_range(spent_us, 4900000, 5100000);
    pacing_destroy(&pacing);
}

static void
storm_costs_time_by_interval(void **state)
{
    (void)state;
    struct pacing *pacing = pacing_new(INTERVAL_US);
    struct pace pace = {0};
    int tellings = 0;
    for (int64_t now_us = 0; now_us < 1000000; now_us += 100) { /* 10,000 joiners in a second */
        pacing_mark(pacing, &pace, now_us);
        if (pacing_take(pacing, now_us)) {
            pacing_finish(pacing, &pace, now_us, 5);
            tellings++;
        }
    }
    assert_int_equal(tellings, 1000000 / INTERVAL_US);
    pacing_destroy(&pacing);
}

struct model {
    struct pacing *pacing;
    struct pace paces[AUCTIONS];
    uint64_t count[AUCTIONS];     /* grows with each change */
    uint64_t told[AUCTIONS];      /* at the end of a telling */
    uint64_t beginning[AUCTIONS]; /* the count when the telling under way began */
    int64_t begun_us[AUCTIONS];   /* of the last telling */
    bool telling[AUCTIONS];
    int64_t now_us;
};

static void
tell_some(struct model *model, struct chance *chance)
{
    struct pace *pace;
    while ((pace = pacing_take(model->pacing, model->now_us))) {
        size_t i = (size_t)(pace - model->paces);
        if (!model->telling[i]) {
            assert_true(model->now_us - model->begun_us[i] >= INTERVAL_US);
            model->begun_us[i] = model->now_us;
            model->beginning[i] = model->count[i];
            model->telling[i] = true;
        }
        int64_t cost_us = (int64_t)chance_below(chance, 300);
        model->now_us += cost_us;
        if (chance_below(chance, 3) == 0) {
            pacing_pause(model->pacing, pace, model->now_us, cost_us);
            continue;
        }
        pacing_finish(model->pacing, pace, model->now_us, cost_us);
        model->telling[i] = false;
        model->told[i] = model->beginning[i];
    }
}

static void
agrees_with_a_model(void **state)
{
    (void)state;
    struct chance chance = {chance_seed("pacing")};
    static struct model model;
    model.pacing = pacing_new(INTERVAL_US);
    for (int i = 0; i < AUCTIONS; i++)
        model.begun_us[i] = -INTERVAL_US;
    for (int step = 0; step < STEPS; step++) {
        size_t i = chance_below(&chance, AUCTIONS);
        if (chance_below(&chance, 50)) {
            model.count[i]++;
            pacing_mark(model.pacing, &model.paces[i], model.now_us);
        } else {
            pacing_drop(model.pacing, &model.paces[i]);
            model.told[i] = model.count[i];
            model.telling[i] = false;
        }
        model.now_us += (int64_t)chance_below(&chance, 400);
        tell_some(&model, &chance);
    }
    int64_t wait_us;
    while ((wait_us = pacing_wait_us(model.pacing, model.now_us)) >= 0) {
        model.now_us += wait_us;
        tell_some(&model, &chance);
    }
    for (int i = 0; i < AUCTIONS; i++)
        assert_int_equal(model.told[i], model.count[i]);
    pacing_destroy(&model.pacing);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_change_goes_at_once),
        cmocka_unit_test(change_while_telling_is_told_again),
        cmocka_unit_test(costly_auction_is_told_less_often),
        cmocka_unit_test(held_is_told_when_the_hold_is_over),
        cmocka_unit_test(dropped_is_told_no_more),
        cmocka_unit_test(all_together_leave_half_the_time),
        cmocka_unit_test(storm_costs_time_by_interval),
        cmocka_unit_test(agrees_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
