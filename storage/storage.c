/* Picks the backend and passes every call to it. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"

#include "backend.h"

struct storage {
    const struct backend *backend;
    void *handle; /* the backend's */
};

int
backend_fail(struct storage_error *error, enum storage_failure failure, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error->failure = failure;
    error->unknown = false;
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return -1;
}

int
storage_open(const struct storage_options *options, struct storage **storage,
             struct storage_error *error)
{
    const struct backend *backend = options->mongodb_uri ? &mongodb_backend : &sqlite_backend;
    void *handle = backend->open(options, error);
    if (!handle)
        return -1;
    *storage = mem_alloc(sizeof **storage);
    **storage = (struct storage){.backend = backend, .handle = handle};
    return 0;
}

void
storage_close(struct storage **storage)
{
    if (!*storage)
        return;
    (*storage)->backend->close((*storage)->handle);
    free(*storage);
    *storage = NULL;
}

const char *
storage_kind(const struct storage *storage)
{
    return storage->backend->kind;
}

int
storage_prepare(struct storage *storage, int64_t retention_s, struct storage_error *error)
{
    assert(retention_s > 0);
    return storage->backend->prepare(storage->handle, retention_s, error);
}

int
storage_ping(struct storage *storage, struct storage_error *error)
{
    return storage->backend->ping(storage->handle, error);
}

int
storage_write(struct storage *storage, const struct snapshot *rows, size_t count,
              enum storage_outcome *outcomes, struct storage_error *error)
{
    return count ? storage->backend->write(storage->handle, rows, count, outcomes, error) : 0;
}

int
storage_enabled(struct storage *storage, const char *const *auctions, size_t count,
                bool *enabled, struct storage_error *error)
{
    return count ? storage->backend->enabled(storage->handle, auctions, count, enabled, error)
                 : 0;
}

int
storage_set_enabled(struct storage *storage, const char *auction, bool enabled,
                    struct storage_error *error)
{
    return storage->backend->set_enabled(storage->handle, auction, enabled, error);
}

int
storage_read(struct storage *storage, const struct storage_query *query, struct snapshot *rows,
             size_t *count, struct storage_error *error)
{
    return storage->backend->read(storage->handle, query, rows, count, error);
}

int
storage_auctions(struct storage *storage, const char *after, struct storage_auction *rows,
                 size_t *count, struct storage_error *error)
{
    return storage->backend->auctions(storage->handle, after, rows, count, error);
}

int
storage_auction(struct storage *storage, const char *auction, bool *known,
                struct storage_auction *row, struct storage_error *error)
{
    return storage->backend->auction(storage->handle, auction, known, row, error);
}

int
storage_expire(struct storage *storage, int64_t before_ms, size_t most, size_t *deleted,
               struct storage_error *error)
{
    return storage->backend->expire(storage->handle, before_ms, most, deleted, error);
}
