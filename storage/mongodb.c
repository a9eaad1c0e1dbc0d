/* MongoDB behind storage.h: the connection, the indexes, the auctions' flags and the queries.
 * The write of snapshots is in mongodb_write.c. One client a handle. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "backend.h"
#include "document.h"
#include "mongodb.h"

#define CODE_INDEX_OPTIONS 85

/* Answers of a server, or of what stands before it, that pass: it is not the one to write to
 * now, it stops, is busy, slow, full, may not (yet), or cannot make the write safe. */
static bool
is_passing(uint32_t code)
{
    static const uint32_t passing[] = {
        6,     7,     89,    91,    189,   202,   262,   9001,                /* network */
        10107, 13435, 13436, 10058, 11600, 11601, 11602, 133,   134, 63, 150, /* fail-over */
        24,    46,    50,    112,   149,   225,   290,   16500,               /* busy, slow */
        13,    18,    8000,  318,   14031, 64,    79,    100,                 /* may not */
    };
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (code == passing[i])
            return true;
    return false;
}

int
mongodb_fail(const bson_error_t *from, struct storage_error *error)
{
    backend_fail(error, STORAGE_UNAVAILABLE, "MongoDB: %.200s (%u)", from->message, from->code);
    error->unknown = from->domain == MONGOC_ERROR_SERVER && !is_passing(from->code);
    return -1;
}

int
mongodb_fail_row(const bson_error_t *from, struct storage_error *error)
{
    /* Server codes that mean, of one document: this very one will never do. */
    static const uint32_t refusals[] = {2, 9, 14, 121, 10334, 17280, 17419};
    mongodb_fail(from, error);
    for (size_t i = 0; error->unknown && i < sizeof refusals / sizeof *refusals; i++) {
        if (from->code != refusals[i])
            continue;
        error->failure = STORAGE_REFUSED;
        error->unknown = false;
    }
    return -1;
}

/* Time-outs that the URI does not name are ours: no call may block longer. */
static void
set_timeouts(mongoc_uri_t *uri, int timeout_ms)
{
    static const char *const options[] = {MONGOC_URI_SERVERSELECTIONTIMEOUTMS,
                                          MONGOC_URI_CONNECTTIMEOUTMS,
                                          MONGOC_URI_SOCKETTIMEOUTMS};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (!mongoc_uri_has_option(uri, options[i]))
            mongoc_uri_set_option_as_int32(uri, options[i], timeout_ms);
    }
    if (!mongoc_uri_has_option(uri, MONGOC_URI_SERVERSELECTIONTRYONCE))
        mongoc_uri_set_option_as_bool(uri, MONGOC_URI_SERVERSELECTIONTRYONCE, false);
}

/* What is acknowledged to us must survive the loss of a server: on the journal of most of them,
 * unless the owner's URI asks for something else. */
static void
set_write_concern(mongoc_client_t *client, const mongoc_uri_t *uri)
{
    if (mongoc_uri_has_option(uri, MONGOC_URI_W) ||
        mongoc_uri_has_option(uri, MONGOC_URI_JOURNAL))
        return;
    mongoc_write_concern_t *concern = mongoc_write_concern_new();
    mongoc_write_concern_set_w(concern, MONGOC_WRITE_CONCERN_W_MAJORITY);
    mongoc_write_concern_set_journal(concern, true);
    mongoc_client_set_write_concern(client, concern);
    mongoc_write_concern_destroy(concern);
}

static void
silence(mongoc_log_level_t level, const char *domain, const char *message, void *arg)
{
    (void)level, (void)domain, (void)message, (void)arg; /* errors reach us as bson_error_t */
}

static void
start_library(void)
{
    mongoc_init();
    mongoc_log_set_handler(silence, NULL);
}

