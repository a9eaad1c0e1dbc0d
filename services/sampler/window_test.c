/* Windows: the worked example, clock steps and pauses by hand, then random histories against a
 * model that walks through every millisecond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"

#include "chance.h"
#include "window.h"

#define T0 INT64_C(1761056040000) /* 2025-10-21T14:14:00Z */
#define ROWS 4096

struct caught {
    struct snapshot rows[ROWS];
    size_t count;
};

static void
catch_row(void *arg, const struct snapshot *snapshot)
{
    struct caught *caught = arg;
    char reason[SNAPSHOT_REASON_BYTES] = "";
    if (snapshot_check(snapshot, snapshot->timestamp_ms, reason))
        fail_msg("%s", reason);
    assert_in_range(snapshot->coverage_ms, 0, 60000);
    assert_in_range(snapshot->sample_count, 1, 12);
    assert_true(caught->count < ROWS);
    caught->rows[caught->count++] = *snapshot;
}

/* A window with the true intervals whose clocks run together from wall_ms on. */
struct fixture {
    struct window *window;
    struct caught caught;
    struct moment now;
};

static struct fixture *
set_up(int64_t wall_ms)
{
    struct fixture *fixture = mem_alloc(sizeof *fixture);
    struct window_options options = {
        .sample_ms = 5000, .window_ms = 60000, .emit = catch_row, .arg = &fixture->caught};
    fixture->window = window_new(&options);
    fixture->now = (struct moment){wall_ms, 1000};
    return fixture;
}

static void
tear_down(struct fixture *fixture)
{
    window_destroy(&fixture->window);
    window_destroy(&fixture->window);
    free(fixture);
}

static void
start(struct fixture *fixture)
{
    window_start(fixture->window, fixture->now);
}

/* Lets time pass in steps that a living process would take. */
static void
pass(struct fixture *fixture, int64_t ms)
{
    while (ms > 0) {
        int64_t step_ms = ms < 100 ? ms : 100;
        fixture->now.wall_ms += step_ms;
        fixture->now.mono_ms += step_ms;
        ms -= step_ms;
        window_advance(fixture->window, fixture->now);
    }
}

static void
pass_until(struct fixture *fixture, int64_t wall_ms)
{
    pass(fixture, wall_ms - fixture->now.wall_ms);
}

/* Time in which the window hears nothing. */
static void
leap(struct fixture *fixture, int64_t wall_ms, int64_t mono_ms)
{
    fixture->now.wall_ms += wall_ms;
    fixture->now.mono_ms += mono_ms;
    window_advance(fixture->window, fixture->now);
}

static void
change(struct fixture *fixture, const char *auction, uint64_t joins, uint64_t leaves,
       uint64_t count)
{
    window_change(fixture->window, auction, joins, leaves, count, fixture->now);
}

static const struct snapshot *
drain_one(struct fixture *fixture)
{
    fixture->caught.count = 0;
    while (window_drain(fixture->window, 1))
        ;
    assert_int_equal(fixture->caught.count, 1);
    return &fixture->caught.rows[0];
}

static void
drain_none(struct fixture *fixture)
{
    fixture->caught.count = 0;
    while (window_drain(fixture->window, 1))
        ;
    assert_int_equal(fixture->caught.count, 0);
}

/* Plays a window whose samples are these, the count changing midway between two of them. */
static const struct snapshot *
play_samples(struct fixture *fixture, const uint64_t counts[12])
{
    change(fixture, "123", counts[0], 0, counts[0]);
    start(fixture);
    for (int i = 1; i < 12; i++) {
        pass_until(fixture, T0 + 5000 * i + 2500);
        uint64_t joins = counts[i] > counts[i - 1] ? counts[i] - counts[i - 1] : 0;
        change(fixture, "123", joins, counts[i - 1] + joins - counts[i], counts[i]);
    }
    pass_until(fixture, T0 + 60000);
    const struct snapshot *row = drain_one(fixture);
    assert_string_equal(row->auction, "123");
    assert_int_equal(row->timestamp_ms, T0 + 60000);
    assert_int_equal(row->viewer_count, 475);
    assert_int_equal(row->peak_viewers, 475);
    assert_int_equal(row->min_viewers, 420);
    assert_int_equal(row->sample_count, 12);
    assert_true(row->exact);
    assert_int_equal(row->exact_peak, 475);
    assert_int_equal(row->exact_min, 420);
    assert_int_equal(row->joins - row->leaves, 55);
    assert_int_equal(row->coverage_ms, 60000);
    assert_true(row->complete);
    return row;
}

