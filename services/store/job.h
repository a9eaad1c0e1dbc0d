/* A request on its way through the store: made by snapshot_intake, worked on by the writer's
 * thread, answered by snapshot_intake. Whoever holds the pointer owns it. */
#ifndef JOB_H
#define JOB_H

#include "store_request.h"

#define JOB_IDENTITY_BYTES 256

struct job {
    unsigned char identity[JOB_IDENTITY_BYTES]; /* whom to answer */
    size_t identity_bytes;
    struct store_request *request; /* of a batch: only rows that passed the checks are left */
    size_t *row_numbers;           /* of those rows, as the requester counts them; owned */
    struct ack ack;                /* what is known so far */
};

struct job *job_new(const void *identity, size_t identity_bytes);
void job_destroy(struct job **job);

/* Adds a refusal to the acknowledgement; row as the requester counts. */
void job_refuse(struct job *job, size_t row, const char *reason);

/* Takes the rows that snapshot_check() refuses at wall_ms out of a batch, noting why. */
void job_check_rows(struct job *job, int64_t wall_ms);

#endif
