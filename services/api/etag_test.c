/* Which If-None-Match names a tag. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "etag.h"

static void
matches_lists_and_forms(void **state)
{
    (void)state;
    assert_true(etag_matches("\"abc\"", "\"abc\""));
    assert_true(etag_matches("W/\"abc\"", "\"abc\""));
    assert_true(etag_matches("\"x\", W/\"y\",\"abc\"", "\"abc\""));
    assert_true(etag_matches("*", "\"abc\""));
    assert_false(etag_matches(NULL, "\"abc\""));
    assert_false(etag_matches("", "\"abc\""));
    assert_false(etag_matches("abc", "\"abc\""));
    assert_false(etag_matches("\"abcd\"", "\"abc\""));
    assert_false(etag_matches("\"ab\"", "\"abc\""));
    assert_false(etag_matches("\"abc", "\"abc\""));
    assert_false(etag_matches("W/W/\"abc\"", "\"abc\""));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(matches_lists_and_forms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
