/* In: jobs that could not be written. Out: the same rows in the database, later.
 * A record of the spool is the body of a batch without its key (proto/README.md). */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "backoff.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "spool.h"

#include "bulk.h"
#include "spooling.h"
#include "store_metrics.h"

#define RECORDS_AT_ONCE 16
#define BYTES_AT_ONCE (256 * 1024)
#define ROW_BYTES 64 /* about */
#define TOPIC "batch/"
#define WARN_PERCENT 80 /* of SPOOL_BYTES */
#define CALM_PERCENT 60 /* below it the next warning is due at once */
#define LOG_MS 10000
#define STUCK_ATTEMPTS 3 /* to write the oldest record, before a younger one is tried */

struct spooling {
    const struct store_settings *settings;
    struct metrics *metrics;
    struct spool *spool;    /* NULL: none, or to be opened again */
    struct backoff backoff; /* of that */
    int64_t open_ms;        /* not before this monotonic time */
    _Atomic bool usable;
    struct encoder *encoder;
    int64_t due_ms; /* not before: the rate */
    size_t at_once; /* records in a write: half of it after one that failed, one more after one
                       that did not, so that a slow database gets what it can take in time */
    int64_t stuck_id; /* of the oldest record, when it could not be written */
    int stuck_attempts;
    bool warned;
    struct log_limit warn_limit;
    struct log_limit error_limit;
};

static bool
is_wanted(const struct spooling *spooling)
{
    return *spooling->settings->spool_path;
}

static void
log_repair(const struct spooling *spooling, const struct spool_repair *repair)
{
    if (repair->moved_to[0]) {
        metrics_add(spooling->metrics, METRIC_SPOOL_DAMAGED, 1);
        log_error("store.spool_damaged",
                  "the spool's file was damaged; it is set aside, and what could be read of it "
                  "is kept",
                  LOG_STR("moved_to", repair->moved_to),
                  LOG_INT("rescued_batches", (int64_t)repair->rescued));
    }
    if (repair->lost) {
        metrics_add(spooling->metrics, METRIC_SPOOL_DAMAGED, 1);
        log_error("store.spool_lost", "the spool's file is gone or empty; a new one is made",
                  LOG_STR("path", spooling->settings->spool_path));
    }
}

static int
open_spool(struct spooling *spooling, struct spool_error *error)
{
    struct spool_options options = {.path = spooling->settings->spool_path,
                                    .bytes_max = spooling->settings->spool_bytes};
    struct spool_repair repair;
    if (spool_open(&options, &spooling->spool, &repair, error))
        return -1;
    log_repair(spooling, &repair);
    spooling->due_ms = 0;
    spooling->at_once = RECORDS_AT_ONCE;
    spooling->stuck_attempts = 0;
    atomic_store(&spooling->usable, true);
    spooling_report(spooling);
    if (spool_records(spooling->spool))
        log_warn("store.spool_waiting", "batches of before wait in the spool",
                 LOG_INT("batches", (int64_t)spool_records(spooling->spool)));
    return 0;
}

/* After a failed call: a damaged file is opened anew, which mends it. */
static void
note_failure(struct spooling *spooling, const struct spool_error *error)
{
    int64_t suppressed;
    struct spool_error ignored;
    atomic_store(&spooling->usable, false);
    if (log_allowed(&spooling->error_limit, clock_mono_ms(), LOG_MS, &suppressed))
        log_error("store.spool_failed", "the spool cannot be used",
                  LOG_STR("reason", error->text), LOG_INT("suppressed", suppressed));
    if (error->failure != SPOOL_CORRUPT)
        return;
    spool_close(&spooling->spool);
    open_spool(spooling, &ignored);
}

/* The spool, opened again if need be; NULL with *reason. */
static struct spool *
use(struct spooling *spooling, const char **reason)
{
    struct spool_error error;
    *reason = "the database does not answer";
    if (is_wanted(spooling) && !spooling->spool && open_spool(spooling, &error))
        *reason = "the database does not answer and the spool cannot be used";
    return spooling->spool;
}

