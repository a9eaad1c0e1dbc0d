/* Heads of requests: proper ones, and every shape that another reader could take otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request_head.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define START "GET /ws?auction=a HTTP/1.1\r\nHost: x\r\n"
#define UPGRADE                                                                                \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"               \
    "Sec-WebSocket-Key: " KEY "\r\n"

static struct viewer_request request;
static char *copy;

/* Reads a copy in memory of just that length, so that a reader past it is found. */
static enum head_read
read_bytes(const char *bytes, size_t length)
{
    size_t used = 0;
    free(copy);
    copy = malloc(length + 1);
    char *start = copy + 1; /* nor before it */
    memcpy(start, bytes, length);
    enum head_read result = request_head_read(start, length, &request, &used);
    if (result == HEAD_WHOLE)
        assert_int_equal(used, length);
    return result;
}

static enum head_read
read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}

static int
forget(void **state)
{
    (void)state;
    free(copy);
    copy = NULL;
    return 0;
}

static void
reads_a_handshake(void **state)
{
    (void)state;
    static const char head[] = START UPGRADE
        "Origin:https://shop.example \t\r\nX-Forwarded-For: 192.0.2.1\r\n"
        "x-forwarded-for: 10.0.0.1\r\nForwarded: for=192.0.2.2\r\nUser-Agent:\r\n\r\n";
    assert_int_equal(read_text(head), HEAD_WHOLE);
    assert_true(request.get && request.host && request.websocket && request.connection);
    assert_false(request.old || request.body);
    assert_string_equal(request.path, "/ws");
    assert_int_equal(request.argument_count, 1);
    assert_string_equal(request.arguments[0], "auction=a");
    assert_string_equal(request.key, KEY);
    assert_string_equal(request.version, "13");
    assert_null(request.protocols);
    assert_string_equal(request.origin, "https://shop.example");
    assert_int_equal(request.forwarded[FORWARDED_X].count, 2);
    assert_string_equal(request.forwarded[FORWARDED_X].at[1], "10.0.0.1");
    assert_string_equal(request.forwarded[FORWARDED_RFC].at[0], "for=192.0.2.2");
    for (size_t length = 0; length < sizeof head - 1; length++)
        assert_int_equal(read_bytes(head, length), HEAD_MORE);
}

static void
ends_where_the_head_does(void **state)
{
    (void)state;
    char bytes[] = START "\r\nGET / HTTP/1.1\r\n";
    size_t used = 0;
    assert_int_equal(request_head_read(bytes, sizeof bytes - 1, &request, &used), HEAD_WHOLE);
    assert_int_equal(used, strlen(START) + 2);
}

static void
reads_lists(void **state)
{
    (void)state;
    assert_int_equal(read_text(START "Connection: keep-alive,\tUpgrade\r\nUpgrade: h2c, "
                                     "WebSocket\r\n\r\n"),
                     HEAD_WHOLE);
    assert_true(request.connection && request.websocket);
    assert_int_equal(read_text(START "Connection: close\r\nConnection: upgrade\r\n"
                                     "Upgrade: websockets\r\n\r\n"),
                     HEAD_WHOLE);
    assert_true(request.connection && request.upgrade && !request.websocket);
    assert_int_equal(read_text(START "Connection: upgrades, notupgrade\r\n\r\n"), HEAD_WHOLE);
    assert_false(request.connection || request.upgrade);
}

static void
reads_targets(void **state)
{
    (void)state;
    static const struct {
        const char *target, *path, *argument;
    } good[] = {{"/", "/", NULL},
                {"*", "*", NULL},
                {"/ws?", "/ws", NULL},
                {"/ws?&&auction=%61%2db&", "/ws", "auction=a-b"},
                {"/ws?auction=a+b%20c", "/ws", "auction=a b c"},
                {"http://x/ws?auction=a", "/ws", "auction=a"},
                {"HTTPS://x:8081/ws", "/ws", NULL},
                {"/%77s", "/%77s", NULL}};
    static const char *const bad[] = {"",          "ws",          "x:1",          "/a b",
                                      "/a#b",      "/\xc3\xa9",   "/ws?a=%",      "/ws?a=%4",
                                      "/ws?a=%4x", "/ws?a=b%00c", "http://x",     "http:///ws",
                                      "http://x?", "ftp://x/ws",  "http://x?/ws", "/a\tb"};
    char head[256];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", good[i].target);
        assert_int_equal(read_text(head), HEAD_WHOLE);
        assert_string_equal(request.path, good[i].path);
        assert_int_equal(request.argument_count, good[i].argument != NULL);
        if (good[i].argument)
            assert_string_equal(request.arguments[0], good[i].argument);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", bad[i]);
        assert_int_equal(read_text(head), HEAD_BAD);
    }
}

