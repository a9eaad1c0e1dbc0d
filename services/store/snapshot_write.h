/* The writer: a thread of its own that owns the blocking database, behind one pipe. It writes
 * what waits in as few bulks as it can, asks the guard which auctions may be stored, and
 * deletes what is too old between writes.
 *
 * The caller's side of the pipe belongs to the loop's thread. The number of jobs is bounded by
 * who submits them (snapshot_intake). */
#ifndef SNAPSHOT_WRITE_H
#define SNAPSHOT_WRITE_H

#include <czmq.h>

#include "metrics.h"

#include "job.h"
#include "store_settings.h"

struct snapshot_write;

/* settings and metrics are borrowed. NULL after a log line when the database cannot even be
 * named right (a database that is down is waited for). */
struct snapshot_write *snapshot_write_new(const struct store_settings *settings,
                                          struct metrics *metrics);

/* Waits for the thread to finish what it has. */
void snapshot_write_destroy(struct snapshot_write **writer);

/* Hands a job over (*job becomes NULL); it comes back from snapshot_write_done(). */
void snapshot_write_submit(struct snapshot_write *writer, struct job **job);

/* The pipe to watch, and the next finished job (the caller owns it) or NULL. */
zsock_t *snapshot_write_pipe(struct snapshot_write *writer);
struct job *snapshot_write_done(struct snapshot_write *writer);

/* Whether the database answered last time or rows can be kept without it (any thread). */
bool snapshot_write_ready(const struct snapshot_write *writer);

#endif
