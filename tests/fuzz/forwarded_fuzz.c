/* Headers that proxies write. What is believed is no proxy's address, and nothing that stands
 * left of what the proxies wrote changes it. Input: the form, then texts that end with 0: what
 * stands left, a line of the left, lines of the proxies. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "forwarded.h"
#include "mem.h"

#include "fuzz.h"

#define LINES_MAX 6
#define PROXIES "10.0.0.0/8,2001:db8::/32,192.0.2.1"

static void
check(enum forwarded_form form, const char *left, char **lines, size_t count)
{
    struct address address, again;
    const char *borrowed[LINES_MAX];
    struct networks *proxies = networks_read(PROXIES);
    memcpy(borrowed, lines, count * sizeof *lines);
    if (forwarded_viewer(form, borrowed + 1, count - 1, proxies, &address)) {
        assert(!networks_hold(proxies, &address));
        bool found = forwarded_viewer(form, borrowed, count, proxies, &again);
        assert(found && !memcmp(&address, &again, sizeof again));
        char *joined = mem_format("%s,%s", left, lines[1]);
        borrowed[1] = joined;
        found = forwarded_viewer(form, borrowed + 1, count - 1, proxies, &again);
        assert(found && !memcmp(&address, &again, sizeof again));
        free(joined);
    }
    networks_destroy(&proxies);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    char *lines[LINES_MAX];
    size_t count = 0;
    enum forwarded_form form = fuzz_byte(&fuzz) & 1 ? FORWARDED_RFC : FORWARDED_X;
    char *left = fuzz_text(&fuzz);
    do
        lines[count++] = fuzz_text(&fuzz);
    while (fuzz.left && count < LINES_MAX);
    check(form, left, lines, count);
    free(left);
    while (count)
        free(lines[--count]);
    return 0;
}
