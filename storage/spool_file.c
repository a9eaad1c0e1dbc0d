/* Checks a spool's file before it is used. One journal, rolled back and not a write-ahead log:
 * so a damaged file shows, where a damaged log would just end early. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "spool_file.h"

#define BUSY_MS 5000
#define RESERVE_BYTES (512 * 1024) /* a journal of several records */

static const char schema[] =
    "PRAGMA auto_vacuum=INCREMENTAL;" /* before the first table, or never */
    "PRAGMA journal_mode=TRUNCATE;"
    "PRAGMA synchronous=FULL;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS records(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " stored_at INTEGER NOT NULL, sum BLOB NOT NULL, bytes BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS set_aside(stored_at INTEGER NOT NULL, subject TEXT NOT NULL,"
    " reason TEXT NOT NULL, bytes BLOB NOT NULL, UNIQUE(subject, bytes));"
    "COMMIT;";

int
spool_file_fail(sqlite3 *db, struct spool_error *error)
{
    int code = sqlite3_errcode(db) & 0xff;
    bool corrupt = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    error->failure = corrupt ? SPOOL_CORRUPT : SPOOL_FAILED;
    snprintf(error->text, sizeof error->text, "the spool's file: %.200s (%d)",
             sqlite3_errmsg(db), sqlite3_extended_errcode(db));
    return -1;
}

static int
fail_of_system(struct spool_error *error, const char *what, const char *path)
{
    error->failure = SPOOL_FAILED;
    snprintf(error->text, sizeof error->text, "%s %.150s: %s", what, path, strerror(errno));
    return -1;
}

void
spool_file_sum(const void *bytes, size_t size, unsigned char sum[SPOOL_SUM_BYTES])
{
    crypto_generichash(sum, SPOOL_SUM_BYTES, bytes, size, NULL, 0);
}

int
spool_file_lock(const char *path, struct spool_error *error)
{
    char name[SPOOL_PATH_BYTES + 8];
    snprintf(name, sizeof name, "%s.lock", path);
    int lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return fail_of_system(error, "cannot open", name);
    if (flock(lock, LOCK_EX | LOCK_NB)) {
        int reason = errno;
        close(lock);
        errno = reason;
        if (errno != EWOULDBLOCK)
            return fail_of_system(error, "cannot lock", name);
        error->failure = SPOOL_IN_USE;
        snprintf(error->text, sizeof error->text,
                 "%.150s is in use by another process; allowed: a file for each", path);
        return -1;
    }
    return lock;
}

void
spool_file_reserve(const char *path)
{
    char name[SPOOL_PATH_BYTES + 16];
    snprintf(name, sizeof name, "%s.reserve", path);
    int file = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    int failed = posix_fallocate(file, 0, RESERVE_BYTES);
    close(file);
    if (failed)
        unlink(name);
}

bool
spool_file_release(const char *path)
{
    char name[SPOOL_PATH_BYTES + 16];
    snprintf(name, sizeof name, "%s.reserve", path);
    return !unlink(name);
}

/* SQLITE_ROW's first column is "ok" when the pages are whole. */
static bool
is_sound(sqlite3 *db)
{
    sqlite3_stmt *check;
    if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &check, NULL))
        return false;
    bool sound = sqlite3_step(check) == SQLITE_ROW &&
                 !strcmp((const char *)sqlite3_column_text(check, 0), "ok");
    sqlite3_finalize(check);
    return sound;
}

/* Opens without a look at what is in it; the caller closes *db in any case. */
static int
open_file(const char *path, sqlite3 **db)
{
    int file =
        open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* SQLite would let others read */
    if (file >= 0)
        close(file);
    int result = sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (*db) {
        sqlite3_extended_result_codes(*db, 1);
        sqlite3_busy_timeout(*db, BUSY_MS);
    }
    return result;
}

