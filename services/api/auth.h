/* Keys that callers present. Pure; any thread. */
#ifndef AUTH_H
#define AUTH_H

#include "keyring.h"

/* Which key is presented, in its own header or as "Bearer <key>" in authorization; either
 * may be NULL. When both are there, one right one is enough. */
enum keyring_match auth_find(struct keyring *keys, const char *header,
                             const char *authorization);

#endif
