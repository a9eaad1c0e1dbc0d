/* Addresses, their groups, networks, and viewers behind proxies. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>

#include "address.h"
#include "forwarded.h"

static struct address
make(const char *text)
{
    struct address address;
    assert_true(address_read(text, strlen(text), &address));
    return address;
}

static bool
same(struct address a, struct address b)
{
    return !memcmp(&a, &b, sizeof a);
}

static bool
same_group(const char *one, const char *other)
{
    struct address a = make(one), b = make(other);
    return same(address_group(&a), address_group(&b));
}

static void
reads_addresses(void **state)
{
    (void)state;
    assert_true(same(make("192.0.2.1"), make("::ffff:192.0.2.1")));
    assert_true(same(make("192.0.2.1"), make("192.0.2.1:65535")));
    assert_true(same(make("192.0.2.1"), make("[::ffff:c000:201]:80")));
    assert_true(same(make("2001:db8::1"), make("[2001:db8:0::1]:443")));
    assert_true(same(make("2001:db8::1"), make("[2001:DB8::1]")));
    assert_false(same(make("2001:db8::1"), make("2001:db8::2")));
    static const char *const wrong[] = {"",
                                        "unknown",
                                        "_hidden",
                                        "192.0.2",
                                        "192.0.2.256",
                                        "192.0.2.1:",
                                        "192.0.2.1:x",
                                        "192.0.2.1:123456",
                                        "[192.0.2.1]",
                                        "[2001:db8::1",
                                        "[2001:db8::1]80",
                                        "2001:db8::1]",
                                        "2001:db8::g",
                                        " 192.0.2.1",
                                        "shop.example",
                                        "0000000000000000000000000000000000000000000000000"
                                        "00000000000000000000000000000000000000000000000"};
    struct address address;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(address_read(wrong[i], strlen(wrong[i]), &address));
    assert_false(address_read("1.2.3.4\0x", 9, &address));
    assert_true(address_read("1.2.3.4junk", 7, &address));
}

static void
reads_sockets(void **state)
{
    (void)state;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct address address;
    inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
    assert_true(address_of_socket((struct sockaddr *)&v4, &address));
    assert_true(same(address, make("192.0.2.1")));
    inet_pton(AF_INET6, "::ffff:192.0.2.1", &v6.sin6_addr);
    assert_true(address_of_socket((struct sockaddr *)&v6, &address));
    assert_true(same(address, make("192.0.2.1")));
    assert_false(address_of_socket(&other, &address));
}

static void
groups_as_limits_count(void **state)
{
    (void)state;
    assert_false(same_group("192.0.2.1", "192.0.2.2"));
    assert_true(same_group("192.0.2.1", "::ffff:192.0.2.1"));
    assert_true(same_group("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_false(same_group("2001:db8:1:2::1", "2001:db8:1:3::1"));
    assert_false(same_group("::1", "0.0.0.1"));
}

static bool
holds(const char *list, const char *text)
{
    struct networks *networks = networks_read(list);
    assert_non_null(networks);
    struct address address = make(text);
    bool held = networks_hold(networks, &address);
    networks_destroy(&networks);
    return held;
}

static void
knows_networks(void **state)
{
    (void)state;
    assert_true(holds("10.0.0.0/8", "10.255.0.1"));
    assert_true(holds("10.0.0.0/8", "::ffff:10.255.0.1"));
    assert_false(holds("10.0.0.0/8", "11.0.0.0"));
    assert_true(holds("192.0.2.1", "192.0.2.1"));
    assert_false(holds("192.0.2.1", "192.0.2.3"));
    assert_true(holds("192.0.2.0/30", "192.0.2.3"));
    assert_false(holds("192.0.2.0/30", "192.0.2.4"));
    assert_true(holds("127.0.0.0/8,::1", "::1"));
    assert_true(holds("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(holds("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(holds("0.0.0.0/0", "203.0.113.9"));
    assert_false(holds("0.0.0.0/0", "2001:db8::1"));
    assert_true(holds("::/0", "203.0.113.9"));
    assert_false(holds("none", "127.0.0.1"));
    static const char *const wrong[] = {
        "",         ",",           "10.0.0.0/33",  "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1",
        "::/129",   "10.0.0/8",    "shop.example", "none,::1",  "[::1]",      "10.0.0.1:80",
        "::1/1234", "10.0.0.0/8/8"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_null(networks_read(wrong[i]));
}

/* The viewer that the lines name behind proxies in 10/8 and 2001:db8:10::/48; NULL: none. */
static void
check_viewer(enum forwarded_form form, const char *first, const char *second,
             const char *expected)
{
    struct networks *proxies = networks_read("10.0.0.0/8, 2001:db8:10::/48");
    const char *const lines[] = {first, second};
    struct address address;
    bool found =
        forwarded_viewer(form, lines, (first != NULL) + (second != NULL), proxies, &address);
    assert_int_equal(found, expected != NULL);
    if (expected)
        assert_true(same(address, make(expected)));
    networks_destroy(&proxies);
}