static void
refuses_bad_first_lines(void **state)
{
    (void)state;
    static const char *const bad[] = {"GET  / HTTP/1.1",
                                      "GET / HTTP/1.1 ",
                                      " GET / HTTP/1.1",
                                      "GET /",
                                      "GET / HTTP/1",
                                      "GET / HTTP/1.1x",
                                      "GET / http/1.1",
                                      "G(T / HTTP/1.1",
                                      "GET / HTTP/11.1",
                                      "GET\t/ HTTP/1.1",
                                      "/ HTTP/1.1",
                                      " / HTTP/1.1",
                                      "GET / x HTTP/1.1",
                                      "GET / HTTP/a.1",
                                      "GET"};
    char head[256];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(head, sizeof head, "%s\r\nHost: x\r\n\r\n", bad[i]);
        assert_int_equal(read_text(head), HEAD_BAD);
    }
    assert_int_equal(read_text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HEAD_VERSION);
    assert_int_equal(read_text("GET / HTTP/0.9\r\n\r\n"), HEAD_VERSION);
    assert_int_equal(read_text("\r\n\r\n"), HEAD_BAD);
    assert_int_equal(read_text("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), HEAD_BAD);
    assert_int_equal(read_text("GET / HTTP/1.0\r\n\r\n"), HEAD_WHOLE); /* without a Host */
    assert_true(request.old);
    assert_int_equal(read_text("POST / HTTP/1.1\r\nHost: x\r\n\r\n"), HEAD_WHOLE);
    assert_false(request.get);
}

static void
refuses_what_can_be_read_in_two_ways(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n\r\n", /* no Host */
        START "Host: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
        START "Origin: https://a\r\nOrigin: https://b\r\n\r\n",
        START "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
        START "Sec-WebSocket-Version: 13\r\nsec-websocket-version: 13\r\n\r\n",
        START "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        START "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
        START "Content-Length: 5, 5\r\n\r\n",
        START "Content-Length: -1\r\n\r\n",
        START "Content-Length: +1\r\n\r\n",
        START "Content-Length: 0x1\r\n\r\n",
        START "Content-Length:\r\n\r\n",
        START "Transfer-Encoding: chunked\r\n\r\n",
        START "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        START "Transfer-Encoding: identity\r\n\r\n",
        START "Transfer-Encoding:\x0b chunked\r\n\r\n",
        START "A: b\r\n c\r\n\r\n",     /* folded */
        START "A: b\r\n\tc: d\r\n\r\n", /* folded */
        START " A: b\r\n\r\n",          /* folded into Host */
        START "A : b\r\n\r\n",          /* a blank before the colon */
        START ": b\r\n\r\n",            /* no name */
        START "A\r\n\r\n",              /* no colon */
        START "A(b): c\r\n\r\n",
        START "A: b\nC: d\r\n\r\n", /* LF alone */
        START "A: b\rC: d\r\n\r\n", /* CR alone */
        START "A: b\r\r\n\r\n",
        "GET / HTTP/1.1\nHost: x\n\n",
        START "A: \x7f\r\n\r\n",
        START "A: \x1b[2J\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(read_text(bad[i]), HEAD_BAD);
    static const char zero[] = START "A: b\0c\r\n\r\n";
    assert_int_equal(read_bytes(zero, sizeof zero - 1), HEAD_BAD);
    assert_int_equal(read_bytes("GET / HTTP/1.1\r\nHost: x\n", 24), HEAD_BAD); /* at once */
    assert_int_equal(read_bytes("\x16\x03\x01", 3), HEAD_BAD);
    assert_int_equal(read_text(START "A: \xc3\xa9\tb\r\n\r\n"), HEAD_WHOLE);
    assert_int_equal(read_text(START "Content-Length: 00\r\n\r\n"), HEAD_WHOLE);
    assert_false(request.body);
    assert_int_equal(read_text(START "Content-Length: 010\r\n\r\n"), HEAD_WHOLE);
    assert_true(request.body);
}

static void
refuses_malformed_keys(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "x",
                                      "dGhlIHNhbXBsZSBub25jZQ=",
                                      KEY "=",
                                      "dGhlIHNhbXBsZSBub25jZQAA",
                                      "dGhlIHNhbXBs*SBub25jZQ=="};
    char head[256];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(head, sizeof head, START "Sec-WebSocket-Key: %s\r\n\r\n", bad[i]);
        assert_int_equal(read_text(head), HEAD_WHOLE);
        assert_null(request.key);
    }
}

