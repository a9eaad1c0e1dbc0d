/* What the targets share: an input taken apart from its front, each piece in memory of exactly
 * its size, so that a sanitizer sees a read beyond it; and files to give to what reads files.
 * One thread. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Called by libFuzzer with each input; always 0. What must hold is asserted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    const uint8_t *at;
    size_t left;
};

/* Each takes what there is; at the end zeros and empty pieces. */
uint8_t fuzz_byte(struct fuzz *fuzz);
uint64_t fuzz_integer(struct fuzz *fuzz, size_t bytes); /* big-endian */

/* The caller frees the piece. Its length is in *length; a text ends with a 0 beyond it. */
char *fuzz_bytes(struct fuzz *fuzz, size_t count, size_t *length); /* at most count */
char *fuzz_part(struct fuzz *fuzz, size_t *length);                /* of a length byte */
char *fuzz_rest(struct fuzz *fuzz, size_t *length);
char *fuzz_text(struct fuzz *fuzz); /* up to the next zero byte, and past it */

/* Zeros behind the text's end, so that structs with it in them can be compared. */
void fuzz_tidy(char *text, size_t size);

/* A path in a folder of this process's own, which whoever set TMPDIR removes. */
#define FUZZ_PATH_BYTES 512
void fuzz_path(const char *name, char path[FUZZ_PATH_BYTES]);
void fuzz_write(const char *path, const void *bytes, size_t length);

#endif
