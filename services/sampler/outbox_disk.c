/* In: batches. Out: records of a spool, and batches again. The loop's half knows which record
 * is which batch; the thread's half (outbox_writer) knows the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "table.h"

#include "store_request.h"

#include "outbox_disk.h"
#include "outbox_writer.h"
#include "sampler_metrics.h"

#define RETRY_MS 2000 /* after the disk took nothing */
#define LOG_MS 10000
#define WARN_PERCENT 80
#define CALM_PERCENT 60 /* below it the next warning is due at once */

enum entry_state {
    ENTRY_WRITING,
    ENTRY_KEPT,
    ENTRY_UNKEPT, /* the disk did not take it; its bytes wait for the next attempt */
};

/* A batch that is in memory. */
struct entry {
    uint64_t id;
    int64_t record; /* KEPT */
    enum entry_state state;
    bool forgotten; /* while it was being written */
    bool parked;    /* the same */
    size_t rows;
    void *bytes; /* UNKEPT, owned */
    size_t size;
    UT_hash_handle by_id, by_record;
};

struct outbox_disk {
    struct outbox_disk_options options;
    struct outbox_writer *writer;
    struct encoder *encoder;
    struct entry *entries; /* by id */
    struct entry *records; /* the kept ones by record */
    int64_t cursor;        /* records up to it are in memory, or gone */
    size_t parked;
    size_t unkept;
    size_t writing; /* puts that the writer has not answered */
    size_t asked;   /* tasks that the writer has not answered */
    bool closing;   /* the writer has ended */
    bool loading;
    bool wrapped; /* the cursor came round and nothing was loaded since */
    bool warned;
    struct log_limit fail_limit, lost_limit;
    uv_timer_t timer; /* to try what was not kept again */
};

static void
report(struct outbox_disk *disk)
{
    metrics_set(disk->options.metrics, METRIC_DISK_PARKED, (int64_t)disk->parked);
    metrics_set(disk->options.metrics, METRIC_DISK_UNKEPT,
                (int64_t)(disk->unkept + disk->writing));
}

static struct entry *
find(struct outbox_disk *disk, uint64_t id)
{
    struct entry *entry;
    HASH_FIND(by_id, disk->entries, &id, sizeof id, entry);
    return entry;
}

static void
remove_entry(struct outbox_disk *disk, struct entry *entry)
{
    HASH_DELETE(by_id, disk->entries, entry);
    if (entry->state == ENTRY_KEPT)
        HASH_DELETE(by_record, disk->records, entry);
    if (entry->state == ENTRY_UNKEPT)
        disk->unkept--;
    free(entry->bytes);
    free(entry);
}

static struct entry *
add_entry(struct outbox_disk *disk, uint64_t id)
{
    struct entry *entry = mem_alloc(sizeof *entry);
    entry->id = id;
    HASH_ADD(by_id, disk->entries, id, sizeof id, entry);
    return entry;
}

static void
become_kept(struct outbox_disk *disk, struct entry *entry, int64_t record)
{
    entry->state = ENTRY_KEPT;
    entry->record = record;
    HASH_ADD(by_record, disk->records, record, sizeof record, entry);
}

static void
ask(struct outbox_disk *disk, struct outbox_task task)
{
    disk->asked++;
    outbox_writer_ask(disk->writer, &task);
}

static void
write_entry(struct outbox_disk *disk, struct entry *entry, void *bytes, size_t size)
{
    entry->state = ENTRY_WRITING;
    disk->writing++;
    report(disk);
    ask(disk, (struct outbox_task){
                  .kind = OUTBOX_PUT, .id = entry->id, .bytes = bytes, .size = size});
}

void
outbox_disk_keep(struct outbox_disk *disk, uint64_t id, const struct snapshot *rows,
                 size_t count)
{
    struct store_request request = {.kind = REQUEST_BATCH, /* the key is not for the disk */
                                    .key = (char[]){""},
                                    .rows = (struct snapshot *)rows,
                                    .row_count = count};
    struct encoded encoded = store_request_encode(disk->encoder, &request);
    void *bytes = mem_alloc(encoded.body_bytes);
    memcpy(bytes, encoded.body, encoded.body_bytes);
    struct entry *entry = add_entry(disk, id);
    entry->rows = count;
    write_entry(disk, entry, bytes, encoded.body_bytes);
}

