/* headcount-tap without a subcommand: in: messages of gateways and samplers; out: lines on
 * stdout. When stdout does not keep up the socket is not read, its mark fills, and the
 * publishers drop this reader's share and nobody else's; heartbeats tell afterwards. */
#include "clock.h"

#include "tap_commands.h"
#include "tap_intake.h"
#include "tap_life.h"
#include "tap_settings.h"
#include "tap_show.h"

#define TICK_MS 250

struct live {
    struct tap_settings settings;
    struct tap_life life;
    struct tap_intake *intake;
    struct tap_show *show;
    uv_timer_t timer;
    bool reading; /* there is room for lines */
};

static void
take(void *arg, const struct tap_arrival *arrival)
{
    struct live *live = arg;
    live->reading = tap_show_take(live->show, arrival->message, clock_mono_ms());
    if (!live->reading || live->life.ended)
        tap_intake_pause(live->intake);
}

/* While nothing is read, nobody is blamed for being silent. */
static void
on_tick(uv_timer_t *timer)
{
    struct live *live = timer->data;
    if (live->reading)
        tap_show_tick(live->show, clock_mono_ms(), clock_wall_ms());
}

static void
on_room(void *arg)
{
    struct live *live = arg;
    live->reading = true;
    if (!live->life.ended)
        tap_intake_resume(live->intake);
}

static int
run(struct live *live, char **endpoints)
{
    tap_life_begin(&live->life, NULL, NULL);
    uv_timer_init(&live->life.loop, &live->timer);
    uv_timer_start(&live->timer, on_tick, TICK_MS, TICK_MS);
    live->timer.data = live;
    live->reading = true;
    live->show = tap_show_new(&live->life, &live->settings, clock_mono_ms(), on_room, live);
    if (live->show)
        live->intake = tap_intake_new(&live->life.loop, &live->settings, endpoints, take, live);
    if (live->intake)
        tap_life_run(&live->life);
    else
        tap_life_end(&live->life, EXIT_SYSTEM);
    tap_intake_destroy(&live->intake);
    tap_show_destroy(&live->show);
    uv_close((uv_handle_t *)&live->timer, NULL);
    return tap_life_finish(&live->life);
}

int
tap_live(int argc, char **argv)
{
    static struct live live;
    int first;
    int status = settings_read(&tap_live_program, argc, argv, &live.settings, &first);
    if (status != SETTINGS_RUN)
        return status;
    settings_start(&live.settings.common, "tap");
    status = tap_check_endpoints("headcount-tap", &live.settings.bus, argv + first);
    if (!status)
        status = run(&live, argv + first);
    settings_free(&tap_live_program, &live.settings);
    return status;
}
