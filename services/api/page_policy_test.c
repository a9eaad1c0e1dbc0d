/* Policies name the right socket and nothing that a Host header smuggles in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "page_policy.h"

static void
expect_connect(const char *url, const char *host, const char *sources)
{
    char policy[PAGE_POLICY_BYTES], expected[PAGE_POLICY_BYTES];
    page_policy(url, host, policy);
    snprintf(expected, sizeof expected, "; connect-src 'self'%s; frame-ancestors", sources);
    assert_non_null(strstr(policy, expected));
    assert_ptr_equal(strstr(policy, "default-src 'none'; script-src 'self'; "), policy);
}

static void
names_the_socket(void **state)
{
    (void)state;
    expect_connect("wss://live.example.org/ws", "x", " wss://live.example.org");
    expect_connect("ws://10.0.0.1:81", NULL, " ws://10.0.0.1:81");
    expect_connect("", "example.org", " ws://example.org:8081 wss://example.org:8081");
    expect_connect("", "localhost:8080", " ws://localhost:8081 wss://localhost:8081");
    expect_connect("", "[::1]:8080", " ws://[::1]:8081 wss://[::1]:8081");
}

static void
lets_nothing_else_through(void **state)
{
    static const char *const hosts[] = {
        "",  "a b", "a;script-src *", "a:b",   "a:8080;", "[::1", "a:", "a\"b",
        "*", "a,b", "a:123456",       "é.org", "a/b"};
    (void)state;
    expect_connect("", NULL, "");
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        expect_connect("", hosts[i], "");
}

static void
reads_origins(void **state)
{
    char origin[PAGE_ORIGIN_BYTES];
    (void)state;
    assert_true(page_socket_origin("ws://[::1]:8081/ws", origin));
    assert_string_equal(origin, "ws://[::1]:8081");
    assert_false(page_socket_origin("http://a/ws", origin));
    assert_false(page_socket_origin("ws://", origin));
    assert_false(page_socket_origin("ws://a; b", origin));
    assert_false(page_socket_origin("ws://a?b", origin));
    assert_false(page_socket_origin("ws://a:/", origin));
    assert_false(page_socket_origin("ws://a/ b", origin));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_socket),
        cmocka_unit_test(lets_nothing_else_through),
        cmocka_unit_test(reads_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
