/* In: jobs. Out: the same jobs with their acknowledgement filled in, and durable rows.
 * Thread: its own; the functions of the header run in the loop's. */
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "clock.h"
#include "handover.h"
#include "log.h"
#include "mem.h"

#include "bulk.h"
#include "retention.h"
#include "snapshot_write.h"
#include "spooling.h"
#include "store_metrics.h"

#define GUARD_CAPACITY 200000
#define JOBS_AT_ONCE 64 /* in one bulk, at most: their rows fit the guard */
#define REPORT_MS 1000

struct snapshot_write {
    zactor_t *actor;
    const struct store_settings *settings;
    struct metrics *metrics;
    _Atomic bool ready;
    /* From here on the thread's own. */
    struct storage *storage; /* NULL: to be opened */
    bool prepared;
    int64_t retry_ms; /* no attempt to open or prepare before this monotonic time */
    struct backoff backoff;
    struct spooling *spooling;
    struct guard *guard;
    struct retention retention;
    int64_t log_ms;   /* when to say what was saved */
    struct ack total; /* of what is to be said: counts only */
};

/* Notes whether the database works and logs each change of that, once. */
static void
set_ready(struct snapshot_write *writer, bool ready, const char *reason)
{
    bool before = atomic_exchange(&writer->ready, ready);
    metrics_set(writer->metrics, METRIC_DATABASE_UP, ready);
    if (ready && !before)
        log_info("store.database_up", "the database answers",
                 LOG_STR("kind", storage_kind(writer->storage)));
    else if (!ready && (before || !writer->retry_ms))
        log_error("store.database_down",
                  "the database does not answer; snapshots go to the spool, if there is one",
                  LOG_STR("reason", reason));
}

static void
open_options(const struct snapshot_write *writer, struct storage_options *options)
{
    const struct store_settings *settings = writer->settings;
    *options = (struct storage_options){.mongodb_uri = settings->mongodb_uri,
                                        .database = settings->mongodb_database,
                                        .sqlite_path = settings->sqlite_path,
                                        .timeout_ms = (int)settings->database_timeout_ms};
}

static void
plan_retry(struct snapshot_write *writer)
{
    uint32_t chance = 0;
    uv_random(NULL, NULL, &chance, sizeof chance, 0, NULL);
    writer->retry_ms = clock_mono_ms() + backoff_next_ms(&writer->backoff, chance);
}

/* Opens and prepares the database when that has not been done. 0 when it is usable. */
static int
reach_database(struct snapshot_write *writer, struct storage_error *error)
{
    struct storage_options options;
    if (writer->prepared)
        return 0;
    if (clock_mono_ms() < writer->retry_ms) {
        error->failure = STORAGE_UNAVAILABLE;
        snprintf(error->text, sizeof error->text, "the database does not answer");
        return -1;
    }
    open_options(writer, &options);
    if ((!writer->storage && storage_open(&options, &writer->storage, error)) ||
        storage_prepare(writer->storage, writer->settings->retention_days * 86400, error)) {
        set_ready(writer, false, error->text);
        plan_retry(writer);
        return -1;
    }
    writer->prepared = true;
    set_ready(writer, true, "");
    return 0;
}

/* After a failed call: unless only the input was refused, start over with the connection. */
static void
note_failure(struct snapshot_write *writer, const struct storage_error *error)
{
    if (error->failure == STORAGE_REFUSED)
        return;
    set_ready(writer, false, error->text);
    storage_close(&writer->storage);
    writer->prepared = false;
    plan_retry(writer);
}

static void
put_off(struct job *job, const char *reason)
{
    job->ack.code = ACK_UNAVAILABLE;
    job->ack.saved = job->ack.kept = job->ack.ignored = 0;
    snprintf(job->ack.message, sizeof job->ack.message, "%.*s", ACK_MESSAGE_BYTES - 1, reason);
}

static int
change_setting(struct snapshot_write *writer, struct job *job, struct storage_error *error)
{
    const struct store_request *request = job->request;
    int64_t began_ms = clock_mono_ms(); /* another store may have changed it since */
    if (storage_set_enabled(writer->storage, request->auction, request->enabled, error)) {
        note_failure(writer, error);
        return -1;
    }
    guard_note(writer->guard, request->auction, request->enabled, began_ms);
    job->ack.saved = 1;
    log_info("store.setting_saved", "an auction's analytics were switched",
             LOG_STR("auction", request->auction),
             LOG_STR("enabled", request->enabled ? "true" : "false"));
    return 0;
}

