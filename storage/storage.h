/* Where snapshots and the auctions' flags are kept: one interface, MongoDB or SQLite behind it.
 *
 * A handle belongs to one thread at a time and blocks for at most timeout_ms a call. The store
 * service is the only writer; the api opens read_only. Every call returns 0, or -1 with *error
 * filled; after STORAGE_UNAVAILABLE the same call may work later on the same handle. */
#ifndef STORAGE_H
#define STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot.h"

struct storage;

struct storage_options {
    const char *mongodb_uri; /* NULL: SQLite */
    const char *database;    /* MongoDB: used when the URI names none */
    const char *sqlite_path;
    bool read_only;
    int timeout_ms;
};

enum storage_failure {
    STORAGE_UNAVAILABLE, /* down, full, busy, timed out: try again */
    STORAGE_REFUSED,     /* the database refuses this very input: trying again is no use */
    STORAGE_MISSING      /* read_only and nothing has been created yet */
};

struct storage_error {
    enum storage_failure failure;
    bool unknown;   /* UNAVAILABLE for no reason that is known to pass: it may be the input */
    char text[256]; /* for the log; holds no secret */
};

/* Opens without waiting for a server: a database that is down shows at the first use. */
int storage_open(const struct storage_options *options, struct storage **storage,
                 struct storage_error *error);
void storage_close(struct storage **storage);

const char *storage_kind(const struct storage *storage); /* "mongodb" or "sqlite" */

/* Creates collections or tables and their indexes, and sets how long snapshots are kept. May be
 * repeated; changes the retention of what is there already. */
int storage_prepare(struct storage *storage, int64_t retention_s, struct storage_error *error);

/* A cheap round trip. */
int storage_ping(struct storage *storage, struct storage_error *error);

enum storage_outcome {
    STORAGE_SAVED, /* written, or it replaced a less full snapshot: snapshot_fuller() */
    STORAGE_KEPT   /* one as full is there: that one is kept */
};

/* Writes rows (any mix of auctions), each by (auction, timestamp); outcomes has room for count.
 * All of them are durable on 0; on -1 some may have been written: repeat the whole call. */
int storage_write(struct storage *storage, const struct snapshot *rows, size_t count,
                  enum storage_outcome *outcomes, struct storage_error *error);

/* Tells for each of count ids whether enableViewerAnalytics is on; unknown auctions are off. */
int storage_enabled(struct storage *storage, const char *const *auctions, size_t count,
                    bool *enabled, struct storage_error *error);
int storage_set_enabled(struct storage *storage, const char *auction, bool enabled,
                        struct storage_error *error);

struct storage_query {
    const char *auction;
    int64_t from_ms, to_ms; /* both included */
    bool newest_first;
};

/* Up to *count rows of the query in time order; *count becomes how many there were. Long ranges
 * are read page by page: ask again from the last row's timestamp + 1. */
int storage_read(struct storage *storage, const struct storage_query *query,
                 struct snapshot *rows, size_t *count, struct storage_error *error);

struct storage_auction {
    char auction[AUCTION_BYTES];
    bool enabled;
};

/* Up to *count known auctions whose id sorts (bytewise) after `after` ("" for the first page);
 * what others wrote there under no auction id is passed over. */
int storage_auctions(struct storage *storage, const char *after, struct storage_auction *rows,
                     size_t *count, struct storage_error *error);

/* One auction's settings; *known is false when there is no such auction. */
int storage_auction(struct storage *storage, const char *auction, bool *known,
                    struct storage_auction *row, struct storage_error *error);

/* Deletes up to most snapshots created before before_ms; *deleted tells how many. Used where
 * the database has no TTL of its own, and as a net beneath it. */
int storage_expire(struct storage *storage, int64_t before_ms, size_t most, size_t *deleted,
                   struct storage_error *error);

#endif