/* The worked example: from 420 to 475 with a sum of 5340, which is an average of 445. */
static void
test_worked_example(void **state)
{
    static const uint64_t counts[] = {420, 425, 430, 435, 440, 445,
                                      450, 455, 455, 455, 455, 475};
    struct fixture *fixture = set_up(T0);
    (void)state;
    const struct snapshot *row = play_samples(fixture, counts);
    assert_true(row->avg_viewers == 445);
    assert_int_equal(row->joins, 55);
    assert_int_equal(row->leaves, 0);
    tear_down(fixture);
}

/* The samples as the example lists them; their sum is 5370, though it says 5340. */
static void
test_listed_samples(void **state)
{
    static const uint64_t counts[] = {420, 425, 430, 435, 440, 445,
                                      450, 455, 460, 465, 470, 475};
    struct fixture *fixture = set_up(T0);
    (void)state;
    const struct snapshot *row = play_samples(fixture, counts);
    assert_true(row->avg_viewers == 447.5);
    assert_true(row->exact_avg == 445.21); /* 7.5 s at 420, 2.5 s at 475, 5 s at the others */
    tear_down(fixture);
}

static void
test_first_viewer_in_mid_window(void **state)
{
    struct fixture *fixture = set_up(T0);
    (void)state;
    start(fixture);
    pass_until(fixture, T0 + 32000);
    change(fixture, "late", 1, 0, 1);
    pass_until(fixture, T0 + 60000);
    const struct snapshot *row = drain_one(fixture);
    assert_int_equal(row->sample_count, 12);
    assert_int_equal(row->min_viewers, 0);
    assert_int_equal(row->peak_viewers, 1);
    assert_true(row->avg_viewers == 0.5); /* 6 of 12 */
    assert_true(row->exact_avg == 0.47);  /* 28 s of 60 */
    assert_int_equal(row->coverage_ms, 60000);
    assert_true(row->complete);
    tear_down(fixture);
}

static void
test_started_in_mid_window(void **state)
{
    struct fixture *fixture = set_up(T0 + 38000);
    (void)state;
    change(fixture, "a", 3, 0, 3);
    start(fixture);
    pass_until(fixture, T0 + 60000);
    const struct snapshot *row = drain_one(fixture);
    assert_int_equal(row->sample_count, 5);
    assert_int_equal(row->min_viewers, 3);
    assert_int_equal(row->joins, 0); /* they were there before */
    assert_int_equal(row->coverage_ms, 22000);
    assert_false(row->complete);
    tear_down(fixture);
}

static void
test_between_two_samples(void **state)
{
    struct fixture *fixture = set_up(T0);
    (void)state;
    start(fixture);
    pass_until(fixture, T0 + 11000);
    change(fixture, "burst", 900, 0, 900);
    pass(fixture, 3000);
    change(fixture, "burst", 0, 900, 0);
    pass_until(fixture, T0 + 60000);
    const struct snapshot *row = drain_one(fixture);
    assert_int_equal(row->peak_viewers, 0);
    assert_int_equal(row->exact_peak, 900);
    assert_true(row->exact_avg == 45);
    assert_int_equal(row->joins, 900);
    assert_int_equal(row->leaves, 900);
    pass_until(fixture, T0 + 120000);
    drain_none(fixture);
    assert_int_equal(window_auctions(fixture->window), 0);
    tear_down(fixture);
}

