/* In: the spool's records, oldest first. Out: their rows in the database, at a bounded rate. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"

#include "bulk.h"
#include "spooling_inside.h"
#include "store_metrics.h"

#define BYTES_AT_ONCE (256 * 1024)
#define ROW_BYTES 64 /* about */
#define TOPIC "batch/"
#define STUCK_ATTEMPTS 3 /* to write the oldest record, before a younger one is tried */

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

/* Forgets a record that is no batch, but not its bytes. */
static void
remove_unreadable(struct spooling *spooling, const struct spool_record *record)
{
    char subject[64];
    struct spool_error error;
    char *bytes = mem_alloc(record->size + 1); /* the spool's next call ends its own */
    memcpy(bytes, record->bytes, record->size);
    snprintf(subject, sizeof subject, "record %lld", (long long)record->id);
    spooling_keep_aside(spooling, subject, "is no batch", bytes, record->size);
    free(bytes);
    if (spooling->spool && spool_drop(spooling->spool, &record->id, 1, &error))
        spooling_note_failure(spooling, &error);
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
        spooling_note_failure(spooling, &error);
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
    spooling_note_usable(spooling, true); /* there is room */
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
            spooling_note_failure(spooling, &failure);
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
        spooling_note_failure(spooling, &failure);
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
