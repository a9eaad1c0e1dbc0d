/* Keys that callers present. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "auth.h"

static void
takes_either_form(void **state)
{
    (void)state;
    assert_true(auth_allows("secret-key", "secret-key", NULL));
    assert_true(auth_allows("secret-key", NULL, "Bearer secret-key"));
    assert_true(auth_allows("secret-key", NULL, "bearer   secret-key"));
    assert_true(auth_allows("secret-key", "wrong", "Bearer secret-key"));
    assert_true(auth_allows("secret-key", "secret-key", "Basic abc"));
}

static void
refuses_all_else(void **state)
{
    (void)state;
    assert_false(auth_allows("secret-key", NULL, NULL));
    assert_false(auth_allows("secret-key", "", ""));
    assert_false(auth_allows("secret-key", "secret-ke", NULL));
    assert_false(auth_allows("secret-key", "secret-key ", NULL));
    assert_false(auth_allows("secret-key", "Secret-key", NULL));
    assert_false(auth_allows("secret-key", NULL, "secret-key"));
    assert_false(auth_allows("secret-key", NULL, "Bearersecret-key"));
    assert_false(auth_allows("", "", "Bearer "));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_either_form),
        cmocka_unit_test(refuses_all_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
