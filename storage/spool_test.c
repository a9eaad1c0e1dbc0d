#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "chance.h"
#include "mem.h"
#include "spool.h"

#define NOW_MS 1761055200000
#define BYTES_MAX (1 << 20)
#define RECORDS 200
#define KILLS 20
#define DAMAGES 80
#define PAGE_BYTES 4096

struct fixture {
    char folder[64];
    char path[96];
    struct spool *spool;
    struct spool_repair repair;
    struct spool_error error;
};

static int
open_with(struct fixture *fixture, int64_t bytes_max)
{
    struct spool_options options = {.path = fixture->path, .bytes_max = bytes_max};
    return spool_open(&options, &fixture->spool, &fixture->repair, &fixture->error);
}

static void
open_spool(struct fixture *fixture)
{
    if (open_with(fixture, BYTES_MAX))
        fail_msg("%s", fixture->error.text);
}

static int
set_up(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof *fixture);
    memset(fixture, 0, sizeof *fixture);
    const char *parent = getenv("TMPDIR"); /* in memory it is many times as fast */
    snprintf(fixture->folder, sizeof fixture->folder, "%s/headcount-spool-XXXXXX",
             parent ? parent : "/tmp");
    if (!mkdtemp(fixture->folder))
        return -1;
    snprintf(fixture->path, sizeof fixture->path, "%s/spool.db", fixture->folder);
    *state = fixture;
    return 0;
}