struct spooling *
spooling_new(const struct store_settings *settings, struct metrics *metrics)
{
    struct spool_error error;
    struct spooling *spooling = mem_alloc(sizeof *spooling);
    spooling->settings = settings;
    spooling->metrics = metrics;
    spooling->backoff = (struct backoff){.least_ms = settings->database_retry_ms,
                                         .most_ms = settings->database_retry_max_ms};
    spooling->encoder = encoder_new();
    if (is_wanted(spooling) && open_spool(spooling, &error)) {
        log_error("store.spool", "cannot open the spool", LOG_STR("path", settings->spool_path),
                  LOG_STR("reason", error.text));
        if (error.failure == SPOOL_IN_USE || access(settings->spool_path, F_OK))
            spooling_destroy(&spooling); /* a setting is wrong */
    }
    return spooling;
}

void
spooling_destroy(struct spooling **spooling)
{
    if (!*spooling)
        return;
    spool_close(&(*spooling)->spool);
    encoder_destroy(&(*spooling)->encoder);
    free(*spooling);
    *spooling = NULL;
}

/* The bytes of a record, owned by the caller; the internal key is not for the disk. */
static void
encode_record(struct spooling *spooling, const struct snapshot *rows, size_t count,
              struct spool_record *record)
{
    struct store_request request = {.kind = REQUEST_BATCH,
                                    .key = (char[]){""},
                                    .rows = (struct snapshot *)rows,
                                    .row_count = count};
    struct encoded encoded = store_request_encode(spooling->encoder, &request);
    char *bytes = mem_alloc(encoded.body_bytes);
    memcpy(bytes, encoded.body, encoded.body_bytes);
    *record = (struct spool_record){.bytes = bytes, .size = encoded.body_bytes};
}

static void
acknowledge(struct spooling *spooling, struct job *job)
{
    job->ack.code = ACK_OK;
    job->ack.saved = job->ack.kept = job->ack.ignored = 0;
    job->ack.spooled = job->request->row_count;
    metrics_add(spooling->metrics, METRIC_ROWS_SPOOLED, (int64_t)job->ack.spooled);
}

