/* Lists, kinds, and one spelling for each address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <uv.h>

#include "endpoint.h"

static void
test_lists(void **state)
{
    (void)state;
    const char *list = " tcp://a:1, ipc://x ,,tcp://[::1]:2,";
    const char *expected[] = {"tcp://a:1", "ipc://x", "tcp://[::1]:2"};
    char endpoint[ENDPOINT_BYTES];
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(endpoint_next(&list, endpoint));
        assert_string_equal(endpoint, expected[i]);
    }
    assert_false(endpoint_next(&list, endpoint));
    assert_string_equal(endpoint, "");
    list = "tcp://a:1,udp://b:1";
    assert_true(endpoint_next(&list, endpoint));
    assert_false(endpoint_next(&list, endpoint));
    assert_string_equal(endpoint, "udp://b:1");
    static const char *const ports[] = {"tcp://a:65535", "tcp://a:0", "tcp://a:*"};
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
        assert_true(endpoint_next(&(const char *){ports[i]}, endpoint));
    static const char *const none[] = {"tcp://a:65536", "tcp://a:",      "tcp://a:x",
                                       "tcp://a:-1",    "tcp://a:99999", "tcp://a"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(endpoint_next(&(const char *){none[i]}, endpoint));
}

static void
test_names(void **state)
{
    (void)state;
    static const char *const good[][3] = {
        {"tcp://gateway:5000", "gateway", "5000"},
        {"tcp://gateway.shop.svc.cluster.local:1", "gateway.shop.svc.cluster.local", "1"},
        {"tcp://a_b-c.d.:65535", "a_b-c.d.", "65535"},
        {"tcp://localhost:00080", "localhost", "80"},
        {"tcp://1.2.3:4", "1.2.3", "4"}};
    struct endpoint endpoint;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(endpoint_read(good[i][0], &endpoint), ENDPOINT_NAME);
        assert_string_equal(endpoint.host, good[i][1]);
        assert_string_equal(endpoint.port, good[i][2]);
    }
}

static void
test_fixed(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"ipc://run/gateway.ipc", "ipc://run/gateway.ipc"},
        {"tcp://192.0.2.1:5000", "tcp://192.0.2.1:5000"},
        {"tcp://[2001:db8:0:0::1]:5000", "tcp://[2001:db8::1]:5000"},
        {"tcp://2001:db8::1:5000", "tcp://[2001:db8::1]:5000"},
        {"tcp://[::ffff:192.0.2.1]:5000", "tcp://192.0.2.1:5000"}};
    struct endpoint endpoint;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(endpoint_read(good[i][0], &endpoint), ENDPOINT_FIXED);
        assert_string_equal(endpoint.text, good[i][1]);
    }
}

static void
test_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "tcp://",
                                      "ipc://",
                                      "tcp://a",
                                      "tcp://:1",
                                      "tcp://a:",
                                      "tcp://a:0",
                                      "tcp://a:65536",
                                      "tcp://a:123456",
                                      "tcp://a:1x",
                                      "tcp://a:*",
                                      "tcp://*:1",
                                      "tcp://a b:1",
                                      "tcp://[a]:1",
                                      "tcp://-a:1",
                                      "tcp://a/b:1",
                                      "tcp://x;y:1",
                                      "tcp://[::1:1",
                                      "udp://a:1",
                                      "tcp://.:1"};
    struct endpoint endpoint;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (endpoint_read(bad[i], &endpoint) != ENDPOINT_BAD)
            fail_msg("'%s' was taken", bad[i]);
    char longest[2 * ENDPOINT_BYTES] = "ipc://";
    memset(longest + 6, 'x', sizeof longest - 7);
    assert_int_equal(endpoint_read(longest, &endpoint), ENDPOINT_BAD);
    memcpy(longest, "tcp://", 6);
    strcpy(longest + 400, ":1"); /* longer than a name may be */
    assert_int_equal(endpoint_read(longest, &endpoint), ENDPOINT_BAD);
}

static void
test_addresses(void **state)
{
    (void)state;
    struct sockaddr_in6 address = {.sin6_family = AF_UNIX};
    char text[ENDPOINT_BYTES] = "";
    assert_false(endpoint_of_address((struct sockaddr *)&address, text));
    uv_ip6_addr("fe80::1%lo", 7, &address);
    assert_true(endpoint_of_address((struct sockaddr *)&address, text));
    assert_string_equal(text, "tcp://[fe80::1%lo]:7");
    struct endpoint endpoint;
    assert_int_equal(endpoint_read(text, &endpoint), ENDPOINT_FIXED);
    assert_string_equal(endpoint.text, text);
}

static void
test_what_stays_on_this_machine(void **state)
{
    static const char *const local[] = {
        "ipc://a",       "tcp://127.0.0.1:1",          "tcp://127.9.9.9:1", "tcp://localhost:1",
        "tcp://[::1]:1", "tcp://[::ffff:127.0.0.1]:1", "tcp://[::1%lo]:1"};
    static const char *const remote[] = {"tcp://0.0.0.0:1", "tcp://10.0.0.1:1",
                                         "tcp://[::]:1",    "tcp://[::ffff:10.0.0.1]:1",
                                         "tcp://gateway:1", "tcp://[fe80::1%lo]:1"};
    (void)state;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if (!endpoint_is_local(local[i]))
            fail_msg("%s was taken to leave the machine", local[i]);
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
        if (endpoint_is_local(remote[i]))
            fail_msg("%s was taken to stay on the machine", remote[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),     cmocka_unit_test(test_names),
        cmocka_unit_test(test_fixed),     cmocka_unit_test(test_bad),
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_what_stays_on_this_machine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
