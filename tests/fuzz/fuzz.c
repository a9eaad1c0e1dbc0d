/* In: bytes that libFuzzer made up. Out: pieces of them. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

uint8_t
fuzz_byte(struct fuzz *fuzz)
{
    return (uint8_t)fuzz_integer(fuzz, 1);
}

uint64_t
fuzz_integer(struct fuzz *fuzz, size_t bytes)
{
    uint64_t value = 0;
    for (; bytes && fuzz->left; bytes--, fuzz->left--)
        value = value << 8 | *fuzz->at++;
    return value;
}

/* One byte more where the piece is a text. */
static char *
take(struct fuzz *fuzz, size_t count, size_t more)
{
    char *piece = malloc(count + more);
    assert(piece || !(count + more));
    if (count)
        memcpy(piece, fuzz->at, count);
    if (more)
        piece[count] = 0;
    fuzz->at += count;
    fuzz->left -= count;
    return piece;
}

char *
fuzz_bytes(struct fuzz *fuzz, size_t count, size_t *length)
{
    *length = count < fuzz->left ? count : fuzz->left;
    return take(fuzz, *length, 0);
}

char *
fuzz_part(struct fuzz *fuzz, size_t *length)
{
    return fuzz_bytes(fuzz, fuzz_byte(fuzz), length);
}

char *
fuzz_rest(struct fuzz *fuzz, size_t *length)
{
    return fuzz_bytes(fuzz, fuzz->left, length);
}

char *
fuzz_text(struct fuzz *fuzz)
{
    const uint8_t *end = fuzz->left ? memchr(fuzz->at, 0, fuzz->left) : NULL;
    char *text = take(fuzz, end ? (size_t)(end - fuzz->at) : fuzz->left, 1);
    if (end) {
        fuzz->at++;
        fuzz->left--;
    }
    return text;
}

void
fuzz_tidy(char *text, size_t size)
{
    size_t length = strlen(text);
    assert(length < size);
    memset(text + length, 0, size - length);
}

void
fuzz_path(const char *name, char path[FUZZ_PATH_BYTES])
{
    static char folder[256];
    const char *parent = getenv("TMPDIR");
    if (!*folder) {
        snprintf(folder, sizeof folder, "%s/hc-fuzz-XXXXXX", parent ? parent : "/tmp");
        char *made = mkdtemp(folder);
        assert(made);
    }
    snprintf(path, FUZZ_PATH_BYTES, "%s/%s", folder, name);
}

void
fuzz_write(const char *path, const void *bytes, size_t length)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert(file >= 0);
    ssize_t written = length ? write(file, bytes, length) : 0;
    assert(written == (ssize_t)length);
    close(file);
}