static int
write_batches(struct snapshot_write *writer, struct job **jobs, size_t count,
              struct storage_error *error)
{
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int result = bulk_write(writer->storage, writer->guard, jobs, count, error);
    clock_gettime(CLOCK_MONOTONIC, &end);
    metrics_add(writer->metrics, METRIC_WRITES, 1);
    metrics_add(writer->metrics, METRIC_WRITE_MICROSECONDS,
                (end.tv_sec - start.tv_sec) * 1000000 + (end.tv_nsec - start.tv_nsec) / 1000);
    if (result)
        note_failure(writer, error);
    else
        backoff_reset(&writer->backoff);
    return result;
}

/* Batches that the database did not take: safe in the spool, or to be sent again. */
static void
keep_or_put_off(struct snapshot_write *writer, struct job **jobs, size_t count,
                const size_t *refused)
{
    const char *reason;
    for (size_t i = 0; i < count; i++) /* what this attempt refused is looked at again */
        jobs[i]->ack.refused = refused[i];
    if (spooling_keep(writer->spooling, jobs, count, &reason))
        return;
    for (size_t i = 0; i < count; i++)
        put_off(jobs[i], reason);
}

static void
work_batches(struct snapshot_write *writer, struct job **jobs, size_t count)
{
    struct storage_error error;
    size_t refused[JOBS_AT_ONCE];
    for (size_t i = 0; i < count; i++)
        refused[i] = jobs[i]->ack.refused;
    if (!writer->prepared || write_batches(writer, jobs, count, &error)) {
        keep_or_put_off(writer, jobs, count, refused);
        return;
    }
    for (size_t i = 0; i < count; i++)
        spooling_set_aside(writer->spooling, jobs[i], refused[i]);
}

static void
work_setting(struct snapshot_write *writer, struct job *job)
{
    struct storage_error error;
    if (!writer->prepared)
        put_off(job, "the database does not answer");
    else if (change_setting(writer, job, &error))
        put_off(job, error.text);
}

/* Works on a run of jobs: a setting alone, or batches up to the next setting. How many. */
static size_t
work_run(struct snapshot_write *writer, struct job **jobs, size_t count)
{
    size_t run = 1;
    bool setting = jobs[0]->request->kind == REQUEST_SETTING;
    while (!setting && run < count && jobs[run]->request->kind == REQUEST_BATCH)
        run++;
    if (setting)
        work_setting(writer, jobs[0]);
    else
        work_batches(writer, jobs, run);
    for (size_t i = 0; i < run; i++) {
        writer->total.saved += jobs[i]->request->kind == REQUEST_BATCH ? jobs[i]->ack.saved : 0;
        writer->total.kept += jobs[i]->ack.kept;
        writer->total.ignored += jobs[i]->ack.ignored;
        writer->total.spooled += jobs[i]->ack.spooled;
        writer->total.refused += jobs[i]->ack.code ? 0 : jobs[i]->ack.refused;
    }
    return run;
}

/* One line an interval about all that was saved in it, not one an auction. */
static void
log_saved(struct snapshot_write *writer)
{
    int64_t now_ms = clock_mono_ms();
    struct ack *total = &writer->total;
    if (now_ms < writer->log_ms)
        return;
    if (total->saved + total->kept + total->ignored + total->refused + total->spooled)
        log_info("store.snapshots_saved", "viewer snapshots saved",
                 LOG_INT("saved", (int64_t)total->saved), LOG_INT("kept", (int64_t)total->kept),
                 LOG_INT("ignored", (int64_t)total->ignored),
                 LOG_INT("refused", (int64_t)total->refused),
                 LOG_INT("spooled", (int64_t)total->spooled));
    *total = (struct ack){0};
    writer->log_ms = now_ms + writer->settings->log_interval_ms;
}

static void
expire_some(struct snapshot_write *writer)
{
    struct storage_error error;
    size_t deleted = 0;
    if (!writer->prepared || !retention_due(&writer->retention, clock_mono_ms()))
        return;
    if (retention_run(&writer->retention, writer->storage, &deleted, &error)) {
        log_warn("store.retention", "old snapshots could not be deleted",
                 LOG_STR("reason", error.text));
        note_failure(writer, &error);
    }
    metrics_add(writer->metrics, METRIC_EXPIRED, (int64_t)deleted);
}

static void
drain_some(struct snapshot_write *writer)
{
    struct storage_error error;
    if (!writer->prepared || clock_mono_ms() < spooling_due_ms(writer->spooling))
        return;
    if (spooling_drain(writer->spooling, writer->storage, writer->guard, &error))
        note_failure(writer, &error);
    else
        backoff_reset(&writer->backoff);
}

/* Reads waiting jobs; false when the pipe says to end. */
static bool
collect(zsock_t *pipe, struct job **jobs, size_t *count)
{
    void *handle = zsock_resolve(pipe);
    *count = 0;
    while (*count < JOBS_AT_ONCE) {
        struct job *job;
        int bytes = zmq_recv(handle, &job, sizeof job, ZMQ_DONTWAIT);
        if (bytes < 0)
            return true;
        if (bytes != sizeof job) /* "$TERM" */
            return false;
        handover_take(job);
        jobs[(*count)++] = job;
    }
    return true;
}

