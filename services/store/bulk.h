/* Many batches as one write: the rows whose auction has analytics on go to the database
 * together, the others are counted as ignored. The writer's thread. */
#ifndef BULK_H
#define BULK_H

#include "storage.h"

#include "guard.h"
#include "job.h"

/* Fills in the acknowledgements of batch jobs. A row that the database refuses is refused
 * alone, the others are written. -1 with *error when the database cannot be used: nothing may
 * be acknowledged then (what was written is found again when it is repeated). */
int bulk_write(struct storage *storage, struct guard *guard, struct job **jobs, size_t count,
               struct storage_error *error);

#endif
