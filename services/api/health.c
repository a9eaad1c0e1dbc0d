/* A timer, a worker that pings, an atomic answer.
 *
 *   STARTING ──▶ READY ◀──▶ DOWN or MISSING;  any ──▶ STOPPING
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "health.h"
#include "log.h"
#include "mem.h"

#define INTERVAL_MS 1000

enum health_state { STARTING, READY, DOWN, MISSING, STOPPING };

struct health {
    struct storage_pool *pool;
    atomic_int state; /* enum health_state */
    uv_timer_t timer;
    uv_work_t work;
    bool asking;            /* work is under way */
    int users;              /* the timer, and the work under way; the last one frees */
    enum health_state seen; /* the worker's answer, read when it is done */
};

/* Worker thread. */
static void
ask_database(uv_work_t *work)
{
    struct health *health = work->data;
    struct storage_error error;
    struct storage *storage = storage_pool_take(health->pool, &error);
    int failed = storage ? storage_ping(storage, &error) : -1;
    if (storage)
        storage_pool_give(health->pool, storage, failed ? &error : NULL);
    health->seen = !failed ? READY : error.failure == STORAGE_MISSING ? MISSING : DOWN;
}

static void
leave(struct health *health)
{
    if (!--health->users)
        free(health);
}

static void
on_asked(uv_work_t *work, int status)
{
    struct health *health = work->data;
    int before = atomic_load(&health->state);
    (void)status;
    health->asking = false;
    if (before != STOPPING && before != (int)health->seen) {
        atomic_store(&health->state, health->seen);
        if (health->seen == READY)
            log_info("api.ready", "the database can be read", LOG_NONE);
        else
            log_warn("api.not_ready", "the database cannot be read", LOG_NONE);
    }
    leave(health);
}

static void
on_tick(uv_timer_t *timer)
{
    struct health *health = timer->data;
    if (health->asking)
        return;
    health->asking = true;
    health->users++;
    uv_queue_work(timer->loop, &health->work, ask_database, on_asked);
}

struct health *
health_new(uv_loop_t *loop, struct storage_pool *pool)
{
    struct health *health = mem_alloc(sizeof *health);
    health->pool = pool;
    health->users = 1;
    health->timer.data = health->work.data = health;
    uv_timer_init(loop, &health->timer);
    uv_timer_start(&health->timer, on_tick, 0, INTERVAL_MS);
    return health;
}

void
health_stopping(struct health *health)
{
    atomic_store(&health->state, STOPPING);
}

static void
on_timer_closed(uv_handle_t *handle)
{
    leave(handle->data);
}

void
health_destroy(struct health **health)
{
    if (!*health)
        return;
    uv_close((uv_handle_t *)&(*health)->timer, on_timer_closed);
    *health = NULL;
}

bool
health_ready(void *arg, const char **why)
{
    static const char *const reasons[] = {[STARTING] = "the database has not been read yet",
                                          [READY] = "",
                                          [DOWN] = "the database cannot be read",
                                          [MISSING] =
                                              "the store has not prepared the database yet",
                                          [STOPPING] = "stopping"};
    struct health *health = arg;
    int state = atomic_load(&health->state);
    *why = reasons[state];
    return state == READY;
}
