/* Batches through flags into a real SQLite file: who is told what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "mem.h"

#include "bulk.h"

#define NOW_MS 1761055200000

struct fixture {
    char path[64];
    struct storage *storage;
    struct guard *guard;
};

static int
set_up(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof *fixture);
    struct storage_error error;
    snprintf(fixture->path, sizeof fixture->path, "/tmp/headcount-bulk-XXXXXX");
    close(mkstemp(fixture->path));
    struct storage_options options = {.sqlite_path = fixture->path, .timeout_ms = 1000};
    assert_int_equal(storage_open(&options, &fixture->storage, &error), 0);
    assert_int_equal(storage_prepare(fixture->storage, 86400, &error), 0);
    assert_int_equal(storage_set_enabled(fixture->storage, "on", true, &error), 0);
    assert_int_equal(storage_set_enabled(fixture->storage, "off", false, &error), 0);
    fixture->guard = guard_new(5000, 100000);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;
    storage_close(&fixture->storage);
    guard_destroy(&fixture->guard);
    unlink(fixture->path);
    free(fixture);
    return 0;
}

static struct job *
make_job(const char *const *auctions, size_t count)
{
    struct job *job = job_new("x", 1);
    job->request = mem_alloc(sizeof *job->request);
    job->request->rows = mem_alloc(count * sizeof *job->request->rows);
    job->request->row_count = count;
    for (size_t i = 0; i < count; i++) {
        struct snapshot *row = &job->request->rows[i];
        *row = (struct snapshot){.timestamp_ms = NOW_MS - 60000 * (int64_t)i,
                                 .viewer_count = 5,
                                 .avg_viewers = 5,
                                 .peak_viewers = 5,
                                 .min_viewers = 5,
                                 .sample_count = 12};
        snprintf(row->auction, sizeof row->auction, "%s", auctions[i]);
    }
    return job;
}

static void
test_each_row_goes_its_way(void **state)
{
    struct fixture *fixture = *state;
    static const char *const first[] = {"on", "off", "unknown", "on"};
    static const char *const second[] = {"on", "on"};
    struct job *jobs[] = {make_job(first, 4), make_job(second, 2)};
    struct storage_error error;
    jobs[0]->request->rows[3].peak_viewers = 1; /* impossible: below its average */
    for (int i = 0; i < 2; i++)
        job_check_rows(jobs[i], NOW_MS);
    assert_int_equal(bulk_write(fixture->storage, fixture->guard, jobs, 2, &error), 0);
    assert_int_equal(jobs[0]->ack.saved, 1);
    assert_int_equal(jobs[0]->ack.ignored, 2);
    assert_int_equal(jobs[0]->ack.refused, 1);
    assert_int_equal(jobs[0]->ack.refusals[0].row, 3);
    assert_int_equal(jobs[1]->ack.saved, 1);
    assert_int_equal(jobs[1]->ack.kept, 1); /* the minute that the first job wrote */
    job_destroy(&jobs[0]);
    job_destroy(&jobs[1]);
}

static void
test_a_switch_counts_for_the_next_batch(void **state)
{
    struct fixture *fixture = *state;
    static const char *const auctions[] = {"on"};
    struct job *job = make_job(auctions, 1);
    struct storage_error error;
    job_check_rows(job, NOW_MS);
    guard_note(fixture->guard, "on", false, INT64_MAX / 2);
    assert_int_equal(bulk_write(fixture->storage, fixture->guard, &job, 1, &error), 0);
    assert_int_equal(job->ack.ignored, 1);
    job_destroy(&job);
}

static void
test_an_unusable_database_fails_the_whole(void **state)
{
    struct fixture *fixture = *state;
    static const char *const auctions[] = {"on"};
    struct job *job = make_job(auctions, 1);
    struct storage_error error;
    struct storage *reader;
    struct storage_options options = {
        .sqlite_path = fixture->path, .timeout_ms = 1000, .read_only = true};
    assert_int_equal(storage_open(&options, &reader, &error), 0);
    job_check_rows(job, NOW_MS);
    assert_int_equal(bulk_write(reader, fixture->guard, &job, 1, &error), -1);
    assert_int_equal(error.failure, STORAGE_UNAVAILABLE);
    storage_close(&reader);
    job_destroy(&job);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_row_goes_its_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_switch_counts_for_the_next_batch, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_unusable_database_fails_the_whole, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