static void
test_empty_auction_has_no_snapshot(void **state)
{
    struct fixture *fixture = set_up(T0);
    (void)state;
    start(fixture);
    change(fixture, "a", 1, 0, 1);
    change(fixture, "a", 0, 1, 0);
    change(fixture, "b", 1, 0, 1);
    pass_until(fixture, T0 + 60000);
    fixture->caught.count = 0;
    while (window_drain(fixture->window, 1))
        ;
    assert_int_equal(fixture->caught.count, 2); /* a was watched for an instant */
    assert_int_equal(window_auctions(fixture->window), 1);
    pass_until(fixture, T0 + 120000);
    assert_string_equal(drain_one(fixture)->auction, "b");
    tear_down(fixture);
}

static void
test_paused_process(void **state)
{
    struct fixture *fixture = set_up(T0);
    (void)state;
    change(fixture, "a", 7, 0, 7);
    start(fixture);
    pass_until(fixture, T0 + 21000);
    leap(fixture, 20000, 20000);
    pass_until(fixture, T0 + 60000);
    const struct snapshot *row = drain_one(fixture);
    assert_int_equal(row->sample_count, 8); /* 25, 30, 35 and 40 are missing */
    assert_int_equal(row->coverage_ms, 40000);
    assert_true(row->exact_avg == 7);
    assert_false(row->complete);
    pass_until(fixture, T0 + 120000);
    assert_true(drain_one(fixture)->complete);
    tear_down(fixture);
}

static void
test_paused_over_the_end(void **state)
{
    struct fixture *fixture = set_up(T0);
    (void)state;
    change(fixture, "a", 7, 0, 7);
    start(fixture);
    pass_until(fixture, T0 + 51000);
    leap(fixture, 200000, 200000); /* to T0 + 251 s */
    const struct snapshot *row = drain_one(fixture);
    assert_int_equal(row->timestamp_ms, T0 + 60000);
    assert_int_equal(row->sample_count, 10);
    assert_int_equal(row->coverage_ms, 51000);
    pass_until(fixture, T0 + 300000);
    row = drain_one(fixture); /* and none of the windows between */
    assert_int_equal(row->timestamp_ms, T0 + 300000);
    assert_int_equal(row->sample_count, 10);
    assert_int_equal(row->coverage_ms, 49000);
    tear_down(fixture);
}

static void
test_clock_leaps_ahead(void **state)
{
    struct fixture *fixture = set_up(T0);
    (void)state;
    change(fixture, "a", 7, 0, 7);
    start(fixture);
    pass_until(fixture, T0 + 12000);
    leap(fixture, 20000, 100);
    pass_until(fixture, T0 + 60000);
    const struct snapshot *row = drain_one(fixture);
    assert_int_equal(row->sample_count, 8); /* 15, 20, 25 and 30 never were */
    assert_int_equal(row->coverage_ms, 40000);
    assert_false(row->complete);
    tear_down(fixture);
}

static void
test_clock_steps_back(void **state)
{
    struct fixture *fixture = set_up(T0);
    (void)state;
    change(fixture, "a", 7, 0, 7);
    start(fixture);
    pass_until(fixture, T0 + 42000);
    change(fixture, "a", 2, 0, 9);
    leap(fixture, -30000, 100); /* to T0 + 12 s */
    pass_until(fixture, T0 + 60000);
    const struct snapshot *row = drain_one(fixture);
    assert_int_equal(row->sample_count, 10);
    assert_int_equal(row->min_viewers, 9);
    assert_int_equal(row->joins, 0);
    assert_int_equal(row->coverage_ms, 48000);
    leap(fixture, -90000, 100); /* into the window before */
    drain_none(fixture);
    pass_until(fixture, T0);
    assert_int_equal(drain_one(fixture)->sample_count, 6);
    tear_down(fixture);
}

static void
test_clock_is_held(void **state)
{
    struct fixture *fixture = set_up(T0);
    (void)state;
    change(fixture, "a", 7, 0, 7);
    start(fixture);
    pass_until(fixture, T0 + 5200);
    leap(fixture, -900, 100); /* the sample at 5 s is not taken again */
    pass_until(fixture, T0 + 60000);
    const struct snapshot *row = drain_one(fixture);
    assert_int_equal(row->sample_count, 12);
    assert_int_equal(row->coverage_ms, 60000);
    assert_true(row->complete);
    tear_down(fixture);
}

