/* The operator's port, asked over a real socket while the loop turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin.h"
#include "capture.h"
#include "clock.h"

#define DEADLINE_MS 10000

static const struct metric table[] = {{"test_total", NULL, METRIC_COUNTER, "A number."}};

static uv_loop_t loop;
static struct metrics *metrics;
static struct admin *admin;
static int port;
static bool ready;

static bool
is_ready(void *arg, const char **why)
{
    (void)arg;
    *why = "no database";
    return ready;
}

static int
start(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    metrics = metrics_new(table, 1);
    struct capture capture;
    capture_start(&capture, STDERR_FILENO);
    admin = admin_new(&loop, "127.0.0.1", 0, metrics, is_ready, NULL);
    char *line = capture_end(&capture);
    const char *found = strstr(line, " port=");
    port = found ? atoi(found + strlen(" port=")) : 0;
    free(line);
    return admin && port ? 0 : -1;
}

static int
stop(void **state)
{
    (void)state;
    admin_destroy(&admin);
    admin_destroy(&admin);
    uv_run(&loop, UV_RUN_DEFAULT);
    metrics_destroy(&metrics);
    return uv_loop_close(&loop);
}

/* Sends a request and turns the loop until the answer has come whole. */
static char *
ask(const char *request, char answer[8192])
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, "127.0.0.1", &place.sin_addr);
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(peer, (struct sockaddr *)&place, sizeof place), 0);
    assert_int_equal(send(peer, request, strlen(request), 0), strlen(request));
    size_t length = 0;
    int64_t deadline_ms = clock_mono_ms() + DEADLINE_MS;
    for (ssize_t got = -1; got;) {
        assert_true(clock_mono_ms() < deadline_ms);
        uv_run(&loop, UV_RUN_NOWAIT);
        got = recv(peer, answer + length, 8191 - length, MSG_DONTWAIT);
        length += got > 0 ? (size_t)got : 0;
        assert_true(got >= 0 || errno == EAGAIN);
    }
    answer[length] = 0;
    close(peer);
    return answer;
}

static char *
get(const char *path, char answer[8192])
{
    char request[256];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
             path);
    return ask(request, answer);
}

static void
test_pages(void **state)
{
    (void)state;
    char answer[8192];
    get("/healthz", answer);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    assert_non_null(strstr(answer, "\r\n\r\nok\n"));
    metrics_add(metrics, 0, 41);
    get("/metrics", answer);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    assert_non_null(strstr(answer, "text/plain; version=0.0.4"));
    assert_non_null(strstr(answer, "\ntest_total 41\n"));
    get("/", answer);
    assert_memory_equal(answer, "HTTP/1.1 404", 12);
}

static void
test_ready(void **state)
{
    (void)state;
    char answer[8192];
    ready = false;
    get("/readyz", answer);
    assert_memory_equal(answer, "HTTP/1.1 503", 12);
    assert_non_null(strstr(answer, "not ready: no database\n"));
    ready = true;
    get("/readyz", answer);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
}

static void
test_other_requests(void **state)
{
    (void)state;
    char answer[8192];
    ask("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: "
        "close\r\n\r\n12345",
        answer);
    assert_memory_equal(answer, "HTTP/1.1 405", 12);
    assert_non_null(strstr(answer, "Allow: GET, HEAD"));
    ask("HEAD /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", answer);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    assert_null(strstr(answer, "ok\n"));
    ask("nonsense\r\n\r\n", answer);
    assert_null(strstr(answer, " 200 "));
    get("/healthz", answer); /* and it goes on */
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
}

static void
test_refusals(void **state)
{
    (void)state;
    errno = 0;
    assert_null(admin_new(&loop, "127.0.0.1", port, metrics, is_ready, NULL));
    assert_int_equal(errno, EADDRINUSE);
    assert_null(admin_new(&loop, "localhost", 0, metrics, is_ready, NULL));
    assert_int_equal(errno, EINVAL);
    assert_null(admin_new(&loop, "192.0.2.1", 0, metrics, is_ready, NULL));
    assert_int_equal(errno, EADDRNOTAVAIL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages), cmocka_unit_test(test_ready),
        cmocka_unit_test(test_other_requests), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, start, stop);
}
