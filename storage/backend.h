/* What a database must do to stand behind storage.h; for this folder alone. Each function has
 * the meaning of its namesake there. */
#ifndef BACKEND_H
#define BACKEND_H

#include "storage.h"

struct backend {
    const char *kind;
    void *(*open)(const struct storage_options *options, struct storage_error *error);
    void (*close)(void *handle);
    int (*prepare)(void *handle, int64_t retention_s, struct storage_error *error);
    int (*ping)(void *handle, struct storage_error *error);
    int (*write)(void *handle, const struct snapshot *rows, size_t count,
                 enum storage_outcome *outcomes, struct storage_error *error);
    int (*enabled)(void *handle, const char *const *auctions, size_t count, bool *enabled,
                   struct storage_error *error);
    int (*set_enabled)(void *handle, const char *auction, bool enabled,
                       struct storage_error *error);
    int (*read)(void *handle, const struct storage_query *query, struct snapshot *rows,
                size_t *count, struct storage_error *error);
    int (*auctions)(void *handle, const char *after, struct storage_auction *rows,
                    size_t *count, struct storage_error *error);
    int (*auction)(void *handle, const char *auction, bool *known, struct storage_auction *row,
                   struct storage_error *error);
    int (*expire)(void *handle, int64_t before_ms, size_t most, size_t *deleted,
                  struct storage_error *error);
};

extern const struct backend sqlite_backend, mongodb_backend;

/* Fills *error; always -1. */
int backend_fail(struct storage_error *error, enum storage_failure failure, const char *format,
                 ...) __attribute__((format(printf, 3, 4)));

#endif
