/* What mongodb.c and mongodb_write.c share; for them alone. */
#ifndef MONGODB_H
#define MONGODB_H

#include <mongoc/mongoc.h>

#include "storage.h"

struct mongodb {
    mongoc_client_t *client;
    mongoc_database_t *database;
    mongoc_collection_t *snapshots; /* vieweranalytics */
    mongoc_collection_t *auctions;
};

/* Fills *error from the library's; always -1. A whole command that a server does not take says
 * nothing of the documents in it: only of a single one's error it is asked whether it is
 * refused. */
int mongodb_fail(const bson_error_t *from, struct storage_error *error);
int mongodb_fail_row(const bson_error_t *from, struct storage_error *error);

int mongodb_write(void *handle, const struct snapshot *rows, size_t count,
                  enum storage_outcome *outcomes, struct storage_error *error);
int mongodb_expire(void *handle, int64_t before_ms, size_t most, size_t *deleted,
                   struct storage_error *error);

#endif
