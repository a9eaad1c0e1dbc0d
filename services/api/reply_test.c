/* Answers: rows, numbers and envelopes as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "auction_merge.h"
#include "reply_json.h"
#include "snapshot_json.h"

static void
writes_the_seed_shape(void **state)
{
    struct snapshot snapshot = {.timestamp_ms = 1761056100000,
                                .viewer_count = 475,
                                .avg_viewers = 445,
                                .peak_viewers = 475,
                                .min_viewers = 420,
                                .sample_count = 12};
    char text[SNAPSHOT_JSON_BYTES];
    (void)state;
    size_t length = snapshot_json(&snapshot, text);
    assert_int_equal(length, strlen(text));
    assert_string_equal(text, "{\"timestamp\":\"2025-10-21T14:15:00Z\",\"viewerCount\":475,"
                              "\"avgViewers\":445,\"peakViewers\":475,\"minViewers\":420,"
                              "\"sampleCount\":12}");
}

static void
writes_exact_figures(void **state)
{
    struct snapshot snapshot = {.timestamp_ms = 1761056100250,
                                .avg_viewers = 1.0 / 3,
                                .exact = true,
                                .exact_peak = 5,
                                .exact_avg = 2.5,
                                .joins = 7,
                                .leaves = 2,
                                .coverage_ms = 60000,
                                .complete = true};
    char text[SNAPSHOT_JSON_BYTES];
    (void)state;
    size_t length = snapshot_json(&snapshot, text);
    assert_int_equal(length, strlen(text));
    assert_non_null(strstr(text, "14:15:00.250Z"));
    assert_non_null(strstr(text, "\"exactPeak\":5,\"exactMin\":0,\"exactAvg\":2.5,\"joins\":7,"
                                 "\"leaves\":2,\"coverageMs\":60000,\"complete\":true}"));
    json_t *read = json_loads(text, 0, NULL);
    assert_true(json_real_value(json_object_get(read, "avgViewers")) == 1.0 / 3);
    json_decref(read);
}

static void
bears_the_widest_row(void **state)
{
    struct snapshot snapshot = {
        "",   INT64_MAX, INT64_MIN, -0.1234567890123456e-300, INT64_MIN, INT64_MIN, INT64_MIN,
        true, INT64_MIN, INT64_MIN, -0.1234567890123456e-300, INT64_MIN, INT64_MIN, INT64_MIN,
        false};
    char text[SNAPSHOT_JSON_BYTES];
    (void)state;
    assert_true(snapshot_json(&snapshot, text) < SNAPSHOT_JSON_BYTES);
}

static void
writes_numbers(void **state)
{
    static const struct {
        double number;
        const char *text;
    } cases[] = {{445, "445"},
                 {445.5, "445.5"},
                 {0.1, "0.1"},
                 {-3, "-3"},
                 {1e9, "1000000000"},
                 {2.0 / 3, "0.6666666666666666"},
                 {0, "0"},
                 {1e300, "1e+300"},
                 {(double)NAN, "0"},
                 {-(double)INFINITY, "0"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[NUMBER_TEXT_BYTES];
        number_text(cases[i].number, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void
wraps_data_and_errors(void **state)
{
    (void)state;
    char *text = reply_json_data(json_pack("{s:i}", "a", 1));
    assert_string_equal(text, "{\"success\":true,\"data\":{\"a\":1}}\n");
    free(text);
    text = reply_json_error(API_INVALID_RANGE, "bad \"x\" \xff\n");
    assert_string_equal(text, "{\"success\":false,\"error\":{\"code\":\"invalid_range\","
                              "\"message\":\"bad \\\"x\\\" ??\"}}\n");
    free(text);
}

static void
merges_known_and_live(void **state)
{
    static const struct storage_auction known[] = {{"a", true}, {"c", false}, {"d", true}};
    static const struct live_auction live[] = {{"b", 5}, {"c", 7}, {"e", 1}};
    struct auction_row rows[8];
    (void)state;
    assert_int_equal(auction_merge(known, 3, live, 3, rows, 8), 5);
    const char *ids = "abcde";
    static const uint64_t viewers[] = {0, 5, 7, 0, 1};
    static const bool enabled[] = {true, false, false, true, false};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(rows[i].auction[0], ids[i]);
        assert_int_equal(rows[i].viewers, viewers[i]);
        assert_int_equal(rows[i].enabled, enabled[i]);
    }
    assert_int_equal(auction_merge(known, 3, live, 3, rows, 2), 2);
    assert_int_equal(auction_merge(known, 0, live, 0, rows, 2), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_seed_shape), cmocka_unit_test(writes_exact_figures),
        cmocka_unit_test(bears_the_widest_row),  cmocka_unit_test(writes_numbers),
        cmocka_unit_test(wraps_data_and_errors), cmocka_unit_test(merges_known_and_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
