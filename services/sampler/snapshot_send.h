/* Snapshots to the stores, over a DEALER socket: in batches, each kept until a store has
 * acknowledged it, or to a backend over HTTP (outbox says when it is sent again), and on disk,
 * too, if a path is set. Runs in the loop and does not block after the start; all functions
 * from the loop's thread. */
#ifndef SNAPSHOT_SEND_H
#define SNAPSHOT_SEND_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "metrics.h"
#include "snapshot.h"

struct snapshot_send;

struct snapshot_send_options {
    uv_loop_t *loop;
    const char *endpoints; /* stores, borrowed for the call, as is key */
    const char *backend;   /* "": the stores; borrowed for good */
    const char *key;
    int64_t discovery_interval_ms;
    int64_t hwm;
    int64_t epoch_ms; /* batch ids begin here, so that no two runs use the same */
    int64_t ack_timeout_ms;
    int64_t ack_retry_max_ms; /* between attempts that are not answered */
    int64_t rows_max;         /* in memory */
    const char *disk_path;    /* "": in memory only; borrowed for good */
    int64_t disk_bytes;
    struct metrics *metrics; /* borrowed for good */
};

/* Connects; a store that is not there yet is waited for. NULL with the reason in error. */
struct snapshot_send *snapshot_send_new(const struct snapshot_send_options *options,
                                        char *error, size_t error_bytes);

/* What is not acknowledged is on disk afterwards, for which it blocks; else it is lost. */
void snapshot_send_destroy(struct snapshot_send **send);

/* Requests carry another key from now on; what was refused for the one before is due. False:
 * it is the same. */
bool snapshot_send_set_key(struct snapshot_send *send, const char *key);

void snapshot_send_add(struct snapshot_send *send, const struct snapshot *snapshot);

/* All snapshots of a window were added: the rest of them goes out, and one log line tells when
 * they are acknowledged, or at the next window's end that they are not. */
void snapshot_send_close(struct snapshot_send *send);

/* Whether everything was acknowledged and the disk knows. */
bool snapshot_send_empty(const struct snapshot_send *send);

#endif
