/* In: tasks. Out: records in a spool, and the tasks' results. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include <utlist.h>

#include "spool.h"

#include "outbox_writer.h"
#include "sampler_metrics.h"

#define AT_ONCE 64 /* tasks in one transaction */
#define READ_RECORDS 16
#define READ_BYTES (1024 * 1024)
#define TOPIC "batch/"

struct outbox_writer {
    struct outbox_writer_options options;
    struct spool *spool; /* NULL: to be opened again; the thread's */
    bool opened;         /* once in this run; the thread's */
    pthread_t thread;
    pthread_mutex_t mutex; /* of the three below */
    pthread_cond_t wanted;
    struct outbox_task *tasks; /* to be done */
    struct outbox_task *done;
    bool ending;
    uv_async_t async; /* some are done */
};

static void
free_task(struct outbox_task *task)
{
    for (size_t i = 0; i < task->count; i++)
        store_request_destroy(&task->records[i].request);
    free(task->records);
    free(task->bytes);
    free(task);
}

static void
log_repair(struct outbox_writer *writer, const struct spool_repair *repair)
{
    if (repair->moved_to[0])
        log_error(
            "sampler.outbox_damaged",
            "the outbox's file was damaged; it is set aside, and what could be read of it "
            "is kept",
            LOG_STR("moved_to", repair->moved_to),
            LOG_INT("rescued_batches", (int64_t)repair->rescued));
    if (repair->lost)
        log_error("sampler.outbox_gone",
                  "the outbox's file is gone or empty; a new one is made",
                  LOG_STR("path", writer->options.path));
    if (repair->moved_to[0] || repair->lost)
        metrics_add(writer->options.metrics, METRIC_DISK_DAMAGED, 1);
}

static int
open_spool(struct outbox_writer *writer, struct spool_error *error)
{
    struct spool_options options = {.path = writer->options.path,
                                    .bytes_max = writer->options.bytes_max};
    struct spool_repair repair;
    if (spool_open(&options, &writer->spool, &repair, error))
        return -1;
    log_repair(writer, &repair);
    return 0;
}

static void
note_failure(struct outbox_writer *writer, const struct spool_error *error)
{
    if (error->failure == SPOOL_CORRUPT)
        spool_close(&writer->spool); /* opening it again mends it */
}

/* Tasks of one kind, that stand one behind the other, at most AT_ONCE; how many. */
static size_t
gather(struct outbox_task *first, struct outbox_task *same[AT_ONCE])
{
    size_t count = 0;
    for (struct outbox_task *task = first; task && task->kind == first->kind && count < AT_ONCE;
         task = task->next)
        same[count++] = task;
    return first->kind == OUTBOX_READ ? 1 : count;
}

static int
put(struct outbox_writer *writer, struct outbox_task **tasks, size_t count,
    struct spool_error *error)
{
    struct spool_record records[AT_ONCE];
    for (size_t i = 0; i < count; i++)
        records[i] = (struct spool_record){.bytes = tasks[i]->bytes, .size = tasks[i]->size};
    if (spool_put(writer->spool, records, count, clock_wall_ms(), error))
        return -1;
    for (size_t i = 0; i < count; i++)
        tasks[i]->record = records[i].id;
    return 0;
}

static int
drop(struct outbox_writer *writer, struct outbox_task **tasks, size_t count,
     struct spool_error *error)
{
    int64_t ids[AT_ONCE];
    for (size_t i = 0; i < count; i++)
        ids[i] = tasks[i]->record;
    return spool_drop(writer->spool, ids, count, error);
}

static void
note_damaged(struct outbox_writer *writer, size_t count)
{
    metrics_add(writer->options.metrics, METRIC_DISK_DAMAGED, (int64_t)count);
    log_error("sampler.outbox_record_damaged",
              "records of the outbox cannot be read; they are set aside in its file",
              LOG_INT("batches", (int64_t)count));
}

/* Records that are no batches are kept for people to look at. */
static void
set_aside(struct outbox_writer *writer, const struct outbox_task *task,
          const struct spool_record *copies)
{
    struct spool_error error;
    char subject[64];
    for (size_t i = 0; i < task->count; i++) {
        if (task->records[i].request)
            continue;
        snprintf(subject, sizeof subject, "record %lld", (long long)copies[i].id);
        note_damaged(writer, 1);
        if (spool_set_aside(writer->spool, subject, "is no batch", copies[i].bytes,
                            copies[i].size, clock_wall_ms(), &error) ||
            spool_drop(writer->spool, &copies[i].id, 1, &error))
            note_failure(writer, &error);
    }
}

static int
read_records(struct outbox_writer *writer, struct outbox_task *task, struct spool_error *error)
{
    struct spool_record records[READ_RECORDS];
    size_t count = READ_RECORDS, damaged;
    uint64_t id;
    if (spool_read(writer->spool, task->record, READ_BYTES, records, &count, &damaged, error))
        return -1;
    if (damaged)
        note_damaged(writer, damaged);
    task->records = mem_alloc((count + 1) * sizeof *task->records);
    task->count = count;
    bool bad = false;
    for (size_t i = 0; i < count; i++) {
        task->records[i].id = records[i].id;
        bad |= store_request_decode(TOPIC, strlen(TOPIC), records[i].bytes, records[i].size,
                                    &task->records[i].request, &id) != DECODE_OK;
    }
    if (!bad)
        return 0;
    for (size_t i = 0; i < count; i++) { /* the spool's next call ends its own */
        void *copy = mem_alloc(records[i].size + 1);
        memcpy(copy, records[i].bytes, records[i].size);
        records[i].bytes = copy;
    }
    set_aside(writer, task, records);
    for (size_t i = 0; i < count; i++)
        free((void *)records[i].bytes);
    return 0;
}

