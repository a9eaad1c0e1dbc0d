/* The thread that has the outbox's file: tasks in, the same tasks with their results out, in
 * order. One file, one thread; asked from the loop's thread, and answered there. */
#ifndef OUTBOX_WRITER_H
#define OUTBOX_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "metrics.h"
#include "store_request.h"

struct outbox_writer;

enum outbox_task_kind {
    OUTBOX_PUT,  /* id, bytes, size ─▶ record; 0: not written */
    OUTBOX_DROP, /* record */
    OUTBOX_READ, /* record: those after it ─▶ records; none: there are none */
};

struct outbox_record {
    int64_t id;
    struct store_request *request; /* NULL: it is no batch, and was set aside */
};

struct outbox_task {
    enum outbox_task_kind kind;
    uint64_t id;
    int64_t record;
    void *bytes; /* owned by the task */
    size_t size;
    struct outbox_record *records; /* the same */
    size_t count;
    bool failed;
    char reason[256];   /* failed */
    int64_t bytes_kept; /* in the file now */
    size_t found;       /* records of before, where this was what opened the file at last */
    struct outbox_task *prev, *next;
};

/* A task was tried; what it owns is freed after the call. */
typedef void outbox_done_f(void *arg, struct outbox_task *task);

struct outbox_writer_options {
    uv_loop_t *loop;
    const char *path; /* borrowed for good */
    int64_t bytes_max;
    struct metrics *metrics;
    outbox_done_f *done;
    void *arg;
};

/* *records: how many are in the file. NULL with the reason when the path cannot be used; a file
 * that cannot be used for now is tried again with each task. */
struct outbox_writer *outbox_writer_new(const struct outbox_writer_options *options,
                                        size_t *records, char *error, size_t error_bytes);

/* Does what was asked for, calls done for the last time, and ends; blocks for it. */
void outbox_writer_destroy(struct outbox_writer **writer);

/* What the task owns becomes the writer's. */
void outbox_writer_ask(struct outbox_writer *writer, const struct outbox_task *task);

#endif
