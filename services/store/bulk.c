/* In: jobs with checked rows. Work: flags, one write, who owns which outcome. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"

#include "bulk.h"

#define FLAGS_AT_ONCE 500 /* asked of the database in one query */

struct owner {
    struct job *job;
    size_t row; /* in the job's request */
};

struct bulk {
    struct storage *storage;
    struct guard *guard;
    struct snapshot *rows; /* of auctions with analytics on */
    struct owner *owners;  /* of those rows */
    enum storage_outcome *outcomes;
    size_t count;
};

static size_t
count_rows(struct job **jobs, size_t count)
{
    size_t rows = 0;
    for (size_t i = 0; i < count; i++)
        rows += jobs[i]->request->row_count;
    return rows;
}

static int
read_flags(struct bulk *bulk, const char **auctions, size_t count, struct storage_error *error)
{
    bool enabled[FLAGS_AT_ONCE];
    int64_t asked_ms = clock_mono_ms(); /* the answer may be as old as that */
    if (storage_enabled(bulk->storage, auctions, count, enabled, error))
        return -1;
    for (size_t i = 0; i < count; i++)
        guard_note(bulk->guard, auctions[i], enabled[i], asked_ms);
    return 0;
}

/* Reads the flags that the guard does not know at now_ms, some hundred a query. */
static int
learn_flags(struct bulk *bulk, struct job **jobs, size_t count, int64_t now_ms,
            struct storage_error *error)
{
    const char *unknown[FLAGS_AT_ONCE];
    size_t found = 0;
    bool enabled;
    for (size_t i = 0; i < count; i++) {
        const struct store_request *request = jobs[i]->request;
        for (size_t k = 0; k < request->row_count; k++) {
            if (guard_lookup(bulk->guard, request->rows[k].auction, now_ms, &enabled))
                continue;
            unknown[found++] = request->rows[k].auction;
            if (found < FLAGS_AT_ONCE)
                continue;
            if (read_flags(bulk, unknown, found, error))
                return -1;
            found = 0;
        }
    }
    return found ? read_flags(bulk, unknown, found, error) : 0;
}

/* Copies the rows to be stored together; the others are ignored. */
static void
choose_rows(struct bulk *bulk, struct job **jobs, size_t count, int64_t now_ms)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_request *request = jobs[i]->request;
        for (size_t k = 0; k < request->row_count; k++) {
            bool enabled = false;
            guard_lookup(bulk->guard, request->rows[k].auction, now_ms, &enabled);
            if (!enabled) {
                jobs[i]->ack.ignored++;
                continue;
            }
            bulk->owners[bulk->count] = (struct owner){jobs[i], k};
            bulk->rows[bulk->count++] = request->rows[k];
        }
    }
}

static void
note_outcome(const struct owner *owner, enum storage_outcome outcome)
{
    if (outcome == STORAGE_SAVED)
        owner->job->ack.saved++;
    else
        owner->job->ack.kept++;
}

/* Halves what is refused until just the rows that the database refuses are left. */
static int
write_range(struct bulk *bulk, size_t from, size_t count, struct storage_error *error)
{
    const struct owner *owner = &bulk->owners[from];
    if (!storage_write(bulk->storage, bulk->rows + from, count, bulk->outcomes + from, error)) {
        for (size_t i = from; i < from + count; i++)
            note_outcome(&bulk->owners[i], bulk->outcomes[i]);
        return 0;
    }
    if (error->failure != STORAGE_REFUSED)
        return -1;
    if (count == 1) {
        job_refuse(owner->job, owner->job->row_numbers[owner->row], error->text);
        return 0;
    }
    return write_range(bulk, from, count / 2, error) ||
                   write_range(bulk, from + count / 2, count - count / 2, error)
               ? -1
               : 0;
}

int
bulk_write(struct storage *storage, struct guard *guard, struct job **jobs, size_t count,
           struct storage_error *error)
{
    size_t rows = count_rows(jobs, count);
    int64_t now_ms = clock_mono_ms();
    struct bulk bulk = {.storage = storage,
                        .guard = guard,
                        .rows = mem_alloc(rows * sizeof *bulk.rows),
                        .owners = mem_alloc(rows * sizeof *bulk.owners),
                        .outcomes = mem_alloc(rows * sizeof *bulk.outcomes)};
    guard_reserve(guard, rows);
    int result = learn_flags(&bulk, jobs, count, now_ms, error);
    if (!result) {
        choose_rows(&bulk, jobs, count, now_ms);
        result = write_range(&bulk, 0, bulk.count, error);
    }
    free(bulk.outcomes);
    free(bulk.owners);
    free(bulk.rows);
    return result;
}
