/* headcount-tap top: in: messages of gateways and samplers, keys; out: a screen, or pages of
 * text. What is missed is asked for again, as any reader does. One thread, one loop. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

#include "tap_commands.h"
#include "tap_frame.h"
#include "tap_intake.h"
#include "tap_life.h"
#include "tap_output.h"
#include "tap_screen.h"
#include "tap_settings.h"
#include "tap_top.h"

#define TICK_MS 250
#define FULL_BYTES (256 * 1024)

struct display {
    struct tap_settings settings;
    struct tap_life life;
    struct tap_intake *intake;
    struct tap_top *top;
    struct tap_screen *screen; /* NULL: plain */
    struct tap_output *output; /* plain, else NULL */
    struct tap_frame_line *lines;
    enum tap_sort sort;
    bool paused;
    int64_t left; /* frames to show; -1: no end */
    uv_timer_t tick, frame;
    uv_signal_t resized;
    uv_poll_t keys;
    bool keys_polled;
};

static void
take(void *arg, const struct tap_arrival *arrival)
{
    struct display *display = arg;
    tap_top_take(display->top, arrival->message, clock_mono_ms());
}

static void
on_tick(uv_timer_t *timer)
{
    struct display *display = timer->data;
    int64_t now_ms = clock_mono_ms();
    enum node_role role;
    struct reader_renewal renewal;
    tap_top_tick(display->top, now_ms);
    while (tap_top_renewal(display->top, now_ms, &role, &renewal))
        tap_intake_renew(display->intake, role, &renewal);
    if (display->output && !tap_output_flush(display->output))
        return;
    if (!display->left && (!display->output || !tap_output_waiting(display->output)))
        tap_life_end(&display->life, 0);
}

static void
print(struct display *display, size_t count)
{
    if (!tap_output_flush(display->output))
        return; /* nobody reads: this page is left out */
    for (size_t i = 0; i < count; i++) {
        tap_output_write(display->output, display->lines[i].text,
                         strlen(display->lines[i].text));
        tap_output_write(display->output, "\n", 1);
    }
    tap_output_write(display->output, "\n", 1);
    tap_output_flush(display->output);
}

/* Shows the table as it is now. */
static void
show(struct display *display)
{
    struct tap_frame_view view = {.sort = display->sort,
                                  .paused = display->paused,
                                  .keys = display->screen,
                                  .wall_ms = clock_wall_ms(),
                                  .undecodable = tap_intake_undecodable(display->intake)};
    size_t rows = (size_t)display->settings.rows;
    if (display->screen)
        tap_screen_size(display->screen, &view.width, &view.height);
    if (display->screen)
        rows = view.height < TAP_TOP_ROWS_MAX ? view.height : TAP_TOP_ROWS_MAX;
    const struct tap_table *table =
        tap_top_table(display->top, display->sort, rows, clock_mono_ms());
    size_t count = tap_frame_make(table, &view, display->lines);
    if (display->screen)
        tap_screen_draw(display->screen, display->lines, count);
    else
        print(display, count);
}

static void
on_frame(uv_timer_t *timer)
{
    struct display *display = timer->data;
    if (!display->left || display->paused)
        return;
    tap_top_close_interval(display->top, clock_mono_ms());
    show(display);
    if (display->left > 0 && !--display->left)
        on_tick(&display->tick);
}

static void
on_keys(uv_poll_t *poll, int status, int events)
{
    struct display *display = poll->data;
    int key;
    (void)events;
    if (status < 0)
        uv_poll_stop(poll);
    while ((key = tap_screen_key(display->screen))) {
        if (key == 'q')
            tap_life_end(&display->life, 0);
        else if (key == 's')
            display->sort = (display->sort + 1) % (TAP_SORT_NAME + 1);
        else if (key == 'p')
            display->paused = !display->paused;
    }
    show(display);
}

static void
on_resized(uv_signal_t *signal, int number)
{
    struct display *display = signal->data;
    (void)number;
    tap_screen_resize(display->screen);
    show(display);
}

