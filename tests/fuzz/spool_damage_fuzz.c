/* A spool's sound file, of which some bytes are changed. No record is made up: what is read was
 * put there. None is lost that can still be asked for by its id. Input: how many records, their
 * sizes, then changes: three bytes of where, one of what. */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "spool_check.h"
#include "spool_file.h"

#define RECORDS_MAX 12
#define CHANGES_MAX 32
#define SIZE_STEP 700 /* so that some need pages of their own */

static char contents[RECORDS_MAX][255 * 16];

struct world {
    size_t sizes[RECORDS_MAX];
    bool readable[RECORDS_MAX]; /* still, by plain SQL */
    bool seen[RECORDS_MAX];
};

/* A record's bytes begin with its number. */
static bool
is_own(const struct world *world, const void *bytes, size_t size)
{
    unsigned number = size ? *(const unsigned char *)bytes : RECORDS_MAX;
    return number < RECORDS_MAX && size && size == world->sizes[number] &&
           !memcmp(bytes, contents[number], size);
}

static bool
note_seen(void *arg, const struct spool_record *record)
{
    struct world *world = arg;
    bool own = is_own(world, record->bytes, record->size);
    if (own)
        world->seen[*(const unsigned char *)record->bytes] = true;
    return own;
}

static void
find_readable(const char *path, struct world *world)
{
    sqlite3 *db;
    sqlite3_stmt *row = NULL;
    unsigned char sum[SPOOL_SUM_BYTES];
    sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
    sqlite3_prepare_v2(db, "SELECT sum, bytes FROM records WHERE id=?1", -1, &row, NULL);
    for (int i = 0; row && i < RECORDS_MAX; i++) {
        sqlite3_bind_int(row, 1, i + 1);
        if (sqlite3_step(row) == SQLITE_ROW &&
            sqlite3_column_bytes(row, 0) == SPOOL_SUM_BYTES) {
            size_t size = (size_t)sqlite3_column_bytes(row, 1);
            const void *bytes = sqlite3_column_blob(row, 1);
            spool_file_sum(bytes, size, sum);
            world->readable[i] = is_own(world, bytes, size) &&
                                 *(const unsigned char *)bytes == i &&
                                 !memcmp(sqlite3_column_blob(row, 0), sum, sizeof sum);
        }
        sqlite3_reset(row);
    }
    sqlite3_finalize(row);
    sqlite3_close(db);
}

static size_t
make_spool(struct fuzz *fuzz, const char *path, size_t sizes[RECORDS_MAX])
{
    struct spool_record records[RECORDS_MAX];
    struct spool_options options = {.path = path, .bytes_max = 1 << 20};
    struct spool_repair repair;
    struct spool_error error;
    struct spool *spool;
    size_t count = 1 + fuzz_byte(fuzz) % RECORDS_MAX;
    for (size_t i = 0; i < count; i++) {
        sizes[i] = 1 + fuzz_byte(fuzz) % 5 * SIZE_STEP;
        memset(contents[i], 'a' + (int)i, sizes[i]);
        contents[i][0] = (char)i;
        records[i] = (struct spool_record){.bytes = contents[i], .size = sizes[i]};
    }
    int result = spool_open(&options, &spool, &repair, &error);
    assert(!result);
    result = spool_put(spool, records, count, 1000, &error);
    assert(!result);
    spool_close(&spool);
    return count;
}

/* Whether anything is different now. */
static bool
damage(struct fuzz *fuzz, const char *path)
{
    struct stat about;
    bool changed = false;
    int file = open(path, O_RDWR | O_CLOEXEC);
    assert(file >= 0 && !fstat(file, &about));
    for (int i = 0; fuzz->left && i < CHANGES_MAX; i++) {
        off_t at = (off_t)fuzz_integer(fuzz, 3) % about.st_size;
        uint8_t old = 0, new = fuzz_byte(fuzz);
        ssize_t done = pread(file, &old, 1, at) + pwrite(file, &new, 1, at);
        assert(done == 2);
        changed |= old != new;
    }
    close(file);
    return changed;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    char path[FUZZ_PATH_BYTES];
    struct world world = {0};
    fuzz_path("spool", path);
    size_t count = make_spool(&fuzz, path, world.sizes);
    bool changed = damage(&fuzz, path);
    find_readable(path, &world);
    struct spool_seen seen = spool_check(path, note_seen, &world);
    assert(seen.opened);
    assert(seen.records <= count);
    assert(changed || (!seen.moved && seen.records == count));
    for (size_t i = 0; i < count; i++)
        assert(world.seen[i] || !world.readable[i]);
    return 0;
}
