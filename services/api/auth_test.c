/* Keys that callers present. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "auth.h"

static bool
allows(const char *key, const char *header, const char *authorization)
{
    struct keyring *keys = keyring_new(key, "the-key-before");
    enum keyring_match match = auth_find(keys, header, authorization);
    keyring_destroy(&keys);
    return match == KEYRING_CURRENT;
}

static void
takes_the_key_before(void **state)
{
    struct keyring *keys = keyring_new("secret-key", "the-key-before");
    (void)state;
    assert_int_equal(auth_find(keys, "the-key-before", NULL), KEYRING_PREVIOUS);
    assert_int_equal(auth_find(keys, NULL, "Bearer the-key-before"), KEYRING_PREVIOUS);
    assert_int_equal(auth_find(keys, "secret-key", "Bearer the-key-before"), KEYRING_CURRENT);
    keyring_destroy(&keys);
}

static void
takes_either_form(void **state)
{
    (void)state;
    assert_true(allows("secret-key", "secret-key", NULL));
    assert_true(allows("secret-key", NULL, "Bearer secret-key"));
    assert_true(allows("secret-key", NULL, "bearer   secret-key"));
    assert_true(allows("secret-key", "wrong", "Bearer secret-key"));
    assert_true(allows("secret-key", "secret-key", "Basic abc"));
}

static void
refuses_all_else(void **state)
{
    (void)state;
    assert_false(allows("secret-key", NULL, NULL));
    assert_false(allows("secret-key", "", ""));
    assert_false(allows("secret-key", "secret-ke", NULL));
    assert_false(allows("secret-key", "secret-key ", NULL));
    assert_false(allows("secret-key", "Secret-key", NULL));
    assert_false(allows("secret-key", NULL, "secret-key"));
    assert_false(allows("secret-key", NULL, "Bearersecret-key"));
    assert_false(allows("", "", "Bearer "));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_either_form),
        cmocka_unit_test(takes_the_key_before),
        cmocka_unit_test(refuses_all_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
