/* One contract, every backend: SQLite always, MongoDB when MONGODB_URI names a server. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "chance.h"
#include "clock.h"
#include "mem.h"
#include "storage.h"

#define MINUTE_MS 60000
#define START_MS 1761055200000
#define OBJECT_ID "5f0c1e2d3b4a596877665544"

struct fixture {
    char folder[64];
    char path[96];
    char database[64];
    struct storage_options options;
    struct storage *storage;
};

static struct snapshot
make_row(const char *auction, int minute, int64_t samples)
{
    struct snapshot row = {.timestamp_ms = START_MS + (int64_t)minute * MINUTE_MS,
                           .viewer_count = 475,
                           .avg_viewers = 445.25,
                           .peak_viewers = 475,
                           .min_viewers = 420,
                           .sample_count = samples,
                           .exact = true,
                           .exact_peak = 480,
                           .exact_min = 419,
                           .exact_avg = 446,
                           .joins = 60,
                           .leaves = 5,
                           .coverage_ms = 60000,
                           .complete = true};
    snprintf(row.auction, sizeof row.auction, "%s", auction);
    return row;
}

static int
set_up(void **state, const char *uri)
{
    struct fixture *fixture = mem_alloc(sizeof *fixture);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/headcount-storage-XXXXXX");
    if (!mkdtemp(fixture->folder))
        return -1;
    snprintf(fixture->path, sizeof fixture->path, "%s/test.db", fixture->folder);
    snprintf(fixture->database, sizeof fixture->database, "storage_test_%d_%d", (int)getpid(),
             (int)(clock_mono_ms() % 1000000));
    fixture->options = (struct storage_options){.mongodb_uri = uri,
                                                .database = fixture->database,
                                                .sqlite_path = fixture->path,
                                                .timeout_ms = 5000};
    struct storage_error error;
    assert_int_equal(storage_open(&fixture->options, &fixture->storage, &error), 0);
    if (storage_prepare(fixture->storage, 90 * 86400, &error))
        fail_msg("%s", error.text);
    *state = fixture;
    return 0;
}

static int
set_up_sqlite(void **state)
{
    return set_up(state, NULL);
}

static int
set_up_mongodb(void **state)
{
    return set_up(state, getenv("MONGODB_URI"));
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;
    char name[128];
    storage_close(&fixture->storage);
    storage_close(&fixture->storage);
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", fixture->path, endings[i]);
        unlink(name);
    }
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static void
write_rows(struct storage *storage, const struct snapshot *rows, size_t count,
           enum storage_outcome *outcomes)
{
    struct storage_error error;
    if (storage_write(storage, rows, count, outcomes, &error))
        fail_msg("%s", error.text);
}

static size_t
read_rows(struct storage *storage, const char *auction, bool newest, struct snapshot *rows,
          size_t room)
{
    struct storage_error error;
    struct storage_query query = {auction, 0, INT64_MAX / 2, newest};
    if (storage_read(storage, &query, rows, &room, &error))
        fail_msg("%s", error.text);
    return room;
}

static void
assert_same(const struct snapshot *a, const struct snapshot *b)
{
    assert_string_equal(a->auction, b->auction);
    assert_int_equal(a->timestamp_ms, b->timestamp_ms);
    assert_int_equal(a->viewer_count, b->viewer_count);
    assert_true(a->avg_viewers == b->avg_viewers);
    assert_int_equal(a->peak_viewers, b->peak_viewers);
    assert_int_equal(a->min_viewers, b->min_viewers);
    assert_int_equal(a->sample_count, b->sample_count);
    assert_int_equal(a->exact, b->exact);
    assert_int_equal(a->exact_peak, b->exact_peak);
    assert_int_equal(a->exact_min, b->exact_min);
    assert_true(a->exact_avg == b->exact_avg);
    assert_int_equal(a->joins, b->joins);
    assert_int_equal(a->leaves, b->leaves);
    assert_int_equal(a->coverage_ms, b->coverage_ms);
    assert_int_equal(a->complete, b->complete);
}

static void
test_rows_come_back_whole(void **state)
{
    struct fixture *fixture = *state;
    struct snapshot rows[3] = {make_row("lot-1", 0, 12), make_row(OBJECT_ID, 0, 12),
                               make_row("lot-1", 1, 12)};
    rows[2].exact = rows[2].complete = false;
    rows[2].exact_peak = rows[2].exact_min = rows[2].joins = rows[2].leaves = 0;
    rows[2].coverage_ms = 0;
    rows[2].exact_avg = 0;
    rows[2].peak_viewers = 5000000000;
    enum storage_outcome outcomes[3];
    write_rows(fixture->storage, rows, 3, outcomes);
    for (int i = 0; i < 3; i++)
        assert_int_equal(outcomes[i], STORAGE_SAVED);
    struct snapshot found[4];
    assert_int_equal(read_rows(fixture->storage, "lot-1", false, found, 4), 2);
    assert_same(&found[0], &rows[0]);
    assert_same(&found[1], &rows[2]);
    assert_int_equal(read_rows(fixture->storage, OBJECT_ID, false, found, 4), 1);
    assert_same(&found[0], &rows[1]);
    assert_int_equal(read_rows(fixture->storage, "lot-1", true, found, 1), 1);
    assert_same(&found[0], &rows[2]);
    assert_int_equal(read_rows(fixture->storage, "nobody", false, found, 4), 0);
}

static void
test_the_fuller_snapshot_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct snapshot row = make_row("lot-1", 0, 8), found;
    enum storage_outcome outcome;
    write_rows(fixture->storage, &row, 1, &outcome);
    write_rows(fixture->storage, &row, 1, &outcome);
    assert_int_equal(outcome, STORAGE_KEPT);
    row.sample_count = 7;
    row.viewer_count = 470;
    write_rows(fixture->storage, &row, 1, &outcome);
    assert_int_equal(outcome, STORAGE_KEPT);
    row.sample_count = 12;
    row.viewer_count = 471;
    write_rows(fixture->storage, &row, 1, &outcome);
    assert_int_equal(outcome, STORAGE_SAVED);
    assert_int_equal(read_rows(fixture->storage, "lot-1", false, &found, 1), 1);
    assert_same(&found, &row);
}

/* A row of the same minute, drawn from the few that differ in how full they are. */
static struct snapshot
draw_row(struct chance *chance)
{
    struct snapshot row = make_row("lot-1", 0, 10 + (int)chance_below(chance, 3));
    row.viewer_count = (int64_t)chance_below(chance, 1000);
    row.exact = chance_below(chance, 4);
    row.complete = row.exact && chance_below(chance, 2);
    row.coverage_ms = row.exact ? 50000 + (int64_t)chance_below(chance, 3) * 5000 : 0;
    if (!row.exact) {
        row.exact_peak = row.exact_min = row.joins = row.leaves = 0;
        row.exact_avg = 0;
    }
    return row;
}