static void
believes_only_the_right(void **state)
{
    (void)state;
    check_viewer(FORWARDED_X, "192.0.2.1", NULL, "192.0.2.1");
    check_viewer(FORWARDED_X, "203.0.113.7, 192.0.2.1", NULL, "192.0.2.1"); /* a forged left */
    check_viewer(FORWARDED_X, "203.0.113.7, 192.0.2.1 , 10.0.0.1,10.0.0.2", NULL, "192.0.2.1");
    check_viewer(FORWARDED_X, "203.0.113.7", "192.0.2.1", "192.0.2.1"); /* a line of its own */
    check_viewer(FORWARDED_X, "192.0.2.1", "10.0.0.1", "192.0.2.1");
    check_viewer(FORWARDED_X, "2001:db8::1, 2001:db8:10::1", NULL, "2001:db8::1");
    check_viewer(FORWARDED_X, "192.0.2.1:4711", NULL, "192.0.2.1");
    check_viewer(FORWARDED_X, "192.0.2.1, unknown", NULL, NULL);
    check_viewer(FORWARDED_X, "192.0.2.1, ", NULL, NULL);
    check_viewer(FORWARDED_X, "192.0.2.1,,10.0.0.1", NULL, NULL);
    check_viewer(FORWARDED_X, "10.0.0.2, 10.0.0.1", NULL, NULL);
    check_viewer(FORWARDED_X, "", NULL, NULL);
    check_viewer(FORWARDED_X, NULL, NULL, NULL);
    check_viewer(FORWARDED_X, "for=192.0.2.1", NULL, NULL);
}

static void
reads_rfc_7239(void **state)
{
    (void)state;
    check_viewer(FORWARDED_RFC, "for=192.0.2.1", NULL, "192.0.2.1");
    check_viewer(FORWARDED_RFC, "For=\"[2001:db8::17]:4711\";proto=https", NULL,
                 "2001:db8::17");
    check_viewer(FORWARDED_RFC, "for=203.0.113.7, proto=http; by=x;for=192.0.2.1, for=10.1.1.1",
                 NULL, "192.0.2.1");
    check_viewer(FORWARDED_RFC, "for=unknown", NULL, NULL);
    check_viewer(FORWARDED_RFC, "for=192.0.2.1, by=10.0.0.1", NULL, NULL);
    check_viewer(FORWARDED_RFC, "for=\"", NULL, NULL);
    check_viewer(FORWARDED_RFC, "192.0.2.1", NULL, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_addresses),         cmocka_unit_test(reads_sockets),
        cmocka_unit_test(groups_as_limits_count),  cmocka_unit_test(knows_networks),
        cmocka_unit_test(believes_only_the_right), cmocka_unit_test(reads_rfc_7239),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
