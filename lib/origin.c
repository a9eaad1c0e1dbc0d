/* In: an Origin header. Out: whether it is among the allowed. */
#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "origin.h"

#define PORT_DIGITS 5
#define PORT_MAX 65535

struct origin {
    const char *scheme, *host; /* in the text, not ended */
    size_t scheme_length, host_length;
    long port; /* 0: the scheme has none of its own, and none was given */
};

static size_t
count_of(const char *text, size_t length, const char *others)
{
    size_t i = 0;
    while (i < length &&
           (isalnum((unsigned char)text[i]) || (text[i] && strchr(others, text[i]))))
        i++;
    return i;
}

static long
default_port(const struct origin *origin)
{
    if (origin->scheme_length == 5 && !strncasecmp(origin->scheme, "https", 5))
        return 443;
    return origin->scheme_length == 4 && !strncasecmp(origin->scheme, "http", 4) ? 80 : 0;
}

/* The host's length: a name, or [an IPv6 address]. 0: neither. */
static size_t
host_length(const char *text, size_t length)
{
    if (!length || *text != '[')
        return count_of(text, length, "-._");
    size_t inside = count_of(text + 1, length - 1, ":.");
    return inside && inside + 1 < length && text[inside + 1] == ']' ? inside + 2 : 0;
}

/* text: what follows the host, ":port" or nothing. */
static bool
read_port(struct origin *origin, const char *text, size_t length)
{
    origin->port = default_port(origin);
    if (!length)
        return true;
    if (*text != ':' || length < 2 || length > 1 + PORT_DIGITS ||
        strspn(text + 1, "0123456789") < length - 1)
        return false;
    origin->port = strtol(text + 1, NULL, 10);
    return origin->port > 0 && origin->port <= PORT_MAX;
}

static bool
read_origin(const char *text, size_t length, struct origin *origin)
{
    origin->scheme = text;
    origin->scheme_length = count_of(text, length, "+-.");
    if (!origin->scheme_length || !isalpha((unsigned char)*text) ||
        length < origin->scheme_length + 3 || memcmp(text + origin->scheme_length, "://", 3))
        return false;
    origin->host = text + origin->scheme_length + 3;
    size_t left = length - origin->scheme_length - 3;
    origin->host_length = host_length(origin->host, left);
    return origin->host_length &&
           read_port(origin, origin->host + origin->host_length, left - origin->host_length);
}

/* The next item of a list, behind *list; its length, 0 at the end. */
static size_t
next_item(const char **list)
{
    *list += strspn(*list, ", ");
    return strcspn(*list, ", ");
}

bool
origins_valid(const char *text)
{
    if (!strcmp(text, "*"))
        return true;
    struct origin origin;
    size_t length, count = 0;
    for (; (length = next_item(&text)); text += length, count++) {
        if (!read_origin(text, length, &origin))
            return false;
    }
    return count;
}

static bool
is_same(const struct origin *a, const struct origin *b)
{
    return a->port == b->port && a->scheme_length == b->scheme_length &&
           a->host_length == b->host_length &&
           !strncasecmp(a->scheme, b->scheme, a->scheme_length) &&
           !strncasecmp(a->host, b->host, a->host_length);
}

bool
origins_allow(const char *allowed, const char *origin)
{
    struct origin asked, own;
    if (!origin || !strcmp(allowed, "*"))
        return true;
    if (!read_origin(origin, strlen(origin), &asked))
        return false;
    for (size_t length; (length = next_item(&allowed)); allowed += length) {
        if (read_origin(allowed, length, &own) && is_same(&asked, &own))
            return true;
    }
    return false;
}
