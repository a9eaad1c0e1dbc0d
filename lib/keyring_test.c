/* Two keys at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "keyring.h"

static enum keyring_match
find(struct keyring *keys, const char *guess)
{
    return keyring_find(keys, guess, strlen(guess));
}

static void
test_both_are_valid_for_a_while(void **state)
{
    char key[KEYRING_KEY_BYTES];
    struct keyring *keys = keyring_new("first-key", NULL);
    (void)state;
    assert_int_equal(find(keys, "first-key"), KEYRING_CURRENT);
    assert_int_equal(find(keys, ""), KEYRING_NONE);
    assert_true(keyring_set(keys, "second-key", "first-key"));
    assert_false(keyring_set(keys, "second-key", "first-key"));
    assert_int_equal(find(keys, "first-key"), KEYRING_PREVIOUS);
    assert_int_equal(find(keys, "second-key"), KEYRING_CURRENT);
    keyring_current(keys, key);
    assert_string_equal(key, "second-key");
    assert_true(keyring_set(keys, "second-key", NULL));
    assert_int_equal(find(keys, "first-key"), KEYRING_NONE);
    assert_int_equal(find(keys, "second-key"), KEYRING_CURRENT);
    keyring_destroy(&keys);
    keyring_destroy(&keys);
}

static void
test_no_key_matches_nothing(void **state)
{
    struct keyring *keys = keyring_new(NULL, NULL);
    (void)state;
    assert_int_equal(find(keys, ""), KEYRING_NONE);
    assert_int_equal(find(keys, "guess"), KEYRING_NONE);
    keyring_destroy(&keys);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_are_valid_for_a_while),
        cmocka_unit_test(test_no_key_matches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
