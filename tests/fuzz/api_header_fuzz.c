/* The api's headers that are taken apart: keys, and tags of what a client has already. A right
 * key is found beside any other header, and no other text is one. Input: two texts that end
 * with 0. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth.h"
#include "etag.h"
#include "mem.h"

#include "fuzz.h"

#define KEY "current-key"
#define PREVIOUS "previous-key"
#define TAG "\"abc123\""

static void
check_keys(const char *header, const char *authorization)
{
    static struct keyring *keys;
    if (!keys)
        keys = keyring_new(KEY, PREVIOUS);
    assert(auth_find(keys, KEY, authorization) == KEYRING_CURRENT);
    assert(auth_find(keys, NULL, "bearer " KEY) == KEYRING_CURRENT);
    enum keyring_match match = auth_find(keys, header, authorization);
    const char *key = match == KEYRING_CURRENT ? KEY : PREVIOUS;
    size_t length = strlen(key), all = strlen(authorization);
    assert(match == KEYRING_NONE || !strcmp(header, key) ||
           (all > length && !strcmp(authorization + all - length, key) &&
            authorization[all - length - 1] == ' '));
}

static void
check_tags(const char *header)
{
    bool matches = etag_matches(header, TAG);
    assert(!matches || strstr(header, TAG) || strchr(header, '*'));
    char *longer = mem_format("W/\"x\", %s", TAG);
    assert(etag_matches(longer, TAG));
    free(longer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    char *one = fuzz_text(&fuzz), *other = fuzz_text(&fuzz);
    check_keys(one, other);
    check_tags(one);
    free(one);
    free(other);
    return 0;
}
