/* In: the path of a file. Out: what a spool made of it. */
#include <assert.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "spool_check.h"

#define BYTES_MAX (16 * 1024 * 1024)
#define AT_ONCE 8
#define ROUNDS_MAX 100000

static const char last[] = "the last record";

static struct spool *
open_spool(const char *path, struct spool_repair *repair)
{
    struct spool *spool = NULL;
    struct spool_error error;
    struct spool_options options = {.path = path, .bytes_max = BYTES_MAX};
    return spool_open(&options, &spool, repair, &error) ? NULL : spool;
}

/* Reads all of it; how many there are, and whether the last is `last`. False: the file shows
 * damage only now. */
static bool
read_all(struct spool *spool, spool_known_f *known, void *arg, size_t *total, bool *ends)
{
    struct spool_record records[AT_ONCE];
    struct spool_error error;
    size_t count, damaged;
    int64_t id = 0;
    *total = 0;
    *ends = false;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        count = AT_ONCE;
        if (spool_read(spool, id, 1000, records, &count, &damaged, &error))
            return false;
        for (size_t i = 0; i < count; i++) {
            assert(records[i].id > id);
            id = records[i].id;
            *ends =
                records[i].size == sizeof last && !memcmp(records[i].bytes, last, sizeof last);
            assert(*ends || !known || known(arg, &records[i]));
        }
        *total += count;
        if (!count && !damaged)
            return true;
    }
    assert(!"reading comes to an end");
    return false;
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
    size_t total;
    bool ends;
    struct spool *spool = open_spool(path, &repair);
    assert(spool && !*repair.moved_to && !repair.lost);
    bool read = read_all(spool, known, arg, &total, &ends);
    assert(read && ends && total == expected);
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
        bool whole = read_all(spool, known, arg, &seen.records, &ends);
        bool put = whole && !spool_put(spool, &record, 1, 1000, &error);
        assert(!seen.moved || put);
        spool_close(&spool);
        if (put)
            check_again(path, known, arg, seen.records + 1);
    }
    spool_remove(path);
    return seen;
}