bool
spooling_keep(struct spooling *spooling, struct job **jobs, size_t count, const char **reason)
{
    struct spool_error error;
    struct spool *spool = use(spooling, reason);
    size_t records = 0;
    if (!spool)
        return false;
    struct spool_record *batches = mem_alloc(count * sizeof *batches);
    for (size_t i = 0; i < count; i++)
        if (jobs[i]->request->row_count)
            encode_record(spooling, jobs[i]->request->rows, jobs[i]->request->row_count,
                          &batches[records++]);
    int result = spool_put(spool, batches, records, clock_wall_ms(), &error);
    for (size_t i = 0; i < records; i++)
        free((void *)batches[i].bytes);
    free(batches);
    if (result) {
        *reason = error.failure == SPOOL_FULL
                      ? "the database does not answer and the spool is full"
                      : "the database does not answer and the spool cannot be written";
        note_failure(spooling, &error);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        acknowledge(spooling, jobs[i]);
    atomic_store(&spooling->usable, true);
    spooling_report(spooling);
    return true;
}

int64_t
spooling_tend(struct spooling *spooling)
{
    struct spool_error error;
    uint32_t chance = 0;
    if (!is_wanted(spooling) || spooling->spool)
        return INT64_MAX;
    if (clock_mono_ms() < spooling->open_ms)
        return spooling->open_ms;
    if (!open_spool(spooling, &error)) {
        backoff_reset(&spooling->backoff);
        return INT64_MAX;
    }
    note_failure(spooling, &error);
    uv_random(NULL, NULL, &chance, sizeof chance, 0, NULL);
    spooling->open_ms = clock_mono_ms() + backoff_next_ms(&spooling->backoff, chance);
    return spooling->open_ms;
}

int64_t
spooling_due_ms(const struct spooling *spooling)
{
    bool waiting = spooling->spool && spool_records(spooling->spool);
    return waiting ? spooling->due_ms : INT64_MAX;
}

/* A record as a job whose answer nobody waits for; NULL when it does not decode. */
static struct job *
make_job(const struct spool_record *record)
{
    uint64_t id;
    struct job *job = job_new("", 0);
    if (store_request_decode(TOPIC, strlen(TOPIC), record->bytes, record->size, &job->request,
                             &id)) {
        job_destroy(&job);
        return NULL;
    }
    job->row_numbers = mem_alloc(job->request->row_count * sizeof *job->row_numbers);
    for (size_t i = 0; i < job->request->row_count; i++) /* all were checked when they came */
        job->row_numbers[i] = i;
    return job;
}

static void
keep_aside(struct spooling *spooling, const char *subject, const char *why, const void *bytes,
           size_t size)
{
    struct spool_error error;
    const char *reason;
    int64_t suppressed;
    struct spool *spool = use(spooling, &reason);
    if (!spool)
        return;
    if (spool_set_aside(spool, subject, why, bytes, size, clock_wall_ms(), &error)) {
        note_failure(spooling, &error);
        return;
    }
    if (log_allowed(&spooling->warn_limit, clock_mono_ms(), LOG_MS, &suppressed))
        log_error("store.set_aside", "the database refuses a snapshot; it is set aside",
                  LOG_STR("snapshot", subject), LOG_STR("reason", why),
                  LOG_INT("suppressed", suppressed));
    spooling_report(spooling);
}

void
spooling_set_aside(struct spooling *spooling, const struct job *job, size_t from)
{
    for (size_t i = from; i < job->ack.refused; i++) {
        const struct refusal *refusal = &job->ack.refusals[i];
        size_t row = 0;
        while (row < job->request->row_count && job->row_numbers[row] != refusal->row)
            row++;
        if (row == job->request->row_count)
            continue;
        struct spool_record record;
        char subject[AUCTION_BYTES + CLOCK_TEXT_BYTES + 1], time[CLOCK_TEXT_BYTES];
        const struct snapshot *snapshot = &job->request->rows[row];
        clock_text(snapshot->timestamp_ms, time);
        snprintf(subject, sizeof subject, "%s %s", snapshot->auction, time);
        encode_record(spooling, snapshot, 1, &record);
        keep_aside(spooling, subject, refusal->reason, record.bytes, record.size);
        free((void *)record.bytes);
    }
}

/* Forgets a record that is no batch, but not its bytes. */
static void
remove_unreadable(struct spooling *spooling, const struct spool_record *record)
{
    char subject[64];
    struct spool_error error;
    char *bytes = mem_alloc(record->size + 1); /* the spool's next call ends its own */
    memcpy(bytes, record->bytes, record->size);
    snprintf(subject, sizeof subject, "record %lld", (long long)record->id);
    keep_aside(spooling, subject, "is no batch", bytes, record->size);
    free(bytes);
    if (spooling->spool && spool_drop(spooling->spool, &record->id, 1, &error))
        note_failure(spooling, &error);
}

/* Which records are next. */
static size_t
read_records(struct spooling *spooling, struct spool_record records[RECORDS_AT_ONCE])
{
    struct spool_error error;
    size_t damaged, count = spooling->at_once;
    int64_t after = spooling->stuck_attempts >= STUCK_ATTEMPTS ? spooling->stuck_id : 0;
    int64_t size = spooling->settings->spool_drain_rows * ROW_BYTES / 4; /* of 250 ms */
    if (size > BYTES_AT_ONCE)
        size = BYTES_AT_ONCE;
    if (spool_read(spooling->spool, after, (size_t)size, records, &count, &damaged, &error)) {
        note_failure(spooling, &error);
        return 0;
    }
    if (damaged) {
        metrics_add(spooling->metrics, METRIC_SPOOL_DAMAGED, (int64_t)damaged);
        log_error("store.spool_record_damaged",
                  "records of the spool do not fit their checksums; they are set aside",
                  LOG_INT("batches", (int64_t)damaged));
    }
    if (!count && after) /* there is none younger to compare with */
        spooling->stuck_attempts = 1;
    return count;
}

/* After the rows of the jobs are safe: pace, refusals, metrics. */
static void
note_drained(struct spooling *spooling, struct job **jobs, size_t count)
{
    int64_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        spooling_set_aside(spooling, jobs[i], 0);
        rows += (int64_t)jobs[i]->request->row_count;
    }
    metrics_add(spooling->metrics, METRIC_ROWS_DRAINED, rows);
    atomic_store(&spooling->usable, true); /* there is room */
    spooling->due_ms = clock_mono_ms() + rows * 1000 / spooling->settings->spool_drain_rows;
}