/* Names every file of the folder; removes them when told to. */
static size_t
count_files(const struct fixture *fixture, const char *pattern, bool removed)
{
    char where[160];
    glob_t found;
    snprintf(where, sizeof where, "%s/%s", fixture->folder, pattern);
    if (glob(where, 0, NULL, &found))
        return 0;
    for (size_t i = 0; i < found.gl_pathc && removed; i++)
        unlink(found.gl_pathv[i]);
    size_t count = found.gl_pathc;
    globfree(&found);
    return count;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;
    spool_close(&fixture->spool);
    count_files(fixture, "*", true);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static size_t
fill(char bytes[512], int number)
{
    snprintf(bytes, 512, "record %d;", number);
    size_t size = 20 + (size_t)(number * 37 % 400);
    for (size_t i = strlen(bytes); i < size; i++)
        bytes[i] = (char)(number + (int)i);
    return size;
}

static int
put(struct fixture *fixture, int number)
{
    char bytes[512];
    struct spool_record record = {.bytes = bytes, .size = fill(bytes, number)};
    return spool_put(fixture->spool, &record, 1, NOW_MS + number, &fixture->error);
}

static void
put_all(struct fixture *fixture, int from, int to)
{
    for (int number = from; number < to; number++)
        assert_int_equal(put(fixture, number), 0);
}

/* Many in one go, which costs the disk one. */
static void
put_together(struct fixture *fixture)
{
    static char bytes[RECORDS][512];
    struct spool_record records[RECORDS];
    for (int number = 0; number < RECORDS; number++)
        records[number] =
            (struct spool_record){.bytes = bytes[number], .size = fill(bytes[number], number)};
    assert_int_equal(spool_put(fixture->spool, records, RECORDS, NOW_MS, &fixture->error), 0);
}

/* The record's number, once its bytes are seen to be its own. */
static int
number_of(const struct spool_record *record)
{
    char bytes[512];
    int number = -1;
    assert_in_range(record->size, 20, 420);
    snprintf(bytes, 20, "%.*s", 19, (const char *)record->bytes);
    assert_int_equal(sscanf(bytes, "record %d;", &number), 1);
    assert_int_equal(fill(bytes, number), record->size);
    assert_memory_equal(bytes, record->bytes, record->size);
    return number;
}

/* Marks what is in the spool; every record must be a true one, there once, and in order, but
 * for a file whose order was damaged. Returns the damaged. */
static size_t
read_all(struct fixture *fixture, bool seen[RECORDS])
{
    struct spool_record records[7];
    int64_t id = 0;
    size_t damaged = 0;
    int last = -1;
    memset(seen, 0, RECORDS * sizeof *seen);
    for (;;) {
        size_t count = 7, bad;
        if (spool_read(fixture->spool, id, 1000, records, &count, &bad, &fixture->error))
            fail_msg("%s", fixture->error.text);
        damaged += bad;
        if (!count)
            return damaged;
        for (size_t i = 0; i < count; i++) {
            int number = number_of(&records[i]);
            assert_true(number < RECORDS && !seen[number]);
            assert_true(number > last || fixture->repair.moved_to[0]);
            last = number;
            seen[number] = true;
        }
        id = records[count - 1].id;
    }
}

static void
test_order_and_reopening(void **state)
{
    struct fixture *fixture = *state;
    bool seen[RECORDS];
    open_spool(fixture);
    assert_int_equal(spool_records(fixture->spool), 0);
    assert_int_equal(spool_oldest_ms(fixture->spool), 0);
    put_all(fixture, 0, 50);
    int64_t bytes = spool_bytes(fixture->spool);
    spool_close(&fixture->spool);
    open_spool(fixture);
    assert_string_equal(fixture->repair.moved_to, "");
    assert_false(fixture->repair.lost);
    assert_int_equal(spool_records(fixture->spool), 50);
    assert_int_equal(spool_bytes(fixture->spool), bytes);
    assert_int_equal(spool_oldest_ms(fixture->spool), NOW_MS);
    put_all(fixture, 50, RECORDS);
    assert_int_equal(read_all(fixture, seen), 0);
    for (int i = 0; i < RECORDS; i++)
        assert_true(seen[i]);
}

static void
test_dropping(void **state)
{
    struct fixture *fixture = *state;
    bool seen[RECORDS];
    struct spool_record records[RECORDS];
    size_t count = RECORDS, damaged;
    int64_t ids[RECORDS];
    open_spool(fixture);
    put_all(fixture, 0, 10);
    assert_int_equal(
        spool_read(fixture->spool, 0, 1 << 20, records, &count, &damaged, &fixture->error), 0);
    assert_int_equal(count, 10);
    for (size_t i = 0; i < count; i++) {
        ids[i] = records[i].id;
        assert_int_equal(records[i].stored_ms, NOW_MS + (int)i);
    }
    assert_int_equal(spool_drop(fixture->spool, ids, 3, &fixture->error), 0);
    assert_int_equal(spool_drop(fixture->spool, ids, 3, &fixture->error), 0); /* nothing more */
    assert_int_equal(spool_records(fixture->spool), 7);
    assert_int_equal(spool_oldest_ms(fixture->spool), NOW_MS + 3);
    read_all(fixture, seen);
    assert_true(!seen[2] && seen[3]);
    assert_int_equal(spool_drop(fixture->spool, ids, 10, &fixture->error), 0);
    assert_int_equal(spool_bytes(fixture->spool), 0);
    put_all(fixture, 11, 12);
    count = 1;
    spool_read(fixture->spool, 0, 1, records, &count, &damaged, &fixture->error);
    assert_true(records[0].id > ids[9]);
}

static void
test_a_bound(void **state)
{
    struct fixture *fixture = *state;
    if (open_with(fixture, 2000))
        fail_msg("%s", fixture->error.text);
    int number = 0;
    while (!put(fixture, number))
        number++;
    assert_int_equal(fixture->error.failure, SPOOL_FULL);
    assert_non_null(strstr(fixture->error.text, "of 2000 bytes"));
    assert_in_range(spool_bytes(fixture->spool), 1400, 2000);
    assert_int_equal(spool_records(fixture->spool), number);
    struct spool_record many[2] = {{.bytes = "a", .size = 1}, {.bytes = "b", .size = 2000}};
    assert_int_equal(spool_put(fixture->spool, many, 2, NOW_MS, &fixture->error), -1);
    assert_int_equal(spool_records(fixture->spool), number); /* all or none */
}

static void
test_set_aside(void **state)
{
    struct fixture *fixture = *state;
    open_spool(fixture);
    for (int i = 0; i < 2; i++)
        assert_int_equal(spool_set_aside(fixture->spool, "lot-1", "too odd", "xyz", 3, NOW_MS,
                                         &fixture->error),
                         0);
    assert_int_equal(spool_aside(fixture->spool), 1);
    assert_int_equal(spool_bytes(fixture->spool), SPOOL_RECORD_BYTES + 5 + 7 + 3);
    spool_close(&fixture->spool);
    open_spool(fixture);
    assert_int_equal(spool_aside(fixture->spool), 1);
    assert_int_equal(spool_bytes(fixture->spool), SPOOL_RECORD_BYTES + 5 + 7 + 3);
    assert_int_equal(spool_records(fixture->spool), 0);
}

static void
test_a_second_opener(void **state)
{
    struct fixture *fixture = *state, second = *fixture;
    open_spool(fixture);
    assert_int_equal(open_with(&second, BYTES_MAX), -1);
    assert_int_equal(second.error.failure, SPOOL_IN_USE);
    assert_non_null(strstr(second.error.text, "in use by another process"));
}

static void
test_a_path_that_cannot_be(void **state)
{
    struct fixture *fixture = *state;
    char good[sizeof fixture->path];
    memcpy(good, fixture->path, sizeof good);
    snprintf(fixture->path, sizeof fixture->path, "%s/nowhere/spool.db", fixture->folder);
    assert_int_equal(open_with(fixture, BYTES_MAX), -1);
    assert_int_equal(fixture->error.failure, SPOOL_FAILED);
    assert_non_null(strstr(fixture->error.text, "nowhere"));
    memcpy(fixture->path, good, sizeof good);
}

/* A limit on the size of files stands for a full disk. */
static void
test_a_disk_that_is_full(void **state)
{
    struct fixture *fixture = *state;
    bool seen[RECORDS];
    struct rlimit all, some;
    open_spool(fixture);
    put_all(fixture, 0, 10);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &all);
    some = (struct rlimit){.rlim_cur = 40000, .rlim_max = all.rlim_max};
    setrlimit(RLIMIT_FSIZE, &some);
    int number = 10;
    while (number < RECORDS && !put(fixture, number))
        number++;
    setrlimit(RLIMIT_FSIZE, &all);
    assert_in_range(number, 11, RECORDS - 2);
    assert_int_equal(fixture->error.failure, SPOOL_FAILED);
    assert_int_equal(spool_records(fixture->spool), number);
    put_all(fixture, number, number + 1); /* there is room again */
    read_all(fixture, seen);
    for (int i = 0; i <= number; i++)
        assert_true(seen[i]);
}

