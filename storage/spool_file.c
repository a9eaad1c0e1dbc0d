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
#define FORMS_AT 18                /* in the file's header */
#define RESERVE_BYTES (512 * 1024) /* a journal of several records */
#define MISSES_MAX 10000           /* ids looked for in a row where pages or ids are damaged */

#define RECORDS                                                                                \
    "records(id INTEGER PRIMARY KEY AUTOINCREMENT,"                                            \
    " stored_at INTEGER NOT NULL, sum BLOB NOT NULL, bytes BLOB NOT NULL)"
#define SET_ASIDE                                                                              \
    "set_aside(stored_at INTEGER NOT NULL, subject TEXT NOT NULL,"                             \
    " reason TEXT NOT NULL, bytes BLOB NOT NULL, UNIQUE(subject, bytes))"

static const char schema[] =
    "PRAGMA auto_vacuum=INCREMENTAL;" /* before the first table, or never */
    "PRAGMA journal_mode=TRUNCATE;"
    "PRAGMA synchronous=FULL;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS " RECORDS ";"
    "CREATE TABLE IF NOT EXISTS " SET_ASIDE ";"
    "COMMIT;";

/* What SQLite keeps of that, as text that may be damaged too; and whether ids go on for long.
 */
#define ID_MAX "0x3fffffffffffffff"
static const char made_of[] =
    "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema"
    " WHERE sql IS NOT NULL ORDER BY name)";
static const char expected[] = "CREATE TABLE " RECORDS ";CREATE TABLE " SET_ASIDE
                               ";CREATE TABLE sqlite_sequence(name,seq)";
static const char ids[] =
    "SELECT ifnull(min(id), 1)>0 AND ifnull(max(id), 1)<" ID_MAX
    " AND NOT EXISTS(SELECT 1 FROM sqlite_sequence WHERE typeof(seq)<>'integer' OR seq>" ID_MAX
    ") FROM records";

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

bool
spool_file_reserve(const char *path)
{
    char name[SPOOL_PATH_BYTES + 16];
    snprintf(name, sizeof name, "%s.reserve", path);
    int file = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return false;
    int failed = posix_fallocate(file, 0, RESERVE_BYTES);
    close(file);
    if (failed)
        unlink(name);
    return !failed;
}

bool
spool_file_release(const char *path)
{
    char name[SPOOL_PATH_BYTES + 16];
    snprintf(name, sizeof name, "%s.reserve", path);
    return !unlink(name);
}

/* Whether a statement's one answer is this text. */
static bool
is_answered(sqlite3 *db, const char *sql, const char *answer)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL))
        return false;
    const unsigned char *text =
        sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_text(statement, 0) : NULL;
    bool same = text && !strcmp((const char *)text, answer);
    sqlite3_finalize(statement);
    return same;
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

/* Two bytes of the header say how the file is written. Ours never change; SQLite takes others
 * for a file that it may not write, or for one with a log. */
static bool
is_written_as_ours(const char *path)
{
    char forms[2] = {1, 1};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return true; /* not what is the matter */
    bool ours =
        pread(file, forms, sizeof forms, FORMS_AT) < 0 || (forms[0] == 1 && forms[1] == 1);
    close(file);
    return ours;
}

/* Whether the error at hand comes from what is in the file, not from the disk. */
static bool
is_of_content(sqlite3 *db, const char *path)
{
    int code = sqlite3_errcode(db) & 0xff;
    bool none = code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE;
    return none || code == SQLITE_ERROR || !is_written_as_ours(path);
}

/* Whether it is a sound database of somebody else's. It is not ours to replace. */
static bool
is_foreign(sqlite3 *db)
{
    static const char others[] =
        "SELECT count(*)>0 AND NOT sum(name IN ('records','set_aside'))"
        " FROM sqlite_schema WHERE type='table'";
    return is_answered(db, others, "1") && is_answered(db, "PRAGMA quick_check(1)", "ok");
}

