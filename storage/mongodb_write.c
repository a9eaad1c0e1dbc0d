/* The write that keeps the fuller snapshot, right under races and repeats with nothing newer
 * than MongoDB 3.6: for each row two plain updates in one unordered bulk, an insert if the
 * minute is new and a replacement if what is there is less full. Two writers that insert
 * the same minute at once collide on the unique index (11000); the loser sends all once more,
 * not just that pair: of a bulk that the library split, it does not tell a part that was
 * refused whole when there was such a collision in another. */
#include "clock.h"

#include "backend.h"
#include "document.h"
#include "mongodb.h"

#define CODE_DUPLICATE 11000
#define ATTEMPTS 3

enum { OPERATIONS = 2 }; /* for each row: insert, replace */

struct write {
    struct mongodb *mongodb;
    const struct snapshot *rows;
    size_t count;
    enum storage_outcome *outcomes;
    int64_t now_ms;
};

static void
add_insert(mongoc_bulk_operation_t *bulk, const struct snapshot *row, int64_t now_ms)
{
    bson_t filter = BSON_INITIALIZER, update = BSON_INITIALIZER, set;
    document_add_key(&filter, row);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "$setOnInsert", &set);
    document_add_figures(&set, row);
    BSON_APPEND_DATE_TIME(&set, "createdAt", now_ms);
    BSON_APPEND_DATE_TIME(&set, "updatedAt", now_ms);
    bson_append_document_end(&update, &set);
    bson_t *options = BCON_NEW("upsert", BCON_BOOL(true));
    mongoc_bulk_operation_update_one_with_opts(bulk, &filter, &update, options, NULL);
    bson_destroy(options);
    bson_destroy(&update);
    bson_destroy(&filter);
}

static void
add_replacement(mongoc_bulk_operation_t *bulk, const struct snapshot *row, int64_t now_ms)
{
    bson_t filter = BSON_INITIALIZER, update = BSON_INITIALIZER, set;
    bson_t unset = BSON_INITIALIZER;
    document_add_key(&filter, row);
    document_add_less_full(&filter, row);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "$set", &set);
    document_add_figures(&set, row);
    BSON_APPEND_DATE_TIME(&set, "updatedAt", now_ms);
    bson_append_document_end(&update, &set);
    if (document_add_unknown(&unset, row)) /* figures of two snapshots must not mix */
        BSON_APPEND_DOCUMENT(&update, "$unset", &unset);
    mongoc_bulk_operation_update_one_with_opts(bulk, &filter, &update, NULL, NULL);
    bson_destroy(&unset);
    bson_destroy(&update);
    bson_destroy(&filter);
}

static int64_t
read_number(const bson_t *document, const char *name)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, document, name) ? bson_iter_as_int64(&at) : -1;
}

/* Walks an array of {index, …} documents in a bulk's reply. False at its end. */
static bool
next_entry(bson_iter_t *at, bson_t *entry, int64_t *index)
{
    const uint8_t *bytes;
    uint32_t length;
    while (bson_iter_next(at)) {
        if (!BSON_ITER_HOLDS_DOCUMENT(at))
            continue;
        bson_iter_document(at, &length, &bytes);
        if (bson_init_static(entry, bytes, length) &&
            (*index = read_number(entry, "index")) >= 0)
            return true;
    }
    return false;
}

static bool
enter_array(const bson_t *reply, const char *name, bson_iter_t *at)
{
    bson_iter_t found;
    return bson_iter_init_find(&found, reply, name) && BSON_ITER_HOLDS_ARRAY(&found) &&
           bson_iter_recurse(&found, at);
}

/* Whether the stored snapshot is the one written now. */
static bool
is_ours(struct write *write, const struct snapshot *row)
{
    bson_t filter = BSON_INITIALIZER;
    document_add_key(&filter, row);
    BSON_APPEND_INT64(&filter, "sampleCount", row->sample_count);
    if (row->exact)
        BSON_APPEND_INT64(&filter, "coverageMs", row->coverage_ms);
    BSON_APPEND_DATE_TIME(&filter, "updatedAt", write->now_ms);
    bson_t *options = BCON_NEW("limit", BCON_INT64(1));
    mongoc_cursor_t *cursor =
        mongoc_collection_find_with_opts(write->mongodb->snapshots, &filter, options, NULL);
    const bson_t *document;
    bool found = mongoc_cursor_next(cursor, &document);
    mongoc_cursor_destroy(cursor);
    bson_destroy(options);
    bson_destroy(&filter);
    return found;
}

/* The reply names each inserted row, but only how many were replaced: where that leaves a
 * choice, the rows are looked up. */
static void
note_outcomes(struct write *write, const bson_t *reply)
{
    size_t open = 0;
    int64_t replaced = read_number(reply, "nModified"), index;
    bson_iter_t at;
    bson_t entry;
    if (enter_array(reply, "upserted", &at)) {
        while (next_entry(&at, &entry, &index))
            if ((size_t)index / OPERATIONS < write->count)
                write->outcomes[index / OPERATIONS] = STORAGE_SAVED;
    }
    if (replaced <= 0)
        return;
    for (size_t i = 0; i < write->count; i++)
        open += write->outcomes[i] == STORAGE_KEPT;
    bool all = (size_t)replaced >= open;
    for (size_t i = 0; i < write->count; i++) {
        if (write->outcomes[i] == STORAGE_KEPT && (all || is_ours(write, &write->rows[i])))
            write->outcomes[i] = STORAGE_SAVED;
    }
}

