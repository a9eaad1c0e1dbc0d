/* A spool's sound file, of which some bytes are changed. No record is made up: what is read was
 * put there; with nothing changed all is read. Input: how many records, their sizes, then
 * changes: three bytes of where, one of what. */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "spool_check.h"

#define RECORDS_MAX 12
#define CHANGES_MAX 32
#define SIZE_STEP 700 /* so that some need pages of their own */

static char contents[RECORDS_MAX][255 * 16];

/* A record's bytes begin with its number. */
static bool
is_known(void *arg, const struct spool_record *record)
{
    const unsigned char *bytes = record->bytes;
    const size_t *sizes = arg;
    return record->size && *bytes < RECORDS_MAX && record->size == sizes[*bytes] &&
           !memcmp(bytes, contents[*bytes], record->size);
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
    size_t sizes[RECORDS_MAX] = {0};
    fuzz_path("spool", path);
    size_t count = make_spool(&fuzz, path, sizes);
    bool changed = damage(&fuzz, path);
    struct spool_seen seen = spool_check(path, is_known, sizes);
    assert(seen.opened && seen.records <= count);
    assert(changed || (!seen.moved && seen.records == count));
    return 0;
}