/* start, then so many times part. */
static enum head_read
read_long(const char *start, const char *part, size_t count, const char *end)
{
    size_t bytes = strlen(start) + count * strlen(part) + strlen(end);
    char *text = malloc(bytes + 1);
    strcpy(text, start);
    char *at = text + strlen(start);
    for (size_t i = 0; i < count; i++, at += strlen(part))
        strcpy(at, part);
    strcpy(at, end);
    enum head_read result = read_text(text);
    free(text);
    return result;
}

static void
bounds_everything(void **state)
{
    (void)state;
    assert_int_equal(read_long("GET /", "a", 4000, " HTTP/1.1\r\nHost: x\r\n\r\n"), HEAD_WHOLE);
    assert_int_equal(read_long("GET /", "a", 4200, ""), HEAD_TARGET);
    assert_int_equal(read_long("GET /", "a", 100000, ""), HEAD_TARGET);
    assert_int_equal(read_long(START "A: ", "a", 8000, "\r\n\r\n"), HEAD_WHOLE);
    assert_int_equal(read_long(START "A: ", "a", 8200, ""), HEAD_FIELDS);
    assert_int_equal(read_long(START, "A: b\r\n", 99, "\r\n"), HEAD_WHOLE);
    assert_int_equal(read_long(START, "A: b\r\n", 100, "\r\n"), HEAD_FIELDS);
    assert_int_equal(read_long(START, "Forwarded: a\r\n", 8, "\r\n"), HEAD_WHOLE);
    assert_int_equal(read_long(START, "Forwarded: a\r\n", 9, "\r\n"), HEAD_BAD);
    assert_int_equal(read_long("GET /ws?auction=a", "&b=c", 15, " HTTP/1.1\r\nHost: x\r\n\r\n"),
                     HEAD_WHOLE);
    assert_false(request.arguments_over);
    assert_int_equal(read_long("GET /ws?auction=a", "&b=c", 16, " HTTP/1.1\r\nHost: x\r\n\r\n"),
                     HEAD_WHOLE);
    assert_true(request.arguments_over);
}

static void
survives_noise(void **state)
{
    (void)state;
    static const char head[] = START UPGRADE "Content-Length: 0\r\nForwarded: for=x\r\n\r\n";
    unsigned chance = 1, whole = 0;
    for (int round = 0; round < 20000; round++) {
        char bytes[sizeof head];
        memcpy(bytes, head, sizeof head);
        for (unsigned changes = 1 + round % 3; changes--;) {
            chance = chance * 1664525 + 1013904223;
            bytes[(chance >> 8) % (sizeof head - 1)] = (char)(chance >> 20);
        }
        size_t used = 0;
        whole += request_head_read(bytes, sizeof head - 1, &request, &used) == HEAD_WHOLE;
    }
    assert_true(whole > 1000 && whole < 19000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(reads_a_handshake, forget),
        cmocka_unit_test(ends_where_the_head_does),
        cmocka_unit_test_teardown(reads_lists, forget),
        cmocka_unit_test_teardown(reads_targets, forget),
        cmocka_unit_test_teardown(refuses_bad_first_lines, forget),
        cmocka_unit_test_teardown(refuses_what_can_be_read_in_two_ways, forget),
        cmocka_unit_test_teardown(refuses_malformed_keys, forget),
        cmocka_unit_test_teardown(bounds_everything, forget),
        cmocka_unit_test(survives_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