/* Does the first task and those like it behind it; how many. */
static size_t
do_some(struct outbox_writer *writer, struct outbox_task *first)
{
    struct outbox_task *tasks[AT_ONCE];
    struct spool_error error;
    size_t count = gather(first, tasks);
    int result = writer->spool ? 0 : open_spool(writer, &error);
    if (!result && !writer->opened) {
        writer->opened = true;
        first->found = spool_records(writer->spool);
    }
    if (!result && first->kind == OUTBOX_PUT)
        result = put(writer, tasks, count, &error);
    else if (!result && first->kind == OUTBOX_DROP)
        result = drop(writer, tasks, count, &error);
    else if (!result)
        result = read_records(writer, first, &error);
    if (result)
        note_failure(writer, &error);
    for (size_t i = 0; i < count; i++) {
        tasks[i]->failed = result;
        tasks[i]->bytes_kept = writer->spool ? spool_bytes(writer->spool) : 0;
        if (result)
            snprintf(tasks[i]->reason, sizeof tasks[i]->reason, "%s", error.text);
    }
    return count;
}

static void *
run(void *arg)
{
    struct outbox_writer *writer = arg;
    pthread_mutex_lock(&writer->mutex);
    for (;;) {
        while (!writer->tasks && !writer->ending)
            pthread_cond_wait(&writer->wanted, &writer->mutex);
        struct outbox_task *tasks = writer->tasks;
        if (!tasks)
            break;
        writer->tasks = NULL;
        pthread_mutex_unlock(&writer->mutex);
        size_t count;
        for (struct outbox_task *task = tasks; task;) {
            for (count = do_some(writer, task); count--;)
                task = task->next;
        }
        pthread_mutex_lock(&writer->mutex);
        DL_CONCAT(writer->done, tasks);
        if (!writer->ending)
            uv_async_send(&writer->async);
    }
    pthread_mutex_unlock(&writer->mutex);
    spool_close(&writer->spool);
    return NULL;
}

static void
on_async(uv_async_t *async)
{
    struct outbox_writer *writer = async->data;
    struct outbox_task *task, *next;
    pthread_mutex_lock(&writer->mutex);
    struct outbox_task *done = writer->done;
    writer->done = NULL;
    pthread_mutex_unlock(&writer->mutex);
    DL_FOREACH_SAFE(done, task, next)
    {
        writer->options.done(writer->options.arg, task);
        free_task(task);
    }
}

/* Signals are the loop's. */
static int
start_thread(struct outbox_writer *writer)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&writer->thread, NULL, run, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

struct outbox_writer *
outbox_writer_new(const struct outbox_writer_options *options, size_t *records, char *error,
                  size_t error_bytes)
{
    struct spool_error failure;
    struct outbox_writer *writer = mem_alloc(sizeof *writer);
    writer->options = *options;
    if (open_spool(writer, &failure)) {
        if (failure.failure == SPOOL_IN_USE || failure.failure == SPOOL_FOREIGN ||
            access(options->path, F_OK)) {
            snprintf(error, error_bytes, "OUTBOX_PATH: cannot open %s: %s", options->path,
                     failure.text);
            free(writer);
            return NULL;
        }
        log_error("sampler.outbox_failed", "the outbox on disk cannot be used for now",
                  LOG_STR("path", options->path), LOG_STR("reason", failure.text));
    }
    writer->opened = writer->spool;
    *records = writer->spool ? spool_records(writer->spool) : 0;
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->wanted, NULL);
    uv_async_init(options->loop, &writer->async, on_async);
    writer->async.data = writer;
    if (start_thread(writer)) {
        log_error("sampler.outbox_thread", "cannot start the thread of the outbox", LOG_NONE);
        abort();
    }
    return writer;
}

static void
on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void
outbox_writer_destroy(struct outbox_writer **writer)
{
    struct outbox_writer *old = *writer;
    struct outbox_task *task, *next;
    *writer = NULL;
    pthread_mutex_lock(&old->mutex);
    old->ending = true;
    pthread_cond_signal(&old->wanted);
    pthread_mutex_unlock(&old->mutex);
    pthread_join(old->thread, NULL);
    DL_FOREACH_SAFE(old->done, task, next)
    {
        old->options.done(old->options.arg, task);
        free_task(task);
    }
    pthread_mutex_destroy(&old->mutex);
    pthread_cond_destroy(&old->wanted);
    uv_close((uv_handle_t *)&old->async, on_closed);
}

void
outbox_writer_ask(struct outbox_writer *writer, const struct outbox_task *task)
{
    struct outbox_task *mine = mem_alloc(sizeof *mine);
    *mine = *task;
    pthread_mutex_lock(&writer->mutex);
    DL_APPEND(writer->tasks, mine);
    pthread_cond_signal(&writer->wanted);
    pthread_mutex_unlock(&writer->mutex);
}