/* Tells through the pipe every record that is safe, until it is killed. */
static void
put_until_killed(struct fixture *fixture, int from, int told)
{
    if (open_with(fixture, BYTES_MAX))
        _exit(1);
    for (int number = from; number < RECORDS && !put(fixture, number); number++)
        if (write(told, &number, sizeof number) != sizeof number)
            break;
    for (;;)
        pause();
}

static void
test_kills(void **state)
{
    struct fixture *fixture = *state;
    bool seen[RECORDS];
    int next = 0;
    for (int kill_number = 0; kill_number < KILLS && next < RECORDS - 1; kill_number++) {
        int told[2], number, last = next - 1;
        assert_int_equal(pipe(told), 0);
        pid_t child = fork();
        if (!child)
            put_until_killed(fixture, next, told[1]);
        close(told[1]);
        assert_int_equal(read(told[0], &number, sizeof number), sizeof number);
        last = number;
        nanosleep(&(struct timespec){.tv_nsec = kill_number * 97731}, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(told[0], &number, sizeof number) == sizeof number)
            last = number;
        close(told[0]);
        open_spool(fixture);
        assert_string_equal(fixture->repair.moved_to, "");
        read_all(fixture, seen);
        for (int i = 0; i <= last; i++)
            assert_true(seen[i]);
        next = (int)spool_records(fixture->spool); /* one more may be safe than was told */
        assert_in_range(next, last + 1, last + 2);
        spool_close(&fixture->spool);
    }
}

enum damage { DAMAGE_CUT, DAMAGE_NOISE, DAMAGE_FLIP, DAMAGE_FLIP_FIRST, DAMAGE_KINDS };

