/* Snapshots of windows that have ended, until it is known whether they are complete. A gateway
 * that died just before a window's end, or an event of it that was lost, is noticed only after
 * the end: by its silence, or by its next heartbeat. So the snapshots wait for one heartbeat
 * of every gateway that finds nothing missing; where that does not come, or something turns out
 * to have been missed, they go out as not complete. Pure: snapshots, doubts and monotonic times
 * in; snapshots out through callbacks. One thread.
 *
 *     window ends        drained, and all gateways sound since    released
 *         ──▶ GATHERING ───────────────────────────────────────▶ GOING OUT ──▶ gone
 *                └── doubt, or patience_ms over: not complete ──────▲
 */
#ifndef VERDICT_H
#define VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot.h"

struct verdict_options {
    int64_t patience_ms; /* after a window's end, that its snapshots wait at most */
    void (*emit)(void *arg, const struct snapshot *snapshot);
    void (*closed)(void *arg); /* all snapshots of a window are out */
    void *arg;
};

struct verdict;

struct verdict *verdict_new(const struct verdict_options *options);
void verdict_destroy(struct verdict **verdict);

/* A window ended; the snapshots added from now on are its. */
void verdict_begin(struct verdict *verdict, int64_t mono_ms);
void verdict_add(struct verdict *verdict, const struct snapshot *snapshot);
void verdict_end(struct verdict *verdict); /* that was all of them */

/* Something was missed, at a time that nobody knows: nothing that waits is complete. */
void verdict_doubt(struct verdict *verdict);

/* When the oldest window that waits for heartbeats ended; false: none does. */
bool verdict_waits(const struct verdict *verdict, int64_t *since_ms);

/* Every gateway known when the oldest waiting window ended was sound at sound_ms. */
void verdict_sound(struct verdict *verdict, int64_t sound_ms);

/* Emits at most `most` snapshots that need not wait any more. True while there are more. */
bool verdict_release(struct verdict *verdict, size_t most, int64_t mono_ms);

#endif