static void
test_trouble(void **state)
{
    struct fixture *fixture = set_up(T0);
    (void)state;
    change(fixture, "a", 7, 0, 7);
    start(fixture);
    pass_until(fixture, T0 + 30000);
    window_trouble(fixture->window, true);
    window_trouble(fixture->window, false);
    pass_until(fixture, T0 + 60000);
    assert_false(drain_one(fixture)->complete);
    pass_until(fixture, T0 + 119900);
    window_trouble(fixture->window, true);
    pass_until(fixture, T0 + 120100); /* it goes on into the next */
    window_trouble(fixture->window, false);
    assert_false(drain_one(fixture)->complete);
    pass_until(fixture, T0 + 180000);
    assert_false(drain_one(fixture)->complete);
    pass_until(fixture, T0 + 240000);
    assert_true(drain_one(fixture)->complete);
    tear_down(fixture);
}

/* A change, a close and a second close all come before the drain is over. */
static void
test_slow_drain(void **state)
{
    struct fixture *fixture = set_up(T0);
    char auction[16];
    (void)state;
    start(fixture);
    for (int i = 0; i < 10; i++) {
        snprintf(auction, sizeof auction, "a%d", i);
        change(fixture, auction, 1, 0, 1);
    }
    pass_until(fixture, T0 + 60000);
    assert_true(window_drain(fixture->window, 3));
    assert_int_equal(fixture->caught.count, 3);
    change(fixture, "a7", 1, 0, 2);
    assert_int_equal(fixture->caught.count, 4);
    assert_int_equal(fixture->caught.rows[3].exact_peak, 1);
    pass_until(fixture, T0 + 120000);
    assert_int_equal(fixture->caught.count, 10);
    while (window_drain(fixture->window, 3))
        ;
    assert_int_equal(fixture->caught.count, 20);
    assert_int_equal(window_closed(fixture->window), 2);
    tear_down(fixture);
}

static void
test_enormous_figures(void **state)
{
    struct fixture *fixture = set_up(T0);
    (void)state;
    start(fixture);
    change(fixture, "a", UINT64_C(1) << 52, 0, UINT64_C(1) << 52);
    change(fixture, "a", UINT64_C(1) << 52, UINT64_C(1) << 52, UINT64_C(1) << 52);
    pass_until(fixture, T0 + 60000);
    assert_int_equal(drain_one(fixture)->peak_viewers, WINDOW_COUNT_MAX);
    tear_down(fixture);
}

/* The model: every millisecond of time is walked through on its own. */
#define AUCTIONS 4
#define SAMPLE_MS 50
#define WINDOW_MS 600
#define SLACK_MS 250

struct naive_auction {
    int64_t count;
    int64_t samples[12], sample_count, sum_ms, min, max, joins, leaves;
};

struct naive {
    struct naive_auction auctions[AUCTIONS];
    struct moment last;
    int64_t end_ms, observed_ms;
    bool troubled, trouble_now;
    struct snapshot rows[ROWS];
    size_t count;
};

static void
naive_begin(struct naive *naive, int64_t wall_ms)
{
    naive->end_ms = (wall_ms / WINDOW_MS + 1) * WINDOW_MS;
    naive->observed_ms = 0;
    naive->troubled = naive->trouble_now;
    for (int i = 0; i < AUCTIONS; i++) {
        int64_t count = naive->auctions[i].count;
        naive->auctions[i] = (struct naive_auction){.count = count, .min = count, .max = count};
    }
}

static void
naive_close(struct naive *naive)
{
    for (int i = 0; i < AUCTIONS; i++) {
        const struct naive_auction *a = &naive->auctions[i];
        if (!a->max || !a->sample_count)
            continue;
        struct snapshot *row = &naive->rows[naive->count++];
        assert_true(naive->count < ROWS);
        *row = (struct snapshot){.timestamp_ms = naive->end_ms, .min_viewers = INT64_MAX};
        snprintf(row->auction, sizeof row->auction, "n%d", i);
        double sum = 0;
        for (int64_t s = 0; s < a->sample_count; s++) {
            sum += (double)a->samples[s];
            row->viewer_count = a->samples[s];
            if (a->samples[s] > row->peak_viewers)
                row->peak_viewers = a->samples[s];
            if (a->samples[s] < row->min_viewers)
                row->min_viewers = a->samples[s];
        }
        row->avg_viewers = sum / (double)a->sample_count;
        row->sample_count = a->sample_count;
        row->exact_peak = a->max;
        row->exact_min = a->min;
        row->exact_avg = (double)a->sum_ms / (double)naive->observed_ms;
        row->joins = a->joins;
        row->leaves = a->leaves;
        row->coverage_ms = naive->observed_ms;
        row->complete = naive->observed_ms == WINDOW_MS && !naive->troubled;
    }
}

