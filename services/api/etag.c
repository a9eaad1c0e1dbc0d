/* A list of entity tags, read one by one. */
#include <string.h>

#include "etag.h"

bool
etag_matches(const char *if_none_match, const char *etag)
{
    size_t length = strlen(etag);
    const char *at = if_none_match ? if_none_match : "";
    while (*at) {
        at += strspn(at, ", \t");
        if (*at == '*')
            return true;
        if (!strncmp(at, "W/", 2))
            at += 2;
        if (*at != '"')
            return false;
        const char *end = strchr(at + 1, '"');
        if (!end)
            return false;
        if ((size_t)(end + 1 - at) == length && !strncmp(at, etag, length))
            return true;
        at = end + 1;
    }
    return false;
}
