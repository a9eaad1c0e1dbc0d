/* Bodies of posted snapshots and of changed settings, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <stdbool.h>

#include "settings_body.h"
#include "snapshot_body.h"

#define NOW_MS 1761056160000 /* a minute after the seed's example */

static enum api_error
decode(const char *body, struct snapshot *snapshot, char reason[BODY_REASON_BYTES])
{
    return snapshot_body_decode("123", body, strlen(body), NOW_MS, snapshot, reason);
}

/* The seed's body with one member replaced. */
static const char *
replace(const char *name, const char *value)
{
    static char body[512];
    static const char *const names[] = {"timestamp",   "viewerCount", "avgViewers",
                                        "peakViewers", "minViewers",  "sampleCount"};
    static const char *const values[] = {
        "\"2025-10-21T14:15:00Z\"", "475", "445", "475", "420", "12"};
    size_t length = 0;
    for (size_t i = 0; i < 6; i++) {
        const char *use = strcmp(names[i], name) ? values[i] : value;
        if (use)
            length += (size_t)snprintf(body + length, sizeof body - length, "%c\"%s\": %s",
                                       length ? ',' : '{', names[i], use);
    }
    snprintf(body + length, sizeof body - length, "}");
    return body;
}

static void
takes_the_seed_body(void **state)
{
    struct snapshot snapshot;
    char reason[BODY_REASON_BYTES];
    (void)state;
    assert_int_equal(decode(replace("", NULL), &snapshot, reason), API_ERROR_COUNT);
    assert_string_equal(snapshot.auction, "123");
    assert_int_equal(snapshot.timestamp_ms, 1761056100000);
    assert_int_equal(snapshot.viewer_count, 475);
    assert_true(snapshot.avg_viewers == 445.0);
    assert_int_equal(snapshot.peak_viewers, 475);
    assert_int_equal(snapshot.min_viewers, 420);
    assert_int_equal(snapshot.sample_count, 12);
    assert_false(snapshot.exact);
}

static void
takes_other_ways_of_saying_it(void **state)
{
    struct snapshot snapshot;
    char reason[BODY_REASON_BYTES];
    (void)state;
    assert_int_equal(
        decode(replace("timestamp", "\"2025-10-21T14:15:00.250Z\""), &snapshot, reason),
        API_ERROR_COUNT);
    assert_int_equal(snapshot.timestamp_ms, 1761056100250);
    assert_int_equal(decode(replace("avgViewers", "445.75"), &snapshot, reason),
                     API_ERROR_COUNT);
    assert_true(snapshot.avg_viewers == 445.75);
    assert_int_equal(decode(replace("peakViewers", "475.0"), &snapshot, reason),
                     API_ERROR_COUNT);
    assert_int_equal(decode(replace("sampleCount", "12,\"more\":{}"), &snapshot, reason),
                     API_ERROR_COUNT);
    assert_int_equal(decode(replace("viewerCount", "476"), &snapshot, reason),
                     API_ERROR_COUNT); /* read after the last sample */
}

