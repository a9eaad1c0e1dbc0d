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

struct tap_show *
tap_show_new(struct tap_life *life, const struct tap_settings *settings,
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
    show->gaps = tap_gaps_new();
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

static void
write_line(struct tap_show *show, char *line)
{
    if (line)
        tap_output_write(show->output, line, strlen(line));
    free(line);
}

bool
tap_show_take(struct tap_show *show, const struct message *message)
{
    static struct tap_gap found[SHARD_COUNT];
    bool json = show->settings->json;
    bool whole = tap_intake_is_whole(show->settings, message->role);
    size_t count = whole ? tap_gaps_take(show->gaps, message, found) : 0;
    for (size_t i = 0; i < count; i++)
        write_line(show, tap_gap_line(message, &found[i], json));
    if (tap_shows_message(show->settings, message))
        write_line(show, tap_line(message, json));
    return tap_output_flush(show->output);
}

bool
tap_show_done(struct tap_show *show)
{
    tap_output_flush(show->output);
    return !tap_output_waiting(show->output);
}
