/* SIGHUP while a program runs, and while it stops. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "settings_again.h"
#include "stop_limit.h"

struct example {
    char *name;
};

static const struct setting table[] = {
    {"NAME", SETTING_TEXT, offsetof(struct example, name), "a", 1, 8, "", NULL, "A name."}};
static const struct settings_program program = {
    .name = "headcount-example", .purpose = "Shows settings.", .table = table, .count = 1};

static bool
take(void *arg, const void *settings)
{
    const struct example *example = settings;
    assert_string_equal(example->name, "a");
    ++*(int *)arg;
    return false;
}

static void
test_each_hangup_is_taken_until_the_end(void **state)
{
    uv_loop_t loop;
    int taken = 0;
    char *arguments[] = {"headcount-example", NULL};
    struct settings_again_options options = {.loop = &loop,
                                             .program = &program,
                                             .settings_bytes = sizeof(struct example),
                                             .argc = 1,
                                             .argv = arguments,
                                             .take = take,
                                             .arg = &taken};
    (void)state;
    uv_loop_init(&loop);
    struct settings_again *again = settings_again_new(&options);
    for (int i = 1; i <= 2; i++) {
        raise(SIGHUP);
        while (taken < i)
            uv_run(&loop, UV_RUN_ONCE);
    }
    settings_again_destroy(&again);
    raise(SIGHUP); /* and lives on */
    uv_run(&loop, UV_RUN_DEFAULT);
    raise(SIGHUP);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(taken, 2);
}

static void
test_no_signal_ends_what_finishes(void **state)
{
    (void)state;
    signal(SIGHUP, SIG_DFL);
    stop_signals_ignore();
    raise(SIGTERM);
    raise(SIGINT);
    raise(SIGHUP);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_hangup_is_taken_until_the_end),
        cmocka_unit_test(test_no_signal_ends_what_finishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
