/* Conditional requests. Pure; any thread. */
#ifndef ETAG_H
#define ETAG_H

#include <stdbool.h>

/* Whether an If-None-Match header (NULL: none) names the tag, or "*". Weak and strong forms of
 * a tag are the same here (RFC 9110, 13.1.2). */
bool etag_matches(const char *if_none_match, const char *etag);

#endif
