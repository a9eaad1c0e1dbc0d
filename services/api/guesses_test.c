/* Wrong keys per address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guesses.h"

static struct address
read_address(const char *text)
{
    struct address address;
    assert_true(address_read(text, strlen(text), &address));
    return address;
}

static void
slows_an_address(void **state)
{
    struct guesses *guesses = guesses_new(6);
    struct address guesser = read_address("192.0.2.1"), other = read_address("192.0.2.2");
    (void)state;
    for (int i = 0; i < 6; i++) {
        assert_true(guesses_allowed(guesses, &guesser, 1000));
        guesses_note(guesses, &guesser, 1000);
    }
    assert_false(guesses_allowed(guesses, &guesser, 1000));
    assert_true(guesses_allowed(guesses, &other, 1000));
    assert_false(guesses_allowed(guesses, &guesser, 10999));
    assert_true(guesses_allowed(guesses, &guesser, 11000)); /* one in ten seconds */
    guesses_note(guesses, &guesser, 11000);
    assert_false(guesses_allowed(guesses, &guesser, 11000));
    assert_true(guesses_allowed(guesses, &guesser, 71000));
    guesses_destroy(&guesses);
    guesses_destroy(&guesses);
}

static void
takes_a_network_for_one(void **state)
{
    struct guesses *guesses = guesses_new(1);
    struct address a = read_address("2001:db8::1"), b = read_address("2001:db8::ffff:2"),
                   c = read_address("2001:db8:0:1::1");
    (void)state;
    guesses_note(guesses, &a, 0);
    assert_false(guesses_allowed(guesses, &b, 0));
    assert_true(guesses_allowed(guesses, &c, 0));
    guesses_destroy(&guesses);
}

static void
is_bounded(void **state)
{
    struct guesses *guesses = guesses_new(1);
    struct address first = read_address("10.0.0.0");
    char text[32];
    (void)state;
    for (int i = 0; i < GUESSES_ADDRESSES; i++) {
        snprintf(text, sizeof text, "10.0.%d.%d", i / 256, i % 256);
        struct address address = read_address(text);
        guesses_note(guesses, &address, 0);
    }
    assert_false(guesses_allowed(guesses, &first, 0));
    struct address more = read_address("10.1.0.0");
    guesses_note(guesses, &more, 0);
    assert_true(guesses_allowed(guesses, &first, 0));
    assert_false(guesses_allowed(guesses, &more, 0));
    guesses_destroy(&guesses);
}

static void
may_be_without_a_limit(void **state)
{
    struct guesses *guesses = guesses_new(0);
    struct address address = read_address("192.0.2.1");
    (void)state;
    for (int i = 0; i < 1000; i++)
        guesses_note(guesses, &address, 0);
    assert_true(guesses_allowed(guesses, &address, 0));
    guesses_destroy(&guesses);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slows_an_address),
        cmocka_unit_test(takes_a_network_for_one),
        cmocka_unit_test(is_bounded),
        cmocka_unit_test(may_be_without_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