/* FLIP_FIRST: in the page that says what the file is. */
static void
damage_file(const struct fixture *fixture, struct chance *chance, enum damage damage)
{
    struct stat status;
    int file = open(fixture->path, O_RDWR);
    assert_true(file >= 0 && !fstat(file, &status));
    off_t at = (off_t)chance_below(chance, (uint64_t)status.st_size);
    if (damage == DAMAGE_FLIP_FIRST)
        at = (off_t)chance_below(chance, chance_below(chance, 2) ? 100 : 4096);
    unsigned char noise[64];
    size_t size = damage == DAMAGE_NOISE ? 1 + (size_t)chance_below(chance, sizeof noise) : 1;
    if (damage == DAMAGE_CUT)
        assert_int_equal(ftruncate(file, at), 0);
    ssize_t there = pread(file, noise, size, at);
    for (ssize_t i = 0; i < there; i++)
        noise[i] ^=
            (unsigned char)(damage == DAMAGE_NOISE ? chance_below(chance, 256)
                                                   : (uint64_t)1 << chance_below(chance, 8));
    if (there > 0)
        assert_int_equal(pwrite(file, noise, (size_t)there, at), there);
    close(file);
}

/* Whatever the damage, what is read is true, and what is missing was reported. */
static void
test_damage(void **state)
{
    struct fixture *fixture = *state;
    struct chance chance = {chance_seed("spool")};
    bool seen[RECORDS];
    size_t repairs = 0, rescued = 0;
    for (int turn = 0; turn < DAMAGES; turn++) {
        open_spool(fixture);
        put_together(fixture);
        spool_close(&fixture->spool);
        damage_file(fixture, &chance, turn % DAMAGE_KINDS);
        open_spool(fixture);
        bool moved = fixture->repair.moved_to[0];
        assert_int_equal(count_files(fixture, "spool.db.corrupt-*", false) > 0, moved);
        size_t damaged = read_all(fixture, seen), whole = 0;
        for (int i = 0; i < RECORDS; i++)
            whole += seen[i];
        assert_int_equal(whole, spool_records(fixture->spool));
        if (moved)
            assert_int_equal(whole + damaged, fixture->repair.rescued);
        if (whole < RECORDS && !moved && !damaged && !fixture->repair.lost)
            fail_msg("turn %d: %d records are gone and nothing was said", turn,
                     (int)(RECORDS - whole));
        assert_int_equal(spool_aside(fixture->spool), damaged);
        repairs += moved;
        rescued += moved ? whole : 0;
        spool_close(&fixture->spool);
        count_files(fixture, "*", true);
    }
    assert_true(repairs > DAMAGES / 4);
    assert_true(rescued > 0);
}

static void
test_a_file_that_is_emptied_or_removed(void **state)
{
    struct fixture *fixture = *state;
    for (int removed = 0; removed < 2; removed++) {
        open_spool(fixture);
        put_all(fixture, 0, 3);
        spool_close(&fixture->spool);
        assert_int_equal(removed ? unlink(fixture->path) : truncate(fixture->path, 0), 0);
        open_spool(fixture);
        assert_true(fixture->repair.lost);
        spool_close(&fixture->spool);
        open_spool(fixture);
        assert_false(fixture->repair.lost);
        spool_close(&fixture->spool);
    }
}

/* Until there is room for a new file, the damaged one stays where it is. */
static void
test_damage_on_a_disk_that_is_full(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit all, some;
    open_spool(fixture);
    put_together(fixture);
    spool_close(&fixture->spool);
    int file = open(fixture->path, O_RDWR);
    assert_int_equal(pwrite(file, "\3", 1, 18), 1); /* how it is written */
    close(file);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &all);
    some = (struct rlimit){.rlim_cur = 40000, .rlim_max = all.rlim_max};
    setrlimit(RLIMIT_FSIZE, &some);
    int result = open_with(fixture, BYTES_MAX);
    setrlimit(RLIMIT_FSIZE, &all);
    assert_int_equal(result, -1);
    assert_int_equal(fixture->error.failure, SPOOL_FAILED);
    assert_int_equal(count_files(fixture, "spool.db.corrupt-*", false), 0);
    open_spool(fixture);
    assert_non_null(strstr(fixture->repair.moved_to, "spool.db.corrupt-"));
    assert_int_equal(fixture->repair.rescued, RECORDS);
}

