/* A line of the log about anything: one line, nothing in it that a terminal obeys, and as JSON
 * one object. Input: the form, then texts that end with 0. */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"

#include "fuzz.h"

#define LINE_BYTES 65536

/* Writes a line to a file in memory instead of stderr. Its length. */
static size_t
write_line(const char *text, const char *one, const char *other, char line[LINE_BYTES])
{
    static int file = -1;
    if (file < 0)
        file = memfd_create("line", MFD_CLOEXEC);
    int before = dup(STDERR_FILENO);
    int result = ftruncate(file, 0);
    assert(!result);
    lseek(file, 0, SEEK_SET);
    dup2(file, STDERR_FILENO);
    log_error("fuzz.line", text, LOG_STR("one", one), LOG_INT("number", -1),
              LOG_STR("other", other));
    dup2(before, STDERR_FILENO);
    close(before);
    ssize_t length = pread(file, line, LINE_BYTES, 0);
    assert(length > 0);
    return (size_t)length;
}

static void
check_json(const char *line, size_t length, const char *one)
{
    json_t *json = json_loadb(line, length, 0, NULL);
    assert(json);
    const char *found = json_string_value(json_object_get(json, "one"));
    size_t plain = 0; /* from there on it may be no UTF-8, and is worded otherwise */
    while (one[plain] && (unsigned char)one[plain] < 0x80)
        plain++;
    assert(found && !strncmp(found, one, plain) && (one[plain] || !found[plain]));
    json_decref(json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    static char line[LINE_BYTES];
    bool json = fuzz_byte(&fuzz) & 1;
    char *text = fuzz_text(&fuzz), *one = fuzz_text(&fuzz), *other = fuzz_text(&fuzz);
    log_setup("fuzz", LOG_LEVEL_INFO, json);
    size_t length = write_line(text, one, other, line);
    for (size_t i = 0; i < length - 1; i++)
        assert((unsigned char)line[i] >= ' ' && (json || (unsigned char)line[i] < 0x7f));
    assert(line[length - 1] == '\n');
    if (json)
        check_json(line, length, one);
    free(text);
    free(one);
    free(other);
    return 0;
}
