/* The very commands that a MongoDB server is sent, seen by command monitoring: what they ask
 * for must not depend on how much of it a server does. Needs MONGODB_URI. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend.h"
#include "mongodb.h"

#define SEEN_MAX 64

static struct {
    char *name;
    char *text; /* relaxed JSON */
} seen[SEEN_MAX];
static size_t seen_count;

static void
on_started(const mongoc_apm_command_started_t *event)
{
    if (seen_count == SEEN_MAX)
        return;
    seen[seen_count].name = strdup(mongoc_apm_command_started_get_command_name(event));
    seen[seen_count++].text =
        bson_as_relaxed_extended_json(mongoc_apm_command_started_get_command(event), NULL);
}

static const char *
find_seen(const char *name, size_t nth)
{
    for (size_t i = 0; i < seen_count; i++) {
        if (!strcmp(seen[i].name, name) && !nth--)
            return seen[i].text;
    }
    fail_msg("no %s was sent", name);
    return "";
}

static void
forget_seen(void)
{
    while (seen_count) {
        free(seen[--seen_count].name);
        bson_free(seen[seen_count].text);
    }
}

static void
assert_has(const char *text, const char *part)
{
    assert_non_null(text);
    if (!strstr(text, part)) {
        print_error("%s\nis not in\n%s\n", part, text);
        fail();
    }
}

static int
set_up(void **state)
{
    char database[64];
    struct storage_error error;
    snprintf(database, sizeof database, "mongodb_test_%d", (int)getpid());
    struct storage_options options = {
        .mongodb_uri = getenv("MONGODB_URI"), .database = database, .timeout_ms = 5000};
    struct mongodb *mongodb = mongodb_backend.open(&options, &error);
    if (!mongodb)
        return -1;
    mongoc_apm_callbacks_t *callbacks = mongoc_apm_callbacks_new();
    mongoc_apm_set_command_started_cb(callbacks, on_started);
    mongoc_client_set_apm_callbacks(mongodb->client, callbacks, NULL);
    mongoc_apm_callbacks_destroy(callbacks);
    *state = mongodb;
    return 0;
}

static int
tear_down(void **state)
{
    struct mongodb *mongodb = *state;
    mongoc_database_drop(mongodb->database, NULL);
    mongodb_backend.close(mongodb);
    forget_seen();
    return 0;
}

static void
test_indexes_are_asked_for(void **state)
{
    struct storage_error error;
    assert_int_equal(mongodb_backend.prepare(*state, 90 * 86400, &error), 0);
    const char *unique = find_seen("createIndexes", 0);
    assert_has(unique, "\"createIndexes\" : \"vieweranalytics\"");
    assert_has(unique, "\"key\" : { \"auction\" : 1, \"timestamp\" : 1 }");
    assert_has(unique, "\"unique\" : true");
    const char *expiry = find_seen("createIndexes", 1);
    assert_has(expiry, "\"key\" : { \"createdAt\" : 1 }");
    assert_has(expiry, "\"expireAfterSeconds\" : 7776000");
}

static void
test_another_retention_changes_the_index(void **state)
{
    struct storage_error error;
    assert_int_equal(mongodb_backend.prepare(*state, 90 * 86400, &error), 0);
    forget_seen();
    assert_int_equal(mongodb_backend.prepare(*state, 30 * 86400, &error), 0);
    const char *change = find_seen("collMod", 0);
    assert_has(change, "\"keyPattern\" : { \"createdAt\" : 1 }");
    assert_has(change, "\"expireAfterSeconds\" : 2592000");
}

static void
test_a_row_is_two_updates_on_the_journal_of_most_servers(void **state)
{
    struct storage_error error;
    struct snapshot row = {.auction = "lot-1",
                           .timestamp_ms = 1761055200000,
                           .viewer_count = 475,
                           .avg_viewers = 445.5,
                           .peak_viewers = 475,
                           .min_viewers = 420,
                           .sample_count = 12};
    enum storage_outcome outcome;
    assert_int_equal(mongodb_backend.write(*state, &row, 1, &outcome, &error), 0);
    const char *update = find_seen("update", 0);
    assert_has(update, "\"ordered\" : false");
    assert_has(update, "\"w\" : \"majority\"");
    assert_has(update, "\"j\" : true");
    assert_has(update, "\"$setOnInsert\"");
    assert_has(update, "\"upsert\" : true");
    assert_has(update, "\"sampleCount\" : { \"$lt\" : 12 }");
    assert_has(update, "\"createdAt\" : { \"$date\"");
    assert_int_equal(mongodb_backend.set_enabled(*state, "lot-1", true, &error), 0);
    assert_has(find_seen("update", 1), "\"$set\" : { \"enableViewerAnalytics\" : true }");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_indexes_are_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_retention_changes_the_index, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_a_row_is_two_updates_on_the_journal_of_most_servers, set_up, tear_down),
    };
    if (!getenv("MONGODB_URI"))
        return 77; /* skipped */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
