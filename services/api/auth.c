/* The two ways of presenting a key. */
#include <string.h>
#include <strings.h>

#include "secret.h"

#include "auth.h"

static const char *
find_bearer(const char *authorization)
{
    if (!authorization || strncasecmp(authorization, "Bearer ", 7))
        return NULL;
    return authorization + 7 + strspn(authorization + 7, " ");
}

bool
auth_allows(const char *key, const char *header, const char *authorization)
{
    const char *bearer = find_bearer(authorization);
    bool by_header = header && secret_equal(key, header, strlen(header));
    bool by_bearer = bearer && secret_equal(key, bearer, strlen(bearer));
    return by_header || by_bearer;
}
