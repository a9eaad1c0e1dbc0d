/* Which pages may connect: the Origin header against a list of allowed origins. Pure; any
 * thread. */
#ifndef ORIGIN_H
#define ORIGIN_H

#include <stdbool.h>

/* Whether text is such a list: "*", or scheme://host[:port] each, comma-separated. */
bool origins_valid(const char *text);

/* Whether a page of origin may connect. Scheme, host and port must all be the same, letter case
 * aside; a port left out is the scheme's own. origin NULL: the request comes from no browser
 * page, and is not foreign. "null" (a sandboxed page, a file) is, like all that is no origin.
 */
bool origins_allow(const char *allowed, const char *origin);

#endif
