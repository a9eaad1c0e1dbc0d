/* Splitting and decoding of request targets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "target.h"

static void
splits_before_it_decodes(void **state)
{
    struct target target;
    (void)state;
    target_init(&target, "/a%2Fb/c%20d/?x=1%262&y=a+b&z&=");
    assert_int_equal(target.result, TARGET_OK);
    assert_int_equal(target.segment_count, 3);
    assert_string_equal(target.segments[0], "a/b");
    assert_string_equal(target.segments[1], "c d");
    assert_string_equal(target.segments[2], "");
    assert_string_equal(target_parameter(&target, "x"), "1&2");
    assert_string_equal(target_parameter(&target, "y"), "a b");
    assert_string_equal(target_parameter(&target, "z"), "");
    assert_null(target_parameter(&target, "nothing"));
    target_fini(&target);
}

static void
knows_the_root(void **state)
{
    struct target target;
    (void)state;
    target_init(&target, "/");
    assert_int_equal(target.segment_count, 0);
    target_fini(&target);
    target_init(&target, "/?after=x");
    assert_int_equal(target.segment_count, 0);
    assert_string_equal(target_parameter(&target, "after"), "x");
    target_fini(&target);
    target_init(&target, "");
    assert_int_equal(target.result, TARGET_OK);
    target_fini(&target);
}

static void
takes_absolute_addresses(void **state)
{
    static const char *const texts[] = {"http://x/a/b?y=1", "HTTPS://[::1]:8080/a/b?y=1"};
    struct target target;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        target_init(&target, texts[i]);
        assert_int_equal(target.result, TARGET_OK);
        assert_int_equal(target.segment_count, 2);
        assert_string_equal(target.segments[0], "a");
        assert_string_equal(target.segments[1], "b");
        assert_string_equal(target_parameter(&target, "y"), "1");
        target_fini(&target);
    }
    target_init(&target, "http://x?y=/1");
    assert_int_equal(target.result, TARGET_OK);
    assert_int_equal(target.segment_count, 0);
    target_fini(&target);
}

static void
names_what_is_wrong(void **state)
{
    static const struct {
        const char *text;
        enum target_result result;
    } cases[] = {
        {"*", TARGET_FORM},
        {"x:443", TARGET_FORM},
        {"ftp://x/a", TARGET_FORM},
        {"/a%", TARGET_ENCODING},
        {"/a%4", TARGET_ENCODING},
        {"/a%4x", TARGET_ENCODING},
        {"/a%00b", TARGET_ENCODING},
        {"/?a=%zz", TARGET_ENCODING},
        {"/?a=1&a=2", TARGET_DOUBLED},
        {"/?a=1&%61=2", TARGET_DOUBLED},
        {"/1/2/3/4/5/6/7/8", TARGET_OK},
        {"/1/2/3/4/5/6/7/8/9", TARGET_TOO_MANY},
        {"/?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p", TARGET_OK},
        {"/?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", TARGET_TOO_MANY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct target target;
        target_init(&target, cases[i].text);
        assert_int_equal(target.result, cases[i].result);
        assert_true(*target_result_text(target.result));
        target_fini(&target);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_before_it_decodes),
        cmocka_unit_test(knows_the_root),
        cmocka_unit_test(takes_absolute_addresses),
        cmocka_unit_test(names_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
