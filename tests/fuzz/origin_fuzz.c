/* The Origin header against a list. Letter case does not matter; a list of one origin allows
 * that one; nothing is allowed that is no origin. Input: the list and its 0, the origin. */
#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "origin.h"

#include "fuzz.h"

static void
check(const char *list, char *origin)
{
    bool allowed = origins_allow(list, origin);
    bool one = origins_valid(origin) && !strpbrk(origin, ", ") && strcmp(origin, "*");
    assert(!allowed || !strcmp(list, "*") || one);
    if (one)
        assert(origins_allow(origin, origin));
    for (char *c = origin; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    assert(origins_allow(list, origin) == allowed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    char *list = fuzz_text(&fuzz), *origin = fuzz_text(&fuzz);
    origins_valid(list);
    check(list, origin);
    free(list);
    free(origin);
    return 0;
}
