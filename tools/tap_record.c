/* headcount-tap record: in: messages of gateways and samplers; out: a record (docs/tap.md) in a
 * file. The loop never waits for the disk: what comes while the buffer is full is dropped and
 * counted. Entries are handed over whole and in order, so that a kill tears the last at most.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "clock.h"
#include "log.h"

#include "record_format.h"
#include "tap_commands.h"
#include "tap_gaps.h"
#include "tap_intake.h"
#include "tap_life.h"
#include "tap_output.h"
#include "tap_settings.h"

#define FULL_BYTES (16 * 1024 * 1024)
#define EAGER_BYTES (64 * 1024) /* handed over before the next tick */
#define TICK_MS 50
#define DRAIN_MS 3000 /* at the end, for what waits */
#define HURRY_MS 200  /* the same, once asked again */
#define DROP_LOG_MS 10000

struct recorder {
    struct tap_settings settings;
    struct tap_life life;
    struct tap_intake *intake;
    struct tap_output *output;
    struct tap_gaps *gaps;
    uv_timer_t timer;
    int fd;
    uint64_t start_ns;
    int64_t stop_ms;    /* when the recording ends; 0: not by itself */
    int64_t give_up_ms; /* stopping: wait no longer; 0: not stopping */
    uint64_t messages, bytes, dropped, gaps_seen, missed, lost;
    struct log_limit drops;
};

static void
put(struct recorder *recorder, const void *bytes, size_t count)
{
    tap_output_write(recorder->output, bytes, count);
    recorder->bytes += count;
}

static void
note_drop(struct recorder *recorder)
{
    int64_t held_back;
    recorder->dropped++;
    if (log_allowed(&recorder->drops, clock_mono_ms(), DROP_LOG_MS, &held_back))
        log_warn("tap.behind", "FILE takes less than comes; messages are left out",
                 LOG_INT("dropped", (int64_t)recorder->dropped));
}

static void
on_news(void *arg, const struct tap_news *news)
{
    struct recorder *recorder = arg;
    recorder->lost += news->kind == TAP_LOST;
    if (news->kind != TAP_MISSED)
        return;
    recorder->gaps_seen++;
    recorder->missed += news->last - news->first + 1;
}

static void
take(void *arg, const struct tap_arrival *arrival)
{
    struct recorder *recorder = arg;
    unsigned char head[RECORD_HEAD_BYTES];
    struct record_entry entry = {(int64_t)((uv_hrtime() - recorder->start_ns) / 1000),
                                 arrival->topic, arrival->body, arrival->topic_bytes,
                                 arrival->body_bytes};
    if (tap_intake_is_whole(&recorder->settings, arrival->message->role))
        tap_gaps_take(recorder->gaps, arrival->message, clock_mono_ms());
    if (!tap_shows_message(&recorder->settings, arrival->message))
        return;
    if (tap_output_waiting(recorder->output) >= FULL_BYTES) {
        note_drop(recorder);
        return;
    }
    put(recorder, head, record_encode_entry(&entry, head));
    put(recorder, entry.topic, entry.topic_bytes);
    put(recorder, head, record_encode_body_head(&entry, head));
    put(recorder, entry.body, entry.body_bytes);
    recorder->messages++;
    if (tap_output_waiting(recorder->output) >= EAGER_BYTES)
        tap_output_flush(recorder->output);
}

/* A second time: there is little patience left, yet what FILE takes at once is no loss. */
static void
begin_stop(void *arg)
{
    struct recorder *recorder = arg;
    int64_t until_ms = clock_mono_ms() + (recorder->give_up_ms ? HURRY_MS : DRAIN_MS);
    tap_intake_pause(recorder->intake);
    tap_output_flush(recorder->output);
    if (!recorder->give_up_ms || until_ms < recorder->give_up_ms)
        recorder->give_up_ms = until_ms;
}

static void
on_tick(uv_timer_t *timer)
{
    struct recorder *recorder = timer->data;
    int64_t now_ms = clock_mono_ms();
    tap_output_flush(recorder->output);
    tap_gaps_tick(recorder->gaps, now_ms);
    if (recorder->stop_ms && now_ms >= recorder->stop_ms && !recorder->give_up_ms)
        begin_stop(recorder);
    if (!recorder->give_up_ms)
        return;
    if (!tap_output_waiting(recorder->output))
        tap_life_end(&recorder->life, 0);
    else if (now_ms >= recorder->give_up_ms)
        tap_life_end(&recorder->life, EXIT_SYSTEM);
}

static void
on_room(void *arg)
{
    (void)arg; /* asked of the output before each entry */
}