/* At the end it stays, and is sent once more. */
static void
drop_record(struct outbox_disk *disk, int64_t record)
{
    if (disk->closing)
        return;
    ask(disk, (struct outbox_task){.kind = OUTBOX_DROP, .record = record});
}

void
outbox_disk_forget(struct outbox_disk *disk, uint64_t id)
{
    struct entry *entry = find(disk, id);
    if (!entry)
        return;
    if (entry->state == ENTRY_WRITING) {
        entry->forgotten = true;
        return;
    }
    if (entry->state == ENTRY_KEPT)
        drop_record(disk, entry->record);
    remove_entry(disk, entry);
    report(disk);
}

static void
park_record(struct outbox_disk *disk, int64_t record)
{
    disk->parked++;
    if (disk->cursor >= record)
        disk->cursor = record - 1;
    report(disk);
}

bool
outbox_disk_park(struct outbox_disk *disk, uint64_t id)
{
    struct entry *entry = find(disk, id);
    if (!entry)
        return false;
    if (entry->state == ENTRY_WRITING) {
        entry->parked = true;
        return true;
    }
    bool kept = entry->state == ENTRY_KEPT;
    int64_t record = entry->record;
    remove_entry(disk, entry);
    if (kept)
        park_record(disk, record);
    report(disk);
    return kept;
}

void
outbox_disk_load(struct outbox_disk *disk)
{
    if (disk->loading || !disk->parked)
        return;
    disk->loading = true;
    ask(disk, (struct outbox_task){.kind = OUTBOX_READ, .record = disk->cursor});
}

static void
note_failure(struct outbox_disk *disk, const char *reason)
{
    int64_t suppressed;
    if (log_allowed(&disk->fail_limit, clock_mono_ms(), LOG_MS, &suppressed))
        log_error("sampler.outbox_failed",
                  "the outbox on disk takes nothing; batches are in memory only and would not "
                  "outlive a restart",
                  LOG_STR("reason", reason), LOG_INT("suppressed", suppressed));
}

static void
note_bytes(struct outbox_disk *disk, int64_t bytes)
{
    int64_t most = disk->options.bytes_max;
    metrics_set(disk->options.metrics, METRIC_DISK_BYTES, bytes);
    if (bytes < most / 100 * CALM_PERCENT)
        disk->warned = false;
    if (disk->warned || bytes < most / 100 * WARN_PERCENT)
        return;
    disk->warned = true;
    log_error("sampler.outbox_filling",
              "the outbox on disk is nearly full; when it is, batches are in memory only",
              LOG_INT("bytes", bytes), LOG_INT("bytes_max", most));
}

/* Memory gave a batch up while it was being written, and the disk did not take it. */
static void
lose(struct outbox_disk *disk, size_t rows)
{
    int64_t suppressed;
    metrics_add(disk->options.metrics, METRIC_DROPPED_DISK, (int64_t)rows);
    if (log_allowed(&disk->lost_limit, clock_mono_ms(), LOG_MS, &suppressed))
        log_error("sampler.outbox_lost",
                  "a batch is lost: memory had no room and the disk did not take it",
                  LOG_INT("suppressed", suppressed));
}

static void on_timer(uv_timer_t *timer);

static void
try_later(struct outbox_disk *disk)
{
    if (!uv_is_active((uv_handle_t *)&disk->timer))
        uv_timer_start(&disk->timer, on_timer, RETRY_MS, 0);
}

static void
on_put(struct outbox_disk *disk, struct outbox_task *task)
{
    struct entry *entry = find(disk, task->id);
    bool kept = task->record;
    if (!kept)
        note_failure(disk, task->reason);
    if (entry->forgotten || entry->parked) {
        if (kept && entry->forgotten)
            drop_record(disk, task->record);
        else if (kept)
            park_record(disk, task->record);
        else if (entry->parked)
            lose(disk, entry->rows);
        remove_entry(disk, entry);
    } else if (kept) {
        become_kept(disk, entry, task->record);
    } else {
        entry->state = ENTRY_UNKEPT;
        entry->bytes = task->bytes;
        entry->size = task->size;
        task->bytes = NULL;
        disk->unkept++;
        try_later(disk);
    }
}

/* No record is behind the cursor. Those parked meanwhile stand before it; when there are none,
 * either, whatever was parked is gone. */
static void
wrap(struct outbox_disk *disk)
{
    if (disk->wrapped)
        disk->parked = 0;
    disk->wrapped = !disk->wrapped;
    disk->cursor = 0;
}

