/* The outbox's copy on disk: batches that no store has acknowledged yet, through restarts. A
 * thread of its own writes, since a slow disk must not stop the counting; what is asked for
 * here is done there, in order, and nothing waits for it.
 *
 *     keep ─▶ (written) ─▶ in memory and on disk ── forget ─▶ gone
 *                                 │ park          ▲
 *                                 ▼               │ load
 *                           on disk only ─────────┘        what a restart finds begins here
 *
 * Where the disk takes nothing, a batch stays in memory only and is tried again. All functions
 * from the loop's thread, as are all callbacks. */
#ifndef OUTBOX_DISK_H
#define OUTBOX_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "metrics.h"
#include "snapshot.h"

struct outbox_disk;

/* A batch comes back from the disk: rows, now the callee's. The id that it has in memory. */
typedef uint64_t outbox_disk_load_f(void *arg, struct snapshot *rows, size_t count);

struct outbox_disk_options {
    uv_loop_t *loop;
    const char *path;  /* of the file, borrowed for good; its folder must exist */
    int64_t bytes_max; /* of all that is kept */
    struct metrics *metrics;
    outbox_disk_load_f *load;
    void *arg;
};

/* Opens or makes the file, which may block for the disk. NULL: the path cannot be used, with
 * the reason in error. */
struct outbox_disk *outbox_disk_new(const struct outbox_disk_options *options, char *error,
                                    size_t error_bytes);

/* Writes what is still to be written, then closes the file; blocks for it. No callbacks. How
 * many rows the disk did not take. */
size_t outbox_disk_destroy(struct outbox_disk **disk);

/* A new batch; the rows are copied. */
void outbox_disk_keep(struct outbox_disk *disk, uint64_t id, const struct snapshot *rows,
                      size_t count);

/* A batch is safe elsewhere. */
void outbox_disk_forget(struct outbox_disk *disk, uint64_t id);

/* A batch is in memory no more; it comes back by a load. False: it is not on the disk either,
 * and lost. */
bool outbox_disk_park(struct outbox_disk *disk, uint64_t id);

/* Gives a batch or a few that are on disk only, soon, if there are any. Repeats cost nothing.
 */
void outbox_disk_load(struct outbox_disk *disk);

/* Whether every batch is as safe as it can be made: all that was asked for is done. */
bool outbox_disk_settled(const struct outbox_disk *disk);

#endif