static int
prepare_file(sqlite3 *db, struct spool_error *error)
{
    if (!is_sound(db)) {
        int code = sqlite3_errcode(db) & 0xff;
        bool damaged = code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE;
        spool_file_fail(db, error);
        if (damaged)
            error->failure = SPOOL_CORRUPT;
        return -1;
    }
    if (!sqlite3_exec(db, schema, NULL, NULL, NULL))
        return 0;
    spool_file_fail(db, error);
    if ((sqlite3_errcode(db) & 0xff) == SQLITE_ERROR) /* tables, but other ones */
        error->failure = SPOOL_CORRUPT;
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

/* Renames the damaged file and its journal, which belongs to it. */
static int
move_away(const char *path, struct spool_repair *repair, struct spool_error *error)
{
    char from[SPOOL_PATH_BYTES + 16], to[SPOOL_PATH_BYTES + 64], text[32];
    time_t now = time(NULL);
    struct tm utc;
    strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    int wrote = snprintf(to, sizeof to, "%s.corrupt-%s", path, text);
    for (int i = 2; !access(to, F_OK) && i < 1000; i++)
        wrote = snprintf(to, sizeof to, "%s.corrupt-%s-%d", path, text, i);
    if (wrote >= SPOOL_PATH_BYTES) {
        errno = ENAMETOOLONG;
        return fail_of_system(error, "cannot name what replaces", path);
    }
    if (rename(path, to))
        return fail_of_system(error, "cannot rename the damaged", path);
    snprintf(repair->moved_to, sizeof repair->moved_to, "%.*s", SPOOL_PATH_BYTES - 1, to);
    snprintf(from, sizeof from, "%s-journal", path);
    strcat(to, "-journal");
    rename(from, to); /* there may be none */
    return 0;
}

/* Copies what one statement over the damaged file yields, as far as it gets. */
static void
rescue(sqlite3 *damaged, const char *select, sqlite3 *db, const char *insert, size_t *count)
{
    sqlite3_stmt *from, *to;
    if (sqlite3_prepare_v2(damaged, select, -1, &from, NULL))
        return;
    if (sqlite3_prepare_v2(db, insert, -1, &to, NULL)) {
        sqlite3_finalize(from);
        return;
    }
    while (sqlite3_step(from) == SQLITE_ROW) {
        unsigned char sum[SPOOL_SUM_BYTES];
        const void *bytes = sqlite3_column_blob(from, 3);
        spool_file_sum(bytes, (size_t)sqlite3_column_bytes(from, 3), sum);
        bool summed = sqlite3_column_type(from, 2) == SQLITE_BLOB;
        if (summed && (sqlite3_column_bytes(from, 2) != SPOOL_SUM_BYTES ||
                       memcmp(sqlite3_column_blob(from, 2), sum, SPOOL_SUM_BYTES)))
            continue;
        for (int column = 0; column < 4; column++)
            sqlite3_bind_value(to, column + 1, sqlite3_column_value(from, column));
        if (sqlite3_step(to) == SQLITE_DONE)
            *count += (size_t)sqlite3_changes(db);
        sqlite3_reset(to);
    }
    sqlite3_finalize(from);
    sqlite3_finalize(to);
}

/* From both ends, so that one damaged page in the middle costs just its own records. */
static int
rescue_all(const char *path, sqlite3 *db, size_t *count, struct spool_error *error)
{
    static const char insert[] = "INSERT OR IGNORE INTO records VALUES(?1,?2,?3,?4)";
    sqlite3 *damaged;
    size_t aside = 0;
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL))
        return spool_file_fail(db, error);
    if (!open_file(path, &damaged)) {
        rescue(damaged, "SELECT id, stored_at, sum, bytes FROM records ORDER BY id", db, insert,
               count);
        rescue(damaged, "SELECT id, stored_at, sum, bytes FROM records ORDER BY id DESC", db,
               insert, count);
        rescue(damaged, "SELECT stored_at, subject, reason, bytes FROM set_aside", db,
               "INSERT OR IGNORE INTO set_aside VALUES(?1,?2,?3,?4)", &aside);
    }
    sqlite3_close(damaged);
    return sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) ? spool_file_fail(db, error) : 0;
}

/* An empty file is a sound database to SQLite; the mark tells that it once held tables. */
static bool
is_lost(const char *path, int lock)
{
    struct stat file, mark;
    return !fstat(lock, &mark) && mark.st_size && (stat(path, &file) || !file.st_size);
}

static sqlite3 *
mark_made(sqlite3 *db, int lock, struct spool_error *error)
{
    if (pwrite(lock, "\n", 1, 0) == 1 && !fsync(lock))
        return db;
    fail_of_system(error, "cannot write", "the spool's lock file");
    sqlite3_close(db);
    return NULL;
}

sqlite3 *
spool_file_open(const char *path, int lock, struct spool_repair *repair,
                struct spool_error *error)
{
    sqlite3 *db;
    memset(repair, 0, sizeof *repair);
    repair->lost = is_lost(path, lock);
    int result = open_file(path, &db) ? spool_file_fail(db, error) : prepare_file(db, error);
    if (!result)
        return mark_made(db, lock, error);
    sqlite3_close(db);
    if (error->failure != SPOOL_CORRUPT || move_away(path, repair, error))
        return NULL;
    result = open_file(path, &db) ? spool_file_fail(db, error) : prepare_file(db, error);
    if (!result)
        result = rescue_all(repair->moved_to, db, &repair->rescued, error);
    if (!result)
        return mark_made(db, lock, error);
    sqlite3_close(db);
    return NULL;
}
