/* The store's spool, of whose records any may be no batch. All of them leave it: batches for
 * the database, the others aside. Input: records, each behind two bytes of length. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "spool.h"
#include "spooling.h"
#include "store_metrics.h"

#include "fuzz.h"
#include "spool_check.h"

#define RECORDS_MAX 20
#define BYTES_MAX (16 * 1024 * 1024)
#define DRAIN_ROWS 1000000000 /* a second: no wait */

static size_t
put_records(struct fuzz *fuzz, const char *path, size_t *batches)
{
    struct spool_record records[RECORDS_MAX];
    struct spool_options options = {.path = path, .bytes_max = BYTES_MAX};
    struct spool_repair repair;
    struct spool_error error;
    struct spool *spool;
    size_t count = 0;
    while (fuzz->left && count < RECORDS_MAX) {
        struct store_request *request;
        uint64_t id;
        size_t length = (size_t)fuzz_integer(fuzz, 2);
        struct spool_record *record = &records[count++];
        record->bytes = fuzz_bytes(fuzz, length, &record->size);
        *batches += store_request_decode("batch/", 6, record->bytes, record->size, &request,
                                         &id) == DECODE_OK;
        store_request_destroy(&request);
    }
    int result = spool_open(&options, &spool, &repair, &error);
    assert(!result);
    result = spool_put(spool, records, count, 1000, &error);
    assert(!result);
    spool_close(&spool);
    for (size_t i = 0; i < count; i++)
        free((void *)records[i].bytes);
    return count;
}

static void
drain(const char *path, size_t most)
{
    static struct storage *storage;
    static struct guard *guard;
    static struct metrics *metrics;
    struct storage_error error;
    char database[FUZZ_PATH_BYTES];
    if (!storage) {
        fuzz_path("database", database);
        struct storage_options options = {.sqlite_path = database, .timeout_ms = 1000};
        int result = storage_open(&options, &storage, &error);
        assert(!result && !storage_prepare(storage, 86400, &error));
        guard = guard_new(1000, 1000);
        metrics = metrics_new(store_metric_table, METRIC_COUNT);
    }
    struct store_settings settings = {
        .spool_path = (char *)path, .spool_bytes = BYTES_MAX, .spool_drain_rows = DRAIN_ROWS};
    struct spooling *spooling = spooling_new(&settings, metrics);
    assert(spooling);
    for (; spooling_due_ms(spooling) != INT64_MAX; most--) {
        assert(most);
        int result = spooling_drain(spooling, storage, guard, &error);
        assert(!result);
    }
    spooling_destroy(&spooling);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    struct spool_options options = {.bytes_max = BYTES_MAX};
    struct spool_repair repair;
    struct spool_error error;
    struct spool *spool;
    char path[FUZZ_PATH_BYTES];
    size_t batches = 0;
    fuzz_path("spool", path);
    spool_remove(path);
    size_t count = put_records(&fuzz, path, &batches);
    drain(path, count + 1);
    options.path = path;
    int result = spool_open(&options, &spool, &repair, &error);
    assert(!result && !spool_records(spool));
    assert(!spool_aside(spool) == (count == batches));
    spool_close(&spool);
    spool_remove(path);
    return 0;
}