/* Batches of the disk, but for those that are in memory. */
static void
on_read(struct outbox_disk *disk, struct outbox_task *task)
{
    bool loaded = false;
    disk->loading = false;
    if (disk->closing)
        return;
    if (task->failed) {
        note_failure(disk, task->reason);
        try_later(disk);
        return;
    }
    if (!task->count)
        wrap(disk);
    for (size_t i = 0; i < task->count; i++) {
        struct outbox_record *record = &task->records[i];
        struct entry *entry;
        disk->cursor = record->id;
        HASH_FIND(by_record, disk->records, &record->id, sizeof record->id, entry);
        if (entry)
            continue;
        disk->parked -= disk->parked > 0;
        if (!record->request)
            continue; /* set aside */
        struct snapshot *rows = record->request->rows;
        uint64_t id = disk->options.load(disk->options.arg, rows, record->request->row_count);
        record->request->rows = NULL;
        record->request->row_count = 0;
        become_kept(disk, add_entry(disk, id), record->id);
        loaded = true;
    }
    if (loaded)
        disk->wrapped = false;
    else
        outbox_disk_load(disk); /* the next ones */
}

static void
note_found(struct outbox_disk *disk, size_t batches)
{
    if (!batches)
        return;
    disk->parked += batches;
    log_warn("sampler.outbox_waiting",
             "batches of before that no store has acknowledged wait in the outbox",
             LOG_INT("batches", (int64_t)batches));
}

static void
on_done(void *arg, struct outbox_task *task)
{
    struct outbox_disk *disk = arg;
    disk->asked--;
    note_found(disk, task->found);
    disk->writing -= task->kind == OUTBOX_PUT;
    if (task->kind == OUTBOX_PUT)
        on_put(disk, task);
    else if (task->kind == OUTBOX_READ)
        on_read(disk, task);
    else if (task->failed)
        note_failure(disk, task->reason);
    note_bytes(disk, task->bytes_kept);
    report(disk);
}

static void
write_again(struct outbox_disk *disk)
{
    struct entry *entry, *next;
    HASH_ITER(by_id, disk->entries, entry, next)
    {
        if (entry->state != ENTRY_UNKEPT)
            continue;
        void *bytes = entry->bytes;
        entry->bytes = NULL;
        disk->unkept--;
        write_entry(disk, entry, bytes, entry->size);
    }
}

static void
on_timer(uv_timer_t *timer)
{
    write_again(timer->data);
    outbox_disk_load(timer->data);
}

struct outbox_disk *
outbox_disk_new(const struct outbox_disk_options *options, char *error, size_t error_bytes)
{
    struct outbox_disk *disk = mem_alloc(sizeof *disk);
    struct outbox_writer_options writer = {.loop = options->loop,
                                           .path = options->path,
                                           .bytes_max = options->bytes_max,
                                           .metrics = options->metrics,
                                           .done = on_done,
                                           .arg = disk};
    disk->options = *options;
    size_t found = 0;
    disk->writer = outbox_writer_new(&writer, &found, error, error_bytes);
    if (!disk->writer) {
        free(disk);
        return NULL;
    }
    disk->encoder = encoder_new();
    uv_timer_init(options->loop, &disk->timer);
    disk->timer.data = disk;
    metrics_set(options->metrics, METRIC_DISK_BYTES_MAX, options->bytes_max);
    note_found(disk, found);
    report(disk);
    return disk;
}

static void
on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

size_t
outbox_disk_destroy(struct outbox_disk **disk)
{
    if (!*disk)
        return 0;
    struct outbox_disk *old = *disk;
    struct entry *entry, *next;
    size_t lost = 0;
    *disk = NULL;
    write_again(old);
    old->closing = true;
    outbox_writer_destroy(&old->writer);
    HASH_CLEAR(by_record, old->records);
    HASH_ITER(by_id, old->entries, entry, next)
    {
        HASH_DELETE(by_id, old->entries, entry);
        lost += entry->state == ENTRY_UNKEPT ? entry->rows : 0;
        free(entry->bytes);
        free(entry);
    }
    encoder_destroy(&old->encoder);
    uv_close((uv_handle_t *)&old->timer, on_closed);
    return lost;
}

bool
outbox_disk_settled(const struct outbox_disk *disk)
{
    return !disk->asked && !disk->unkept;
}