/* Whatever replicas, repeats and stores there are: what is stored is the first of the fullest,
 * with nothing of any other in it. */
static void
test_every_order_ends_with_the_fullest(void **state)
{
    struct fixture *fixture = *state;
    struct chance chance = {chance_seed("storage")};
    for (int round = 0; round < 60; round++) {
        struct snapshot best = {0}, found;
        for (int i = 0; i < 8; i++) {
            struct snapshot row = draw_row(&chance);
            enum storage_outcome outcome;
            row.timestamp_ms += round * INT64_C(60000);
            bool better = !i || snapshot_fuller(&row, &best);
            write_rows(fixture->storage, &row, 1, &outcome);
            assert_int_equal(outcome, better ? STORAGE_SAVED : STORAGE_KEPT);
            best = better ? row : best;
        }
        assert_int_equal(read_rows(fixture->storage, "lot-1", true, &found, 1), 1);
        assert_same(&found, &best);
    }
}

struct writer {
    struct fixture *fixture;
    const struct snapshot *rows;
    size_t count;
    uint64_t seed;
};

/* Each writer has a connection of its own, as stores do, and an order of its own. */
static void *
write_in_some_order(void *arg)
{
    struct writer *writer = arg;
    struct storage *storage;
    struct storage_error opening;
    if (storage_open(&writer->fixture->options, &storage, &opening))
        return writer; /* says that it failed */
    struct chance chance = {writer->seed};
    for (size_t i = 0; i < 3 * writer->count; i++) {
        enum storage_outcome outcome;
        struct storage_error error;
        const struct snapshot *row = &writer->rows[chance_below(&chance, writer->count)];
        if (storage_write(storage, row, 1, &outcome, &error))
            i--; /* busy: again, as a sampler would */
    }
    for (size_t i = 0; i < writer->count; i++) {
        enum storage_outcome outcome;
        struct storage_error error;
        while (storage_write(storage, &writer->rows[i], 1, &outcome, &error))
            ;
    }
    storage_close(&storage);
    return NULL;
}

