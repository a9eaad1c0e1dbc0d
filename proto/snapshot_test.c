/* Each bound of a valid row from both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "snapshot.h"

#define NOW_MS INT64_C(1761056130000)
#define MOST 1000000000

static struct snapshot
example(void)
{
    return (struct snapshot){.auction = "lot-12",
                             .timestamp_ms = NOW_MS,
                             .viewer_count = 475,
                             .avg_viewers = 445,
                             .peak_viewers = 475,
                             .min_viewers = 420,
                             .sample_count = 12,
                             .exact = true,
                             .exact_peak = 481,
                             .exact_min = 419,
                             .exact_avg = 446.5,
                             .joins = 62,
                             .leaves = 7,
                             .coverage_ms = 60000,
                             .complete = true};
}

static void
expect_valid(const struct snapshot *snapshot)
{
    char reason[SNAPSHOT_REASON_BYTES] = "";
    if (snapshot_check(snapshot, NOW_MS, reason))
        fail_msg("refused: %s", reason);
}

/* Refused with a reason that begins with the field and says what is allowed. */
static void
expect_refused(const struct snapshot *snapshot, const char *field)
{
    char reason[SNAPSHOT_REASON_BYTES] = "", start[64];
    if (!snapshot_check(snapshot, NOW_MS, reason))
        fail_msg("%s: taken", field);
    snprintf(start, sizeof start, "%s: ", field);
    if (strncmp(reason, start, strlen(start)) || !strstr(reason, "; allowed: "))
        fail_msg("%s: refused with '%s'", field, reason);
}

/* Sets one member, expects the verdict. */
#define VALID(...)                                                                             \
    do {                                                                                       \
        struct snapshot s = example();                                                         \
        __VA_ARGS__;                                                                           \
        expect_valid(&s);                                                                      \
    } while (0)
#define REFUSED(field, ...)                                                                    \
    do {                                                                                       \
        struct snapshot s = example();                                                         \
        __VA_ARGS__;                                                                           \
        expect_refused(&s, field);                                                             \
    } while (0)

static void
test_timestamp(void **state)
{
    (void)state;
    VALID();
    VALID(s.timestamp_ms = INT64_C(946684800000));
    REFUSED("timestamp", s.timestamp_ms = INT64_C(946684799999));
    REFUSED("timestamp", s.timestamp_ms = -1);
    REFUSED("timestamp", s.timestamp_ms = INT64_MIN / 2);
    VALID(s.timestamp_ms = NOW_MS + 300000);
    REFUSED("timestamp", s.timestamp_ms = NOW_MS + 300001);
    REFUSED("timestamp", s.timestamp_ms = (INT64_C(1) << 53) - 1);
}

static void
test_counts(void **state)
{
    (void)state;
    VALID(s.exact = false, s.viewer_count = s.peak_viewers = MOST);
    REFUSED("viewerCount", s.viewer_count = MOST + 1);
    REFUSED("viewerCount", s.viewer_count = -1);
    REFUSED("peakViewers", s.peak_viewers = MOST + 1);
    REFUSED("peakViewers", s.peak_viewers = -1);
    REFUSED("minViewers", s.min_viewers = -1);
    REFUSED("minViewers", s.min_viewers = MOST + 1);
    VALID(s.exact = false, s.viewer_count = s.peak_viewers = s.min_viewers = 0,
          s.avg_viewers = 0);
    VALID(s.exact = false, s.viewer_count = s.peak_viewers = s.min_viewers = MOST,
          s.avg_viewers = MOST);
}

static void
test_average(void **state)
{
    (void)state;
    REFUSED("avgViewers", s.avg_viewers = NAN);
    REFUSED("avgViewers", s.avg_viewers = INFINITY);
    REFUSED("avgViewers", s.avg_viewers = -INFINITY);
    REFUSED("avgViewers", s.avg_viewers = -0.001);
    REFUSED("avgViewers", s.avg_viewers = MOST + 0.5);
    REFUSED("avgViewers", s.avg_viewers = 1e308);
}