static void
test_a_file_that_is_something_else(void **state)
{
    struct fixture *fixture = *state;
    FILE *file = fopen(fixture->path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    open_spool(fixture);
    assert_non_null(strstr(fixture->repair.moved_to, "spool.db.corrupt-"));
    assert_int_equal(fixture->repair.rescued, 0);
    put_all(fixture, 0, 1);
}

/* A path set wrongly must cost nobody their data. */
static void
test_a_database_of_something_else(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *other;
    assert_int_equal(sqlite3_open(fixture->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                                  "PRAGMA journal_mode=WAL; CREATE TABLE auctions(id);"
                                  "INSERT INTO auctions VALUES(1)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(open_with(fixture, BYTES_MAX), -1);
    assert_int_equal(fixture->error.failure, SPOOL_FOREIGN);
    assert_non_null(strstr(fixture->error.text, "is a database of something else"));
    assert_int_equal(count_files(fixture, "spool.db.corrupt-*", false), 0);
    assert_int_equal(sqlite3_exec(other, "UPDATE auctions SET id=2", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(other);
}

/* Maps the closed file to change it. */
static char *
map_file(const struct fixture *fixture, size_t *size)
{
    struct stat status;
    int file = open(fixture->path, O_RDWR);
    assert_true(file >= 0 && !fstat(file, &status));
    *size = (size_t)status.st_size;
    char *bytes = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_true(bytes != MAP_FAILED);
    close(file);
    return bytes;
}

/* One byte of the text that says what the tables are: nothing could be read or put. */
static void
test_a_damaged_name(void **state)
{
    struct fixture *fixture = *state;
    bool seen[RECORDS];
    size_t size;
    open_spool(fixture);
    put_all(fixture, 0, 20);
    spool_close(&fixture->spool);
    char *bytes = map_file(fixture, &size), *name = memmem(bytes, size, "sum BLOB", 8);
    assert_non_null(name);
    *name = 'r';
    munmap(bytes, size);
    open_spool(fixture);
    assert_non_null(strstr(fixture->repair.moved_to, "spool.db.corrupt-"));
    assert_int_equal(fixture->repair.rescued, 20);
    put_all(fixture, 20, 21);
    assert_int_equal(read_all(fixture, seen), 0);
    for (int i = 0; i < 21; i++)
        assert_true(seen[i]);
}

/* One byte of the file's head: SQLite would only read from then on. */
static void
test_a_damaged_head(void **state)
{
    struct fixture *fixture = *state;
    size_t size;
    open_spool(fixture);
    put_all(fixture, 0, 20);
    spool_close(&fixture->spool);
    char *bytes = map_file(fixture, &size);
    bytes[18] = 18; /* a format to come */
    munmap(bytes, size);
    open_spool(fixture);
    assert_int_equal(fixture->repair.rescued, 20);
    put_all(fixture, 20, 21);
}

/* Two damaged pages cost their own records, and none of those between them. */
static void
test_two_damaged_pages(void **state)
{
    struct fixture *fixture = *state;
    bool seen[RECORDS];
    size_t size, missing = 0;
    open_spool(fixture);
    put_all(fixture, 0, RECORDS);
    spool_close(&fixture->spool);
    char *bytes = map_file(fixture, &size);
    for (size_t third = 1; third <= 2; third++)
        memset(bytes + size / PAGE_BYTES * third / 3 * PAGE_BYTES, 0xff, 64);
    munmap(bytes, size);
    open_spool(fixture);
    read_all(fixture, seen);
    for (int i = 0; i < RECORDS; i++)
        missing += !seen[i];
    assert_in_range(missing, 2, RECORDS / 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_and_reopening, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dropping, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_set_aside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_second_opener, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_path_that_cannot_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_disk_that_is_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kills, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_emptied_or_removed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_damage_on_a_disk_that_is_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_something_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_database_of_something_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_damaged_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_damaged_head, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_damaged_pages, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