static void
naive_advance(struct naive *naive, struct moment now)
{
    int64_t passed_ms = now.mono_ms - naive->last.mono_ms;
    int64_t moved_ms = now.wall_ms - naive->last.wall_ms;
    bool unseen = passed_ms > SLACK_MS || moved_ms - passed_ms > SLACK_MS;
    if (moved_ms < -SLACK_MS) {
        naive_begin(naive, now.wall_ms);
    } else if (moved_ms < 0) {
        now.wall_ms = naive->last.wall_ms;
    } else if (unseen) {
        if (now.wall_ms >= naive->end_ms) {
            naive_close(naive);
            naive_begin(naive, now.wall_ms);
        }
    } else {
        for (int64_t t = naive->last.wall_ms + 1; t <= now.wall_ms; t++) {
            naive->observed_ms++;
            for (int i = 0; i < AUCTIONS; i++) {
                struct naive_auction *a = &naive->auctions[i];
                a->sum_ms += a->count;
                if (t % SAMPLE_MS == 0)
                    a->samples[a->sample_count++] = a->count;
            }
            if (t == naive->end_ms) {
                naive_close(naive);
                naive_begin(naive, t);
            }
        }
    }
    naive->last = now;
}

static void
naive_change(struct naive *naive, int i, int64_t joins, int64_t leaves)
{
    struct naive_auction *a = &naive->auctions[i];
    a->count += joins - leaves;
    a->joins += joins;
    a->leaves += leaves;
    a->min = a->count < a->min ? a->count : a->min;
    a->max = a->count > a->max ? a->count : a->max;
}

static struct moment
next_moment(struct chance *chance, struct moment now)
{
    int64_t step_ms = (int64_t)chance_below(chance, 20);
    now.wall_ms += step_ms;
    now.mono_ms += step_ms;
    unsigned what = (unsigned)chance_below(chance, 1000);
    int64_t far_ms = (int64_t)chance_below(chance, 2000);
    if (what == 0) { /* paused */
        now.wall_ms += far_ms;
        now.mono_ms += far_ms;
    } else if (what == 1) { /* leapt ahead */
        now.wall_ms += far_ms;
    } else if (what == 2) { /* stepped back */
        now.wall_ms -= far_ms;
    } else if (what < 6) {
        now.wall_ms -= (int64_t)chance_below(chance, SLACK_MS);
    }
    return now;
}

static int
find_and_compare(const struct caught *caught, const struct snapshot *wanted)
{
    int found = 0;
    for (size_t i = 0; i < caught->count; i++) {
        const struct snapshot *row = &caught->rows[i];
        if (strcmp(row->auction, wanted->auction) || row->timestamp_ms != wanted->timestamp_ms)
            continue;
        found += row->viewer_count == wanted->viewer_count &&
                 row->peak_viewers == wanted->peak_viewers &&
                 row->min_viewers == wanted->min_viewers &&
                 row->sample_count == wanted->sample_count &&
                 row->exact_peak == wanted->exact_peak && row->exact_min == wanted->exact_min &&
                 row->joins == wanted->joins && row->leaves == wanted->leaves &&
                 row->coverage_ms == wanted->coverage_ms && row->complete == wanted->complete &&
                 row->avg_viewers - wanted->avg_viewers < 0.00501 &&
                 wanted->avg_viewers - row->avg_viewers < 0.00501 &&
                 row->exact_avg - wanted->exact_avg < 0.00501 &&
                 wanted->exact_avg - row->exact_avg < 0.00501;
    }
    return found;
}

