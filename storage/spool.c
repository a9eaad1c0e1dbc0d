/* In: records. Out: the same ones, oldest first, until they are dropped. */
#include <assert.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

#include "spool_file.h"

enum statement { PUT, READ, DROP, SET_ASIDE, FIRST, BEGIN, COMMIT, ROLLBACK, STATEMENTS };

static const char *const statement_sql[STATEMENTS] = {
    [PUT] = "INSERT INTO records(stored_at, sum, bytes) VALUES(?1,?2,?3)",
    [READ] = "SELECT id, stored_at, sum, bytes FROM records WHERE id>?1 ORDER BY id",
    [DROP] = "DELETE FROM records WHERE id=?1 RETURNING length(bytes)",
    [SET_ASIDE] = "INSERT OR IGNORE INTO set_aside VALUES(?1,?2,?3,?4)",
    [FIRST] = "SELECT stored_at FROM records ORDER BY id LIMIT 1",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
};

struct spool {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    int lock;
    char *path;
    bool reserved; /* room for a journal on a disk that becomes full */
    int64_t bytes_max;
    int64_t bytes;
    size_t records;
    size_t aside;
    int64_t oldest_ms;
    char *read; /* what spool_read() handed out last */
};

static int
fail(struct spool *spool, struct spool_error *error)
{
    return spool_file_fail(spool->db, error);
}

/* A reset statement ready for binding, or NULL. */
static sqlite3_stmt *
use(struct spool *spool, enum statement which)
{
    sqlite3_stmt **statement = &spool->statements[which];
    if (!*statement)
        sqlite3_prepare_v3(spool->db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                           statement, NULL);
    return *statement;
}

/* Steps a statement that yields no rows. */
static int
run(struct spool *spool, enum statement which, struct spool_error *error)
{
    sqlite3_stmt *statement = use(spool, which);
    if (!statement || sqlite3_step(statement) != SQLITE_DONE) {
        fail(spool, error);
        sqlite3_reset(statement);
        return -1;
    }
    sqlite3_reset(statement);
    return 0;
}

static int
finish(struct spool *spool, int result, struct spool_error *error)
{
    struct spool_error ignored;
    if (!result)
        result = run(spool, COMMIT, error);
    if (result && !sqlite3_get_autocommit(spool->db))
        run(spool, ROLLBACK, &ignored);
    return result;
}