static void
test_sample_count(void **state)
{
    (void)state;
    VALID(s.sample_count = 1);
    VALID(s.sample_count = 1000000);
    REFUSED("sampleCount", s.sample_count = 0);
    REFUSED("sampleCount", s.sample_count = -12);
    REFUSED("sampleCount", s.sample_count = 1000001);
}

static void
test_order(void **state)
{
    (void)state;
    VALID(s.avg_viewers = 420);
    REFUSED("minViewers", s.avg_viewers = 419.999);
    VALID(s.avg_viewers = 475);
    REFUSED("avgViewers", s.avg_viewers = 475.001);
    VALID(s.viewer_count = 420);
    REFUSED("minViewers", s.viewer_count = 419);
    VALID(s.viewer_count = 475);
    REFUSED("viewerCount", s.viewer_count = 476);
    VALID(s.exact = false, s.viewer_count = 476); /* read after the last sample */
    VALID(s.exact = false, s.viewer_count = 0);
}

static void
test_exact(void **state)
{
    (void)state;
    VALID(s.exact_peak = 475);
    REFUSED("peakViewers", s.exact_peak = 474);
    VALID(s.exact_min = 420);
    REFUSED("exactMin", s.exact_min = 421);
    VALID(s.exact_avg = 419);
    REFUSED("exactMin", s.exact_avg = 418.9);
    VALID(s.exact_avg = 481);
    REFUSED("exactAvg", s.exact_avg = 481.1);
    REFUSED("exactAvg", s.exact_avg = NAN);
    REFUSED("exactAvg", s.exact_avg = INFINITY);
    REFUSED("exactPeak", s.exact_peak = MOST + 1);
    REFUSED("exactPeak", s.exact_peak = -1);
    REFUSED("exactMin", s.exact_min = -1);
    VALID(s.joins = s.leaves = MOST);
    REFUSED("joins", s.joins = -1);
    REFUSED("joins", s.joins = MOST + 1);
    REFUSED("leaves", s.leaves = -1);
    REFUSED("leaves", s.leaves = MOST + 1);
    VALID(s.coverage_ms = 0, s.complete = false);
    VALID(s.coverage_ms = 86400000);
    REFUSED("coverageMs", s.coverage_ms = -1);
    REFUSED("coverageMs", s.coverage_ms = 86400001);
}

/* Figures that are not known are not looked at. */
static void
test_without_exact(void **state)
{
    (void)state;
    VALID(s.exact = false, s.exact_peak = -1, s.exact_avg = NAN, s.coverage_ms = -1);
}

static void
test_reason(void **state)
{
    (void)state;
    char reason[SNAPSHOT_REASON_BYTES];
    struct snapshot s = example();
    s.min_viewers = 500;
    assert_int_equal(snapshot_check(&s, NOW_MS, reason), -1);
    assert_string_equal(reason,
                        "minViewers: 500 is above avgViewers 445; allowed: 0 to avgViewers");
    s = example();
    s.sample_count = INT64_MIN;
    assert_int_equal(snapshot_check(&s, NOW_MS, reason), -1);
    assert_string_equal(
        reason, "sampleCount: -9223372036854775808 is out of range; allowed: 1 to 1000000");
}

static void
test_fuller(void **state)
{
    (void)state;
    struct snapshot bare = {.sample_count = 12};
    struct snapshot exact = {.sample_count = 12, .exact = true, .coverage_ms = 0};
    struct snapshot longer = {.sample_count = 12, .exact = true, .coverage_ms = 60000};
    struct snapshot complete = {.sample_count = 12, .exact = true, .complete = true};
    struct snapshot more = {.sample_count = 13};
    const struct snapshot *row[] = {&bare, &exact, &longer, &complete, &more};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++)
            assert_int_equal(snapshot_fuller(row[i], row[j]), i > j);
    bare.complete = true; /* means nothing without exact figures */
    assert_false(snapshot_fuller(&bare, &exact));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fuller),       cmocka_unit_test(test_timestamp),
        cmocka_unit_test(test_counts),       cmocka_unit_test(test_average),
        cmocka_unit_test(test_sample_count), cmocka_unit_test(test_order),
        cmocka_unit_test(test_exact),        cmocka_unit_test(test_without_exact),
        cmocka_unit_test(test_reason)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
