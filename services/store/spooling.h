/* What the database cannot take now: kept in the spool, on the disk, and handed on oldest first
 * when it can. Also keeps, for people to look at, what no database will ever take.
 *
 * The writer's thread. With SPOOL_PATH empty nothing is kept and every call says so. */
#ifndef SPOOLING_H
#define SPOOLING_H

#include "metrics.h"
#include "storage.h"

#include "guard.h"
#include "job.h"
#include "store_settings.h"

struct spooling;

/* Opens the spool; what had to be mended of it is logged. NULL after a log line when its path
 * cannot be right; a spool that only cannot be used now is tried again. settings and metrics
 * are borrowed. */
struct spooling *spooling_new(const struct store_settings *settings, struct metrics *metrics);
void spooling_destroy(struct spooling **spooling);

/* Keeps the rows of batch jobs, all or none, and fills in their acknowledgements. False: they
 * are safe nowhere; *reason says why. */
bool spooling_keep(struct spooling *spooling, struct job **jobs, size_t count,
                   const char **reason);

/* Tries a spool again that could not be opened or written, when that is due: what is in it is
 * to be handed on. When to call next, as monotonic time; INT64_MAX: there is nothing to be
 * done. */
int64_t spooling_tend(struct spooling *spooling);

/* When spooling_drain() has work, as monotonic time; INT64_MAX: nothing is kept. */
int64_t spooling_due_ms(const struct spooling *spooling);

/* Hands on some of the oldest rows, at most SPOOL_DRAIN_ROWS a second over time. -1 with *error
 * when the database cannot take them: they stay. */
int spooling_drain(struct spooling *spooling, struct storage *storage, struct guard *guard,
                   struct storage_error *error);

/* Sets the rows aside that the database refused: of the job's refusals, those from `from` on.
 */
void spooling_set_aside(struct spooling *spooling, const struct job *job, size_t from);

/* Brings the metrics up to date, and warns when the spool fills. */
void spooling_report(struct spooling *spooling);

/* Whether there is a spool that takes rows (any thread). */
bool spooling_usable(const struct spooling *spooling);

#endif
