#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

static const struct metric table[] = {
    {"test_joins_total", NULL, METRIC_COUNTER, "Joins."},
    {"test_refused_total", "reason=\"origin\"", METRIC_COUNTER, "Refused, by reason."},
    {"test_refused_total", "reason=\"limit\"", METRIC_COUNTER, NULL},
    {"test_viewers", NULL, METRIC_GAUGE, "Viewers now."},
};
enum { JOINS, REFUSED_ORIGIN, REFUSED_LIMIT, VIEWERS, ROWS };

static void
test_values(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(table, ROWS);
    metrics_add(metrics, JOINS, 2);
    metrics_add(metrics, JOINS, 3);
    metrics_set(metrics, VIEWERS, 9);
    metrics_set(metrics, VIEWERS, -4);
    assert_int_equal(metrics_get(metrics, JOINS), 5);
    assert_int_equal(metrics_get(metrics, VIEWERS), -4);
    assert_int_equal(metrics_get(metrics, REFUSED_LIMIT), 0);
    metrics_destroy(&metrics);
    assert_null(metrics);
    metrics_destroy(&metrics);
}

static void
test_page(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(table, ROWS);
    metrics_add(metrics, REFUSED_LIMIT, INT64_C(1) << 40);
    char *page = metrics_render(metrics);
    const char *start =
        "# HELP test_joins_total Joins.\n# TYPE test_joins_total counter\n"
        "test_joins_total 0\n"
        "# HELP test_refused_total Refused, by reason.\n# TYPE test_refused_total counter\n"
        "test_refused_total{reason=\"origin\"} 0\n"
        "test_refused_total{reason=\"limit\"} 1099511627776\n"
        "# HELP test_viewers Viewers now.\n# TYPE test_viewers gauge\n"
        "test_viewers 0\n";
    assert_int_equal(strncmp(page, start, strlen(start)), 0);
    free(page);
    metrics_destroy(&metrics);
}

static double
read_value(const char *page, const char *name)
{
    char start[64];
    snprintf(start, sizeof start, "\n%s ", name);
    const char *found = strstr(page, start);
    assert_non_null(found);
    return strtod(found + strlen(start), NULL);
}

static void
test_process(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(table, 0);
    char *page = metrics_render(metrics);
    assert_true(read_value(page, "process_resident_memory_bytes") > 100000);
    assert_true(read_value(page, "process_open_fds") >= 3);
    assert_true(read_value(page, "process_open_fds") < 100);
    assert_true(read_value(page, "process_cpu_seconds_total") >= 0);
    assert_non_null(
        strstr(page, "headcount_build_info{version=\"" HEADCOUNT_VERSION "\"} 1\n"));
    free(page);
    metrics_destroy(&metrics);
}

static void *
add_many(void *arg)
{
    for (int i = 0; i < 100000; i++)
        metrics_add(arg, JOINS, 1);
    return NULL;
}

static void
test_threads(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(table, ROWS);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, add_many, metrics), 0);
    add_many(metrics);
    free(metrics_render(metrics));
    pthread_join(other, NULL);
    assert_int_equal(metrics_get(metrics, JOINS), 200000);
    metrics_destroy(&metrics);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_page),
        cmocka_unit_test(test_process), cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
