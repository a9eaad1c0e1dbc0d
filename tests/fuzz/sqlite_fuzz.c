/* A damaged database file: nothing is read of it that is no snapshot's shape, and every call
 * comes back. Input: how it is opened, the file. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage.h"

#include "fuzz.h"

#define ROWS 8
#define RETENTION_S 7776000

static void
use(struct storage *storage, bool writes)
{
    struct storage_error error;
    struct snapshot rows[ROWS];
    struct storage_auction auctions[ROWS];
    enum storage_outcome outcome;
    struct storage_query query = {.auction = "lot-12", .to_ms = INT64_MAX};
    size_t count = ROWS, deleted;
    if (!storage_read(storage, &query, rows, &count, &error))
        assert(count <= ROWS);
    count = ROWS;
    if (!storage_auctions(storage, "", auctions, &count, &error))
        for (size_t i = 0; i < count; i++)
            assert(auction_valid(auctions[i].auction, strlen(auctions[i].auction)));
    if (!writes)
        return;
    struct snapshot row = {.auction = "lot-12", .timestamp_ms = 60000, .sample_count = 1};
    storage_write(storage, &row, 1, &outcome, &error);
    storage_set_enabled(storage, "lot-12", true, &error);
    storage_expire(storage, 1000, 10, &deleted, &error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    char path[FUZZ_PATH_BYTES], journal[FUZZ_PATH_BYTES];
    struct storage *storage = NULL;
    struct storage_error error;
    size_t length;
    bool writes = fuzz_byte(&fuzz) & 1;
    char *file = fuzz_rest(&fuzz, &length);
    fuzz_path("database", path);
    fuzz_write(path, file, length);
    struct storage_options options = {
        .sqlite_path = path, .read_only = !writes, .timeout_ms = 1000};
    if (!storage_open(&options, &storage, &error)) {
        if (!writes || !storage_prepare(storage, RETENTION_S, &error))
            use(storage, writes);
        storage_close(&storage);
    }
    free(file);
    static const char *const names[] = {"database", "database-wal", "database-shm",
                                        "database-journal"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fuzz_path(names[i], journal);
        unlink(journal);
    }
    return 0;
}