/* One row. It is refused when it fails again and again, for no reason that passes, though
 * proof, a batch that is written already, can be written each time between. */
static int
write_alone(struct storage *storage, struct guard *guard, struct job *job, struct job *proof,
            struct storage_error *error)
{
    struct storage_error failure;
    for (int i = 0; i < STUCK_ATTEMPTS; i++) {
        if (!bulk_write(storage, guard, &job, 1, &failure))
            return 0;
        *error = failure;
        if (!failure.unknown || bulk_write(storage, guard, &proof, 1, error))
            return -1;
    }
    job_refuse(job, *job->row_numbers, failure.text);
    return 0;
}

static int
split_record(struct storage *storage, struct guard *guard, struct job *job, struct job *proof,
             struct storage_error *error)
{
    struct snapshot *rows = job->request->rows;
    size_t count = job->request->row_count, *numbers = job->row_numbers;
    int result = 0;
    job->request->row_count = 1;
    for (size_t i = 0; i < count && !result; i++) {
        job->request->rows = rows + i;
        job->row_numbers = numbers + i;
        result = write_alone(storage, guard, job, proof, error);
    }
    job->request->rows = rows;
    job->row_numbers = numbers;
    job->request->row_count = count;
    return result;
}

/* Fewer at a time; a single one that fails, again and again, is stuck. */
static void
note_failed_write(struct spooling *spooling, const struct spool_record *oldest)
{
    if (spooling->at_once > 1) {
        spooling->at_once /= 2;
    } else if (spooling->stuck_attempts < STUCK_ATTEMPTS || oldest->id == spooling->stuck_id) {
        spooling->stuck_id = oldest->id;
        spooling->stuck_attempts++;
    } else {
        spooling->stuck_attempts = 1; /* the younger one fails too: it is the database */
    }
}

/* The record that failed alone, row by row. */
static int
look_at_stuck(struct spooling *spooling, struct storage *storage, struct guard *guard,
              struct job *proof, struct storage_error *error)
{
    struct spool_error failure;
    struct spool_record record;
    size_t one = 1, damaged;
    if (!spooling->spool ||
        spool_read(spooling->spool, spooling->stuck_id - 1, 1, &record, &one, &damaged,
                   &failure) ||
        !one || record.id != spooling->stuck_id)
        return 0;
    struct job *job = make_job(&record);
    if (!job)
        return 0;
    int result = split_record(storage, guard, job, proof, error);
    if (!result) {
        note_drained(spooling, &job, 1);
        if (spooling->spool && spool_drop(spooling->spool, &spooling->stuck_id, 1, &failure))
            note_failure(spooling, &failure);
    }
    job_destroy(&job);
    return result;
}

/* Drops what is safe now. Had the record before it failed alone, its turn comes when a
 * successor was written: one whose auctions have their analytics off says nothing of the
 * database. */
