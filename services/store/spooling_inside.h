/* What spooling.c and spool_drain.c share; nobody else includes it. The writer's thread. */
#ifndef SPOOLING_INSIDE_H
#define SPOOLING_INSIDE_H

#include <stdatomic.h>

#include "backoff.h"
#include "log.h"
#include "spool.h"

#include "spooling.h"

#define RECORDS_AT_ONCE 16

struct spooling {
    const struct store_settings *settings;
    struct metrics *metrics;
    struct spool *spool;    /* NULL: none, or to be opened again */
    struct backoff backoff; /* of attempts to use it again */
    int64_t attempt_ms;     /* not before this monotonic time */
    bool broken;            /* the disk took nothing: it is asked again */
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

/* Whether it would take a batch: for whoever asks, and as a metric. */
void spooling_note_usable(struct spooling *spooling, bool usable);

/* After a failed call of the spool: a damaged file is opened anew, which mends it. */
void spooling_note_failure(struct spooling *spooling, const struct spool_error *error);

/* Sets aside what nobody accepts, and says so. subject: what it is; why: not a secret. */
void spooling_keep_aside(struct spooling *spooling, const char *subject, const char *why,
                         const void *bytes, size_t size);

#endif
