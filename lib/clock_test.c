#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "clock.h"

static void
expect_text(int64_t wall_ms, const char *expected)
{
    char text[CLOCK_TEXT_BYTES];
    int64_t again;
    clock_text(wall_ms, text);
    assert_string_equal(text, expected);
    assert_int_equal(clock_parse(text, &again), 0);
    assert_true(again == wall_ms);
}

static void
test_there_and_back(void **state)
{
    (void)state;
    expect_text(0, "1970-01-01T00:00:00Z");
    expect_text(1, "1970-01-01T00:00:00.001Z");
    expect_text(-1, "1969-12-31T23:59:59.999Z");
    expect_text(-1000, "1969-12-31T23:59:59Z");
    expect_text(1761056100000, "2025-10-21T14:15:00Z");
    expect_text(1761056100250, "2025-10-21T14:15:00.250Z");
    expect_text(946684800000, "2000-01-01T00:00:00Z");
    expect_text(1709164800000, "2024-02-29T00:00:00Z");
    expect_text(253402300799999, "9999-12-31T23:59:59.999Z");
    expect_text(-30610224000000, "1000-01-01T00:00:00Z");
    expect_text(-30610224000001, "0999-12-31T23:59:59.999Z");
    expect_text(-62167219200000, "0000-01-01T00:00:00Z");
}

static void
test_far_times(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_BYTES];
    const int64_t far[] = {INT64_MAX, INT64_MIN, INT64_C(1) << 53, -(INT64_C(1) << 53)};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        clock_text(far[i], text);
        assert_in_range(strlen(text), 1, CLOCK_TEXT_BYTES - 1);
    }
}

static void
expect_ms(const char *text, int64_t expected)
{
    int64_t wall_ms;
    if (clock_parse(text, &wall_ms))
        fail_msg("'%s' is refused", text);
    if (wall_ms != expected)
        fail_msg("'%s' gives %lld", text, (long long)wall_ms);
}

static void
test_forms(void **state)
{
    (void)state;
    const int64_t quarter = 1761056100000;
    expect_ms("2025-10-21T14:15:00.000Z", quarter);
    expect_ms("2025-10-21T16:15:00+02:00", quarter);
    expect_ms("2025-10-21T16:15:00+0200", quarter);
    expect_ms("2025-10-21T08:45:00-05:30", quarter);
    expect_ms("2025-10-22T00:15:00+10:00", quarter);
    expect_ms("2025-10-21T14:15:00-00:00", quarter);
    expect_ms("2025-10-21T14:15:00.1Z", quarter + 100);
    expect_ms("2025-10-21T14:15:00.0009Z", quarter);
    expect_ms("2025-10-21T14:15:00.123456789012345678901234567890Z", quarter + 123);
    expect_ms("2000-02-29T00:00:00Z", 951782400000); /* a leap year, of the fourth century */
    expect_ms("1969-12-31T23:59:59.999Z", -1);
    expect_ms("2025-12-31T23:59:59Z", 1767225599000);
}

static void
test_junk(void **state)
{
    (void)state;
    const char *junk[] = {"",
                          "Z",
                          "now",
                          "2025",
                          "2025-10-21",
                          "2025-10-21T",
                          "2025-10-21T14:15:00",
                          "2025-10-21T14:15Z",
                          "2025-10-21 14:15:00Z",
                          "2025-10-21T14:15:00Zx",
                          " 2025-10-21T14:15:00Z",
                          "2025-10-21T14:15:00Z ",
                          "2025-10-21T14:15:00.Z",
                          "2025-10-21T14:15:00,5Z",
                          "2025-10-21T14:15:00+2:00",
                          "2025-10-21T14:15:00+02",
                          "2025-10-21T14:15:00+02:60",
                          "2025-10-21T14:15:00+24:00",
                          "2025-10-21T24:00:00Z",
                          "2025-10-21T14:60:00Z",
                          "2025-10-21T14:15:60Z",
                          "2025-02-29T00:00:00Z",
                          "2100-02-29T00:00:00Z",
                          "2025-04-31T00:00:00Z",
                          "2025-00-10T00:00:00Z",
                          "2025-13-10T00:00:00Z",
                          "2025-10-00T00:00:00Z",
                          "2025-10-32T00:00:00Z",
                          "-025-10-21T14:15:00Z",
                          "2025-1-21T14:15:00Z",
                          "25-10-21T14:15:00Z",
                          "2025-10-21T14:15:00+",
                          "2025-10-21t14:15:00z",
                          "12025-10-21T14:15:00Z",
                          "1761056100000",
                          "NaN",
                          "2025-10-21T14:15:00.5",
                          "0000-01-01T00:00:00+00:01",
                          "9999-12-31T23:59:59.999-00:01",
                          "2025/10/21T14:15:00Z"};
    for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
        int64_t wall_ms = 7;
        if (!clock_parse(junk[i], &wall_ms))
            fail_msg("'%s' is taken", junk[i]);
        assert_int_equal(wall_ms, 7);
    }
}

static void
test_readings(void **state)
{
    (void)state;
    assert_true(clock_wall_ms() > 1577836800000);
    int64_t before = clock_mono_ms();
    assert_true(before >= 0 && clock_mono_ms() >= before);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_far_times),
        cmocka_unit_test(test_forms), cmocka_unit_test(test_junk),
        cmocka_unit_test(test_readings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
