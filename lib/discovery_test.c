/* Discovery over real sockets and the host's own resolver, which knows localhost and needs no
 * network to refuse a name that is too long. */
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
#include "discovery.h"

#define DEADLINE_MS 10000
#define INTERVAL_MS 100
#define UNKNOWN "tcp://xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx:1"

enum { PEERS, CONNECTED, FAILED, ROWS };

static const struct metric table[ROWS] = {
    [PEERS] = {"peers", NULL, METRIC_GAUGE, ""},
    [CONNECTED] = {"connected", NULL, METRIC_GAUGE, ""},
    [FAILED] = {"failed", NULL, METRIC_COUNTER, ""},
};

static char folder[] = "/tmp/headcount-discovery-XXXXXX";

struct fixture {
    uv_loop_t loop;
    struct metrics *metrics;
    zsock_t *socket; /* SUB */
    struct discovery *discovery;
    char error[256];
};

static int
start(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    uv_loop_init(&fixture->loop);
    fixture->metrics = metrics_new(table, ROWS);
    fixture->socket = bus_socket(ZMQ_SUB, 1000);
    *state = fixture;
    return 0;
}

static int
stop(void **state)
{
    struct fixture *fixture = *state;
    discovery_destroy(&fixture->discovery);
    discovery_destroy(&fixture->discovery);
    zsock_destroy(&fixture->socket);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    metrics_destroy(&fixture->metrics);
    free(fixture);
    return 0;
}

static struct discovery *
discover(struct fixture *fixture, const char *endpoints)
{
    struct discovery_options options = {.loop = &fixture->loop,
                                        .socket = fixture->socket,
                                        .endpoints = endpoints,
                                        .interval_ms = INTERVAL_MS,
                                        .metrics = fixture->metrics,
                                        .peers_row = PEERS,
                                        .connected_row = CONNECTED,
                                        .failed_row = FAILED};
    fixture->discovery = discovery_new(&options, fixture->error, sizeof fixture->error);
    return fixture->discovery;
}

static void
on_timer(uv_timer_t *timer)
{
    (void)timer; /* wakes the loop */
}

/* Runs the loop until the metric is at least least and at most most. */
static void
run_until(struct fixture *fixture, size_t row, int64_t least, int64_t most)
{
    uv_timer_t wake;
    int64_t deadline_ms = zclock_mono() + DEADLINE_MS, value;
    uv_timer_init(&fixture->loop, &wake);
    uv_timer_start(&wake, on_timer, 20, 20);
    while ((value = metrics_get(fixture->metrics, row)) < least || value > most) {
        assert_true(zclock_mono() < deadline_ms);
        uv_run(&fixture->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&wake, NULL);
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
}

static void
test_fixed(void **state)
{
    struct fixture *fixture = *state;
    char endpoints[512], path[256], port[64];
    zsock_t *first = bus_socket(ZMQ_XPUB, 1000), *second = bus_socket(ZMQ_XPUB, 1000);
    snprintf(path, sizeof path, "ipc://%s/first", folder);
    assert_int_equal(bus_bind(first, path, fixture->error, sizeof fixture->error), 0);
    int number = zsock_bind(second, "tcp://127.0.0.1:*");
    snprintf(port, sizeof port, "tcp://127.0.0.1:%d", number);
    snprintf(endpoints, sizeof endpoints, "%s,%s,%s,tcp://[::ffff:127.0.0.1]:%d", path, port,
             port, number);
    assert_non_null(discover(fixture, endpoints));
    assert_int_equal(metrics_get(fixture->metrics, PEERS), 2);
    run_until(fixture, CONNECTED, 2, 2);
    for (int i = 0; i < 2; i++) { /* the monitor spells an address anew the second time */
        zsock_destroy(&second);
        run_until(fixture, CONNECTED, 1, 1);
        second = bus_socket(ZMQ_XPUB, 1000);
        int64_t deadline_ms = zclock_mono() + DEADLINE_MS;
        while (bus_bind(second, port, fixture->error, sizeof fixture->error))
            assert_true(zclock_mono() < deadline_ms);
        run_until(fixture, CONNECTED, 2, 2);
    }
    assert_int_equal(metrics_get(fixture->metrics, PEERS), 2);
    zsock_destroy(&first);
    zsock_destroy(&second);
}

static void
test_names(void **state)
{
    struct fixture *fixture = *state;
    char endpoints[256];
    zsock_t *server = bus_socket(ZMQ_XPUB, 1000);
    int port = zsock_bind(server, "tcp://127.0.0.1:*");
    snprintf(endpoints, sizeof endpoints, "tcp://localhost:%d," UNKNOWN, port);
    assert_non_null(discover(fixture, endpoints));
    assert_int_equal(metrics_get(fixture->metrics, PEERS), 0);
    run_until(fixture, CONNECTED, 1, 1);
    run_until(fixture, FAILED, 3, 1000); /* again and again */
    assert_int_equal(metrics_get(fixture->metrics, CONNECTED), 1);
    zsock_destroy(&server);
    run_until(fixture, CONNECTED, 0, 0);
    assert_in_range(metrics_get(fixture->metrics, PEERS), 1, 2); /* named: 127.0.0.1, ::1 */
}

static void
test_refusals(void **state)
{
    struct fixture *fixture = *state;
    assert_null(discover(fixture, "ipc://x,tcp://a b:1"));
    assert_non_null(
        strstr(fixture->error, "'tcp://a' is no endpoint; allowed: tcp://HOST:PORT"));
    assert_null(discover(fixture, "tcp://localhost:1,nonsense"));
    assert_non_null(strstr(fixture->error, "'nonsense' is no endpoint"));
    char path[256] = "ipc://";
    memset(path + 6, 'x', 200);
    assert_null(discover(fixture, path));
    assert_non_null(strstr(fixture->error, "cannot connect ipc://xxx"));
    assert_non_null(strstr(fixture->error, "File name too long"));
}

/* Ended while its queries are under way; nothing may be left (the sanitizers look). */
static void
test_early_end(void **state)
{
    struct fixture *fixture = *state;
    assert_non_null(discover(fixture, "tcp://localhost:1,tcp://localhost:2,tcp://localhost:3,"
                                      "tcp://localhost:4,tcp://localhost:5,tcp://localhost:6"));
}

static void
test_nothing_to_discover(void **state)
{
    assert_non_null(discover(*state, ""));
}

static int
make_folder(void **state)
{
    (void)state;
    bus_start();
    return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s/first", folder);
    unlink(path);
    return rmdir(folder);
}

int
main(void)
{
#define TEST(test_) cmocka_unit_test_setup_teardown(test_, start, stop)
    const struct CMUnitTest tests[] = {TEST(test_fixed), TEST(test_names), TEST(test_refusals),
                                       TEST(test_early_end), TEST(test_nothing_to_discover)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
