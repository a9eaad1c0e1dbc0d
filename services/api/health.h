/* Whether the database can be read, asked every second by a worker thread. */
#ifndef HEALTH_H
#define HEALTH_H

#include <stdbool.h>
#include <uv.h>

#include "storage_pool.h"

struct health;

/* Loop thread. pool is borrowed. */
struct health *health_new(uv_loop_t *loop, struct storage_pool *pool);

/* Loop thread: not ready from now on, why: "stopping". */
void health_stopping(struct health *health);

/* Loop thread. Its handle closes, and a question under way ends, in the loop's next turns. */
void health_destroy(struct health **health);

/* Any thread; an admin_ready_f. */
bool health_ready(void *health, const char **why);

#endif