static void *
mongodb_open(const struct storage_options *options, struct storage_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_library);
    bson_error_t reason;
    mongoc_uri_t *uri = mongoc_uri_new_with_error(options->mongodb_uri, &reason);
    if (!uri) { /* the library's text could quote the URI, and with it a password */
        backend_fail(error, STORAGE_REFUSED,
                     "MONGODB_URI is no valid URI; allowed: mongodb://HOST[:PORT]/[DATABASE]"
                     "[?OPTIONS], mongodb+srv://...");
        return NULL;
    }
    set_timeouts(uri, options->timeout_ms);
    const char *named = mongoc_uri_get_database(uri);
    const char *database = named && *named ? named : options->database;
    struct mongodb *mongodb = mem_alloc(sizeof *mongodb);
    mongodb->client = mongoc_client_new_from_uri(uri);
    if (mongodb->client) {
        mongoc_client_set_error_api(mongodb->client, MONGOC_ERROR_API_VERSION_2);
        mongoc_client_set_appname(mongodb->client, "headcount");
        set_write_concern(mongodb->client, uri);
        mongodb->database = mongoc_client_get_database(mongodb->client, database);
        mongodb->snapshots =
            mongoc_client_get_collection(mongodb->client, database, "vieweranalytics");
        mongodb->auctions = mongoc_client_get_collection(mongodb->client, database, "auctions");
    } else {
        backend_fail(error, STORAGE_REFUSED, "MONGODB_URI asks for what this build lacks");
        free(mongodb);
        mongodb = NULL;
    }
    mongoc_uri_destroy(uri);
    return mongodb;
}

static void
mongodb_close(void *handle)
{
    struct mongodb *mongodb = handle;
    mongoc_collection_destroy(mongodb->auctions);
    mongoc_collection_destroy(mongodb->snapshots);
    mongoc_database_destroy(mongodb->database);
    mongoc_client_destroy(mongodb->client);
    free(mongodb);
}

/* Runs a command (consumed) that answers nothing we need. */
static bool
run_command(struct mongodb *mongodb, bson_t *command, bson_error_t *reason)
{
    bool done =
        mongoc_database_write_command_with_opts(mongodb->database, command, NULL, NULL, reason);
    bson_destroy(command);
    return done;
}

static int
mongodb_ping(void *handle, struct storage_error *error)
{
    struct mongodb *mongodb = handle;
    bson_error_t reason;
    bson_t *command = BCON_NEW("ping", BCON_INT32(1));
    bool done = mongoc_database_command_simple(mongodb->database, command, NULL, NULL, &reason);
    bson_destroy(command);
    return done ? 0 : mongodb_fail(&reason, error);
}

static int
mongodb_prepare(void *handle, int64_t retention_s, struct storage_error *error)
{
    struct mongodb *mongodb = handle;
    bson_error_t reason;
    if (!run_command(mongodb,
                     BCON_NEW("createIndexes", "vieweranalytics", "indexes", "[", "{", "key",
                              "{", "auction", BCON_INT32(1), "timestamp", BCON_INT32(1), "}",
                              "name", "auction_1_timestamp_1", "unique", BCON_BOOL(true), "}",
                              "]"),
                     &reason))
        return mongodb_fail(&reason, error);
    if (run_command(mongodb,
                    BCON_NEW("createIndexes", "vieweranalytics", "indexes", "[", "{", "key",
                             "{", "createdAt", BCON_INT32(1), "}", "name", "createdAt_1",
                             "expireAfterSeconds", BCON_INT64(retention_s), "}", "]"),
                    &reason))
        return 0;
    if (reason.code != CODE_INDEX_OPTIONS)
        return mongodb_fail(&reason, error);
    if (!run_command(mongodb,
                     BCON_NEW("collMod", "vieweranalytics", "index", "{", "keyPattern", "{",
                              "createdAt", BCON_INT32(1), "}", "expireAfterSeconds",
                              BCON_INT64(retention_s), "}"),
                     &reason))
        return mongodb_fail(&reason, error);
    return 0;
}

