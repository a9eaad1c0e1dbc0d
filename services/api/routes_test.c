/* The table of routes, what it answers to, and that openapi.json says the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>

#include "api_error.h"
#include "openapi.h"
#include "routes.h"

static struct route_match
find(const char *method, const char *text, struct target *target)
{
    target_init(target, text);
    assert_int_equal(target->result, TARGET_OK);
    return route_find(routes, route_count, method, target);
}

static void
expect(const char *method, const char *text, enum route_result result, const char *detail)
{
    struct target target;
    struct route_match match = find(method, text, &target);
    assert_int_equal(match.result, result);
    if (result == ROUTE_FOUND && detail)
        assert_string_equal(match.argument, detail);
    if (result == ROUTE_NO_METHOD)
        assert_string_equal(match.allow, detail);
    target_fini(&target);
}

static void
finds_what_is_there(void **state)
{
    (void)state;
    expect("GET", "/", ROUTE_FOUND, NULL);
    expect("HEAD", "/auctions/lot-12/live", ROUTE_FOUND, "lot-12");
    expect("GET", "/api/v1/auctions?limit=3", ROUTE_FOUND, NULL);
    expect("POST", "/api/v1/auctions/a/analytics/snapshot", ROUTE_FOUND, "a");
    expect("PATCH", "/api/v1/auctions/a%5Fb/settings", ROUTE_FOUND, "a_b");
    expect("GET", "/assets/anything.%2e", ROUTE_FOUND, "anything..");
}

static void
tells_path_from_method(void **state)
{
    (void)state;
    expect("GET", "/api/v1/auctions/", ROUTE_NO_PATH, NULL);
    expect("GET", "/api/v1", ROUTE_NO_PATH, NULL);
    expect("GET", "/auctions/a/live/more", ROUTE_NO_PATH, NULL);
    expect("GET", "//", ROUTE_NO_PATH, NULL);
    expect("GET", "/api%2Fv1/auctions", ROUTE_NO_PATH, NULL);
    expect("GET", "/assets/a/b", ROUTE_NO_PATH, NULL);
    expect("DELETE", "/api/v1/auctions/a/settings", ROUTE_NO_METHOD, "GET, HEAD, PATCH");
    expect("HEAD", "/api/v1/auctions/a/analytics/snapshot", ROUTE_NO_METHOD, "POST");
    expect("get", "/", ROUTE_NO_METHOD, "GET, HEAD");
}

static void
takes_nothing_but_ids(void **state)
{
    char longest[128];
    (void)state;
    expect("GET", "/auctions/", ROUTE_BAD_ID, NULL);
    expect("GET", "/auctions/a%20b", ROUTE_BAD_ID, NULL);
    expect("GET", "/auctions/a%2Fb", ROUTE_BAD_ID, NULL);
    expect("GET", "/auctions/%C3%A9", ROUTE_BAD_ID, NULL);
    snprintf(longest, sizeof longest, "/auctions/%064d", 1);
    expect("GET", longest, ROUTE_FOUND, longest + 10);
    snprintf(longest, sizeof longest, "/auctions/%065d", 1);
    expect("GET", longest, ROUTE_BAD_ID, NULL);
}

/* "/a/:id/b" as OpenAPI writes it: "/a/{id}/b". */
static void
write_path(const char *pattern, char path[128])
{
    const char *colon = strchr(pattern, ':');
    size_t name = colon ? strcspn(colon + 1, "/") : 0;
    if (colon)
        snprintf(path, 128, "%.*s{%.*s}%s", (int)(colon - pattern), pattern, (int)name,
                 colon + 1, colon + 1 + name);
    else
        snprintf(path, 128, "%s", pattern);
}

static json_t *
read_description(void)
{
    const struct embedded_file *file = embedded_find(&openapi_files, "openapi.json");
    json_error_t error;
    json_t *description =
        json_loadb((const char *)file->bytes, file->length, JSON_REJECT_DUPLICATES, &error);
    if (!description)
        fail_msg("openapi.json: line %d: %s", error.line, error.text);
    return description;
}

static void
every_route_is_described(void **state)
{
    json_t *description = read_description();
    json_t *paths = json_object_get(description, "paths");
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        char path[128], method[16];
        write_path(routes[i].pattern, path);
        snprintf(method, sizeof method, "%s", routes[i].method);
        for (char *c = method; *c; c++)
            *c |= 0x20;
        json_t *operation = json_object_get(json_object_get(paths, path), method);
        if (!operation)
            fail_msg("openapi.json says nothing of %s %s", routes[i].method, path);
        bool secured = json_array_size(json_object_get(operation, "security"));
        assert_int_equal(secured, routes[i].access != ACCESS_PUBLIC);
        json_object_del(json_object_get(paths, path), method);
    }
    const char *path, *method;
    json_t *operations, *operation;
    json_object_foreach(paths, path, operations)
    {
        json_object_foreach(operations, method, operation)
        {
            if (strcmp(method, "parameters"))
                fail_msg("openapi.json describes %s %s, which is not there", method, path);
        }
    }
    json_decref(description);
}

static void
every_error_is_described(void **state)
{
    json_t *description = read_description();
    const char *path[] = {"components", "schemas", "ErrorCode", "enum"};
    json_t *codes = description;
    (void)state;
    for (size_t i = 0; i < 4; i++)
        codes = json_object_get(codes, path[i]);
    assert_int_equal(json_array_size(codes), API_ERROR_COUNT);
    for (size_t i = 0; i < API_ERROR_COUNT; i++)
        assert_string_equal(json_string_value(json_array_get(codes, i)), api_errors[i].code);
    json_decref(description);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_there),      cmocka_unit_test(tells_path_from_method),
        cmocka_unit_test(takes_nothing_but_ids),    cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(every_error_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
