/* Heads as they come over a real socket: those of RFC 9112, and shapes that two readers could
 * take for different requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "http_head.h"

#define ANSWER_BYTES 4096
#define HOST "Host: x\r\n"
#define END "\r\n"

static struct MHD_Daemon *daemon_;
static uint16_t port;
static size_t target_bytes;

/* 200 for what has no fault, else 400 and the fault. */
static enum MHD_Result
answer(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
       const char *version, const char *body, size_t *body_bytes, void **begun)
{
    (void)arg, (void)url, (void)body;
    const char *fault =
        *begun ? NULL : http_head_fault(connection, method, target_bytes, version);
    if (!fault && (!*begun || *body_bytes)) {
        *begun = &port;
        *body_bytes = 0;
        return MHD_YES;
    }
    const char *text = fault ? fault : "fine";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result = MHD_queue_response(connection, fault ? 400 : 200, response);
    MHD_destroy_response(response);
    return result;
}

static void *
on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
    (void)arg, (void)connection;
    target_bytes = strlen(target);
    return NULL;
}

static int
start(void **state)
{
    (void)state;
    daemon_ = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, NULL,
                               MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL, MHD_OPTION_END);
    if (daemon_)
        port = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_BIND_PORT)->port;
    return port ? 0 : -1;
}

static int
stop(void **state)
{
    (void)state;
    MHD_stop_daemon(daemon_);
    return 0;
}

/* The answer to bytes, "" when there is none. */
static const char *
ask(const void *bytes, size_t count)
{
    static char text[ANSWER_BYTES];
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 10};
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(peer, (struct sockaddr *)&place, sizeof place), 0);
    assert_int_equal(send(peer, bytes, count, MSG_NOSIGNAL), count);
    size_t length = 0;
    ssize_t got;
    while ((got = recv(peer, text + length, sizeof text - 1 - length, 0)) > 0)
        length += (size_t)got;
    text[length] = 0;
    close(peer);
    return text;
}

static void
expect_bytes(const char *bytes, size_t count, const char *status, const char *part)
{
    const char *text = ask(bytes, count);
    if (strncmp(text, "HTTP/1.1 ", 9) || strncmp(text + 9, status, 3) || !strstr(text, part))
        fail_msg("%.200s\nwas answered: %s\nexpected: %s %s", bytes, text, status, part);
}

static void
expect(const char *request, const char *status, const char *part)
{
    expect_bytes(request, strlen(request), status, part);
}

static void
fine_ones_pass(void **state)
{
    (void)state;
    expect("GET / HTTP/1.1\r\n" HOST END, "200", "fine");
    expect("GET /a?b=c&d HTTP/1.1\r\n" HOST "X:y\r\nX-A: \t z\r\nEmpty:\r\nBlank: \r\n" END,
           "200", "fine");
    expect("GET / HTTP/1.1\r\nCookie: a=b; c=d\r\n" HOST END, "200", "fine");
    expect("GET / HTTP/1.0\r\nConnection: close\r\n" END, "200", "fine");
    expect("GET / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 0\r\n" END, "200", "fine");
    expect("POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n" END "{}", "200", "fine");
    expect("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n" END
           "1\r\na\r\n0\r\n\r\n",
           "200", "fine");
}

static void
lines_end_in_one_way(void **state)
{
    static const char zero[] = "GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n" END;
    (void)state;
    expect("GET / HTTP/1.1\n" HOST END, "400", "CR LF");
    expect("GET / HTTP/1.1\r\nHost: x\nX: a\r\n" END, "400", "CR LF");
    expect("GET / HTTP/1.1\r\n" HOST "X: a\nContent-Length: 0\r\n" END, "400", "CR LF");
    expect("GET / HTTP/1.1\r\n" HOST "X: a\rContent-Length: 0\r\n" END, "400", "");
    expect("GET / HTTP/1.1\r\n" HOST "X:\rContent-Length: 0\r\n" END, "400", "");
    expect("GET / HTTP/1.1\r\n" HOST "X: a\r\rGET /b HTTP/1.1\r\n" HOST END, "400", "");
    expect("GET / HTTP/1.1\r\n" HOST "\n", "400", "CR LF");
    expect("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n" END, "400", "");
    expect("GET / HTTP/1.1\r\n" HOST "X:\r\n chunked\r\n" END, "400", "");
    expect("GET / HTTP/1.1\r\n X: a\r\n" HOST END, "400", "");
    expect("GET / HTTP/1.1\r\n" HOST "\tX: a\r\n" END, "400", "");
    expect_bytes(zero, sizeof zero - 1, "400", "CR LF");
}

static void
fields_are_fields(void **state)
{
    (void)state;
    expect("GET / HTTP/1.1\r\n" HOST "X : a\r\n" END, "400", "name");
    expect("GET / HTTP/1.1\r\n" HOST "X A: a\r\n" END, "400", "name");
    expect("GET / HTTP/1.1\r\n" HOST "X\001A: a\r\n" END, "400", "name");
    expect("GET / HTTP/1.1\r\n" HOST "X\xe9: a\r\n" END, "400", "name");
    expect("GET / HTTP/1.1\r\n" HOST ": a\r\n" END, "400", "");
    expect("GET / HTTP/1.1\r\n" HOST "X: a\vb\r\n" END, "400", "control");
    expect("GET / HTTP/1.1\r\n" HOST "X: a\177\r\n" END, "400", "control");
}

static void
one_host_and_a_version(void **state)
{
    static const char zero[] = "GET /a\0b HTTP/1.1\r\n" HOST END;
    (void)state;
    expect("GET / HTTP/1.1\r\nX: y\r\n" END, "400", "Host");
    expect("GET / HTTP/1.1\r\n" HOST HOST END, "400", "Host");
    expect("GET / HTTP/1.0\r\n" HOST HOST END, "400", "Host");
    expect("GET / HTTP/1.1\r\nHost: x, y\r\n" END, "400", "Host");
    expect("GET / HTTP/1.1\r\nHost: a@b\r\n" END, "400", "Host");
    expect("GET / HTTP/1.1\r\nHost: x/y\r\n" END, "400", "Host");
    expect("GET  / HTTP/1.1\r\n" HOST END, "400", "three words");
    expect_bytes(zero, sizeof zero - 1, "400", "three words");
    expect("GET / HTTP/1.2\r\n" HOST END, "400", "version");
}

static void
bodies_have_one_length(void **state)
{
    static const char *const heads[] = {
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding:\r\n",
        "Content-Length: 4, 4\r\n", /* these the library refuses itself */
        "Content-Length: +4\r\n",
        "Content-Length: 4 \r\n",
        "Content-Length:\r\n",
    };
    char request[512];
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        snprintf(request, sizeof request, "POST / HTTP/1.1\r\n" HOST "%s" END, heads[i]);
        expect(request, "400", "");
    }
    expect("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END "0\r\n\r\n", "400",
           "chunked");
    expect("GET / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n" END "abcd", "400", "body");
    expect("HEAD / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n" END "abcd", "400", "");
    expect("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END "0\r\n\r\n", "400",
           "body");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fine_ones_pass),         cmocka_unit_test(lines_end_in_one_way),
        cmocka_unit_test(fields_are_fields),      cmocka_unit_test(one_host_and_a_version),
        cmocka_unit_test(bodies_have_one_length),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