/* Whether two ids name the same auction: hex digits of an ObjectId may differ in case. */
static bool
is_same(const char *a, const char *b)
{
    return auction_is_object_id(a) ? !strcasecmp(a, b) : !strcmp(a, b);
}

/* Reads the next auction of a cursor, passing over documents whose id is not ours. */
static bool
next_auction(mongoc_cursor_t *cursor, struct storage_auction *row)
{
    const bson_t *document;
    while (mongoc_cursor_next(cursor, &document)) {
        bson_iter_t at;
        if (!bson_iter_init_find(&at, document, "_id") || !document_read_id(&at, row->auction))
            continue;
        row->enabled = bson_iter_init_find(&at, document, "enableViewerAnalytics") &&
                       BSON_ITER_HOLDS_BOOL(&at) && bson_iter_bool(&at);
        return true;
    }
    return false;
}

/* Ends a cursor; 0 when it ended well. */
static int
end_cursor(mongoc_cursor_t *cursor, struct storage_error *error)
{
    bson_error_t reason;
    int result = mongoc_cursor_error(cursor, &reason) ? mongodb_fail(&reason, error) : 0;
    mongoc_cursor_destroy(cursor);
    return result;
}

static mongoc_cursor_t *
find_auctions(struct mongodb *mongodb, bson_t *filter, int64_t limit)
{
    bson_t *options =
        BCON_NEW("projection", "{", "enableViewerAnalytics", BCON_INT32(1), "}", "sort", "{",
                 "_id", BCON_INT32(1), "}", "limit", BCON_INT64(limit));
    mongoc_cursor_t *cursor =
        mongoc_collection_find_with_opts(mongodb->auctions, filter, options, NULL);
    bson_destroy(options);
    bson_destroy(filter);
    return cursor;
}

static int
mongodb_enabled(void *handle, const char *const *auctions, size_t count, bool *enabled,
                struct storage_error *error)
{
    bson_t *filter = bson_new(), id, in;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &id);
    BSON_APPEND_ARRAY_BEGIN(&id, "$in", &in);
    for (size_t i = 0; i < count; i++) {
        char buffer[16];
        const char *key;
        bson_uint32_to_string((uint32_t)i, &key, buffer, sizeof buffer);
        document_add_id(&in, key, auctions[i]);
        enabled[i] = false;
    }
    bson_append_array_end(&id, &in);
    bson_append_document_end(filter, &id);
    mongoc_cursor_t *cursor = find_auctions(handle, filter, 0);
    struct storage_auction row;
    while (next_auction(cursor, &row)) {
        for (size_t i = 0; row.enabled && i < count; i++)
            enabled[i] |= is_same(auctions[i], row.auction);
    }
    return end_cursor(cursor, error);
}

static int
mongodb_set_enabled(void *handle, const char *auction, bool enabled,
                    struct storage_error *error)
{
    struct mongodb *mongodb = handle;
    bson_error_t reason;
    bson_t filter = BSON_INITIALIZER;
    document_add_id(&filter, "_id", auction);
    bson_t *update = BCON_NEW("$set", "{", "enableViewerAnalytics", BCON_BOOL(enabled), "}");
    bson_t *options = BCON_NEW("upsert", BCON_BOOL(true));
    bool done = mongoc_collection_update_one(mongodb->auctions, &filter, update, options, NULL,
                                             &reason);
    bson_destroy(options);
    bson_destroy(update);
    bson_destroy(&filter);
    return done ? 0 : mongodb_fail_row(&reason, error);
}

