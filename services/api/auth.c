/* Constant-time comparison of keys, and the two ways of presenting one. */
#include <string.h>
#include <strings.h>

#include "auth.h"

#define KEY_BYTES 256 /* the longest key that settings allow */

/* Both are laid out in blocks of one size, so that neither content nor length shows in the
 * time. */
bool
auth_equal(const char *key, const char *presented)
{
    unsigned char left[KEY_BYTES + 1] = {0}, right[KEY_BYTES + 1] = {0};
    memcpy(left, key, strnlen(key, sizeof left));
    memcpy(right, presented, strnlen(presented, sizeof right));
    unsigned difference = 0;
    for (size_t i = 0; i < sizeof left; i++)
        difference |= left[i] ^ right[i];
    explicit_bzero(left, sizeof left);
    explicit_bzero(right, sizeof right);
    return !difference && *key;
}

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
    bool by_header = header && auth_equal(key, header);
    bool by_bearer = bearer && auth_equal(key, bearer);
    return by_header || by_bearer;
}
