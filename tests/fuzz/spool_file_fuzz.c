/* Any bytes as a spool's file. Opened, mended when it must be, and of use from then on. Input:
 * the file. */
#include <assert.h>
#include <stdlib.h>

#include "fuzz.h"
#include "spool_check.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    char path[FUZZ_PATH_BYTES];
    size_t length;
    char *file = fuzz_rest(&fuzz, &length);
    fuzz_path("spool", path);
    fuzz_write(path, file, length);
    struct spool_seen seen = spool_check(path, NULL, NULL);
    assert(seen.opened);
    free(file);
    return 0;
}