static int
mongodb_read(void *handle, const struct storage_query *query, struct snapshot *rows,
             size_t *count, struct storage_error *error)
{
    struct mongodb *mongodb = handle;
    bson_t filter = BSON_INITIALIZER, range;
    document_add_id(&filter, "auction", query->auction);
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "timestamp", &range);
    BSON_APPEND_DATE_TIME(&range, "$gte", query->from_ms);
    BSON_APPEND_DATE_TIME(&range, "$lte", query->to_ms);
    bson_append_document_end(&filter, &range);
    bson_t *options =
        BCON_NEW("sort", "{", "timestamp", BCON_INT32(query->newest_first ? -1 : 1), "}",
                 "limit", BCON_INT64((int64_t)*count));
    mongoc_cursor_t *cursor =
        mongoc_collection_find_with_opts(mongodb->snapshots, &filter, options, NULL);
    bson_destroy(options);
    bson_destroy(&filter);
    const bson_t *document;
    size_t room = *count;
    *count = 0;
    while (*count < room && mongoc_cursor_next(cursor, &document)) {
        if (document_read_snapshot(document, &rows[*count]))
            snprintf(rows[(*count)++].auction, AUCTION_BYTES, "%s", query->auction);
    }
    return end_cursor(cursor, error);
}

/* The auctions that a filter on _id (taken over) finds, sorted. */
static int
read_auctions(struct mongodb *mongodb, bson_t *filter, struct storage_auction *rows,
              size_t *count, struct storage_error *error)
{
    size_t room = *count;
    mongoc_cursor_t *cursor = find_auctions(mongodb, filter, 0);
    *count = 0;
    mongoc_cursor_set_batch_size(cursor, (uint32_t)room);
    while (*count < room && next_auction(cursor, &rows[*count]))
        (*count)++;
    return end_cursor(cursor, error);
}

/* Merges two sorted lists into rows until it is full. */
static size_t
merge_auctions(const struct storage_auction *left, size_t left_count,
               const struct storage_auction *right, size_t right_count,
               struct storage_auction *rows, size_t room)
{
    size_t count = 0;
    while (count < room && (left_count || right_count)) {
        bool from_left =
            left_count && (!right_count || strcmp(left->auction, right->auction) < 0);
        rows[count++] = from_left ? *left++ : *right++;
        left_count -= from_left;
        right_count -= !from_left;
    }
    return count;
}

/* MongoDB sorts ids that are strings before ObjectIds: each kind is read, then merged. */
static int
mongodb_auctions(void *handle, const char *after, struct storage_auction *rows, size_t *count,
                 struct storage_error *error)
{
    size_t room = *count, strings = room, object_ids = 0;
    struct storage_auction *found = mem_alloc(2 * room * sizeof *found);
    char first[OBJECT_ID_BYTES];
    bson_oid_t oid;
    *count = 0;
    int failed = read_auctions(
        handle,
        BCON_NEW("_id", "{", "$type", BCON_UTF8("string"), "$gt", BCON_UTF8(after), "}"), found,
        &strings, error);
    if (!failed && document_object_id_after(after, first)) {
        object_ids = room;
        bson_oid_init_from_string(&oid, first);
        failed = read_auctions(
            handle,
            BCON_NEW("_id", "{", "$type", BCON_UTF8("objectId"), "$gte", BCON_OID(&oid), "}"),
            found + room, &object_ids, error);
    }
    if (!failed)
        *count = merge_auctions(found, strings, found + room, object_ids, rows, room);
    free(found);
    return failed;
}

static int
mongodb_auction(void *handle, const char *auction, bool *known, struct storage_auction *row,
                struct storage_error *error)
{
    bson_t *filter = bson_new();
    document_add_id(filter, "_id", auction);
    mongoc_cursor_t *cursor = find_auctions(handle, filter, 1);
    *known = next_auction(cursor, row);
    if (!*known)
        row->enabled = false;
    snprintf(row->auction, sizeof row->auction, "%s", auction);
    return end_cursor(cursor, error);
}

const struct backend mongodb_backend = {
    .kind = "mongodb",
    .open = mongodb_open,
    .close = mongodb_close,
    .prepare = mongodb_prepare,
    .ping = mongodb_ping,
    .write = mongodb_write,
    .enabled = mongodb_enabled,
    .set_enabled = mongodb_set_enabled,
    .read = mongodb_read,
    .auctions = mongodb_auctions,
    .auction = mongodb_auction,
    .expire = mongodb_expire,
};