static void
play_history(struct chance *chance)
{
    struct caught *caught = mem_alloc(sizeof *caught);
    struct naive *naive = mem_alloc(sizeof *naive);
    struct window_options options = {
        .sample_ms = SAMPLE_MS, .window_ms = WINDOW_MS, .emit = catch_row, .arg = caught};
    struct window *window = window_new(&options);
    struct moment now = {T0 + (int64_t)chance_below(chance, 5000), 77};
    window_change(window, "n0", 5, 0, 5, now);
    window_change(window, "n3", 1, 0, 1, now);
    window_start(window, now);
    naive->auctions[0].count = 5;
    naive->auctions[3].count = 1;
    naive->last = now;
    naive_begin(naive, now.wall_ms);
    for (int step = 0; step < 3000; step++) {
        now = next_moment(chance, now);
        naive_advance(naive, now);
        if (chance_percent(chance, 70)) {
            int i = (int)chance_below(chance, AUCTIONS);
            int64_t joins = (int64_t)chance_below(chance, 4);
            int64_t most = naive->auctions[i].count + joins;
            int64_t leaves = (int64_t)chance_below(chance, 5);
            leaves = leaves > most || chance_percent(chance, 3) ? most : leaves;
            char auction[8];
            snprintf(auction, sizeof auction, "n%d", i);
            naive_change(naive, i, joins, leaves);
            window_change(window, auction, (uint64_t)joins, (uint64_t)leaves,
                          (uint64_t)naive->auctions[i].count, now);
        } else {
            window_advance(window, now);
        }
        naive->trouble_now = chance_percent(chance, 1);
        naive->troubled |= naive->trouble_now;
        window_trouble(window, naive->trouble_now);
        if (chance_percent(chance, 20))
            window_drain(window, chance_below(chance, 3));
    }
    while (window_drain(window, 1))
        ;
    assert_true(naive->count > 20);
    assert_int_equal(caught->count, naive->count);
    for (size_t i = 0; i < naive->count; i++)
        assert_true(find_and_compare(caught, &naive->rows[i]) >= 1);
    window_destroy(&window);
    free(naive);
    free(caught);
}

static void
test_a_stop_in_mid_window(void **state)
{
    struct fixture *fixture = set_up(T0);
    struct caught *caught = &fixture->caught;
    (void)state;
    window_finish(fixture->window, fixture->now); /* not begun: nothing */
    start(fixture);
    window_change(fixture->window, "lot-1", 2, 0, 2, fixture->now);
    window_finish(fixture->window, fixture->now); /* no sample yet: nothing */
    pass(fixture, 22000);
    window_finish(fixture->window, fixture->now);
    while (window_drain(fixture->window, 100))
        ;
    assert_int_equal(caught->count, 1);
    assert_int_equal(caught->rows[0].timestamp_ms, T0 + 60000);
    assert_int_equal(caught->rows[0].sample_count, 4);
    assert_int_equal(caught->rows[0].coverage_ms, 22000);
    assert_int_equal(caught->rows[0].joins, 2);
    assert_false(caught->rows[0].complete);
    tear_down(fixture);
}

static void
test_random_histories(void **state)
{
    struct chance chance = {chance_seed("window")};
    (void)state;
    for (int i = 0; i < 100; i++)
        play_history(&chance);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_example),
        cmocka_unit_test(test_listed_samples),
        cmocka_unit_test(test_first_viewer_in_mid_window),
        cmocka_unit_test(test_started_in_mid_window),
        cmocka_unit_test(test_between_two_samples),
        cmocka_unit_test(test_empty_auction_has_no_snapshot),
        cmocka_unit_test(test_paused_process),
        cmocka_unit_test(test_paused_over_the_end),
        cmocka_unit_test(test_clock_leaps_ahead),
        cmocka_unit_test(test_clock_steps_back),
        cmocka_unit_test(test_clock_is_held),
        cmocka_unit_test(test_trouble),
        cmocka_unit_test(test_slow_drain),
        cmocka_unit_test(test_enormous_figures),
        cmocka_unit_test(test_a_stop_in_mid_window),
        cmocka_unit_test(test_random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
