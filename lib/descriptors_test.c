/* The limit of open files is raised, or the reason told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "capture.h"
#include "descriptors.h"

static void
set_limit(rlim_t soft, rlim_t hard)
{
    struct rlimit limit = {soft, hard};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static rlim_t
soft_limit(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit.rlim_cur;
}

static void
test_a_low_limit_is_raised(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    rlim_t most = before.rlim_max < DESCRIPTORS_WANTED ? before.rlim_max : DESCRIPTORS_WANTED;
    set_limit(DESCRIPTORS_MIN, before.rlim_max);
    assert_int_equal(descriptors_raise(), 0);
    assert_int_equal(soft_limit(), most);
}

static void
test_a_high_limit_stays(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    set_limit(limit.rlim_max, limit.rlim_max);
    assert_int_equal(descriptors_raise(), 0);
    assert_int_equal(soft_limit(), limit.rlim_max);
}

/* The last one: a hard limit does not go up again. */
static void
test_too_few_are_told(void **state)
{
    (void)state;
    struct capture capture;
    capture_start(&capture, STDERR_FILENO);
    set_limit(DESCRIPTORS_MIN - 1, DESCRIPTORS_MIN - 1);
    int result = descriptors_raise();
    char *text = capture_end(&capture);
    assert_int_equal(result, -1);
    assert_non_null(strstr(text, "allowed=63 needed=64"));
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_low_limit_is_raised),
                                       cmocka_unit_test(test_a_high_limit_stays),
                                       cmocka_unit_test(test_too_few_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
