/* In: messages. Out: lines, through tap_line.c and tap_output.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

#include "tap_gaps.h"
#include "tap_intake.h"
#include "tap_line.h"
#include "tap_output.h"
#include "tap_show.h"

#define FULL_BYTES (256 * 1024)

struct tap_show {
    struct tap_life *life;
    const struct tap_settings *settings;
    struct tap_output *output;
    struct tap_gaps *gaps;
    int64_t time_ms; /* of news */
    void (*room)(void *arg);
    void *arg;
};

static void
on_room(void *arg)
{
    struct tap_show *show = arg;
    show->room(show->arg);
}

static void
on_end(void *arg, int error)
{
    struct tap_show *show = arg;
    if (error)
        log_error("tap.output", "cannot write to stdout", LOG_STR("reason", strerror(error)));
    tap_life_end(show->life, error ? EXIT_SYSTEM : 0);
}

static void
write_line(struct tap_show *show, char *line)
{
    if (line)
        tap_output_write(show->output, line, strlen(line));
    free(line);
}

static void
on_news(void *arg, const struct tap_news *news)
{
    struct tap_show *show = arg;
    write_line(show, tap_news_line(news, show->time_ms, show->settings->json));
}

struct tap_show *
tap_show_new(struct tap_life *life, const struct tap_settings *settings, int64_t mono_ms,
             void (*room)(void *arg), void *arg)
{
    if (fcntl(STDOUT_FILENO, F_GETFD) < 0) {
        log_error("tap.output", "cannot write to stdout", LOG_STR("reason", strerror(errno)));
        return NULL;
    }
    struct tap_show *show = mem_alloc(sizeof *show);
    struct tap_output_events events = {on_room, on_end, show};
    show->room = room;
    show->arg = arg;
    show->life = life;
    show->settings = settings;
    show->gaps = tap_gaps_new(settings->node_timeout_ms, on_news, show, mono_ms);
    show->output = tap_output_new(&life->loop, STDOUT_FILENO, FULL_BYTES, events);
    return show;
}

void
tap_show_destroy(struct tap_show **show)
{
    if (!*show)
        return;
    tap_output_destroy(&(*show)->output);
    tap_gaps_destroy(&(*show)->gaps);
    free(*show);
    *show = NULL;
}

bool
tap_show_take(struct tap_show *show, const struct message *message, int64_t mono_ms)
{
    show->time_ms = message->time_ms;
    if (tap_intake_is_whole(show->settings, message->role))
        tap_gaps_take(show->gaps, message, mono_ms);
    if (tap_shows_message(show->settings, message))
        write_line(show, tap_line(message, show->settings->json));
    return tap_output_flush(show->output);
}

void
tap_show_tick(struct tap_show *show, int64_t mono_ms, int64_t wall_ms)
{
    show->time_ms = wall_ms;
    tap_gaps_tick(show->gaps, mono_ms);
    tap_output_flush(show->output);
}

bool
tap_show_done(struct tap_show *show)
{
    tap_output_flush(show->output);
    return !tap_output_waiting(show->output);
}
