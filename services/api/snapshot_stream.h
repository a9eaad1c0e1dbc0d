/* The answer to a reader of analytics, made while it is sent: pages of rows are read from the
 * database as the client takes them, so that no range of time is ever in memory as a whole.
 * Belongs to the HTTP thread of its connection. */
#ifndef SNAPSHOT_STREAM_H
#define SNAPSHOT_STREAM_H

#include <sys/types.h>

#include "metrics.h"
#include "snapshot_query.h"
#include "storage_pool.h"

#define STREAM_PAGE_ROWS 1000

struct snapshot_stream;

/* Reads what the answer starts with, and the first page. auction: valid. NULL with *error:
 * then nothing has been sent and an error can be. */
struct snapshot_stream *snapshot_stream_new(struct storage_pool *pool, struct metrics *metrics,
                                            const char *auction,
                                            const struct snapshot_query *query,
                                            struct storage_error *error);
void snapshot_stream_destroy(struct snapshot_stream **stream);

/* Writes the next part of the JSON, up to room bytes; returns how many, 0 at the end, -1 when
 * the database failed midway (counted and logged; what was sent is not whole). */
ssize_t snapshot_stream_read(struct snapshot_stream *stream, char *to, size_t room);

#endif