static int
finish_records(struct spooling *spooling, struct storage *storage, struct guard *guard,
               struct job **jobs, const int64_t *ids, size_t count, struct storage_error *error)
{
    struct spool_error failure;
    bool stuck = spooling->stuck_attempts >= STUCK_ATTEMPTS;
    if (spooling->spool && spool_drop(spooling->spool, ids, count, &failure))
        note_failure(spooling, &failure);
    if (stuck && !jobs[0]->ack.saved && !jobs[0]->ack.kept)
        return 0;
    spooling->stuck_attempts = 0;
    spooling->at_once += spooling->at_once < RECORDS_AT_ONCE;
    return stuck ? look_at_stuck(spooling, storage, guard, jobs[0], error) : 0;
}

static void
note_empty(struct spooling *spooling)
{
    if (!spooling->spool || spool_records(spooling->spool))
        return;
    log_info("store.spool_drained", "the spool is empty again: all of it is in the database",
             LOG_NONE);
}

int
spooling_drain(struct spooling *spooling, struct storage *storage, struct guard *guard,
               struct storage_error *error)
{
    struct spool_record records[RECORDS_AT_ONCE];
    struct job *jobs[RECORDS_AT_ONCE];
    int64_t ids[RECORDS_AT_ONCE];
    size_t count = read_records(spooling, records), good = 0;
    int result = 0;
    for (; good < count; good++) {
        jobs[good] = make_job(&records[good]);
        ids[good] = records[good].id;
        if (!jobs[good])
            break;
    }
    if (good)
        result = bulk_write(storage, guard, jobs, good, error);
    else if (count)
        remove_unreadable(spooling, &records[0]);
    if (result)
        note_failed_write(spooling, &records[0]);
    if (good && !result) {
        note_drained(spooling, jobs, good);
        result = finish_records(spooling, storage, guard, jobs, ids, good, error);
        note_empty(spooling);
    }
    for (size_t i = 0; i < good; i++)
        job_destroy(&jobs[i]);
    spooling_report(spooling);
    return result;
}

static void
warn_of_filling(struct spooling *spooling, int64_t bytes)
{
    int64_t most = spooling->settings->spool_bytes;
    if (bytes < most / 100 * CALM_PERCENT)
        spooling->warned = false;
    if (spooling->warned || bytes < most / 100 * WARN_PERCENT)
        return;
    spooling->warned = true;
    log_error("store.spool_filling",
              "the spool is nearly full; when it is, snapshots are no longer taken",
              LOG_INT("bytes", bytes), LOG_INT("bytes_max", most),
              LOG_INT("set_aside", (int64_t)spool_aside(spooling->spool)));
}

void
spooling_report(struct spooling *spooling)
{
    struct metrics *metrics = spooling->metrics;
    const struct spool *spool = spooling->spool;
    metrics_set(metrics, METRIC_SPOOL_USABLE, spooling_usable(spooling));
    if (!spool)
        return;
    int64_t oldest_ms = spool_oldest_ms(spool), age_ms = clock_wall_ms() - oldest_ms;
    metrics_set(metrics, METRIC_SPOOL_BYTES, spool_bytes(spool));
    metrics_set(metrics, METRIC_SPOOL_BYTES_MAX, spooling->settings->spool_bytes);
    metrics_set(metrics, METRIC_SPOOL_BATCHES, (int64_t)spool_records(spool));
    metrics_set(metrics, METRIC_SPOOL_ASIDE, (int64_t)spool_aside(spool));
    metrics_set(metrics, METRIC_SPOOL_OLDEST_S, oldest_ms && age_ms > 0 ? age_ms / 1000 : 0);
    warn_of_filling(spooling, spool_bytes(spool));
}

bool
spooling_usable(const struct spooling *spooling)
{
    return atomic_load(&spooling->usable);
}
