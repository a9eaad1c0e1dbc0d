/* Real subscribers of a real XPUB: what they hold is counted, and who holds the most is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "bus_subscribers.h"
#include "capture.h"
#include "clock.h"

#define MOST 1000
#define DEADLINE_MS 10000

static const struct metric table[] = {{"cut_total", NULL, METRIC_COUNTER, "Cut."}};

static char endpoint[64];
static struct metrics *metrics;
static struct bus_subscribers *subscribers;
static zsock_t *publisher;

static int
start(void **state)
{
    char error[256];
    (void)state;
    snprintf(endpoint, sizeof endpoint, "ipc:///tmp/subscribers-%d.ipc", (int)getpid());
    bus_start();
    metrics = metrics_new(table, 1);
    subscribers = bus_subscribers_new(MOST, metrics, 0);
    publisher = bus_socket(ZMQ_XPUB, 1000);
    zsock_set_xpub_verboser(publisher, 1);
    return bus_bind(publisher, endpoint, error, sizeof error);
}

static int
stop(void **state)
{
    (void)state;
    zsock_destroy(&publisher);
    bus_subscribers_destroy(&subscribers);
    bus_subscribers_destroy(&subscribers);
    metrics_destroy(&metrics);
    unlink(endpoint + strlen("ipc://"));
    return 0;
}

static zsock_t *
subscribe_to(void)
{
    zsock_t *subscriber = bus_socket(ZMQ_SUB, 1000);
    zsock_connect(subscriber, "%s", endpoint);
    return subscriber;
}

static void
add(zsock_t *subscriber, int from, int count)
{
    char prefix[16];
    for (int i = from; i < from + count; i++) {
        snprintf(prefix, sizeof prefix, "prefix-%03d", i);
        zsock_set_subscribe(subscriber, prefix);
    }
}

static void
take_back(zsock_t *subscriber, int number)
{
    char prefix[16];
    snprintf(prefix, sizeof prefix, "prefix-%03d", number);
    zsock_set_unsubscribe(subscriber, prefix);
}

/* Reads until so many bytes are held and so many connections were cut. */
static void
expect(size_t bytes, int64_t cut)
{
    int64_t deadline_ms = clock_mono_ms() + DEADLINE_MS;
    while (bus_subscribers_bytes(subscribers) != bytes || metrics_get(metrics, 0) != cut) {
        zmq_msg_t message;
        assert_true(clock_mono_ms() < deadline_ms);
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, zsock_resolve(publisher), ZMQ_DONTWAIT) >= 0)
            bus_subscribers_note(subscribers, &message);
        else
            usleep(1000);
        zmq_msg_close(&message);
    }
}

static void
what_is_held_is_counted(void **state)
{
    zsock_t *one = subscribe_to(), *other = subscribe_to();
    (void)state;
    add(one, 0, 10);
    add(other, 0, 10); /* the same ones */
    expect(200, 0);
    add(one, 0, 1); /* once more: a renewal */
    take_back(one, 0);
    add(one, 10, 1);
    expect(210, 0);
    take_back(one, 5);
    take_back(one, 6); /* which the other one holds yet */
    expect(190, 0);
    zsock_destroy(&one);
    zsock_destroy(&other);
}

static void
the_greatest_is_cut(void **state)
{
    struct capture capture;
    zsock_t *small = subscribe_to(), *great = subscribe_to();
    (void)state;
    add(small, 0, 30);
    expect(300, 0);
    add(great, 0, 70);
    expect(1000, 0);
    capture_start(&capture, STDERR_FILENO);
    zsock_set_reconnect_ivl(great, 60000);
    add(great, 70, 1);
    expect(300, 1);
    char *line = capture_end(&capture);
    assert_non_null(strstr(line, "bytes=710"));
    free(line);
    add(small, 30, 1);
    expect(310, 1);
    zsock_destroy(&small);
    zsock_destroy(&great);
}

static void
who_is_gone_makes_room(void **state)
{
    zsock_t *gone = subscribe_to();
    (void)state;
    add(gone, 0, 60);
    expect(600, 0);
    zsock_destroy(&gone);
    zsock_t *next = subscribe_to();
    add(next, 0, 70);
    expect(700, 0);
    zsock_destroy(&next);
}

static void
other_messages_hold_nothing(void **state)
{
    zsock_t *subscriber = zsock_new(ZMQ_XSUB);
    (void)state;
    zsock_set_linger(subscriber, 0);
    zsock_connect(subscriber, "%s", endpoint);
    zmq_send(zsock_resolve(subscriber), "\2other", 6, 0);
    zmq_send(zsock_resolve(subscriber), "", 0, 0);
    zmq_send(zsock_resolve(subscriber), "\1ab", 3, 0);
    expect(2, 0);
    zsock_destroy(&subscriber);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_held_is_counted, start, stop),
        cmocka_unit_test_setup_teardown(the_greatest_is_cut, start, stop),
        cmocka_unit_test_setup_teardown(who_is_gone_makes_room, start, stop),
        cmocka_unit_test_setup_teardown(other_messages_hold_nothing, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
