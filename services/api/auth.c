/* The two ways of presenting a key. */
#include <string.h>
#include <strings.h>

#include "auth.h"

static const char *
find_bearer(const char *authorization)
{
    if (!authorization || strncasecmp(authorization, "Bearer ", 7))
        return NULL;
    return authorization + 7 + strspn(authorization + 7, " ");
}

enum keyring_match
auth_find(struct keyring *keys, const char *header, const char *authorization)
{
    const char *bearer = find_bearer(authorization);
    enum keyring_match by_header =
        header ? keyring_find(keys, header, strlen(header)) : KEYRING_NONE;
    enum keyring_match by_bearer =
        bearer ? keyring_find(keys, bearer, strlen(bearer)) : KEYRING_NONE;
    return by_header ? by_header : by_bearer;
}
