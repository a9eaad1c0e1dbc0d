/* Whose connection it is when a proxy brings it: the header that the trusted proxies write,
 * read from the right, where the nearest of them wrote. What stands left of the first address
 * that is no trusted proxy was written by who knows whom, and is not looked at. Pure; any
 * thread. */
#ifndef FORWARDED_H
#define FORWARDED_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"

enum forwarded_form {
    FORWARDED_X,  /* X-Forwarded-For: addresses */
    FORWARDED_RFC /* Forwarded (RFC 7239): for=address;... */
};

/* lines: the values of the header, in the order in which they came. True: *address is the
 * viewer's. False: the header names none that is not a proxy of ours. */
bool forwarded_viewer(enum forwarded_form form, const char *const *lines, size_t count,
                      const struct networks *proxies, struct address *address);

#endif