/* How long the thread may sleep before something is due. */
static int64_t
find_wait_ms(const struct snapshot_write *writer, int64_t tend_ms)
{
    int64_t now_ms = clock_mono_ms();
    int64_t due_ms =
        writer->log_ms < writer->retention.due_ms ? writer->log_ms : writer->retention.due_ms;
    int64_t drain_ms = spooling_due_ms(writer->spooling);
    if (tend_ms < due_ms)
        due_ms = tend_ms;
    if (!writer->prepared && writer->retry_ms < due_ms)
        due_ms = writer->retry_ms;
    if (writer->prepared && drain_ms < due_ms)
        due_ms = drain_ms;
    if (drain_ms < INT64_MAX && due_ms > now_ms + REPORT_MS) /* its age is to be told */
        due_ms = now_ms + REPORT_MS;
    return due_ms <= now_ms ? 1 : due_ms - now_ms;
}

static void
work_all(struct snapshot_write *writer, zsock_t *pipe, struct job **jobs, size_t count)
{
    for (size_t done = 0; done < count;)
        done += work_run(writer, jobs + done, count - done);
    for (size_t i = 0; i < count; i++) {
        handover_give(jobs[i]);
        zmq_send(zsock_resolve(pipe), &jobs[i], sizeof jobs[i], 0);
    }
}

static void
run_thread(zsock_t *pipe, void *arg)
{
    struct snapshot_write *writer = arg;
    struct job *jobs[JOBS_AT_ONCE];
    struct storage_error error;
    size_t count = 0;
    bool running = true;
    zsock_signal(pipe, 0);
    while (running) {
        reach_database(writer, &error);
        int64_t tend_ms = spooling_tend(writer->spooling);
        zmq_pollitem_t item = {.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN};
        zmq_poll(&item, 1, (long)find_wait_ms(writer, tend_ms));
        running = collect(pipe, jobs, &count);
        work_all(writer, pipe, jobs, count);
        drain_some(writer);
        expire_some(writer);
        spooling_report(writer->spooling);
        log_saved(writer);
    }
    writer->log_ms = 0;
    log_saved(writer);
    guard_destroy(&writer->guard);
    storage_close(&writer->storage);
    handover_give(writer);
}

struct snapshot_write *
snapshot_write_new(const struct store_settings *settings, struct metrics *metrics)
{
    struct snapshot_write *writer = mem_alloc(sizeof *writer);
    writer->settings = settings;
    writer->metrics = metrics;
    struct storage_options options;
    struct storage_error error;
    open_options(writer, &options);
    if (storage_open(&options, &writer->storage, &error)) {
        log_error("store.database", "cannot open the database", LOG_STR("reason", error.text));
        free(writer);
        return NULL;
    }
    writer->spooling = spooling_new(settings, metrics);
    if (!writer->spooling) {
        storage_close(&writer->storage);
        free(writer);
        return NULL;
    }
    writer->backoff = (struct backoff){.least_ms = settings->database_retry_ms,
                                       .most_ms = settings->database_retry_max_ms};
    writer->guard = guard_new(settings->flag_cache_ms, GUARD_CAPACITY);
    retention_init(&writer->retention, settings->retention_days,
                   settings->retention_interval_ms, clock_mono_ms());
    writer->log_ms = clock_mono_ms() + settings->log_interval_ms;
    writer->actor = zactor_new(run_thread, writer);
    assert(writer->actor);
    return writer;
}

void
snapshot_write_destroy(struct snapshot_write **writer)
{
    if (!*writer)
        return;
    zactor_destroy(&(*writer)->actor);
    handover_take(*writer);
    spooling_destroy(&(*writer)->spooling);
    free(*writer);
    *writer = NULL;
}

void
snapshot_write_submit(struct snapshot_write *writer, struct job **job)
{
    handover_give(*job);
    zmq_send(zsock_resolve(snapshot_write_pipe(writer)), job, sizeof *job, 0);
    *job = NULL;
}

zsock_t *
snapshot_write_pipe(struct snapshot_write *writer)
{
    return zactor_sock(writer->actor);
}

struct job *
snapshot_write_done(struct snapshot_write *writer)
{
    struct job *job;
    int bytes =
        zmq_recv(zsock_resolve(snapshot_write_pipe(writer)), &job, sizeof job, ZMQ_DONTWAIT);
    if (bytes != sizeof job)
        return NULL;
    handover_take(job);
    return job;
}

bool
snapshot_write_ready(const struct snapshot_write *writer)
{
    return atomic_load(&writer->ready) || spooling_usable(writer->spooling);
}