static void
on_room(void *arg)
{
    (void)arg; /* the next page is tried at its time */
}

static void
on_end(void *arg, int error)
{
    struct display *display = arg;
    if (error)
        log_error("tap.output", "cannot write to stdout", LOG_STR("reason", strerror(error)));
    tap_life_end(&display->life, error ? EXIT_SYSTEM : 0);
}

static int
open_screen(struct display *display)
{
    display->screen = tap_screen_new();
    if (!display->screen) {
        log_error("tap.screen", "the terminal's type is unknown; --plain needs none",
                  LOG_STR("term", getenv("TERM")));
        return -1;
    }
    if (isatty(STDERR_FILENO)) /* lines would fall into the screen, which shows the same */
        log_setup("tap", LOG_LEVEL_ERROR, false);
    uv_signal_start(&display->resized, on_resized, SIGWINCH);
    display->keys_polled = isatty(STDIN_FILENO) &&
                           !uv_poll_init(&display->life.loop, &display->keys, STDIN_FILENO);
    display->keys.data = display;
    if (display->keys_polled)
        uv_poll_start(&display->keys, UV_READABLE, on_keys);
    return 0;
}

static int
open_output(struct display *display)
{
    struct tap_output_events events = {on_room, on_end, display};
    if (!display->settings.plain && isatty(STDOUT_FILENO))
        return open_screen(display);
    display->output = tap_output_new(&display->life.loop, STDOUT_FILENO, FULL_BYTES, events);
    return 0;
}

static void
start(struct display *display)
{
    uint64_t interval_ms = (uint64_t)display->settings.interval_ms;
    display->left = display->settings.count ? display->settings.count : -1;
    display->sort = tap_sort(&display->settings);
    uv_timer_start(&display->tick, on_tick, TICK_MS, TICK_MS);
    uv_timer_start(&display->frame, on_frame, interval_ms, interval_ms);
    if (display->screen)
        show(display);
}

static void
open_handles(struct display *display)
{
    tap_life_begin(&display->life, NULL, NULL);
    uv_timer_init(&display->life.loop, &display->tick);
    uv_timer_init(&display->life.loop, &display->frame);
    uv_signal_init(&display->life.loop, &display->resized);
    display->tick.data = display->frame.data = display->resized.data = display;
}

static int
close_all(struct display *display)
{
    tap_screen_destroy(&display->screen);
    tap_intake_destroy(&display->intake);
    tap_output_destroy(&display->output);
    tap_top_destroy(&display->top);
    free(display->lines);
    uv_close((uv_handle_t *)&display->tick, NULL);
    uv_close((uv_handle_t *)&display->frame, NULL);
    uv_close((uv_handle_t *)&display->resized, NULL);
    if (display->keys_polled)
        uv_close((uv_handle_t *)&display->keys, NULL);
    return tap_life_finish(&display->life);
}

static int
run(struct display *display, char **endpoints)
{
    open_handles(display);
    display->lines = mem_alloc(TAP_FRAME_LINES_MAX * sizeof *display->lines);
    display->top = tap_top_new(display->settings.node_timeout_ms, clock_mono_ms());
    display->intake =
        tap_intake_new(&display->life.loop, &display->settings, endpoints, take, display);
    if (display->intake && !open_output(display)) {
        start(display);
        tap_life_run(&display->life);
    } else {
        tap_life_end(&display->life, EXIT_SYSTEM);
    }
    return close_all(display);
}

int
tap_top(int argc, char **argv)
{
    static struct display display;
    int first;
    int status = settings_read(&tap_top_program, argc, argv, &display.settings, &first);
    if (status != SETTINGS_RUN)
        return status;
    settings_start(&display.settings.common, "tap");
    status = tap_check_endpoints("headcount-tap top", &display.settings.bus, argv + first);
    if (!status)
        status = run(&display, argv + first);
    settings_free(&tap_top_program, &display.settings);
    return status;
}
