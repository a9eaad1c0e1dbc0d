/* Snapshots that wait to know whether they are complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "verdict.h"

#define PATIENCE_MS 6000

struct heard {
    int64_t counts[16]; /* viewer_count of what was emitted */
    bool complete[16];
    int emitted, closed;
};

static void
note_snapshot(void *arg, const struct snapshot *snapshot)
{
    struct heard *heard = arg;
    heard->counts[heard->emitted] = snapshot->viewer_count;
    heard->complete[heard->emitted++] = snapshot->complete;
}

static void
note_closed(void *arg)
{
    ((struct heard *)arg)->closed++;
}

static struct verdict *
make(struct heard *heard)
{
    struct verdict_options options = {PATIENCE_MS, note_snapshot, note_closed, heard};
    memset(heard, 0, sizeof *heard);
    return verdict_new(&options);
}

static void
add(struct verdict *verdict, int64_t count, bool complete)
{
    struct snapshot snapshot = {.viewer_count = count, .exact = true, .complete = complete};
    verdict_add(verdict, &snapshot);
}

static void
test_sound(void **state)
{
    struct heard heard;
    struct verdict *verdict = make(&heard);
    int64_t since_ms = 0;
    (void)state;
    assert_false(verdict_waits(verdict, &since_ms));
    verdict_begin(verdict, 1000);
    add(verdict, 1, true);
    add(verdict, 2, false);
    assert_true(verdict_waits(verdict, &since_ms));
    assert_int_equal(since_ms, 1000);
    verdict_sound(verdict, 1000); /* that was before its end was seen */
    verdict_end(verdict);
    assert_false(verdict_release(verdict, 10, 1100));
    verdict_sound(verdict, 1200);
    verdict_doubt(verdict); /* too late to doubt it */
    assert_true(verdict_release(verdict, 1, 1300));
    assert_false(verdict_release(verdict, 10, 1300));
    assert_int_equal(heard.emitted, 2);
    assert_int_equal(heard.closed, 1);
    assert_true(heard.complete[0]);
    assert_false(heard.complete[1]);
    verdict_destroy(&verdict);
    verdict_destroy(&verdict);
}

static void
test_doubt(void **state)
{
    struct heard heard;
    struct verdict *verdict = make(&heard);
    (void)state;
    verdict_begin(verdict, 1000);
    add(verdict, 1, true);
    verdict_doubt(verdict);
    add(verdict, 2, true);
    verdict_sound(verdict, 2000);
    assert_false(verdict_release(verdict, 10, 1100)); /* not all of it is here */
    verdict_end(verdict);
    assert_false(verdict_release(verdict, 10, 1100));
    assert_int_equal(heard.emitted, 2);
    assert_false(heard.complete[0] || heard.complete[1]);
    verdict_destroy(&verdict);
}

static void
test_patience(void **state)
{
    struct heard heard;
    struct verdict *verdict = make(&heard);
    (void)state;
    verdict_begin(verdict, 1000);
    add(verdict, 1, true);
    verdict_end(verdict);
    verdict_release(verdict, 10, 1000 + PATIENCE_MS);
    assert_int_equal(heard.emitted, 0);
    verdict_release(verdict, 10, 1001 + PATIENCE_MS);
    assert_int_equal(heard.emitted, 1);
    assert_false(heard.complete[0]);
    verdict_destroy(&verdict);
}

static void
test_order(void **state)
{
    struct heard heard;
    struct verdict *verdict = make(&heard);
    int64_t since_ms;
    (void)state;
    verdict_begin(verdict, 1000);
    add(verdict, 1, true);
    verdict_begin(verdict, 2000); /* ends the one before */
    add(verdict, 2, true);
    verdict_end(verdict);
    verdict_sound(verdict, 1500);
    assert_true(verdict_waits(verdict, &since_ms));
    assert_int_equal(since_ms, 2000);
    verdict_sound(verdict, 1500);
    verdict_release(verdict, 10, 2100);
    verdict_release(verdict, 10, 2100);
    assert_int_equal(heard.emitted, 1);
    verdict_sound(verdict, 2500);
    verdict_release(verdict, 10, 2600);
    assert_int_equal(heard.emitted, 2);
    assert_int_equal(heard.counts[1], 2);
    assert_int_equal(heard.closed, 2);
    verdict_begin(verdict, 3000); /* what waits at the end goes with it */
    add(verdict, 3, true);
    verdict_destroy(&verdict);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound), cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_patience), cmocka_unit_test(test_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