static void
test_writers_at_once_end_with_the_fullest(void **state)
{
    enum { WRITERS = 3, ROWS = 12 };
    struct fixture *fixture = *state;
    struct chance chance = {chance_seed("storage, writers at once")};
    struct snapshot rows[ROWS], best = {0}, found;
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    for (size_t i = 0; i < ROWS; i++) {
        rows[i] = draw_row(&chance);
        best = !i || snapshot_fuller(&rows[i], &best) ? rows[i] : best;
    }
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){fixture, rows, ROWS, chance_below(&chance, UINT32_MAX)};
        assert_int_equal(pthread_create(&threads[i], NULL, write_in_some_order, &writers[i]),
                         0);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(read_rows(fixture->storage, "lot-1", true, &found, 1), 1);
    assert_false(snapshot_fuller(&best, &found));
    assert_false(snapshot_fuller(&found, &best));
    bool whole = false;
    for (size_t i = 0; i < ROWS; i++)
        whole |= rows[i].viewer_count == found.viewer_count && rows[i].exact == found.exact &&
                 rows[i].coverage_ms == found.coverage_ms;
    assert_true(whole);
}

static void
test_outcomes_of_a_mixed_batch(void **state)
{
    struct fixture *fixture = *state;
    struct snapshot rows[40];
    enum storage_outcome outcomes[40];
    for (int i = 0; i < 20; i++)
        rows[i] = make_row("lot-1", i, 6);
    write_rows(fixture->storage, rows, 20, outcomes);
    for (int i = 0; i < 40; i++) /* 20 there already: even ones fuller now; 20 new */
        rows[i] = make_row("lot-1", i, i % 2 ? 6 : 12);
    write_rows(fixture->storage, rows, 40, outcomes);
    for (int i = 0; i < 40; i++)
        assert_int_equal(outcomes[i], i < 20 && i % 2 ? STORAGE_KEPT : STORAGE_SAVED);
}

static void
test_flags(void **state)
{
    struct fixture *fixture = *state;
    struct storage_error error;
    static const char *const ids[] = {"lot-1", "lot-2", OBJECT_ID, "unknown"};
    bool enabled[4], known;
    struct storage_auction row, rows[4];
    assert_int_equal(storage_set_enabled(fixture->storage, "lot-1", true, &error), 0);
    assert_int_equal(storage_set_enabled(fixture->storage, "lot-2", false, &error), 0);
    assert_int_equal(storage_set_enabled(fixture->storage, OBJECT_ID, true, &error), 0);
    assert_int_equal(storage_enabled(fixture->storage, ids, 4, enabled, &error), 0);
    assert_true(enabled[0] && !enabled[1] && enabled[2] && !enabled[3]);
    assert_int_equal(storage_set_enabled(fixture->storage, "lot-1", false, &error), 0);
    assert_int_equal(storage_auction(fixture->storage, "lot-1", &known, &row, &error), 0);
    assert_true(known && !row.enabled);
    assert_int_equal(storage_auction(fixture->storage, "unknown", &known, &row, &error), 0);
    assert_false(known);
    const char *const written[] = {
        "no id!", "l\xc3\xb6t", /* by others */
        "longest-longest-longest-longest-longest-longest-longest-longest"};
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        assert_int_equal(storage_set_enabled(fixture->storage, written[i], true, &error), 0);
    char after[AUCTION_BYTES] = "";
    int seen = 0;
    for (size_t count = 2; count == 2;) { /* page by page, each once */
        assert_int_equal(storage_auctions(fixture->storage, after, rows, &count, &error), 0);
        seen += (int)count;
        if (count)
            snprintf(after, sizeof after, "%s", rows[count - 1].auction);
    }
    assert_int_equal(seen, 4);
}

static void
test_old_snapshots_expire_in_parts(void **state)
{
    struct fixture *fixture = *state;
    struct storage_error error;
    struct snapshot rows[30], found[30];
    enum storage_outcome outcomes[30];
    for (int i = 0; i < 30; i++)
        rows[i] = make_row("lot-1", i, 12);
    write_rows(fixture->storage, rows, 30, outcomes);
    int64_t now_ms = clock_wall_ms();
    size_t deleted;
    assert_int_equal(storage_expire(fixture->storage, now_ms - 60000, 100, &deleted, &error),
                     0);
    assert_int_equal(deleted, 0);
    assert_int_equal(storage_expire(fixture->storage, now_ms + 60000, 20, &deleted, &error), 0);
    assert_int_equal(deleted, 20);
    assert_int_equal(storage_expire(fixture->storage, now_ms + 60000, 20, &deleted, &error), 0);
    assert_int_equal(deleted, 10);
    assert_int_equal(read_rows(fixture->storage, "lot-1", false, found, 30), 0);
}

