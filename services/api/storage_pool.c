/* Idle handles wait in a pipe, which makes a thread-safe queue of them. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <uv.h>

#include "api_metrics.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "storage_pool.h"

#define LOG_INTERVAL_MS 5000

struct storage_pool {
    int idle[2]; /* a pipe of struct storage *; NULL: still to be opened */
    struct storage_options options;
    int count;
    struct metrics *metrics;
    atomic_bool down;
    int64_t retry_ms;            /* less up to a quarter, between attempts while down */
    _Atomic int64_t attempt_ms;  /* while down, nobody is let through before (monotonic) */
    _Atomic int64_t next_log_ms; /* no line before */
};

static struct storage *
take_idle(struct storage_pool *pool)
{
    struct storage *storage = NULL;
    ssize_t bytes;
    do
        bytes = read(pool->idle[0], &storage, sizeof storage);
    while (bytes < 0 && errno == EINTR);
    assert(bytes == sizeof storage);
    return storage;
}

static void
put_idle(struct storage_pool *pool, struct storage *storage)
{
    ssize_t bytes;
    do
        bytes = write(pool->idle[1], &storage, sizeof storage);
    while (bytes < 0 && errno == EINTR);
    assert(bytes == sizeof storage);
}

struct storage_pool *
storage_pool_new(const struct storage_options *options, int count, int64_t retry_ms,
                 struct metrics *metrics, struct storage_error *error)
{
    struct storage_pool *pool = mem_alloc(sizeof *pool);
    pool->options = *options;
    pool->metrics = metrics;
    pool->retry_ms = retry_ms;
    int refused = pipe2(pool->idle, O_CLOEXEC);
    assert(!refused);
    for (; pool->count < count; pool->count++) {
        struct storage *storage = NULL;
        if (storage_open(options, &storage, error) && error->failure == STORAGE_REFUSED) {
            storage_pool_destroy(&pool);
            return NULL;
        }
        put_idle(pool, storage);
    }
    return pool;
}

void
storage_pool_destroy(struct storage_pool **pool)
{
    if (!*pool)
        return;
    while ((*pool)->count--) {
        struct storage *storage = take_idle(*pool);
        if (storage)
            storage_close(&storage);
    }
    close((*pool)->idle[0]);
    close((*pool)->idle[1]);
    free(*pool);
    *pool = NULL;
}

/* True for one caller in each interval. */
static bool
claim_turn(_Atomic int64_t *next_ms, int64_t interval_ms)
{
    int64_t now_ms = clock_mono_ms();
    int64_t next = atomic_load(next_ms);
    return now_ms >= next &&
           atomic_compare_exchange_strong(next_ms, &next, now_ms + interval_ms);
}

static int64_t
next_wait_ms(const struct storage_pool *pool)
{
    uint32_t chance = 0;
    uv_random(NULL, NULL, &chance, sizeof chance, 0, NULL);
    return pool->retry_ms - chance % (pool->retry_ms / 4 + 1);
}

static void
note_failure(struct storage_pool *pool, const struct storage_error *error)
{
    metrics_set(pool->metrics, METRIC_DATABASE_UP, 0);
    metrics_add(pool->metrics, METRIC_DATABASE_FAILURES, 1);
    if (error->failure == STORAGE_UNAVAILABLE && !atomic_exchange(&pool->down, true))
        atomic_store(&pool->attempt_ms, clock_mono_ms() + next_wait_ms(pool));
    if (claim_turn(&pool->next_log_ms, LOG_INTERVAL_MS))
        log_warn("database.failed", "the database could not be read",
                 LOG_STR("error", error->text));
}

struct storage *
storage_pool_take(struct storage_pool *pool, struct storage_error *error)
{
    if (atomic_load(&pool->down) && !claim_turn(&pool->attempt_ms, next_wait_ms(pool))) {
        *error = (struct storage_error){.failure = STORAGE_UNAVAILABLE,
                                        .text = "the database is known to be down"};
        return NULL;
    }
    struct storage *storage = take_idle(pool);
    if (!storage && storage_open(&pool->options, &storage, error)) {
        put_idle(pool, NULL);
        note_failure(pool, error);
        return NULL;
    }
    return storage;
}

void
storage_pool_give(struct storage_pool *pool, struct storage *storage,
                  const struct storage_error *failure)
{
    if (failure) {
        if (failure->failure == STORAGE_UNAVAILABLE)
            storage_close(&storage); /* opened anew at the next use */
        put_idle(pool, storage);
        note_failure(pool, failure);
        return;
    }
    put_idle(pool, storage);
    metrics_set(pool->metrics, METRIC_DATABASE_UP, 1);
    if (atomic_exchange(&pool->down, false))
        log_info("database.up", "the database answers again", LOG_NONE);
}