static void
on_end(void *arg, int error)
{
    struct recorder *recorder = arg;
    if (error)
        log_error("tap.output", "cannot write to FILE", LOG_STR("reason", strerror(error)));
    tap_intake_pause(recorder->intake);
    tap_life_end(&recorder->life, error ? EXIT_SYSTEM : 0);
}

static void
sum_up(const struct recorder *recorder)
{
    log_info("tap.recorded", "the record is closed",
             LOG_INT("messages", (int64_t)recorder->messages),
             LOG_INT("bytes", (int64_t)recorder->bytes),
             LOG_INT("gaps", (int64_t)recorder->gaps_seen),
             LOG_INT("missed", (int64_t)recorder->missed),
             LOG_INT("lost", (int64_t)recorder->lost),
             LOG_INT("dropped", (int64_t)recorder->dropped),
             LOG_INT("undecodable", (int64_t)tap_intake_undecodable(recorder->intake)));
    size_t waiting = tap_output_waiting(recorder->output);
    if (waiting)
        log_warn("tap.torn", "FILE did not take the end of the record",
                 LOG_INT("unwritten_bytes", (int64_t)waiting));
}

/* A descriptor to write to, or -1 after a line in the log. */
static int
open_file(const struct tap_settings *settings, const char *path)
{
    if (!strcmp(path, "-"))
        return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK;
    int fd = open(path, flags | (settings->force ? O_TRUNC : O_EXCL), 0666);
    if (fd >= 0)
        return fd;
    if (errno == EEXIST)
        log_error("tap.file", "FILE exists; --force overwrites it", LOG_STR("file", path));
    else
        log_error("tap.file", "cannot write to FILE", LOG_STR("file", path),
                  LOG_STR("reason", strerror(errno)));
    return -1;
}

static void
start(struct recorder *recorder)
{
    unsigned char head[RECORD_HEAD_BYTES];
    struct tap_output_events events = {on_room, on_end, recorder};
    recorder->output = tap_output_new(&recorder->life.loop, recorder->fd, FULL_BYTES, events);
    recorder->gaps =
        tap_gaps_new(recorder->settings.node_timeout_ms, on_news, recorder, clock_mono_ms());
    recorder->start_ns = uv_hrtime();
    if (recorder->settings.seconds)
        recorder->stop_ms = clock_mono_ms() + recorder->settings.seconds * 1000;
    put(recorder, head, record_encode_header(clock_wall_ms(), head));
    tap_output_flush(recorder->output);
    uv_timer_start(&recorder->timer, on_tick, TICK_MS, TICK_MS);
}

static int
run(struct recorder *recorder, const char *path, char **endpoints)
{
    tap_life_begin(&recorder->life, begin_stop, recorder);
    uv_timer_init(&recorder->life.loop, &recorder->timer);
    recorder->timer.data = recorder;
    recorder->fd = -1;
    recorder->intake =
        tap_intake_new(&recorder->life.loop, &recorder->settings, endpoints, take, recorder);
    if (recorder->intake)
        recorder->fd = open_file(&recorder->settings, path);
    if (recorder->fd < 0) {
        tap_life_end(&recorder->life, EXIT_SYSTEM);
    } else {
        start(recorder);
        tap_life_run(&recorder->life);
        sum_up(recorder);
    }
    tap_intake_destroy(&recorder->intake);
    tap_gaps_destroy(&recorder->gaps);
    tap_output_destroy(&recorder->output);
    uv_close((uv_handle_t *)&recorder->timer, NULL);
    int status = tap_life_finish(&recorder->life);
    if (recorder->fd >= 0)
        close(recorder->fd);
    return status;
}

static int
check_operands(const struct bus_settings *bus, char **operands)
{
    if (*operands && !bus_endpoints_valid(*operands))
        return tap_check_endpoints("headcount-tap record", bus, operands + 1);
    fprintf(stderr, "headcount-tap record: no FILE; allowed: a path or - for stdout, then one "
                    "or more of tcp://HOST:PORT, ipc://PATH\n");
    return EXIT_USAGE;
}

int
tap_record(int argc, char **argv)
{
    static struct recorder recorder;
    int first;
    int status = settings_read(&tap_record_program, argc, argv, &recorder.settings, &first);
    if (status != SETTINGS_RUN)
        return status;
    settings_start(&recorder.settings.common, "tap");
    status = check_operands(&recorder.settings.bus, argv + first);
    if (!status)
        status = run(&recorder, argv[first], argv + first + 1);
    settings_free(&tap_record_program, &recorder.settings);
    return status;
}