static int
fail_as_foreign(const char *path, struct spool_error *error)
{
    error->failure = SPOOL_FOREIGN;
    snprintf(error->text, sizeof error->text,
             "%.150s is a database of something else; allowed: a spool's own file, or none yet",
             path);
    return -1;
}

static int
prepare_file(sqlite3 *db, const char *path, struct spool_error *error)
{
    if (is_foreign(db))
        return fail_as_foreign(path, error);
    if (is_written_as_ours(path) && is_answered(db, "PRAGMA quick_check(1)", "ok") &&
        !sqlite3_exec(db, schema, NULL, NULL, NULL) && is_answered(db, made_of, expected) &&
        is_answered(db, ids, "1"))
        return 0;
    spool_file_fail(db, error);
    if (is_of_content(db, path))
        error->failure = SPOOL_CORRUPT;
    if (!sqlite3_get_autocommit(db))
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

/* Undoes that: the next attempt to open begins with the damaged file again. */
static void
move_back(const char *path, struct spool_repair *repair)
{
    char from[SPOOL_PATH_BYTES + 16], to[SPOOL_PATH_BYTES + 16];
    snprintf(to, sizeof to, "%s-journal", path);
    unlink(to); /* of the new one */
    snprintf(from, sizeof from, "%s-journal", repair->moved_to);
    rename(from, to);
    rename(repair->moved_to, path);
    repair->moved_to[0] = 0;
}

/* Statements over a damaged file, and over the new one. */
struct rescue {
    sqlite3_stmt *from; /* its last columns are a checksum, or a text, and the bytes */
    sqlite3_stmt *to;
    sqlite3 *db;
    size_t count;
    bool failed; /* the new file does not take them */
};

static bool
begin_rescue(struct rescue *rescue, sqlite3 *damaged, const char *select, const char *insert)
{
    if (sqlite3_prepare_v2(damaged, select, -1, &rescue->from, NULL))
        return false;
    if (!sqlite3_prepare_v2(rescue->db, insert, -1, &rescue->to, NULL))
        return true;
    sqlite3_finalize(rescue->from);
    return false;
}

static void
rescue_row(struct rescue *rescue)
{
    unsigned char sum[SPOOL_SUM_BYTES];
    int columns = sqlite3_column_count(rescue->from), bytes = columns - 1, summed = columns - 2;
    const void *content = sqlite3_column_blob(rescue->from, bytes);
    spool_file_sum(content, (size_t)sqlite3_column_bytes(rescue->from, bytes), sum);
    if (sqlite3_column_type(rescue->from, summed) == SQLITE_BLOB &&
        (sqlite3_column_bytes(rescue->from, summed) != SPOOL_SUM_BYTES ||
         memcmp(sqlite3_column_blob(rescue->from, summed), sum, SPOOL_SUM_BYTES)))
        return;
    for (int column = 0; column < columns; column++)
        sqlite3_bind_value(rescue->to, column + 1, sqlite3_column_value(rescue->from, column));
    if (sqlite3_step(rescue->to) == SQLITE_DONE)
        rescue->count += (size_t)sqlite3_changes(rescue->db);
    else
        rescue->failed = true;
    sqlite3_reset(rescue->to);
}

/* Copies what lies behind id, as far as it gets, and moves id there. False: not to the end. */
static bool
rescue_from(struct rescue *rescue, int64_t *id)
{
    int step;
    sqlite3_bind_int64(rescue->from, 1, *id);
    while ((step = sqlite3_step(rescue->from)) == SQLITE_ROW) {
        *id = sqlite3_column_int64(rescue->from, 0);
        rescue_row(rescue);
    }
    sqlite3_reset(rescue->from);
    return step == SQLITE_DONE;
}

static void
end_rescue(struct rescue *rescue)
{
    sqlite3_finalize(rescue->from);
    sqlite3_finalize(rescue->to);
}

#define ID "max(?1 & 0xffffffffff, 1)"
#define THERE "EXISTS(SELECT 1 FROM records WHERE id=" ID
/* Where a damaged id is another record's, the one that comes later gets a new one. */
static const char insert_record[] =
    "INSERT OR IGNORE INTO records SELECT iif(" THERE "), NULL, " ID "), ?3, ?4, ?5"
    " WHERE NOT " THERE " AND sum=?4) AND (NOT " THERE ")"
    " OR NOT EXISTS(SELECT 1 FROM records WHERE sum=?4))"; /* all are looked at, seldom */
#undef THERE
#undef ID

/* Each by its id, around the first that was rescued: a damaged id leads a search astray. */
static void
rescue_one_by_one(struct rescue *rescue, sqlite3 *damaged)
{
    sqlite3_stmt *least;
    int64_t first = 0;
    if (sqlite3_prepare_v2(rescue->db, "SELECT min(id) FROM records", -1, &least, NULL))
        return;
    if (sqlite3_step(least) == SQLITE_ROW)
        first = sqlite3_column_int64(least, 0);
    sqlite3_finalize(least);
    if (!begin_rescue(rescue, damaged, "SELECT rowid, * FROM records WHERE rowid=?1",
                      insert_record))
        return;
    int64_t id = first > MISSES_MAX ? first - MISSES_MAX : 1;
    for (; id < first + MISSES_MAX; id++) {
        int64_t at = id;
        rescue_from(rescue, &at);
    }
    end_rescue(rescue);
}

/* Columns are taken by their places, since their names may be damaged. A damaged page costs its
 * own records only: what lies behind it is looked for id by id, and from the other end. */
static void
rescue_records(struct rescue *rescue, sqlite3 *damaged)
{
    static const char up[] = "SELECT rowid, * FROM records WHERE rowid>?1 ORDER BY rowid";
    static const char down[] =
        "SELECT rowid, * FROM records WHERE rowid>?1 ORDER BY rowid DESC";
    bool whole = false;
    if (begin_rescue(rescue, damaged, up, insert_record)) {
        int64_t id = -1, tried = id;
        whole = rescue_from(rescue, &id);
        for (int misses = 0; !whole && misses < MISSES_MAX; misses++) {
            if (id > tried)
                misses = 0;
            tried = ++id;
            if (rescue_from(rescue, &id))
                break;
        }
        end_rescue(rescue);
    }
    if (begin_rescue(rescue, damaged, down, insert_record)) {
        int64_t id = INT64_MIN;
        rescue_from(rescue, &id);
        end_rescue(rescue);
    }
    if (!whole)
        rescue_one_by_one(rescue, damaged);
}

static int
rescue_all(const char *path, sqlite3 *db, size_t *count, struct spool_error *error)
{
    sqlite3 *damaged;
    struct rescue records = {.db = db}, aside = {.db = db};
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL))
        return spool_file_fail(db, error);
    if (!open_file(path, &damaged)) {
        int64_t id = INT64_MIN;
        rescue_records(&records, damaged);
        if (begin_rescue(&aside, damaged, "SELECT rowid, * FROM set_aside WHERE rowid>?1",
                         "INSERT OR IGNORE INTO set_aside VALUES(?2,?3,?4,?5)")) {
            rescue_from(&aside, &id);
            end_rescue(&aside);
        }
    }
    sqlite3_close(damaged);
    *count = records.count;
    if (!records.failed && !aside.failed)
        return sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) ? spool_file_fail(db, error) : 0;
    error->failure = SPOOL_FAILED;
    snprintf(error->text, sizeof error->text,
             "the spool's file is damaged, and a new one cannot take what is left of it");
    return -1;
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
    int result =
        open_file(path, &db) ? spool_file_fail(db, error) : prepare_file(db, path, error);
    if (!result)
        return mark_made(db, lock, error);
    sqlite3_close(db);
    if (error->failure != SPOOL_CORRUPT || move_away(path, repair, error))
        return NULL;
    result = open_file(path, &db) ? spool_file_fail(db, error) : prepare_file(db, path, error);
    if (!result)
        result = rescue_all(repair->moved_to, db, &repair->rescued, error);
    if (result)
        sqlite3_close(db);
    else
        db = mark_made(db, lock, error);
    if (result || !db)
        move_back(path, repair);
    return result ? NULL : db;
}
