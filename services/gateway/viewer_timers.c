/* In: ticks. Out: pings, ends of connections that are dead, late or asked to go. */
#include "clock.h"

#include "container.h"
#include "drain.h"
#include "viewer_socket_inside.h"

#define DEADLINE_TICK_MS 100
#define DRAIN_TICK_MS 50
#define DRAIN_GRACE_MS 1000 /* for close handshakes, after the last viewer was asked */
#define DRAIN_RETRY "restarting; connect again"

static void
ping_viewer(struct viewer_socket *viewers, struct connection *connection)
{
    if (connection_clogged(connection))
        return; /* it is not reading; unless it does within the time-out, it is dead */
    metrics_add(viewers->metrics, METRIC_PINGS, 1);
    if (connection_frame(connection, FRAME_PING, (const unsigned char *)"p", 1))
        viewer_states_kill(viewers, connection);
}

static void
on_ping_tick(uv_timer_t *timer)
{
    struct viewer_socket *viewers = timer->data;
    int64_t now_ms = clock_mono_ms();
    enum ping_action action;
    struct ping *ping;
    while ((action = ping_wheel_turn(viewers->wheel, now_ms, &ping)) != PING_NOTHING) {
        struct connection *connection = container_of(ping, struct connection, ping);
        if (action == PING_SEND) {
            ping_viewer(viewers, connection);
        } else {
            metrics_add(viewers->metrics, METRIC_CLOSED_DEAD, 1);
            viewer_states_kill(viewers, connection);
        }
    }
}

/* Asks a viewer to go, from outside its own callbacks. */
static void
ask_to_go(struct viewer_socket *viewers, struct connection *connection)
{
    viewer_states_move(viewers, connection, CONNECTION_CLOSING);
    if (connection_say_close(connection, CLOSE_RESTART, DRAIN_RETRY))
        viewer_states_kill(viewers, connection);
}

/* The lists are in the order of their deadlines. */
static void
on_deadline_tick(uv_timer_t *timer)
{
    struct viewer_socket *viewers = timer->data;
    int64_t now_ms = clock_mono_ms();
    struct connection *connection;
    while ((connection = TAILQ_FIRST(&viewers->asking)) && connection->deadline_ms <= now_ms) {
        refusals_add(viewers->refusals, METRIC_REFUSED_SLOW);
        viewer_states_kill(viewers, connection);
    }
    while ((connection = TAILQ_FIRST(&viewers->leaving)) && connection->deadline_ms <= now_ms)
        viewer_states_kill(viewers, connection);
    if (!viewers->guests)
        uv_timer_stop(timer);
}

static void
on_drain_tick(uv_timer_t *timer)
{
    struct viewer_socket *viewers = timer->data;
    int64_t left_ms = viewers->drain_end_ms - clock_mono_ms();
    uint64_t share = drain_share((uint64_t)viewers->viewers, DRAIN_TICK_MS, left_ms,
                                 viewer_states_random(viewers));
    metrics_add(viewers->metrics, METRIC_CLOSED_DRAINED, (int64_t)share);
    while (share--)
        ask_to_go(viewers, TAILQ_FIRST(&viewers->viewing));
    if (viewers->sockets && left_ms > -DRAIN_GRACE_MS)
        return;
    uv_timer_stop(timer);
    viewers->done(viewers->done_arg);
}

void
viewer_socket_drain(struct viewer_socket *viewers, int64_t drain_ms, viewer_socket_done_f *done,
                    void *arg)
{
    viewers->draining = true;
    viewers->drain_end_ms = clock_mono_ms() + drain_ms;
    viewers->done = done;
    viewers->done_arg = arg;
    uv_timer_start(&viewers->drain_timer, on_drain_tick, 0, DRAIN_TICK_MS);
}

void
viewer_timers_start(struct viewer_socket *viewers, uv_loop_t *loop)
{
    uv_timer_init(loop, &viewers->ping_timer);
    uv_timer_init(loop, &viewers->drain_timer);
    uv_timer_init(loop, &viewers->deadline_timer);
    viewers->ping_timer.data = viewers->drain_timer.data = viewers->deadline_timer.data =
        viewers;
    uint64_t tick_ms = (uint64_t)ping_wheel_tick_ms(viewers->wheel);
    uv_timer_start(&viewers->ping_timer, on_ping_tick, tick_ms, tick_ms);
}

void
viewer_timers_watch(struct viewer_socket *viewers)
{
    if (!uv_is_active((uv_handle_t *)&viewers->deadline_timer))
        uv_timer_start(&viewers->deadline_timer, on_deadline_tick, DEADLINE_TICK_MS,
                       DEADLINE_TICK_MS);
}

void
viewer_timers_close(struct viewer_socket *viewers)
{
    uv_close((uv_handle_t *)&viewers->ping_timer, NULL);
    uv_close((uv_handle_t *)&viewers->drain_timer, NULL);
    uv_close((uv_handle_t *)&viewers->deadline_timer, NULL);
}