static int64_t
ask_number(struct spool *spool, const char *sql)
{
    sqlite3_stmt *statement;
    int64_t number = 0;
    if (!sqlite3_prepare_v2(spool->db, sql, -1, &statement, NULL) &&
        sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

/* What is in the file; spool_put() and the like keep it current. */
static void
note_sizes(struct spool *spool)
{
    spool->records = (size_t)ask_number(spool, "SELECT count(*) FROM records");
    spool->aside = (size_t)ask_number(spool, "SELECT count(*) FROM set_aside");
    spool->bytes = ask_number(spool, "SELECT sum(length(bytes)) FROM records") +
                   ask_number(spool, "SELECT sum(length(bytes)+length(CAST(subject AS BLOB))"
                                     "+length(CAST(reason AS BLOB))) FROM set_aside") +
                   (int64_t)(spool->records + spool->aside) * SPOOL_RECORD_BYTES;
}

static void
note_oldest(struct spool *spool)
{
    sqlite3_stmt *statement = use(spool, FIRST);
    spool->oldest_ms =
        sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_reset(statement);
}

int
spool_open(const struct spool_options *options, struct spool **opened,
           struct spool_repair *repair, struct spool_error *error)
{
    if (sodium_init() < 0)
        abort();
    int lock = spool_file_lock(options->path, error);
    if (lock < 0)
        return -1;
    sqlite3 *db = spool_file_open(options->path, lock, repair, error);
    if (!db) {
        close(lock);
        return -1;
    }
    struct spool *spool = mem_alloc(sizeof *spool);
    spool->db = db;
    spool->lock = lock;
    spool->path = mem_text(options->path);
    spool->reserved = spool_file_reserve(spool->path);
    spool->bytes_max = options->bytes_max;
    note_sizes(spool);
    note_oldest(spool);
    *opened = spool;
    return 0;
}

void
spool_close(struct spool **spool)
{
    if (!*spool)
        return;
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize((*spool)->statements[i]);
    sqlite3_close((*spool)->db);
    close((*spool)->lock);
    free((*spool)->read);
    free((*spool)->path);
    free(*spool);
    *spool = NULL;
}

static int
check_room(const struct spool *spool, int64_t more, struct spool_error *error)
{
    if (spool->bytes + more <= spool->bytes_max)
        return 0;
    error->failure = SPOOL_FULL;
    snprintf(error->text, sizeof error->text,
             "the spool is full: %lld of %lld bytes are used and %lld more do not fit",
             (long long)spool->bytes, (long long)spool->bytes_max, (long long)more);
    return -1;
}

static int
put_one(struct spool *spool, const struct spool_record *record, struct spool_error *error)
{
    unsigned char sum[SPOOL_SUM_BYTES];
    sqlite3_stmt *put = use(spool, PUT);
    if (!put)
        return fail(spool, error);
    spool_file_sum(record->bytes, record->size, sum);
    sqlite3_bind_int64(put, 1, record->stored_ms);
    sqlite3_bind_blob(put, 2, sum, sizeof sum, SQLITE_TRANSIENT);
    sqlite3_bind_blob64(put, 3, record->bytes, record->size, SQLITE_STATIC);
    int result = run(spool, PUT, error);
    sqlite3_clear_bindings(put);
    return result;
}

int
spool_put(struct spool *spool, struct spool_record *records, size_t count, int64_t wall_ms,
          struct spool_error *error)
{
    int64_t more = 0;
    for (size_t i = 0; i < count; i++)
        more += (int64_t)records[i].size + SPOOL_RECORD_BYTES;
    if (check_room(spool, more, error))
        return -1;
    int result = run(spool, BEGIN, error);
    for (size_t i = 0; i < count && !result; i++) {
        records[i].stored_ms = wall_ms;
        result = put_one(spool, &records[i], error);
        records[i].id = sqlite3_last_insert_rowid(spool->db);
    }
    if (finish(spool, result, error))
        return -1;
    if (!spool->records && count)
        spool->oldest_ms = wall_ms;
    spool->records += count;
    spool->bytes += more;
    return 0;
}

static bool
is_whole(sqlite3_stmt *row)
{
    unsigned char sum[SPOOL_SUM_BYTES];
    spool_file_sum(sqlite3_column_blob(row, 3), (size_t)sqlite3_column_bytes(row, 3), sum);
    return sqlite3_column_bytes(row, 2) == SPOOL_SUM_BYTES &&
           !memcmp(sqlite3_column_blob(row, 2), sum, SPOOL_SUM_BYTES);
}

/* Copies rows until there is enough; stops before a damaged one, whose id it tells. */
static int
read_rows(struct spool *spool, int64_t id, size_t size_max, struct spool_record *records,
          size_t *count, int64_t *damaged, struct spool_error *error)
{
    size_t most = *count, used = 0;
    sqlite3_stmt *read = use(spool, READ);
    if (!read)
        return fail(spool, error);
    int step = SQLITE_DONE;
    sqlite3_bind_int64(read, 1, id);
    for (*count = 0; *count < most && !*damaged && (step = sqlite3_step(read)) == SQLITE_ROW;) {
        size_t size = (size_t)sqlite3_column_bytes(read, 3);
        if (*count && used + size > size_max)
            break;
        if (!is_whole(read)) {
            *damaged = sqlite3_column_int64(read, 0);
            break;
        }
        spool->read = mem_resize(spool->read, used + size + 1);
        if (size)
            memcpy(spool->read + used, sqlite3_column_blob(read, 3), size);
        records[(*count)++] = (struct spool_record){.id = sqlite3_column_int64(read, 0),
                                                    .stored_ms = sqlite3_column_int64(read, 1),
                                                    .size = size};
        used += size;
    }
    int result = step == SQLITE_ROW || step == SQLITE_DONE ? 0 : fail(spool, error);
    sqlite3_reset(read);
    for (size_t i = 0, at = 0; i < *count; at += records[i++].size)
        records[i].bytes = spool->read + at;
    return result;
}

/* Moves a record that does not fit its checksum out of the queue's way. */
static int
remove_damaged(struct spool *spool, int64_t id, struct spool_error *error)
{
    char *sql = mem_format("BEGIN IMMEDIATE;"
                           "INSERT OR IGNORE INTO set_aside SELECT stored_at, 'record %lld',"
                           " 'does not fit its checksum', bytes FROM records WHERE id=%lld;"
                           "DELETE FROM records WHERE id=%lld;COMMIT",
                           (long long)id, (long long)id, (long long)id);
    int result = sqlite3_exec(spool->db, sql, NULL, NULL, NULL) ? fail(spool, error) : 0;
    free(sql);
    if (result && !sqlite3_get_autocommit(spool->db))
        sqlite3_exec(spool->db, "ROLLBACK", NULL, NULL, NULL);
    if (result)
        return -1;
    note_sizes(spool);
    note_oldest(spool);
    return 0;
}

int
spool_read(struct spool *spool, int64_t id, size_t size_max, struct spool_record *records,
           size_t *count, size_t *damaged, struct spool_error *error)
{
    size_t most = *count;
    int64_t bad;
    *damaged = 0;
    for (;;) {
        *count = most;
        bad = 0;
        if (read_rows(spool, id, size_max, records, count, &bad, error))
            return -1;
        if (!bad || *count) /* a damaged one after sound ones waits for its turn */
            return 0;
        if (remove_damaged(spool, bad, error))
            return -1;
        ++*damaged;
    }
}

/* Adds what the record took to *freed, nothing when it is not there. */
static int
drop_one(struct spool *spool, int64_t id, int64_t *freed, size_t *count,
         struct spool_error *error)
{
    sqlite3_stmt *drop = use(spool, DROP);
    if (!drop)
        return fail(spool, error);
    sqlite3_bind_int64(drop, 1, id);
    int step = sqlite3_step(drop);
    if (step == SQLITE_ROW) {
        *freed += sqlite3_column_int64(drop, 0) + SPOOL_RECORD_BYTES;
        ++*count;
        step = sqlite3_step(drop);
    }
    int result = step == SQLITE_DONE ? 0 : fail(spool, error);
    sqlite3_reset(drop);
    return result;
}

static int
drop_all(struct spool *spool, const int64_t *ids, size_t count, struct spool_error *error)
{
    int64_t freed = 0;
    size_t dropped = 0;
    int result = run(spool, BEGIN, error);
    for (size_t i = 0; i < count && !result; i++)
        result = drop_one(spool, ids[i], &freed, &dropped, error);
    if (finish(spool, result, error))
        return -1;
    spool->records -= dropped;
    spool->bytes -= freed;
    return 0;
}

int
spool_drop(struct spool *spool, const int64_t *ids, size_t count, struct spool_error *error)
{
    int result = drop_all(spool, ids, count, error);
    if (result && error->failure == SPOOL_FAILED && spool_file_release(spool->path)) {
        spool->reserved = false;
        result = drop_all(spool, ids, count, error);
    }
    if (result)
        return -1;
    if (!spool->records && !spool->reserved)
        spool->reserved = spool_file_reserve(spool->path);
    note_oldest(spool);
    if (!spool->records) /* the file gives its room back; should that fail, it is reused */
        sqlite3_exec(spool->db, "PRAGMA incremental_vacuum", NULL, NULL, NULL);
    return 0;
}

int
spool_probe(struct spool *spool, struct spool_error *error)
{
    if (sqlite3_exec(spool->db, "PRAGMA user_version=0", NULL, NULL, NULL))
        return fail(spool, error);
    if (!spool->reserved)
        spool->reserved = spool_file_reserve(spool->path);
    if (spool->reserved)
        return 0;
    *error = (struct spool_error){.failure = SPOOL_FAILED, .text = "the disk is nearly full"};
    return -1;
}

int
spool_set_aside(struct spool *spool, const char *subject, const char *reason, const void *bytes,
                size_t size, int64_t wall_ms, struct spool_error *error)
{
    int64_t more = (int64_t)(strlen(subject) + strlen(reason) + size + SPOOL_RECORD_BYTES);
    sqlite3_stmt *put = use(spool, SET_ASIDE);
    if (!put)
        return fail(spool, error);
    if (check_room(spool, more, error))
        return -1;
    sqlite3_bind_int64(put, 1, wall_ms);
    sqlite3_bind_text(put, 2, subject, -1, SQLITE_STATIC);
    sqlite3_bind_text(put, 3, reason, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(put, 4, bytes, size, SQLITE_STATIC);
    int result = run(spool, SET_ASIDE, error);
    sqlite3_clear_bindings(put);
    if (result || !sqlite3_changes(spool->db))
        return result;
    spool->aside++;
    spool->bytes += more;
    return 0;
}

int64_t
spool_bytes(const struct spool *spool)
{
    return spool->bytes;
}

size_t
spool_records(const struct spool *spool)
{
    return spool->records;
}

size_t
spool_aside(const struct spool *spool)
{
    return spool->aside;
}

int64_t
spool_oldest_ms(const struct spool *spool)
{
    return spool->oldest_ms;
}
