/* headcount-tap replay: in: a record (docs/tap.md); out: the lines that the tap would have
 * shown, or the messages once more, published with the pauses between them. One thread, one
 * loop. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"

#include "record_file.h"
#include "replay_bus.h"
#include "tap_commands.h"
#include "tap_life.h"
#include "tap_settings.h"
#include "tap_show.h"

#define BUDGET 1000 /* messages in one turn of the loop */
#define TICK_MS 250
#define RETRY_MS 2       /* until a slow subscriber is asked again */
#define ARRIVAL_MS 50    /* until awaited subscribers are looked for again */
#define LAST_LINES_MS 20 /* until stdout is asked again whether it took them */
#define DRAIN_MS 10000   /* for subscribers to get the last messages */
#define JUNK_LOG_MS 10000

struct replay {
    struct tap_settings settings;
    struct tap_life life;
    const char *path;
    struct record_file *file;
    struct record_entry entry; /* the one in hand */
    bool in_hand;
    struct tap_show *show;  /* printing, else NULL */
    int64_t ticked_ms;      /* printing: the record's time up to which silence was judged */
    struct replay_bus *bus; /* publishing, else NULL */
    double speed;
    bool begun;        /* whoever was awaited has come */
    bool blocked;      /* stdout has no room */
    uint64_t begun_ns; /* when the record's start was replayed */
    uv_timer_t timer;
    uv_poll_t poll; /* of a pipe that the record comes from */
    bool polled;
    struct message message; /* the one being shown */
    uint64_t messages, replayed, undecodable;
    struct log_limit junk;
};

static void on_step(uv_timer_t *timer);

static void
step_in(struct replay *replay, int64_t wait_ms)
{
    uv_timer_start(&replay->timer, on_step, (uint64_t)wait_ms, 0);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    struct replay *replay = poll->data;
    (void)status, (void)events;
    uv_poll_stop(poll);
    step_in(replay, 0);
}

static void
wait_readable(struct replay *replay)
{
    if (replay->polled)
        uv_poll_start(&replay->poll, UV_READABLE, on_readable);
    else
        step_in(replay, RETRY_MS);
}

static void
on_over(uv_timer_t *timer)
{
    struct replay *replay = timer->data;
    tap_life_end(&replay->life, 0);
}

static void
finish(struct replay *replay, enum record_next how)
{
    int64_t messages = (int64_t)replay->messages;
    if (how == RECORD_TORN)
        log_warn("tap.torn", "the last record is cut off", LOG_STR("file", replay->path),
                 LOG_INT("messages_read", messages));
    else if (how == RECORD_WRONG)
        log_error("tap.file", "the record cannot be read on", LOG_STR("file", replay->path),
                  LOG_STR("reason", record_file_problem(replay->file)),
                  LOG_INT("messages_read", messages));
    if (replay->bus)
        log_info("tap.replayed", "the replay is over", LOG_INT("messages", messages),
                 LOG_INT("published", (int64_t)replay->replayed),
                 LOG_INT("undecodable", (int64_t)replay->undecodable));
    replay->life.status = how == RECORD_WRONG ? EXIT_SYSTEM : 0;
    uv_timer_start(&replay->timer, on_over, replay->bus ? REPLAY_BUS_GRACE_MS : 0, 0);
}

static bool
decode(struct replay *replay)
{
    const struct record_entry *entry = &replay->entry;
    enum decode_result decoded = message_decode(entry->topic, entry->topic_bytes, entry->body,
                                                entry->body_bytes, &replay->message);
    int64_t held_back;
    if (decoded == DECODE_OK)
        return true;
    replay->undecodable++;
    if (log_allowed(&replay->junk, clock_mono_ms(), JUNK_LOG_MS, &held_back))
        log_warn("tap.junk", "a message does not decode",
                 LOG_STR("reason", decode_result_text(decoded)),
                 LOG_INT("held_back", held_back));
    return false;
}

/* How long until the entry in hand is due. */
static int64_t
count_wait_ms(const struct replay *replay)
{
    if (!replay->bus || replay->speed <= 0)
        return 0;
    double due_us = (double)replay->entry.elapsed_us / replay->speed;
    double now_us = (double)(uv_hrtime() - replay->begun_ns) / 1000;
    return due_us > now_us ? (int64_t)((due_us - now_us) / 1000) + 1 : 0;
}

/* Takes the next entry in hand, if it is understood. False: there is none now. */
static bool
read_entry(struct replay *replay)
{
    enum record_next next = record_file_next(replay->file, &replay->entry);
    if (next == RECORD_WAIT)
        wait_readable(replay);
    else if (next != RECORD_ENTRY && replay->show && !tap_show_done(replay->show))
        step_in(replay, LAST_LINES_MS);
    else if (next != RECORD_ENTRY)
        finish(replay, next);
    if (next != RECORD_ENTRY)
        return false;
    replay->messages++;
    replay->in_hand = decode(replay);
    return true;
}

