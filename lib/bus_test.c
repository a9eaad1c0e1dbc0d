/* Endpoints, renewing, and the loop's watch over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "bus_io.h"

#define DEADLINE_MS 10000
#define MESSAGES 5000

static char folder[] = "/tmp/headcount-bus-XXXXXX";
static char endpoint[64]; /* of the running test */

/* Each test has its own: a closed socket lets its path go a little later. */
static int
choose_endpoint(void **state)
{
    (void)state;
    static int number;
    snprintf(endpoint, sizeof endpoint, "ipc://%s/%d", folder, ++number);
    return 0;
}

static int
remove_endpoint(void **state)
{
    (void)state;
    unlink(endpoint + strlen("ipc://"));
    return 0;
}

static int
start(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    bus_start();
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void
test_endpoints(void **state)
{
    (void)state;
    const char *good[] = {"tcp://a:1",     "ipc://x",           "tcp://*:5000",
                          "tcp://[::1]:1", "tcp://a:1,ipc://x", " ipc://x , ipc://y,"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(bus_endpoints_valid(good[i]));
    const char *bad[] = {"",          ",",          " ",         "a:1",
                         "tcp://",    "tcp://a",    "ipc://",    "udp://a:1",
                         "ipc://x,y", "http://a:1", "inproc://x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(bus_endpoints_valid(bad[i]));
    char longest[600] = "ipc://";
    memset(longest + 6, 'x', sizeof longest - 7);
    assert_false(bus_endpoints_valid(longest));
}

static void
test_refusals(void **state)
{
    (void)state;
    char error[256] = "";
    zsock_t *first = bus_socket(ZMQ_XPUB, 1000), *second = bus_socket(ZMQ_XPUB, 1000);
    assert_int_equal(bus_bind(first, endpoint, error, sizeof error), 0);
    assert_int_equal(bus_bind(second, endpoint, error, sizeof error), -1);
    assert_non_null(strstr(error, endpoint));
    assert_non_null(strstr(error, "Address already in use"));
    assert_int_equal(bus_bind(second, "tcp://127.0.0.1:*,nonsense", error, sizeof error), -1);
    assert_non_null(strstr(error, "'nonsense' is no endpoint; allowed: tcp://HOST:PORT"));
    assert_int_equal(bus_bind(second, "ipc:///nowhere/at/all", error, sizeof error), -1);
    assert_non_null(strstr(error, "No such file or directory; allowed: a path in a folder"));
    assert_int_equal(bus_bind(second, "", error, sizeof error), 0);
    zsock_destroy(&first);
    int64_t deadline_ms = zclock_mono() + DEADLINE_MS;
    while (bus_bind(second, endpoint, error, sizeof error))
        assert_true(zclock_mono() < deadline_ms);
    zsock_destroy(&second);
}

/* Left behind by a killed process: nobody listens. */
static void
test_stale_path(void **state)
{
    (void)state;
    FILE *file = fopen(endpoint + strlen("ipc://"), "w");
    assert_non_null(file);
    fclose(file);
    char error[256] = "";
    zsock_t *socket = bus_socket(ZMQ_XPUB, 1000);
    assert_int_equal(bus_bind(socket, endpoint, error, sizeof error), 0);
    zsock_destroy(&socket);
}

static void
expect_frame(zsock_t *socket, const char *expected, size_t bytes)
{
    char frame[64];
    int size = zmq_recv(zsock_resolve(socket), frame, sizeof frame, 0);
    assert_int_equal(size, bytes);
    assert_memory_equal(frame, expected, bytes);
}

static void
test_renew(void **state)
{
    (void)state;
    char error[256];
    zsock_t *publisher = bus_socket(ZMQ_XPUB, 1000), *reader = bus_socket(ZMQ_SUB, 1000);
    zsock_set_xpub_verbose(publisher, 1);
    zsock_set_rcvtimeo(publisher, DEADLINE_MS);
    zsock_set_rcvtimeo(reader, DEADLINE_MS);
    assert_int_equal(bus_bind(publisher, endpoint, error, sizeof error), 0);
    assert_int_equal(zsock_connect(reader, "%s", endpoint), 0);
    zsock_set_subscribe(reader, "event/");
    expect_frame(publisher, "\1event/", 7);
    bus_renew(reader, "event/");
    bus_renew(reader, "event/");
    expect_frame(publisher, "\1event/", 7);
    expect_frame(publisher, "\1event/", 7);
    bus_renew(reader, "event/3f/"); /* covered by a wider one: taken back at once */
    expect_frame(publisher, "\1event/3f/", 10);
    expect_frame(publisher, "\0event/3f/", 10);
    assert_true(bus_send(publisher, "event/3f/", 9, "1", 1));
    expect_frame(reader, "event/3f/", 9);
    expect_frame(reader, "1", 1);
    assert_true(bus_send(publisher, "event/40/", 9, "2", 1));
    expect_frame(reader, "event/40/", 9); /* once each */
    expect_frame(reader, "2", 1);
    zsock_set_unsubscribe(reader, "event/");
    expect_frame(publisher, "\0event/", 7);
    zsock_destroy(&reader);
    zsock_destroy(&publisher);
}

/* Who sends one is cut off: what was subscribed to before is taken back. */
static void
test_long_subscription(void **state)
{
    (void)state;
    char error[256], prefix[BUS_SUBSCRIPTION_BYTES_MAX + 1] = "\1long";
    zsock_t *publisher = bus_socket(ZMQ_XPUB, 1000), *peer = bus_socket(ZMQ_XSUB, 1000);
    zsock_set_rcvtimeo(publisher, DEADLINE_MS);
    assert_int_equal(bus_bind(publisher, endpoint, error, sizeof error), 0);
    assert_int_equal(zsock_connect(peer, "%s", endpoint), 0);
    assert_int_equal(zmq_send(zsock_resolve(peer), "\1event/", 7, 0), 7);
    expect_frame(publisher, "\1event/", 7);
    assert_int_equal(zmq_send(zsock_resolve(peer), prefix, sizeof prefix, 0), sizeof prefix);
    expect_frame(publisher, "\0event/", 7);
    zsock_destroy(&peer);
    zsock_destroy(&publisher);
}

/* What a watch has read. */
struct intake {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct bus_watch *watch;
    int good, bad;
};

static void
on_deadline(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static bool
take(void *arg, zsock_t *socket)
{
    struct intake *intake = arg;
    zmq_msg_t topic, body;
    int result = bus_receive(socket, &topic, &body);
    if (!result)
        return false;
    intake->good += result > 0;
    intake->bad += result < 0;
    if (result > 0) {
        zmq_msg_close(&topic);
        zmq_msg_close(&body);
    }
    if (intake->good == MESSAGES) {
        bus_watch_destroy(&intake->watch);
        uv_close((uv_handle_t *)&intake->deadline, NULL);
    }
    return true;
}

/* More messages than one turn's budget, and some of other than two frames among them. */
static void
test_watch(void **state)
{
    (void)state;
    char error[256];
    zsock_t *writer = bus_socket(ZMQ_PUSH, 100000), *reader = bus_socket(ZMQ_PULL, 100000);
    assert_int_equal(bus_bind(reader, endpoint, error, sizeof error), 0);
    assert_int_equal(zsock_connect(writer, "%s", endpoint), 0);
    struct intake intake = {.good = 0};
    uv_loop_init(&intake.loop);
    uv_timer_init(&intake.loop, &intake.deadline);
    uv_timer_start(&intake.deadline, on_deadline, DEADLINE_MS, 0);
    intake.watch = bus_watch_new(&intake.loop, reader, 100, take, &intake);
    for (int i = 0; i < MESSAGES; i++) {
        assert_true(bus_send(writer, "topic", 5, "body", 4));
        if (i % 1000 == 0) {
            zmq_send(zsock_resolve(writer), "alone", 5, 0);
            zmq_send(zsock_resolve(writer), "one", 3, ZMQ_SNDMORE);
            zmq_send(zsock_resolve(writer), "two", 3, ZMQ_SNDMORE);
            zmq_send(zsock_resolve(writer), "three", 5, ZMQ_SNDMORE);
            zmq_send(zsock_resolve(writer), "four", 4, 0);
        }
    }
    uv_run(&intake.loop, UV_RUN_DEFAULT);
    assert_int_equal(intake.good, MESSAGES);
    assert_int_equal(intake.bad, 2 * MESSAGES / 1000);
    assert_null(intake.watch);
    uv_run(&intake.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&intake.loop), 0);
    zsock_destroy(&writer);
    zsock_destroy(&reader);
}

int
main(void)
{
#define TEST(test_) cmocka_unit_test_setup_teardown(test_, choose_endpoint, remove_endpoint)
    const struct CMUnitTest tests[] = {TEST(test_endpoints),         TEST(test_refusals),
                                       TEST(test_stale_path),        TEST(test_renew),
                                       TEST(test_long_subscription), TEST(test_watch)};
    return cmocka_run_group_tests(tests, start, stop);
}
