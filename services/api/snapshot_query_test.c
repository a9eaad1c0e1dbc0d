/* Ranges of time and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "snapshot_query.h"

#define NOW_MS 1761056100000 /* 2025-10-21T14:15:00Z */
#define HOUR_MS 3600000LL

static enum api_error
parse(const char *text, struct snapshot_query *query, char reason[SNAPSHOT_QUERY_REASON_BYTES])
{
    struct target target;
    target_init(&target, text);
    assert_int_equal(target.result, TARGET_OK);
    enum api_error error = snapshot_query_parse(&target, NOW_MS, query, reason);
    target_fini(&target);
    return error;
}

static void
reads_ranges(void **state)
{
    static const struct {
        const char *text;
        int64_t from_ms;
    } cases[] = {{"/", 0},
                 {"/?timeRange=all", 0},
                 {"/?timeRange=1h", NOW_MS - HOUR_MS},
                 {"/?timeRange=24h", NOW_MS - 24 * HOUR_MS},
                 {"/?timeRange=7d", NOW_MS - 7 * 24 * HOUR_MS},
                 {"/?timeRange=30d", NOW_MS - 30 * 24 * HOUR_MS},
                 {"/?timeRange=90d&other=1", NOW_MS - 90 * 24 * HOUR_MS}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct snapshot_query query;
        char reason[SNAPSHOT_QUERY_REASON_BYTES];
        assert_int_equal(parse(cases[i].text, &query, reason), API_ERROR_COUNT);
        assert_int_equal(query.from_ms, cases[i].from_ms);
        assert_int_equal(query.to_ms, SNAPSHOT_LAST_MS);
        assert_true(query.limit == UINT64_MAX);
        assert_non_null(query.time_range);
    }
}

static void
reads_times_and_limits(void **state)
{
    struct snapshot_query query;
    char reason[SNAPSHOT_QUERY_REASON_BYTES];
    (void)state;
    assert_int_equal(parse("/?from=2025-10-21T14:15:00Z&to=2025-10-21T16:15:00.5%2B01:00"
                           "&limit=20",
                           &query, reason),
                     API_ERROR_COUNT);
    assert_null(query.time_range);
    assert_int_equal(query.from_ms, NOW_MS);
    assert_int_equal(query.to_ms, NOW_MS + HOUR_MS + 500);
    assert_int_equal(query.limit, 20);
    assert_int_equal(parse("/?to=2025-10-21T14:15:00Z", &query, reason), API_ERROR_COUNT);
    assert_int_equal(query.from_ms, 0);
    assert_int_equal(query.to_ms, NOW_MS);
    assert_int_equal(parse("/?limit=1000000", &query, reason), API_ERROR_COUNT);
}

static void
names_what_is_wrong(void **state)
{
    static const struct {
        const char *text;
        enum api_error error;
        const char *said;
    } cases[] = {
        {"/?timeRange=", API_INVALID_RANGE, "timeRange: is no range; allowed: all, 1h"},
        {"/?timeRange=2h", API_INVALID_RANGE, "timeRange: is no range"},
        {"/?timeRange=ALL", API_INVALID_RANGE, "timeRange: is no range"},
        {"/?timeRange=1h&to=2025-10-21T14:15:00Z", API_INVALID_RANGE, "one or the other"},
        {"/?from=yesterday", API_INVALID_RANGE, "from: is no time"},
        {"/?from=2025-10-21", API_INVALID_RANGE, "from: is no time"},
        {"/?to=2025-02-30T00:00:00Z", API_INVALID_RANGE, "to: "},
        {"/?from=2025-10-21T14:15:01Z&to=2025-10-21T14:15:00Z", API_INVALID_RANGE, "after to"},
        {"/?limit=0", API_INVALID_LIMIT, "limit: is no such number"},
        {"/?limit=", API_INVALID_LIMIT, "1 to 1000000"},
        {"/?limit=-1", API_INVALID_LIMIT, "limit: is no such number"},
        {"/?limit=1000001", API_INVALID_LIMIT, "limit: is no such number"},
        {"/?limit=99999999999999999999", API_INVALID_LIMIT, "allowed"},
        {"/?limit=1e3", API_INVALID_LIMIT, "limit: is no such number"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct snapshot_query query;
        char reason[SNAPSHOT_QUERY_REASON_BYTES];
        assert_int_equal(parse(cases[i].text, &query, reason), cases[i].error);
        assert_non_null(strstr(reason, cases[i].said));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_ranges),
        cmocka_unit_test(reads_times_and_limits),
        cmocka_unit_test(names_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
