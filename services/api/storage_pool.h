/* A few read-only storage handles, lent to one thread at a time. While the database is down
 * only one caller is let through to try it, about every retry_ms; the others are refused at
 * once, so that a dead database cannot hold all threads. Any thread. */
#ifndef STORAGE_POOL_H
#define STORAGE_POOL_H

#include <stdbool.h>

#include "metrics.h"
#include "storage.h"

struct storage_pool;

/* A pool of count handles; what options point to is borrowed. A database that is not there yet
 * is opened later. NULL with *error when the database refuses the options themselves. */
struct storage_pool *storage_pool_new(const struct storage_options *options, int count,
                                      int64_t retry_ms, struct metrics *metrics,
                                      struct storage_error *error);

/* All handles must have been given back. */
void storage_pool_destroy(struct storage_pool **pool);

/* A handle, or NULL with *error while there is none to be had. Waits while all are lent. */
struct storage *storage_pool_take(struct storage_pool *pool, struct storage_error *error);

/* Gives a handle back and says how its use went: failure is NULL when it went well. Failures
 * are counted, and logged once a second at most. */
void storage_pool_give(struct storage_pool *pool, struct storage *storage,
                       const struct storage_error *failure);

#endif
