/* In: jobs that could not be written. Out: their rows on the disk, for spool_drain.c.
 * A record of the spool is the body of a batch without its key (proto/README.md). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "clock.h"
#include "mem.h"

#include "spooling_inside.h"
#include "store_metrics.h"

#define WARN_PERCENT 80 /* of SPOOL_BYTES */
#define CALM_PERCENT 60 /* below it the next warning is due at once */
#define LOG_MS 10000

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

/* The metric at once, before the answer to the batch that was not taken. */
void
spooling_note_usable(struct spooling *spooling, bool usable)
{
    atomic_store(&spooling->usable, usable);
    metrics_set(spooling->metrics, METRIC_SPOOL_USABLE, usable);
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
    spooling_note_usable(spooling, true);
    spooling_report(spooling);
    if (spool_records(spooling->spool))
        log_warn("store.spool_waiting", "batches of before wait in the spool",
                 LOG_INT("batches", (int64_t)spool_records(spooling->spool)));
    return 0;
}

void
spooling_note_failure(struct spooling *spooling, const struct spool_error *error)
{
    int64_t suppressed;
    struct spool_error ignored;
    spooling_note_usable(spooling, false);
    spooling->broken = error->failure == SPOOL_FAILED; /* a full one is drained */
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
        if (error.failure == SPOOL_IN_USE || error.failure == SPOOL_FOREIGN ||
            access(settings->spool_path, F_OK))
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
        spooling_note_failure(spooling, &error);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        acknowledge(spooling, jobs[i]);
    spooling_note_usable(spooling, true);
    spooling_report(spooling);
    return true;
}

int64_t
spooling_tend(struct spooling *spooling)
{
    struct spool_error error;
    uint32_t chance = 0;
    bool sound = spooling->spool && (spooling_usable(spooling) || !spooling->broken);
    if (!is_wanted(spooling) || sound)
        return INT64_MAX;
    if (clock_mono_ms() < spooling->attempt_ms)
        return spooling->attempt_ms;
    if (!(spooling->spool ? spool_probe(spooling->spool, &error)
                          : open_spool(spooling, &error))) {
        backoff_reset(&spooling->backoff);
        spooling_note_usable(spooling, true);
        return INT64_MAX;
    }
    spooling_note_failure(spooling, &error);
    uv_random(NULL, NULL, &chance, sizeof chance, 0, NULL);
    spooling->attempt_ms = clock_mono_ms() + backoff_next_ms(&spooling->backoff, chance);
    return spooling->attempt_ms;
}

void
spooling_keep_aside(struct spooling *spooling, const char *subject, const char *why,
                    const void *bytes, size_t size)
{
    struct spool_error error;
    const char *reason;
    int64_t suppressed;
    struct spool *spool = use(spooling, &reason);
    if (!spool)
        return;
    if (spool_set_aside(spool, subject, why, bytes, size, clock_wall_ms(), &error)) {
        spooling_note_failure(spooling, &error);
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
        spooling_keep_aside(spooling, subject, refusal->reason, record.bytes, record.size);
        free((void *)record.bytes);
    }
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
