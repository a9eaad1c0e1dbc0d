/* Making and ending requests under way, and checking their rows. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "job.h"

struct job *
job_new(const void *identity, size_t identity_bytes)
{
    assert(identity_bytes <= JOB_IDENTITY_BYTES);
    struct job *job = mem_alloc(sizeof *job);
    memcpy(job->identity, identity, identity_bytes);
    job->identity_bytes = identity_bytes;
    return job;
}

void
job_destroy(struct job **job)
{
    if (!*job)
        return;
    store_request_destroy(&(*job)->request);
    ack_fini(&(*job)->ack);
    free((*job)->row_numbers);
    free(*job);
    *job = NULL;
}

void
job_refuse(struct job *job, size_t row, const char *reason)
{
    struct ack *ack = &job->ack;
    ack->refusals = mem_resize(ack->refusals, (ack->refused + 1) * sizeof *ack->refusals);
    struct refusal *refusal = &ack->refusals[ack->refused++];
    refusal->row = row;
    snprintf(refusal->reason, sizeof refusal->reason, "%s", reason);
}

void
job_check_rows(struct job *job, int64_t wall_ms)
{
    struct store_request *request = job->request;
    size_t good = 0;
    job->row_numbers = mem_alloc(request->row_count * sizeof *job->row_numbers);
    for (size_t i = 0; i < request->row_count; i++) {
        char reason[SNAPSHOT_REASON_BYTES];
        if (snapshot_check(&request->rows[i], wall_ms, reason)) {
            job_refuse(job, i, reason);
            continue;
        }
        request->rows[good] = request->rows[i];
        job->row_numbers[good++] = i;
    }
    request->row_count = good;
}
