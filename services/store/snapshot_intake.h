/* Requests from samplers and apis: decoded, key and rows checked, handed to the writer;
 * answered when it is done. In the service's loop; blocks never.
 *
 * At most queue_requests wait for the writer; a request beyond that is answered "unavailable"
 * and counted. */
#ifndef SNAPSHOT_INTAKE_H
#define SNAPSHOT_INTAKE_H

#include <uv.h>

#include "keyring.h"
#include "metrics.h"

#include "snapshot_write.h"
#include "store_settings.h"

struct snapshot_intake;

/* Binds STORE_BIND. All arguments are borrowed and must outlive the intake. NULL after a log
 * line when an endpoint is refused. */
struct snapshot_intake *snapshot_intake_new(uv_loop_t *loop,
                                            const struct store_settings *settings,
                                            struct keyring *keys, struct metrics *metrics,
                                            struct snapshot_write *writer);

/* Takes no more requests; answers to those under way still go out. */
void snapshot_intake_stop(struct snapshot_intake *intake);

/* Whether nothing waits for the writer. */
bool snapshot_intake_idle(const struct snapshot_intake *intake);

/* Closes the socket, waiting at most a second for what was answered last to leave. */
void snapshot_intake_destroy(struct snapshot_intake **intake);

#endif
