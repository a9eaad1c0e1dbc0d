/* The streamed answer and the handles beneath it, with a database that fails on order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#include "api_metrics.h"
#include "mem.h"
#include "snapshot_stream.h"
#include "storage_fake.h"

#define FIRST_MS 1761056100000
#define MINUTE_MS 60000LL
#define RETRY_MS 60000 /* longer than any test here takes */

struct fixture {
    struct metrics *metrics;
    struct storage_pool *pool;
};

static int
set_up(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof *fixture);
    struct storage_options options = {.read_only = true};
    struct storage_error error;
    storage_fake = (struct storage_fake){.first_ms = FIRST_MS};
    fixture->metrics = metrics_new(api_metric_table, METRIC_COUNT);
    fixture->pool = storage_pool_new(&options, 2, RETRY_MS, fixture->metrics, &error);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;
    storage_pool_destroy(&fixture->pool);
    metrics_destroy(&fixture->metrics);
    free(fixture);
    return 0;
}

static struct snapshot_stream *
open_stream(struct fixture *fixture, uint64_t limit, struct storage_error *error)
{
    struct snapshot_query query = {"all", 0, SNAPSHOT_LAST_MS, limit};
    return snapshot_stream_new(fixture->pool, fixture->metrics, "lot-1", &query, error);
}

/* Reads all of the stream in parts of `room` bytes; NULL when it broke. */
static char *
read_all(struct snapshot_stream *stream, size_t room)
{
    char *text = NULL, *part = mem_alloc(room);
    size_t length = 0;
    ssize_t count;
    FILE *file = open_memstream(&text, &length);
    while ((count = snapshot_stream_read(stream, part, room)) > 0)
        fwrite(part, 1, (size_t)count, file);
    fclose(file);
    free(part);
    if (count == 0)
        return text;
    free(text);
    return NULL;
}

/* The stream's snapshots must be first … last, by viewerCount. */
static void
expect_rows(struct fixture *fixture, uint64_t limit, size_t room, int64_t first, int64_t last)
{
    struct storage_error error;
    struct snapshot_stream *stream = open_stream(fixture, limit, &error);
    assert_non_null(stream);
    char *text = read_all(stream, room);
    assert_non_null(text);
    json_t *answer = json_loads(text, 0, NULL);
    assert_non_null(answer);
    json_t *rows = json_object_get(json_object_get(answer, "data"), "snapshots");
    assert_int_equal(json_array_size(rows), last - first + 1);
    for (int64_t i = first; i <= last; i++) {
        json_t *row = json_array_get(rows, (size_t)(i - first));
        assert_int_equal(json_integer_value(json_object_get(row, "viewerCount")), i);
    }
    json_decref(answer);
    free(text);
    snapshot_stream_destroy(&stream);
}

static void
streams_every_row_once(void **state)
{
    static const int64_t counts[] = {0, 1, 999, 1000, 1001, 2000, 3500};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        storage_fake.count = counts[i];
        expect_rows(*state, UINT64_MAX, 4096, 0, counts[i] - 1);
    }
    storage_fake.count = 3;
    expect_rows(*state, UINT64_MAX, 1, 0, 2);
    expect_rows(*state, UINT64_MAX, 7, 0, 2);
}

static void
gives_the_newest(void **state)
{
    storage_fake.count = 2500;
    expect_rows(*state, 1, 4096, 2499, 2499);
    expect_rows(*state, 1000, 4096, 1500, 2499);
    expect_rows(*state, 1001, 4096, 1499, 2499);
    expect_rows(*state, 2500, 4096, 0, 2499);
    expect_rows(*state, 9999, 4096, 0, 2499);
    storage_fake.count = 0;
    expect_rows(*state, 5, 4096, 0, -1);
}

static void
fails_before_anything_is_sent(void **state)
{
    struct storage_error error;
    storage_fake.count = 10;
    storage_fake.fail_at = 1;
    assert_null(open_stream(*state, UINT64_MAX, &error));
    assert_int_equal(error.failure, STORAGE_UNAVAILABLE);
}

static void
breaks_off_midway(void **state)
{
    struct fixture *fixture = *state;
    struct storage_error error;
    storage_fake.count = 2500;
    storage_fake.fail_at = 3;
    struct snapshot_stream *stream = open_stream(fixture, UINT64_MAX, &error);
    assert_non_null(stream);
    assert_null(read_all(stream, 4096));
    char part[16];
    assert_int_equal(snapshot_stream_read(stream, part, sizeof part), -1);
    assert_int_equal(metrics_get(fixture->metrics, METRIC_STREAMS_BROKEN), 1);
    assert_int_equal(metrics_get(fixture->metrics, METRIC_ROWS_SENT), 2000);
    snapshot_stream_destroy(&stream);
}

static void
lets_one_through_while_down(void **state)
{
    struct fixture *fixture = *state;
    struct storage_error error;
    storage_fake.fail_all = 1;
    assert_null(open_stream(fixture, UINT64_MAX, &error));
    assert_int_equal(metrics_get(fixture->metrics, METRIC_DATABASE_UP), 0);
    int reads = storage_fake.reads;
    for (int i = 0; i < 100; i++)
        assert_null(open_stream(fixture, UINT64_MAX, &error));
    assert_true(storage_fake.reads <= reads + 1);
    assert_string_equal(error.text, "the database is known to be down");
}

static void *
use_handles(void *arg)
{
    struct fixture *fixture = arg;
    struct storage_error error;
    for (int i = 0; i < 1000; i++) {
        struct storage *storage = storage_pool_take(fixture->pool, &error);
        *(char *)storage += 1; /* nobody else has it */
        storage_pool_give(fixture->pool, storage, NULL);
    }
    return NULL;
}

static void
lends_a_handle_to_one_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    struct storage_error error;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, use_handles, fixture);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct storage *one = storage_pool_take(fixture->pool, &error);
    struct storage *other = storage_pool_take(fixture->pool, &error);
    assert_ptr_not_equal(one, other);
    assert_int_equal((*(unsigned char *)one + *(unsigned char *)other) % 256, 4000 % 256);
    storage_pool_give(fixture->pool, one, NULL);
    storage_pool_give(fixture->pool, other, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(streams_every_row_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gives_the_newest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fails_before_anything_is_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(breaks_off_midway, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lets_one_through_while_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lends_a_handle_to_one_at_a_time, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