/* Whether races for the unique index were all that was wrong with a bulk that failed; else
 * *error tells: the way to the server, the copies on other servers, a row that is refused. */
static bool
is_lost_race(const bson_t *reply, bson_error_t *reason, struct storage_error *error)
{
    bson_iter_t at;
    bson_t entry;
    int64_t index, code = 0;
    if (enter_array(reply, "writeConcernErrors", &at) && bson_iter_next(&at))
        reason->domain = MONGOC_ERROR_WRITE_CONCERN;
    mongodb_fail(reason, error);
    if (reason->domain != MONGOC_ERROR_SERVER || !enter_array(reply, "writeErrors", &at))
        return false;
    while (next_entry(&at, &entry, &index)) {
        code = read_number(&entry, "code");
        if (code == CODE_DUPLICATE)
            continue;
        reason->code = (uint32_t)code;
        mongodb_fail_row(reason, error);
        return false;
    }
    return code == CODE_DUPLICATE;
}

enum sent { SENT, SENT_IN_VAIN, SENT_AGAIN };

static enum sent
send_rows(struct write *write, struct storage_error *error)
{
    bson_t *options = BCON_NEW("ordered", BCON_BOOL(false)), reply;
    bson_error_t reason = {0};
    mongoc_bulk_operation_t *bulk =
        mongoc_collection_create_bulk_operation_with_opts(write->mongodb->snapshots, options);
    for (size_t i = 0; i < write->count; i++) {
        add_insert(bulk, &write->rows[i], write->now_ms);
        add_replacement(bulk, &write->rows[i], write->now_ms);
    }
    enum sent sent = SENT;
    if (!mongoc_bulk_operation_execute(bulk, &reply, &reason))
        sent = is_lost_race(&reply, &reason, error) ? SENT_AGAIN : SENT_IN_VAIN;
    if (sent != SENT_IN_VAIN)
        note_outcomes(write, &reply);
    bson_destroy(&reply);
    mongoc_bulk_operation_destroy(bulk);
    bson_destroy(options);
    return sent;
}

int
mongodb_write(void *handle, const struct snapshot *rows, size_t count,
              enum storage_outcome *outcomes, struct storage_error *error)
{
    struct write write = {.mongodb = handle,
                          .rows = rows,
                          .count = count,
                          .outcomes = outcomes,
                          .now_ms = clock_wall_ms()};
    enum sent sent = SENT_AGAIN;
    for (size_t i = 0; i < count; i++)
        outcomes[i] = STORAGE_KEPT;
    for (int i = 0; i < ATTEMPTS && sent == SENT_AGAIN; i++)
        sent = send_rows(&write, error);
    if (sent == SENT_AGAIN) { /* other writers, or a unique index that is not ours */
        backend_fail(error, STORAGE_UNAVAILABLE,
                     "MongoDB: snapshots keep colliding with what is there");
        error->unknown = true;
    }
    return sent == SENT ? 0 : -1;
}

/* Adds the _ids of up to most old snapshots to an array; how many. */
static size_t
collect_old(struct mongodb *mongodb, int64_t before_ms, size_t most, bson_t *ids,
            mongoc_cursor_t **cursor)
{
    bson_t filter = BSON_INITIALIZER, older;
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "createdAt", &older);
    BSON_APPEND_DATE_TIME(&older, "$lt", before_ms);
    bson_append_document_end(&filter, &older);
    bson_t *options = BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}", "limit",
                               BCON_INT64((int64_t)most));
    *cursor = mongoc_collection_find_with_opts(mongodb->snapshots, &filter, options, NULL);
    const bson_t *document;
    size_t count = 0;
    bson_iter_t at;
    while (mongoc_cursor_next(*cursor, &document)) {
        char buffer[16];
        const char *key;
        bson_uint32_to_string((uint32_t)count, &key, buffer, sizeof buffer);
        if (bson_iter_init_find(&at, document, "_id")) {
            bson_append_iter(ids, key, -1, &at);
            count++;
        }
    }
    bson_destroy(options);
    bson_destroy(&filter);
    return count;
}

int
mongodb_expire(void *handle, int64_t before_ms, size_t most, size_t *deleted,
               struct storage_error *error)
{
    struct mongodb *mongodb = handle;
    bson_t filter = BSON_INITIALIZER, id, ids, reply;
    bson_error_t reason;
    mongoc_cursor_t *cursor;
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "_id", &id);
    BSON_APPEND_ARRAY_BEGIN(&id, "$in", &ids);
    *deleted = collect_old(mongodb, before_ms, most, &ids, &cursor);
    bson_append_array_end(&id, &ids);
    bson_append_document_end(&filter, &id);
    bool failed = mongoc_cursor_error(cursor, &reason);
    if (!failed && *deleted) {
        failed =
            !mongoc_collection_delete_many(mongodb->snapshots, &filter, NULL, &reply, &reason);
        *deleted = failed ? 0 : (size_t)read_number(&reply, "deletedCount");
        bson_destroy(&reply);
    }
    mongoc_cursor_destroy(cursor);
    bson_destroy(&filter);
    return failed ? mongodb_fail(&reason, error) : 0;
}