static void
test_prepare_may_be_repeated(void **state)
{
    struct fixture *fixture = *state;
    struct storage_error error;
    assert_int_equal(storage_prepare(fixture->storage, 90 * 86400, &error), 0);
    if (storage_prepare(fixture->storage, 30 * 86400, &error))
        fail_msg("%s", error.text);
    assert_int_equal(storage_ping(fixture->storage, &error), 0);
}

static void
test_reading_before_anything_exists(void **state)
{
    struct storage_options options = {
        .sqlite_path = "/tmp/headcount-nowhere/none.db", .read_only = true, .timeout_ms = 100};
    struct storage *storage = NULL;
    struct storage_error error;
    (void)state;
    assert_int_equal(storage_open(&options, &storage, &error), -1);
    assert_int_equal(error.failure, STORAGE_MISSING);
    options.read_only = false;
    assert_int_equal(storage_open(&options, &storage, &error), -1);
    assert_int_equal(error.failure, STORAGE_UNAVAILABLE);
    assert_non_null(strstr(error.text, "/tmp/headcount-nowhere/none.db"));
}

/* A reader that came first sees the tables once the writer has made them. */
/* Writes go nowhere but into the file at the path: one that was deleted is no place for them.
 */
/* By others: GLOB stops at a zero. */
static void
test_ids_with_a_zero_are_not_listed(void **state)
{
    struct fixture *fixture = *state;
    struct storage_auction rows[4];
    struct storage_error error;
    size_t count = 4;
    sqlite3 *other;
    assert_int_equal(sqlite3_open(fixture->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                                  "INSERT INTO auctions VALUES(CAST(x'6c6f7400' AS TEXT), 1),"
                                  " (CAST(x'0021' AS TEXT), 1), ('lot-1', 1)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(other);
    assert_int_equal(storage_auctions(fixture->storage, "", rows, &count, &error), 0);
    assert_int_equal(count, 1);
    assert_string_equal(rows[0].auction, "lot-1");
}

static void
test_a_deleted_file_takes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct storage_options options = fixture->options;
    struct snapshot row = make_row("lot-1", 0, 12);
    enum storage_outcome outcome;
    struct storage *reader;
    struct storage_error error;
    options.read_only = true;
    assert_int_equal(storage_open(&options, &reader, &error), 0);
    assert_int_equal(storage_ping(reader, &error), 0);
    unlink(fixture->path);
    assert_int_equal(storage_ping(reader, &error), -1);
    assert_int_equal(storage_ping(fixture->storage, &error), -1);
    assert_int_equal(storage_set_enabled(fixture->storage, "lot-1", true, &error), -1);
    assert_int_equal(storage_write(fixture->storage, &row, 1, &outcome, &error), -1);
    assert_int_equal(error.failure, STORAGE_UNAVAILABLE);
    storage_close(&reader);
}

static void
test_files_that_are_not_ours_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct storage_options options = fixture->options;
    struct storage *storage = NULL;
    struct storage_error error;
    char path[128];
    snprintf(path, sizeof path, "%s/foreign.db", fixture->folder);
    options.sqlite_path = path;
    sqlite3 *newer;
    assert_int_equal(sqlite3_open(path, &newer), SQLITE_OK);
    assert_int_equal(sqlite3_exec(newer, "PRAGMA user_version=2", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(newer);
    assert_int_equal(storage_open(&options, &storage, &error), -1);
    assert_non_null(strstr(error.text, "schema 2"));
    unlink(path);
    assert_int_equal(sqlite3_open(path, &newer), SQLITE_OK);
    assert_int_equal(sqlite3_exec(newer, "CREATE TABLE records(id)", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(newer);
    assert_int_equal(storage_open(&options, &storage, &error), -1);
    assert_non_null(strstr(error.text, "is a database of something else"));
    FILE *other = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("no database ", other);
    fclose(other);
    assert_int_equal(storage_open(&options, &storage, &error), -1);
    assert_non_null(strstr(error.text, "not a database"));
    unlink(path);
}

static void
test_tables_may_come_later(void **state)
{
    struct fixture *fixture = *state;
    struct storage_options options = fixture->options;
    char path[128];
    struct storage *writer, *reader;
    struct storage_error error;
    snprintf(path, sizeof path, "%s/later.db", fixture->folder);
    options.sqlite_path = path;
    assert_int_equal(storage_open(&options, &writer, &error), 0);
    options.read_only = true;
    assert_int_equal(storage_open(&options, &reader, &error), 0);
    assert_int_equal(storage_ping(reader, &error), -1);
    assert_int_equal(error.failure, STORAGE_MISSING);
    assert_int_equal(storage_prepare(writer, 90 * 86400, &error), 0);
    assert_int_equal(storage_ping(reader, &error), 0);
    storage_close(&reader);
    storage_close(&writer);
    unlink(path);
}

static void
test_file_is_private_and_shared(void **state)
{
    struct fixture *fixture = *state;
    struct stat about;
    assert_int_equal(stat(fixture->path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    struct snapshot row = make_row("lot-1", 0, 12), found;
    enum storage_outcome outcome;
    struct storage_options options = fixture->options;
    options.read_only = true;
    struct storage *reader;
    struct storage_error error;
    assert_int_equal(storage_open(&options, &reader, &error), 0);
    write_rows(fixture->storage, &row, 1, &outcome);
    assert_int_equal(read_rows(reader, "lot-1", false, &found, 1), 1);
    assert_int_equal(storage_write(reader, &row, 1, &outcome, &error), -1);
    storage_close(&reader);
}

static void
test_a_password_never_shows(void **state)
{
    (void)state;
    static const char *const uris[] = {"mongodb://me:s3cret-word@/:::bad",
                                       "mongodb://me:s3cret-word@127.0.0.1:1/x"};
    for (size_t i = 0; i < 2; i++) {
        struct storage_options options = {
            .mongodb_uri = uris[i], .database = "x", .timeout_ms = 200};
        struct storage *storage = NULL;
        struct storage_error error = {.text = ""};
        if (!storage_open(&options, &storage, &error))
            assert_int_equal(storage_ping(storage, &error), -1);
        assert_true(*error.text);
        assert_null(strstr(error.text, "s3cret-word"));
        storage_close(&storage);
    }
}

#define CONTRACT(set_up)                                                                       \
    cmocka_unit_test_setup_teardown(test_rows_come_back_whole, set_up, tear_down),             \
        cmocka_unit_test_setup_teardown(test_the_fuller_snapshot_is_kept, set_up, tear_down),  \
        cmocka_unit_test_setup_teardown(test_every_order_ends_with_the_fullest, set_up,        \
                                        tear_down),                                            \
        cmocka_unit_test_setup_teardown(test_writers_at_once_end_with_the_fullest, set_up,     \
                                        tear_down),                                            \
        cmocka_unit_test_setup_teardown(test_outcomes_of_a_mixed_batch, set_up, tear_down),    \
        cmocka_unit_test_setup_teardown(test_flags, set_up, tear_down),                        \
        cmocka_unit_test_setup_teardown(test_old_snapshots_expire_in_parts, set_up,            \
                                        tear_down),                                            \
        cmocka_unit_test_setup_teardown(test_prepare_may_be_repeated, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest sqlite_tests[] = {
        CONTRACT(set_up_sqlite),
        cmocka_unit_test_setup_teardown(test_file_is_private_and_shared, set_up_sqlite,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_tables_may_come_later, set_up_sqlite, tear_down),
        cmocka_unit_test_setup_teardown(test_ids_with_a_zero_are_not_listed, set_up_sqlite,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_deleted_file_takes_nothing, set_up_sqlite,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_files_that_are_not_ours_are_refused, set_up_sqlite,
                                        tear_down),
        cmocka_unit_test(test_reading_before_anything_exists),
        cmocka_unit_test(test_a_password_never_shows),
    };
    const struct CMUnitTest mongodb_tests[] = {CONTRACT(set_up_mongodb)};
    int failed = cmocka_run_group_tests_name("sqlite", sqlite_tests, NULL, NULL);
    if (getenv("MONGODB_URI"))
        failed += cmocka_run_group_tests_name("mongodb", mongodb_tests, NULL, NULL);
    return failed;
}
