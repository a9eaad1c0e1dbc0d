/* Comparing keys of any length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "secret.h"

static void
test_only_the_same_key_is_equal(void **state)
{
    (void)state;
    assert_true(secret_equal("secret-key", "secret-key", 10));
    assert_false(secret_equal("secret-key", "secret-key", 9));
    assert_false(secret_equal("secret-key", "secret-key\0", 11));
    assert_false(secret_equal("secret-key", "Secret-key", 10));
    assert_false(secret_equal("secret-key", "", 0));
}

static void
test_a_missing_key_equals_nothing(void **state)
{
    (void)state;
    assert_false(secret_equal(NULL, "", 0));
    assert_false(secret_equal("", "", 0));
}

static void
test_long_keys_are_compared_whole(void **state)
{
    char key[1001], guess[1000];
    (void)state;
    memset(key, 'k', 1000);
    key[1000] = 0;
    memset(guess, 'k', 1000);
    assert_true(secret_equal(key, guess, 1000));
    guess[999] = 'K';
    assert_false(secret_equal(key, guess, 1000));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_same_key_is_equal),
        cmocka_unit_test(test_a_missing_key_equals_nothing),
        cmocka_unit_test(test_long_keys_are_compared_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
