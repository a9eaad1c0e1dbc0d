/* In: the path of a file. Out: what a spool made of it. */
#include <assert.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_request.h"

#include "fuzz.h"
#include "spool_check.h"

#define BYTES_MAX (16 * 1024 * 1024)
#define AT_ONCE 8
#define ROUNDS_MAX 100000

static const char last[] = "the last record";

static void
expect_well(int result, const struct spool_error *error)
{
    if (result)
        fprintf(stderr, "%s\n", error->text);
    assert(!result);
}

static struct spool *
open_spool(const char *path, struct spool_repair *repair)
{
    struct spool *spool = NULL;
    struct spool_error error;
    struct spool_options options = {.path = path, .bytes_max = BYTES_MAX};
    expect_well(spool_open(&options, &spool, repair, &error), &error);
    return spool;
}

struct spool *
spool_open_sound(const char *path)
{
    struct spool_repair repair;
    struct spool *spool = open_spool(path, &repair);
    assert(!repair.lost && !*repair.moved_to);
    return spool;
}

size_t
spool_fill(struct fuzz *fuzz, const char *path, size_t *batches)
{
    struct spool_record records[SPOOL_FILL_MAX];
    struct spool_error error;
    size_t count = 0;
    while (fuzz->left && count < SPOOL_FILL_MAX) {
        struct store_request *request;
        uint64_t id;
        size_t length = (size_t)fuzz_integer(fuzz, 2);
        struct spool_record *record = &records[count++];
        record->bytes = fuzz_bytes(fuzz, length, &record->size);
        *batches += store_request_decode("batch/", 6, record->bytes, record->size, &request,
                                         &id) == DECODE_OK;
        store_request_destroy(&request);
    }
    struct spool *spool = spool_open_sound(path);
    int result = spool_put(spool, records, count, 1000, &error);
    assert(!result);
    spool_close(&spool);
    for (size_t i = 0; i < count; i++)
        free((void *)records[i].bytes);
    return count;
}

/* Reads all of it: how many there are, and whether the last is `last`. */
static size_t
read_all(struct spool *spool, spool_known_f *known, void *arg, bool *ends)
{
    struct spool_record records[AT_ONCE];
    struct spool_error error;
    size_t count, damaged, total = 0;
    int64_t id = 0;
    *ends = false;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        count = AT_ONCE;
        expect_well(spool_read(spool, id, 1000, records, &count, &damaged, &error), &error);
        for (size_t i = 0; i < count; i++) {
            assert(records[i].id > id);
            id = records[i].id;
            *ends =
                records[i].size == sizeof last && !memcmp(records[i].bytes, last, sizeof last);
            assert(*ends || !known || known(arg, &records[i]));
        }
        total += count;
        if (!count && !damaged)
            return total;
    }
    assert(!"reading comes to an end");
    return 0;
}

void
spool_remove(const char *path)
{
    char pattern[FUZZ_PATH_BYTES + 8];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s*", path);
    if (glob(pattern, GLOB_NOSORT, NULL, &found))
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        unlink(found.gl_pathv[i]);
    globfree(&found);
}

/* Opened again: sound, and all is there. */
static void
check_again(const char *path, spool_known_f *known, void *arg, size_t expected)
{
    struct spool_repair repair;
    bool ends;
    struct spool *spool = open_spool(path, &repair);
    assert(spool && !*repair.moved_to && !repair.lost);
    size_t total = read_all(spool, known, arg, &ends);
    assert(ends && total == expected);
    spool_close(&spool);
}

struct spool_seen
spool_check(const char *path, spool_known_f *known, void *arg)
{
    struct spool_repair repair;
    struct spool_error error;
    struct spool_seen seen = {0};
    struct spool_record record = {.bytes = last, .size = sizeof last};
    bool ends;
    struct spool *spool = open_spool(path, &repair);
    seen.opened = spool;
    if (spool) {
        seen.moved = *repair.moved_to;
        seen.records = read_all(spool, known, arg, &ends);
        expect_well(spool_put(spool, &record, 1, 1000, &error), &error);
        spool_close(&spool);
        check_again(path, known, arg, seen.records + 1);
    }
    spool_remove(path);
    return seen;
}
