/* SQLite behind storage.h: one file in WAL mode, one connection a handle, every commit on disk
 * before it is answered (synchronous=FULL). Readers never block the writer. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"

#include "backend.h"

#define SCHEMA_VERSION 1

static const char schema[] =
    "PRAGMA journal_mode=WAL;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS vieweranalytics("
    "auction TEXT NOT NULL, timestamp INTEGER NOT NULL, viewer_count INTEGER NOT NULL,"
    "avg_viewers REAL NOT NULL, peak_viewers INTEGER NOT NULL, min_viewers INTEGER NOT NULL,"
    "sample_count INTEGER NOT NULL, exact_peak INTEGER, exact_min INTEGER, exact_avg REAL,"
    "joins INTEGER, leaves INTEGER, coverage_ms INTEGER, complete INTEGER,"
    "created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,"
    "PRIMARY KEY(auction, timestamp)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS vieweranalytics_created ON vieweranalytics(created_at);"
    "CREATE TABLE IF NOT EXISTS auctions("
    "id TEXT PRIMARY KEY, enable_viewer_analytics INTEGER NOT NULL) WITHOUT ROWID;"
    "PRAGMA user_version=1;"
    "COMMIT;";

static const char write_sql[] =
    "INSERT INTO vieweranalytics VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?15)"
    " ON CONFLICT DO UPDATE SET viewer_count=excluded.viewer_count,"
    "avg_viewers=excluded.avg_viewers, peak_viewers=excluded.peak_viewers,"
    "min_viewers=excluded.min_viewers, sample_count=excluded.sample_count,"
    "exact_peak=excluded.exact_peak, exact_min=excluded.exact_min,"
    "exact_avg=excluded.exact_avg, joins=excluded.joins, leaves=excluded.leaves,"
    "coverage_ms=excluded.coverage_ms, complete=excluded.complete,"
    "updated_at=excluded.updated_at WHERE"
    " (excluded.sample_count, ifnull(excluded.complete,0), ifnull(excluded.coverage_ms,-1))"
    " > (sample_count, ifnull(complete,0), ifnull(coverage_ms,-1))";

#define READ_SQL                                                                               \
    "SELECT auction, timestamp, viewer_count, avg_viewers, peak_viewers, min_viewers,"         \
    "sample_count, exact_peak, exact_min, exact_avg, joins, leaves, coverage_ms, complete"     \
    " FROM vieweranalytics WHERE auction=?1 AND timestamp BETWEEN ?2 AND ?3 ORDER BY "         \
    "timestamp"

enum statement {
    WRITE,
    READ_OLDEST,
    READ_NEWEST,
    ENABLED,
    SET_ENABLED,
    AUCTIONS,
    EXPIRE,
    BEGIN,
    COMMIT,
    ROLLBACK,
    STATEMENTS
};

static const char *const statement_sql[STATEMENTS] = {
    [WRITE] = write_sql,
    [READ_OLDEST] = READ_SQL " LIMIT ?4",
    [READ_NEWEST] = READ_SQL " DESC LIMIT ?4",
    [ENABLED] = "SELECT enable_viewer_analytics FROM auctions WHERE id=?1",
    [SET_ENABLED] = "INSERT INTO auctions VALUES(?1,?2) ON CONFLICT DO UPDATE SET"
                    " enable_viewer_analytics=excluded.enable_viewer_analytics",
    [AUCTIONS] = "SELECT id, enable_viewer_analytics FROM auctions WHERE id>?1"
                 " AND length(CAST(id AS BLOB)) BETWEEN 1 AND 64"
                 " AND NOT instr(CAST(id AS BLOB), x'00')" /* where GLOB would stop */
                 " AND id NOT GLOB '*[^-A-Za-z0-9_]*' ORDER BY id LIMIT ?2",
    [EXPIRE] = "DELETE FROM vieweranalytics WHERE (auction, timestamp) IN (SELECT auction,"
               " timestamp FROM vieweranalytics WHERE created_at<?1 LIMIT ?2)",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
};

struct sqlite {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS]; /* prepared at first use */
};

static int
fail(struct sqlite *sqlite, struct storage_error *error)
{
    int code = sqlite3_errcode(sqlite->db);
    bool refused =
        code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH || code == SQLITE_TOOBIG;
    backend_fail(error, refused ? STORAGE_REFUSED : STORAGE_UNAVAILABLE, "SQLite: %s (%d)",
                 sqlite3_errmsg(sqlite->db), sqlite3_extended_errcode(sqlite->db));
    error->unknown = code == SQLITE_ERROR; /* others are the disk's, or another process's */
    return -1;
}

