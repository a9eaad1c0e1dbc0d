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

#define BYTES_MAX (16 * 1024 * 1024)
#define DRAIN_ROWS 1000000000 /* a second: no wait */

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
    char path[FUZZ_PATH_BYTES];
    size_t batches = 0;
    fuzz_path("spool", path);
    spool_remove(path);
    size_t count = spool_fill(&fuzz, path, &batches);
    drain(path, count + 1);
    struct spool *spool = spool_open_sound(path);
    assert(!spool_records(spool));
    assert(!spool_aside(spool) == (count == batches));
    spool_close(&spool);
    spool_remove(path);
    return 0;
}