/* Shows the entry in hand, and who was silent before it; a long pause is cut short. */
static void
show(struct replay *replay)
{
    int64_t now_ms = replay->entry.elapsed_us / 1000;
    if (replay->ticked_ms < now_ms - 2 * replay->settings.node_timeout_ms)
        replay->ticked_ms = now_ms - 2 * replay->settings.node_timeout_ms;
    for (; replay->ticked_ms + TICK_MS <= now_ms; replay->ticked_ms += TICK_MS)
        tap_show_tick(replay->show, replay->ticked_ms + TICK_MS,
                      record_file_start_ms(replay->file) + replay->ticked_ms + TICK_MS);
    replay->blocked = !tap_show_take(replay->show, &replay->message, now_ms);
}

/* Publishes or shows the entry in hand. False: there is no room now. */
static bool
hand_over(struct replay *replay)
{
    if (!replay->bus) {
        replay->in_hand = false;
        show(replay);
        return !replay->blocked;
    }
    bool shown = tap_shows_message(&replay->settings, &replay->message);
    replay->in_hand = shown && !replay_bus_send(replay->bus, &replay->entry);
    replay->replayed += shown && !replay->in_hand;
    return !replay->in_hand;
}

/* Whether whoever was awaited has come. Subscriptions are taken in in any case. */
static bool
has_begun(struct replay *replay)
{
    int64_t wait = replay->begun ? 0 : replay->settings.wait;
    if (replay->bus && !replay_bus_has(replay->bus, wait, clock_mono_ms()))
        return false;
    if (!replay->begun)
        replay->begun_ns = uv_hrtime();
    replay->begun = true;
    return true;
}

static void
on_step(uv_timer_t *timer)
{
    struct replay *replay = timer->data;
    if (!has_begun(replay)) {
        step_in(replay, ARRIVAL_MS);
        return;
    }
    for (int i = 0; i < BUDGET; i++) {
        if (!replay->in_hand && !read_entry(replay))
            return;
        if (!replay->in_hand)
            continue;
        int64_t wait_ms = count_wait_ms(replay);
        if (!wait_ms && hand_over(replay))
            continue;
        if (!replay->blocked)
            step_in(replay, wait_ms ? wait_ms : RETRY_MS);
        return;
    }
    step_in(replay, 0);
}

static void
on_room(void *arg)
{
    struct replay *replay = arg;
    replay->blocked = false;
    step_in(replay, 0);
}

static int
open_ends(struct replay *replay)
{
    char error[512];
    replay->file = record_file_open(replay->path);
    if (!replay->file) {
        log_error("tap.file", "cannot read FILE", LOG_STR("file", replay->path),
                  LOG_STR("reason", strerror(errno)));
        return -1;
    }
    if (!replay->settings.bind) {
        replay->show = tap_show_new(&replay->life, &replay->settings, 0, on_room, replay);
        return replay->show ? 0 : -1;
    }
    replay->bus = replay_bus_new(&replay->life.loop, &replay->settings.bus,
                                 replay->settings.bind, error, sizeof error);
    if (!replay->bus)
        log_error("tap.bind", "cannot publish", LOG_STR("reason", error));
    return replay->bus ? 0 : -1;
}

static int
run(struct replay *replay)
{
    tap_life_begin(&replay->life, NULL, NULL);
    replay->speed = tap_speed(&replay->settings);
    uv_timer_init(&replay->life.loop, &replay->timer);
    replay->timer.data = replay->poll.data = replay;
    if (open_ends(replay)) {
        tap_life_end(&replay->life, EXIT_SYSTEM);
    } else {
        replay->polled =
            !uv_poll_init(&replay->life.loop, &replay->poll, record_file_fd(replay->file));
        step_in(replay, 0);
        tap_life_run(&replay->life);
    }
    uv_close((uv_handle_t *)&replay->timer, NULL);
    if (replay->polled)
        uv_close((uv_handle_t *)&replay->poll, NULL);
    tap_show_destroy(&replay->show);
    replay_bus_destroy(&replay->bus, replay->in_hand ? 0 : DRAIN_MS);
    int status = tap_life_finish(&replay->life);
    record_file_close(&replay->file);
    return status;
}

int
tap_replay(int argc, char **argv)
{
    static struct replay replay;
    int first;
    int status = settings_read(&tap_replay_program, argc, argv, &replay.settings, &first);
    if (status != SETTINGS_RUN)
        return status;
    settings_start(&replay.settings.common, "tap");
    if (argc - first == 1) {
        replay.path = argv[first];
        status = run(&replay);
    } else {
        fprintf(stderr,
                "headcount-tap replay: %d operands; allowed: one FILE, or - for stdin\n",
                argc - first);
        status = EXIT_USAGE;
    }
    settings_free(&tap_replay_program, &replay.settings);
    return status;
}
