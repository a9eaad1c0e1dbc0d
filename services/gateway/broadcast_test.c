#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "audience.h"
#include "broadcast.h"
#include "gateway_metrics.h"

#define SEED 7
#define INTERVAL_MS 10
#define STOPPED_S 1
#define VIEWERS 3

static struct {
    uv_loop_t loop;
    struct metrics *metrics;
    struct audience *audience;
    struct broadcast *broadcast;
    struct viewer viewers[VIEWERS];
    size_t told;
    bool stop; /* the process stands still while the next viewer is told */
} test;

static void
tell(void *arg, struct viewer *viewer, struct frame *frame)
{
    (void)arg;
    if (test.stop)
        nanosleep(&(struct timespec){.tv_sec = STOPPED_S}, NULL);
    test.stop = false;
    viewer->told = frame->count;
    test.told++;
}

static int
set_up(void **state)
{
    (void)state;
    uv_loop_init(&test.loop);
    test.metrics = metrics_new(gateway_metrics, GATEWAY_METRICS);
    test.audience = audience_new(SEED, VIEWERS);
    test.broadcast = broadcast_new(&test.loop, INTERVAL_MS, test.metrics);
    broadcast_set_sender(test.broadcast, tell, NULL);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < VIEWERS; i++) {
        struct auction *auction = audience_leave(test.audience, &test.viewers[i], 0);
        if (auction && !auction_viewers(auction))
            broadcast_drop(test.broadcast, auction);
    }
    broadcast_destroy(&test.broadcast);
    uv_run(&test.loop, UV_RUN_DEFAULT);
    uv_loop_close(&test.loop);
    audience_destroy(&test.audience);
    metrics_destroy(&test.metrics);
    return 0;
}

static struct auction *
join(size_t viewer, const char *auction)
{
    test.viewers[viewer] = (struct viewer){.told = VIEWER_TOLD_NOTHING};
    return audience_join(test.audience, auction, &test.viewers[viewer]);
}

static void
run_until_told(size_t count)
{
    while (test.told < count) {
        assert_true(uv_loop_alive(&test.loop));
        uv_run(&test.loop, UV_RUN_ONCE);
    }
}

static void
test_a_stop_while_it_tells_costs_nothing(void **state)
{
    (void)state;
    struct auction *busy = join(0, "busy"), *other = join(1, "other");
    test.stop = true;
    broadcast_mark(test.broadcast, busy);
    run_until_told(1);
    join(2, "busy");
    broadcast_mark(test.broadcast, other);
    assert_in_range(uv_backend_timeout(&test.loop), 0, STOPPED_S * 1000 / 2);
    run_until_told(2);
    broadcast_mark(test.broadcast, busy);
    assert_in_range(uv_backend_timeout(&test.loop), 0, STOPPED_S * 1000 / 2);
    run_until_told(4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_stop_while_it_tells_costs_nothing, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
