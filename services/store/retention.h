/* When to look for snapshots that are too old, and deleting them in parts small enough that
 * writes never wait long. The writer's thread. */
#ifndef RETENTION_H
#define RETENTION_H

#include "storage.h"

struct retention {
    int64_t keep_ms;     /* how long snapshots are kept */
    int64_t interval_ms; /* between two searches that found nothing more */
    int64_t due_ms;      /* monotonic time of the next */
};

void retention_init(struct retention *retention, int64_t keep_days, int64_t interval_ms,
                    int64_t mono_ms);
bool retention_due(const struct retention *retention, int64_t mono_ms);

/* Deletes one part and sets when the next is due: soon when there may be more. */
int retention_run(struct retention *retention, struct storage *storage, size_t *deleted,
                  struct storage_error *error);

#endif
