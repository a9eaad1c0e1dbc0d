/* In: header values. Out: the viewer's address. */
#include <string.h>
#include <strings.h>

#include "forwarded.h"

struct span {
    const char *at;
    size_t length;
};

static struct span
trim(struct span span)
{
    while (span.length && strchr(" \t", span.at[0]))
        span.at++, span.length--;
    while (span.length && strchr(" \t", span.at[span.length - 1]))
        span.length--;
    return span;
}

/* Cuts what follows the last separator off span, and gives it. */
static struct span
cut_last(struct span *span, char separator)
{
    size_t start = span->length;
    while (start && span->at[start - 1] != separator)
        start--;
    struct span last = {span->at + start, span->length - start};
    span->length = start ? start - 1 : 0;
    return trim(last);
}

/* The address in one element of Forwarded: for=192.0.2.1, for="[2001:db8::1]:80". */
static struct span
find_for(struct span element)
{
    struct span found = {"", 0};
    while (element.length) {
        struct span pair = cut_last(&element, ';');
        if (pair.length < 4 || strncasecmp(pair.at, "for=", 4))
            continue;
        found = (struct span){pair.at + 4, pair.length - 4};
        if (found.length >= 2 && found.at[0] == '"' && found.at[found.length - 1] == '"')
            found = (struct span){found.at + 1, found.length - 2};
    }
    return found;
}

bool
forwarded_viewer(enum forwarded_form form, const char *const *lines, size_t count,
                 const struct networks *proxies, struct address *address)
{
    while (count--) {
        struct span line = {lines[count], strlen(lines[count])};
        while (line.length) {
            struct span text = cut_last(&line, ',');
            if (form == FORWARDED_RFC)
                text = find_for(text);
            if (!address_read(text.at, text.length, address))
                return false; /* the proxy could not or would not say */
            if (!networks_hold(proxies, address))
                return true;
        }
    }
    return false;
}