/* A reset statement ready for binding, or NULL with the reason left in the connection. */
static sqlite3_stmt *
use(struct sqlite *sqlite, enum statement which)
{
    sqlite3_stmt **statement = &sqlite->statements[which];
    if (!*statement)
        sqlite3_prepare_v3(sqlite->db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                           statement, NULL);
    return *statement;
}

/* Steps a statement that yields no rows. */
static int
run(struct sqlite *sqlite, enum statement which, struct storage_error *error)
{
    sqlite3_stmt *statement = use(sqlite, which);
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;
    if (code == SQLITE_DONE) {
        sqlite3_reset(statement);
        return 0;
    }
    fail(sqlite, error);
    if (statement)
        sqlite3_reset(statement);
    return -1;
}

static void
sqlite_close(void *handle)
{
    struct sqlite *sqlite = handle;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(sqlite->statements[i]);
    sqlite3_close(sqlite->db);
    free(sqlite);
}

/* SQLite gives its -wal and -shm files the mode of the database file: made here, 0600. */
static int
create_file(const char *path, struct storage_error *error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return backend_fail(error, STORAGE_UNAVAILABLE, "cannot open %.150s: %s", path,
                            strerror(errno));
    close(fd);
    return 0;
}

/* The one number that a statement answers; 0, or -1 on failure. */
static int
ask_number(struct sqlite *sqlite, const char *sql, int *number, struct storage_error *error)
{
    sqlite3_stmt *statement;
    *number = 0;
    if (sqlite3_prepare_v2(sqlite->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return fail(sqlite, error);
    if (sqlite3_step(statement) == SQLITE_ROW)
        *number = sqlite3_column_int(statement, 0);
    return sqlite3_finalize(statement) == SQLITE_OK ? 0 : fail(sqlite, error);
}

/* Whether the file is a database of a schema that we know, and not a spool or somebody's. */
static int
check_version(struct sqlite *sqlite, struct storage_error *error)
{
    static const char others[] =
        "SELECT count(*)>0 AND NOT sum(name IN ('vieweranalytics','auctions'))"
        " FROM sqlite_schema WHERE type='table'";
    int found, foreign;
    if (ask_number(sqlite, "PRAGMA user_version", &found, error) ||
        ask_number(sqlite, others, &foreign, error))
        return -1;
    if (found > SCHEMA_VERSION)
        return backend_fail(error, STORAGE_REFUSED,
                            "the SQLite file has schema %d; this version knows up to %d", found,
                            SCHEMA_VERSION);
    if (foreign)
        return backend_fail(error, STORAGE_REFUSED,
                            "the SQLite file is a database of something else; allowed: "
                            "Headcount's own, or none yet");
    return 0;
}

/* SQLite goes on in a file that was deleted or replaced, where nothing would be found again. */
static int
check_place(struct sqlite *sqlite, struct storage_error *error)
{
    int moved = 0;
    sqlite3_file_control(sqlite->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return moved ? backend_fail(error, STORAGE_UNAVAILABLE,
                                "SQLite: the file was deleted or replaced")
                 : 0;
}

static void *
sqlite_open(const struct storage_options *options, struct storage_error *error)
{
    const char *path = options->sqlite_path;
    if (options->read_only && access(path, F_OK)) {
        backend_fail(error, STORAGE_MISSING, "%.200s does not exist yet", path);
        return NULL;
    }
    if (!options->read_only && create_file(path, error))
        return NULL;
    struct sqlite *sqlite = mem_alloc(sizeof *sqlite);
    int flags = (options->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &sqlite->db, flags, NULL) != SQLITE_OK) {
        fail(sqlite, error);
        sqlite_close(sqlite);
        return NULL;
    }
    sqlite3_busy_timeout(sqlite->db, options->timeout_ms);
    sqlite3_exec(sqlite->db, "PRAGMA synchronous=FULL", NULL, NULL, NULL);
    if (!options->read_only && check_version(sqlite, error) &&
        (error->failure == STORAGE_REFUSED || sqlite3_errcode(sqlite->db) == SQLITE_NOTADB)) {
        sqlite_close(sqlite);
        return NULL;
    }
    return sqlite;
}

static int
sqlite_ping(void *handle, struct storage_error *error)
{
    struct sqlite *sqlite = handle;
    if (check_place(sqlite, error))
        return -1;
    sqlite3_stmt *probe; /* prepared anew: only that looks at the schema again */
    int result =
        sqlite3_prepare_v2(sqlite->db, "SELECT 1 FROM vieweranalytics", -1, &probe, NULL);
    sqlite3_finalize(probe);
    if (result == SQLITE_ERROR)
        return backend_fail(error, STORAGE_MISSING, "SQLite: the tables do not exist yet");
    return result == SQLITE_OK ? 0 : fail(sqlite, error);
}

static int
sqlite_prepare(void *handle, int64_t retention_s, struct storage_error *error)
{
    struct sqlite *sqlite = handle;
    (void)retention_s; /* no TTL here: storage_expire() is what deletes */
    if (check_version(sqlite, error))
        return -1;
    if (sqlite3_exec(sqlite->db, schema, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    fail(sqlite, error);
    if (!sqlite3_get_autocommit(sqlite->db))
        sqlite3_exec(sqlite->db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

static void
bind_exact(sqlite3_stmt *statement, const struct snapshot *row)
{
    sqlite3_bind_int64(statement, 8, row->exact_peak);
    sqlite3_bind_int64(statement, 9, row->exact_min);
    sqlite3_bind_double(statement, 10, row->exact_avg);
    sqlite3_bind_int64(statement, 11, row->joins);
    sqlite3_bind_int64(statement, 12, row->leaves);
    sqlite3_bind_int64(statement, 13, row->coverage_ms);
    sqlite3_bind_int(statement, 14, row->complete);
}

static int
write_row(struct sqlite *sqlite, const struct snapshot *row, int64_t now_ms,
          enum storage_outcome *outcome, struct storage_error *error)
{
    sqlite3_stmt *statement = use(sqlite, WRITE);
    if (!statement)
        return fail(sqlite, error);
    sqlite3_clear_bindings(statement);
    sqlite3_bind_text(statement, 1, row->auction, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, row->timestamp_ms);
    sqlite3_bind_int64(statement, 3, row->viewer_count);
    sqlite3_bind_double(statement, 4, row->avg_viewers);
    sqlite3_bind_int64(statement, 5, row->peak_viewers);
    sqlite3_bind_int64(statement, 6, row->min_viewers);
    sqlite3_bind_int64(statement, 7, row->sample_count);
    if (row->exact)
        bind_exact(statement, row);
    sqlite3_bind_int64(statement, 15, now_ms);
    if (run(sqlite, WRITE, error))
        return -1;
    *outcome = sqlite3_changes(sqlite->db) ? STORAGE_SAVED : STORAGE_KEPT;
    return 0;
}

static int
sqlite_write(void *handle, const struct snapshot *rows, size_t count,
             enum storage_outcome *outcomes, struct storage_error *error)
{
    struct sqlite *sqlite = handle;
    int64_t now_ms = clock_wall_ms();
    if (check_place(sqlite, error) || run(sqlite, BEGIN, error))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (write_row(sqlite, &rows[i], now_ms, &outcomes[i], error))
            goto undo;
    }
    if (!run(sqlite, COMMIT, error))
        return 0;
undo:
    if (!sqlite3_get_autocommit(sqlite->db)) {
        struct storage_error second;
        run(sqlite, ROLLBACK, &second);
    }
    return -1;
}

/* One auction's flag; *known is false when there is no such row. */
static int
read_flag(struct sqlite *sqlite, const char *auction, bool *known, bool *enabled,
          struct storage_error *error)
{
    *known = *enabled = false;
    sqlite3_stmt *statement = use(sqlite, ENABLED);
    if (!statement)
        return fail(sqlite, error);
    sqlite3_bind_text(statement, 1, auction, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *known = true;
        *enabled = sqlite3_column_int(statement, 0);
    }
    int result = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : fail(sqlite, error);
    sqlite3_reset(statement);
    return result;
}

static int
sqlite_enabled(void *handle, const char *const *auctions, size_t count, bool *enabled,
               struct storage_error *error)
{
    bool known;
    for (size_t i = 0; i < count; i++) {
        if (read_flag(handle, auctions[i], &known, &enabled[i], error))
            return -1;
    }
    return 0;
}

static int
sqlite_set_enabled(void *handle, const char *auction, bool enabled, struct storage_error *error)
{
    struct sqlite *sqlite = handle;
    if (check_place(sqlite, error))
        return -1;
    sqlite3_stmt *statement = use(sqlite, SET_ENABLED);
    if (!statement)
        return fail(sqlite, error);
    sqlite3_bind_text(statement, 1, auction, -1, SQLITE_STATIC);
    sqlite3_bind_int(statement, 2, enabled);
    return run(sqlite, SET_ENABLED, error);
}

static void
copy_text(sqlite3_stmt *statement, int column, char text[AUCTION_BYTES])
{
    const char *value = (const char *)sqlite3_column_text(statement, column);
    snprintf(text, AUCTION_BYTES, "%s", value ? value : "");
}

static void
copy_row(sqlite3_stmt *statement, struct snapshot *row)
{
    *row = (struct snapshot){
        .timestamp_ms = sqlite3_column_int64(statement, 1),
        .viewer_count = sqlite3_column_int64(statement, 2),
        .avg_viewers = sqlite3_column_double(statement, 3),
        .peak_viewers = sqlite3_column_int64(statement, 4),
        .min_viewers = sqlite3_column_int64(statement, 5),
        .sample_count = sqlite3_column_int64(statement, 6),
        .exact = sqlite3_column_type(statement, 7) != SQLITE_NULL,
        .exact_peak = sqlite3_column_int64(statement, 7),
        .exact_min = sqlite3_column_int64(statement, 8),
        .exact_avg = sqlite3_column_double(statement, 9),
        .joins = sqlite3_column_int64(statement, 10),
        .leaves = sqlite3_column_int64(statement, 11),
        .coverage_ms = sqlite3_column_int64(statement, 12),
        .complete = sqlite3_column_int(statement, 13),
    };
    copy_text(statement, 0, row->auction);
}

static int
sqlite_read(void *handle, const struct storage_query *query, struct snapshot *rows,
            size_t *count, struct storage_error *error)
{
    struct sqlite *sqlite = handle;
    sqlite3_stmt *statement = use(sqlite, query->newest_first ? READ_NEWEST : READ_OLDEST);
    if (!statement)
        return fail(sqlite, error);
    sqlite3_bind_text(statement, 1, query->auction, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, query->from_ms);
    sqlite3_bind_int64(statement, 3, query->to_ms);
    sqlite3_bind_int64(statement, 4, (int64_t)*count);
    int code;
    *count = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        copy_row(statement, &rows[(*count)++]);
    int result = code == SQLITE_DONE ? 0 : fail(sqlite, error);
    sqlite3_reset(statement);
    return result;
}

static int
sqlite_auctions(void *handle, const char *after, struct storage_auction *rows, size_t *count,
                struct storage_error *error)
{
    struct sqlite *sqlite = handle;
    sqlite3_stmt *statement = use(sqlite, AUCTIONS);
    if (!statement)
        return fail(sqlite, error);
    sqlite3_bind_text(statement, 1, after, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (int64_t)*count);
    int code;
    *count = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct storage_auction *row = &rows[(*count)++];
        copy_text(statement, 0, row->auction);
        row->enabled = sqlite3_column_int(statement, 1);
    }
    int result = code == SQLITE_DONE ? 0 : fail(sqlite, error);
    sqlite3_reset(statement);
    return result;
}

static int
sqlite_auction(void *handle, const char *auction, bool *known, struct storage_auction *row,
               struct storage_error *error)
{
    snprintf(row->auction, sizeof row->auction, "%s", auction);
    return read_flag(handle, auction, known, &row->enabled, error);
}

static int
sqlite_expire(void *handle, int64_t before_ms, size_t most, size_t *deleted,
              struct storage_error *error)
{
    struct sqlite *sqlite = handle;
    sqlite3_stmt *statement = use(sqlite, EXPIRE);
    if (!statement)
        return fail(sqlite, error);
    sqlite3_bind_int64(statement, 1, before_ms);
    sqlite3_bind_int64(statement, 2, (int64_t)most);
    if (run(sqlite, EXPIRE, error))
        return -1;
    *deleted = (size_t)sqlite3_changes(sqlite->db);
    return 0;
}

const struct backend sqlite_backend = {
    .kind = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .prepare = sqlite_prepare,
    .ping = sqlite_ping,
    .write = sqlite_write,
    .enabled = sqlite_enabled,
    .set_enabled = sqlite_set_enabled,
    .read = sqlite_read,
    .auctions = sqlite_auctions,
    .auction = sqlite_auction,
    .expire = sqlite_expire,
};
