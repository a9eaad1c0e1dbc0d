/* Records of the outbox's file, of which any may be no batch. Each batch comes back, the others
 * are set aside, none is lost. Input: records, each behind two bytes of length. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "outbox_writer.h"
#include "sampler_metrics.h"
#include "spool.h"

#include "fuzz.h"
#include "spool_check.h"

#define BYTES_MAX (16 * 1024 * 1024)

struct reading {
    struct outbox_writer *writer;
    size_t batches; /* that came back */
    bool over;
};

static void
ask(struct reading *reading, int64_t after)
{
    struct outbox_task task = {.kind = OUTBOX_READ, .record = after};
    outbox_writer_ask(reading->writer, &task);
}

static void
take_done(void *arg, struct outbox_task *task)
{
    struct reading *reading = arg;
    assert(!task->failed);
    for (size_t i = 0; i < task->count; i++)
        reading->batches += task->records[i].request != NULL;
    reading->over = !task->count;
    if (task->count)
        ask(reading, task->records[task->count - 1].id);
}

static size_t
read_back(const char *path)
{
    uv_loop_t loop;
    char error[256];
    size_t found;
    struct reading reading = {0};
    struct outbox_writer_options options = {
        .loop = &loop, .path = path, .bytes_max = BYTES_MAX, .done = take_done};
    options.metrics = metrics_new(sampler_metric_table, SAMPLER_METRICS);
    options.arg = &reading;
    uv_loop_init(&loop);
    reading.writer = outbox_writer_new(&options, &found, error, sizeof error);
    assert(reading.writer);
    ask(&reading, 0);
    while (!reading.over)
        uv_run(&loop, UV_RUN_ONCE);
    outbox_writer_destroy(&reading.writer);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    metrics_destroy(&options.metrics);
    return reading.batches;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    char path[FUZZ_PATH_BYTES];
    size_t batches = 0;
    fuzz_path("outbox", path);
    spool_remove(path);
    size_t count = spool_fill(&fuzz, path, &batches);
    size_t back = read_back(path);
    assert(back == batches);
    struct spool *spool = spool_open_sound(path);
    assert(spool_records(spool) == batches);
    assert(spool_aside(spool) <= count - batches && !spool_aside(spool) == (count == batches));
    spool_close(&spool);
    spool_remove(path);
    return 0;
}
