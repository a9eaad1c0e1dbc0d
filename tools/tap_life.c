/* In: signals. Out: the end of the loop. */
#include <signal.h>
#include <stddef.h>

#include "bus.h"
#include "stop_limit.h"

#include "tap_life.h"

static void
on_signal(uv_signal_t *handle, int number)
{
    struct tap_life *life = handle->data;
    (void)number;
    if (life->asked)
        life->asked(life->arg);
    else
        tap_life_end(life, 0);
}

static void
watch_signal(struct tap_life *life, uv_signal_t *handle, int number)
{
    uv_signal_init(&life->loop, handle);
    handle->data = life;
    uv_signal_start(handle, on_signal, number);
}

void
tap_life_begin(struct tap_life *life, void (*asked)(void *arg), void *arg)
{
    *life = (struct tap_life){.asked = asked, .arg = arg};
    signal(SIGPIPE, SIG_IGN);
    bus_start();
    uv_loop_init(&life->loop);
    watch_signal(life, &life->interrupt, SIGINT);
    watch_signal(life, &life->terminate, SIGTERM);
}

void
tap_life_run(struct tap_life *life)
{
    if (!life->ended)
        uv_run(&life->loop, UV_RUN_DEFAULT);
}

void
tap_life_end(struct tap_life *life, int status)
{
    life->ended = true;
    if (!life->status)
        life->status = status;
    uv_stop(&life->loop);
}

int
tap_life_finish(struct tap_life *life)
{
    uv_close((uv_handle_t *)&life->interrupt, NULL);
    uv_close((uv_handle_t *)&life->terminate, NULL);
    stop_signals_ignore();
    uv_run(&life->loop, UV_RUN_DEFAULT);
    uv_loop_close(&life->loop);
    return life->status;
}
