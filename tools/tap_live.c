/* headcount-tap without a subcommand: in: messages of gateways and samplers; out: lines on
 * stdout. When stdout does not keep up the socket is not read, its mark fills, and the
 * publishers drop this reader's share and nobody else's; heartbeats tell afterwards. */
#include "tap_commands.h"
#include "tap_intake.h"
#include "tap_life.h"
#include "tap_settings.h"
#include "tap_show.h"

struct live {
    struct tap_settings settings;
    struct tap_life life;
    struct tap_intake *intake;
    struct tap_show *show;
};

static void
take(void *arg, const struct tap_arrival *arrival)
{
    struct live *live = arg;
    if (!tap_show_take(live->show, arrival->message) || live->life.ended)
        tap_intake_pause(live->intake);
}

static void
on_room(void *arg)
{
    struct live *live = arg;
    if (!live->life.ended)
        tap_intake_resume(live->intake);
}

static int
run(struct live *live, char **endpoints)
{
    tap_life_begin(&live->life, NULL, NULL);
    live->show = tap_show_new(&live->life, &live->settings, on_room, live);
    if (live->show)
        live->intake = tap_intake_new(&live->life.loop, &live->settings, endpoints, take, live);
    if (live->intake)
        tap_life_run(&live->life);
    else
        tap_life_end(&live->life, EXIT_SYSTEM);
    tap_intake_destroy(&live->intake);
    tap_show_destroy(&live->show);
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
    settings_start_log(&live.settings.common, "tap");
    status = tap_check_endpoints("headcount-tap", argv + first);
    if (!status)
        status = run(&live, argv + first);
    settings_free(&tap_live_program, &live.settings);
    return status;
}
