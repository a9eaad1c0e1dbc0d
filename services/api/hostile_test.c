/* Every decoder of outside text, fed with mutations of what is right: no crash, no overrun (run
 * with sanitizers), and nothing accepted that breaks its promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "chance.h"

#include "auth.h"
#include "etag.h"
#include "mem.h"
#include "page_policy.h"
#include "routes.h"
#include "settings_body.h"
#include "snapshot_body.h"
#include "snapshot_query.h"

#define ROUNDS 20000
#define TEXT_BYTES 400
#define NOW_MS 1761056160000

static struct chance chance;

/* seed with a few bytes changed, removed, doubled or cut off; exactly as long as its memory. */
static char *
mutate(const char *seed, size_t *length)
{
    char text[TEXT_BYTES];
    *length = strlen(seed);
    memcpy(text, seed, *length);
    for (uint64_t i = chance_below(&chance, 6); i; i--) {
        size_t at = chance_below(&chance, *length + 1);
        uint64_t how = chance_below(&chance, 4);
        if (how == 0 && at < *length)
            text[at] = (char)(1 + chance_below(&chance, 255));
        else if (how == 1 && at < *length)
            memmove(text + at, text + at + 1, --*length - at);
        else if (how == 2 && *length + 1 < sizeof text) {
            memmove(text + at + 1, text + at, *length - at);
            text[at] = "{}[]\",:%&?=/+-.0eE9n\\u"[chance_below(&chance, 23)]; /* zero, too */
            ++*length;
        } else if (how == 3 && chance_percent(&chance, 10))
            *length = at;
    }
    char *copy = mem_alloc(*length + 1);
    memcpy(copy, text, *length);
    return copy;
}

static void
bodies_bear_anything(void **state)
{
    static const char seed[] =
        "{\"timestamp\":\"2025-10-21T14:15:00Z\",\"viewerCount\":475,\"avgViewers\":445,"
        "\"peakViewers\":475,\"minViewers\":420,\"sampleCount\":12}";
    (void)state;
    for (int i = 0, rounds = chance_steps(ROUNDS); i < rounds; i++) {
        struct snapshot snapshot;
        size_t length;
        char *body = mutate(seed, &length), reason[BODY_REASON_BYTES] = "";
        char checked[SNAPSHOT_REASON_BYTES];
        if (snapshot_body_decode("a", body, length, NOW_MS, &snapshot, reason) !=
            API_ERROR_COUNT)
            assert_true(*reason && strlen(reason) < sizeof reason);
        else
            assert_int_equal(snapshot_check(&snapshot, NOW_MS, checked), 0);
        free(body);
    }
}

static void
settings_bear_anything(void **state)
{
    (void)state;
    for (int i = 0, rounds = chance_steps(ROUNDS); i < rounds; i++) {
        size_t length;
        bool enabled;
        char *body = mutate("{\"enableViewerAnalytics\":true}", &length);
        char reason[BODY_REASON_BYTES] = "";
        if (settings_body_decode(body, length, &enabled, reason) != API_ERROR_COUNT)
            assert_true(*reason && strlen(reason) < sizeof reason);
        free(body);
    }
}

static void
targets_bear_anything(void **state)
{
    (void)state;
    for (int i = 0, rounds = chance_steps(ROUNDS); i < rounds; i++) {
        struct target target;
        struct snapshot_query query;
        size_t length;
        char *text = mutate("/api/v1/auctions/lot%2D1/analytics/viewers?timeRange=24h"
                            "&from=2025-10-21T14:15:00Z&to=2025-10-21T16:15:00%2B02:00&limit=7",
                            &length);
        char reason[SNAPSHOT_QUERY_REASON_BYTES] = "";
        target_init(&target, text);
        free(text);
        struct route_match match = route_find(routes, route_count, "GET", &target);
        if (match.result == ROUTE_FOUND && match.argument &&
            strstr(match.route->pattern, ":id"))
            assert_true(auction_valid(match.argument, strlen(match.argument)));
        if (snapshot_query_parse(&target, NOW_MS, &query, reason) == API_ERROR_COUNT)
            assert_true(query.from_ms <= query.to_ms && query.limit > 0);
        else
            assert_true(*reason && strlen(reason) < sizeof reason);
        target_fini(&target);
    }
}

static void
headers_bear_anything(void **state)
{
    struct keyring *keys = keyring_new("a-long-secret", "another-secret");
    (void)state;
    for (int i = 0, rounds = chance_steps(ROUNDS); i < rounds; i++) {
        size_t length;
        char policy[PAGE_POLICY_BYTES], origin[PAGE_ORIGIN_BYTES];
        char *host = mutate("live.example.org:8080", &length);
        page_policy("", host, policy);
        assert_null(strpbrk(policy, "\r\n\",*"));
        int semicolons = 0;
        for (const char *c = policy; *c; c++)
            semicolons += *c == ';';
        assert_int_equal(semicolons, 7);
        free(host);
        char *url = mutate("wss://live.example.org:443/ws", &length);
        if (page_socket_origin(url, origin))
            assert_null(strpbrk(origin, "; ,*\"'\r\n"));
        free(url);
        char *tags = mutate("W/\"abc\", \"def\", \"\"", &length);
        etag_matches(tags, "\"def\"");
        free(tags);
        char *bearer = mutate("Bearer a-long-secret", &length);
        if (auth_find(keys, NULL, bearer))
            assert_string_equal(bearer + strlen(bearer) - 13, "a-long-secret");
        free(bearer);
    }
    keyring_destroy(&keys);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_bear_anything),
        cmocka_unit_test(settings_bear_anything),
        cmocka_unit_test(targets_bear_anything),
        cmocka_unit_test(headers_bear_anything),
    };
    chance.state = chance_seed("hostile");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
