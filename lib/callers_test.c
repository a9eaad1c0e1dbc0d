/* Who is let in, who makes room, and who takes too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "callers.h"

#define REQUEST_MS 100
#define ANSWER_MS 1000
#define MOST 4

static struct networks *proxies;
static struct callers *callers;
static int ends[64]; /* by descriptor: why it was cut, and one; 0: it was not */

static void
note_cut(void *arg, int descriptor, enum callers_end why)
{
    assert_ptr_equal(arg, ends);
    assert_int_equal(ends[descriptor], 0);
    ends[descriptor] = (int)why + 1;
}

static void
expect_end(int descriptor, enum callers_end why)
{
    assert_int_equal(ends[descriptor], (int)why + 1);
}

static int
start(void **state)
{
    struct callers_options options = {.most = MOST,
                                      .most_of_address = 2,
                                      .request_ms = REQUEST_MS,
                                      .answer_ms = ANSWER_MS,
                                      .cut = note_cut,
                                      .arg = ends};
    (void)state;
    memset(ends, 0, sizeof ends);
    options.proxies = proxies = networks_read("10.0.0.0/8");
    callers = callers_new(&options);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    callers_destroy(&callers);
    callers_destroy(&callers);
    networks_destroy(&proxies);
    return 0;
}

static struct caller *
enter(const char *text, int descriptor, int64_t mono_ms)
{
    struct address address;
    assert_true(address_read(text, strlen(text), &address));
    return callers_enter(callers, &address, descriptor, mono_ms);
}

static void
an_address_has_its_share(void **state)
{
    struct caller *a = enter("2001:db8::1", 1, 0), *b = enter("2001:db8::2", 2, 0);
    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    assert_null(enter("2001:db8::3", 3, 0));
    expect_end(3, CALLERS_ADDRESS);
    struct caller *other = enter("2001:db8:0:1::1", 4, 0);
    assert_non_null(other);
    callers_leave(callers, &a);
    assert_null(a);
    a = enter("2001:db8::4", 5, 0);
    assert_non_null(a);
    callers_leave(callers, &a);
    callers_leave(callers, &a);
    callers_leave(callers, &b);
    callers_leave(callers, &other);
}

static void
proxies_have_no_share(void **state)
{
    struct caller *all[MOST];
    (void)state;
    for (int i = 0; i < MOST; i++)
        assert_non_null(all[i] = enter("10.1.2.3", i, 0));
    for (int i = 0; i < MOST; i++)
        callers_leave(callers, &all[i]);
    struct caller *local = callers_enter(callers, NULL, 9, 0);
    assert_non_null(local);
    callers_leave(callers, &local);
}

static void
who_waits_longest_makes_room(void **state)
{
    struct caller *all[MOST + 2];
    (void)state;
    for (int i = 0; i < MOST; i++)
        all[i] = enter("10.1.2.3", i, i);
    callers_answer(callers, all[0], 5);
    callers_answer(callers, all[1], 6);
    callers_wait(callers, all[1], 7); /* behind the others */
    assert_non_null(all[MOST] = enter("10.1.2.3", MOST, 8));
    expect_end(2, CALLERS_PUSHED);
    for (int i = 1; i <= MOST; i++)
        callers_answer(callers, all[i], 9); /* one that is cut stays cut */
    assert_null(enter("192.0.2.1", 10, 10));
    expect_end(10, CALLERS_FULL);
    callers_leave(callers, &all[3]);
    assert_non_null(all[3] = enter("192.0.2.1", 11, 11));
    assert_non_null(all[MOST + 1] = enter("192.0.2.1", 12, 12));
    expect_end(11, CALLERS_PUSHED);
    for (int i = 0; i < MOST + 2; i++)
        callers_leave(callers, &all[i]);
}

static void
who_is_slow_is_cut(void **state)
{
    struct caller *request = enter("10.1.2.3", 1, 0), *reader = enter("10.1.2.3", 2, 0);
    (void)state;
    callers_answer(callers, reader, 50);
    callers_answer(callers, reader, 90); /* it is one answer */
    callers_tick(callers, REQUEST_MS - 1);
    assert_int_equal(ends[1], 0);
    callers_tick(callers, REQUEST_MS);
    expect_end(1, CALLERS_SLOW_REQUEST);
    callers_tick(callers, 50 + ANSWER_MS - 1);
    assert_int_equal(ends[2], 0);
    callers_tick(callers, 50 + ANSWER_MS);
    expect_end(2, CALLERS_SLOW_READER);
    callers_tick(callers, 10 * ANSWER_MS);
    callers_wait(callers, request, 10 * ANSWER_MS);
    callers_tick(callers, 20 * ANSWER_MS);
    callers_leave(callers, &request);
    callers_leave(callers, &reader);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_address_has_its_share, start, stop),
        cmocka_unit_test_setup_teardown(proxies_have_no_share, start, stop),
        cmocka_unit_test_setup_teardown(who_waits_longest_makes_room, start, stop),
        cmocka_unit_test_setup_teardown(who_is_slow_is_cut, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
