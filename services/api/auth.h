/* Keys that callers present. Pure; any thread. */
#ifndef AUTH_H
#define AUTH_H

#include <stdbool.h>

/* Whether the key is presented, in its own header or as "Bearer <key>" in authorization; either
 * may be NULL. When both are there, one right one is enough. */
bool auth_allows(const char *key, const char *header, const char *authorization);

#endif