static void
names_the_wrong_field(void **state)
{
    static const struct {
        const char *name, *value;
        enum api_error error;
        const char *said;
    } cases[] = {
        {"timestamp", NULL, API_INVALID_SNAPSHOT, "timestamp: is missing"},
        {"timestamp", "1761056100000", API_INVALID_SNAPSHOT, "timestamp: is a number"},
        {"timestamp", "\"tomorrow\"", API_INVALID_SNAPSHOT, "timestamp: is no date"},
        {"timestamp", "\"2025-13-01T00:00:00Z\"", API_INVALID_SNAPSHOT, "timestamp: "},
        {"timestamp", "\"2025-10-21T14:15:00\"", API_INVALID_SNAPSHOT, "with a zone"},
        {"timestamp", "\"1999-12-31T23:59:59Z\"", API_INVALID_SNAPSHOT, "timestamp"},
        {"timestamp", "\"2025-10-21T14:21:01Z\"", API_INVALID_SNAPSHOT, "timestamp"},
        {"viewerCount", NULL, API_INVALID_SNAPSHOT, "viewerCount: is missing"},
        {"viewerCount", "\"475\"", API_INVALID_SNAPSHOT, "viewerCount: is a string"},
        {"viewerCount", "null", API_INVALID_SNAPSHOT, "viewerCount: is null"},
        {"viewerCount", "474.5", API_INVALID_SNAPSHOT, "viewerCount: 474.5"},
        {"viewerCount", "1000000001", API_INVALID_SNAPSHOT, "viewerCount"},
        {"viewerCount", "-1", API_INVALID_SNAPSHOT, "viewerCount"},
        {"avgViewers", "true", API_INVALID_SNAPSHOT, "avgViewers: is a boolean"},
        {"avgViewers", "1e999", API_INVALID_SNAPSHOT, "out of range"},
        {"avgViewers", "NaN", API_INVALID_JSON, "no JSON"},
        {"avgViewers", "Infinity", API_INVALID_JSON, "no JSON"},
        {"peakViewers", "1e18", API_INVALID_SNAPSHOT, "peakViewers"},
        {"peakViewers", "99999999999999999999", API_INVALID_SNAPSHOT, "out of range"},
        {"peakViewers", "1000000001", API_INVALID_SNAPSHOT, "peakViewers"},
        {"minViewers", "446", API_INVALID_SNAPSHOT, "minViewers"},
        {"minViewers", "[]", API_INVALID_SNAPSHOT, "minViewers: is an array"},
        {"sampleCount", "0", API_INVALID_SNAPSHOT, "sampleCount"},
        {"sampleCount", "{}", API_INVALID_SNAPSHOT, "sampleCount: is an object"},
        {"sampleCount", "12,\"sampleCount\":12", API_INVALID_JSON, "duplicate"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct snapshot snapshot;
        char reason[BODY_REASON_BYTES];
        assert_int_equal(decode(replace(cases[i].name, cases[i].value), &snapshot, reason),
                         cases[i].error);
        if (!strstr(reason, cases[i].said))
            fail_msg("%s %s: '%s' does not say '%s'", cases[i].name, cases[i].value, reason,
                     cases[i].said);
    }
}

static void
refuses_what_is_no_object(void **state)
{
    static const char *const bodies[] = {"",  "not JSON", "[1]", "\"text\"",        "null",
                                         "{", "{}x",      "12",  "{\"a\":\"\xff\"}"};
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct snapshot snapshot;
        char reason[BODY_REASON_BYTES];
        bool enabled;
        assert_int_equal(decode(bodies[i], &snapshot, reason), API_INVALID_JSON);
        assert_int_equal(settings_body_decode(bodies[i], strlen(bodies[i]), &enabled, reason),
                         API_INVALID_JSON);
    }
}

static void
expect_settings(const char *body, enum api_error error, const char *said)
{
    char reason[BODY_REASON_BYTES] = "";
    bool enabled;
    assert_int_equal(settings_body_decode(body, strlen(body), &enabled, reason), error);
    assert_non_null(strstr(reason, said));
}

static void
reads_settings(void **state)
{
    char reason[BODY_REASON_BYTES];
    bool enabled = false;
    (void)state;
    assert_int_equal(
        settings_body_decode("{\"enableViewerAnalytics\":true}", 30, &enabled, reason),
        API_ERROR_COUNT);
    assert_true(enabled);
    assert_int_equal(
        settings_body_decode("{\"enableViewerAnalytics\":false}", 31, &enabled, reason),
        API_ERROR_COUNT);
    assert_false(enabled);
    expect_settings("{}", API_INVALID_SETTING, "enableViewerAnalytics: is missing");
    expect_settings("{\"enableViewerAnalytics\":1}", API_INVALID_SETTING, "is a number");
    expect_settings("{\"enableViewerAnalytics\":\"true\"}", API_INVALID_SETTING, "a string");
    expect_settings("{\"enableViewerAnalytics\":true,\"a\":1,\"b\":2}", API_UNKNOWN_FIELD,
                    "unknown settings: 2; allowed: enableViewerAnalytics");
}

static void
bears_many_unknown_fields(void **state)
{
    char body[8192] = "{\"x\":0", reason[BODY_REASON_BYTES];
    bool enabled;
    size_t length = strlen(body);
    (void)state;
    for (int i = 0; i < 100; i++)
        length += (size_t)snprintf(body + length, sizeof body - length, ",\"%050d\":0", i);
    snprintf(body + length, sizeof body - length, "}");
    assert_int_equal(settings_body_decode(body, strlen(body), &enabled, reason),
                     API_UNKNOWN_FIELD);
    assert_non_null(strstr(reason, "allowed: enableViewerAnalytics"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_seed_body),
        cmocka_unit_test(takes_other_ways_of_saying_it),
        cmocka_unit_test(names_the_wrong_field),
        cmocka_unit_test(refuses_what_is_no_object),
        cmocka_unit_test(reads_settings),
        cmocka_unit_test(bears_many_unknown_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
