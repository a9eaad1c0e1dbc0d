/* A method and a path → the row of the table that answers them. */
#include <stdio.h>
#include <string.h>

#include "auction.h"
#include "routes.h"

/* Whether pattern has the target's path; *argument is what stands for its ":…" segment. */
static bool
path_matches(const char *pattern, const struct target *target, const char **argument)
{
    *argument = NULL;
    if (!strcmp(pattern, "/"))
        return !target->segment_count;
    size_t i = 0;
    for (; *pattern == '/'; i++) {
        const char *part = pattern + 1;
        size_t length = strcspn(part, "/");
        pattern = part + length;
        if (i == target->segment_count)
            return false;
        const char *segment = target->segments[i];
        if (*part == ':')
            *argument = segment;
        else if (strlen(segment) != length || strncmp(part, segment, length))
            return false;
    }
    return i == target->segment_count;
}

static bool
method_matches(const char *allowed, const char *method)
{
    return !strcmp(allowed, method) || (!strcmp(method, "HEAD") && !strcmp(allowed, "GET"));
}

static void
add_allowed(char allow[ROUTE_ALLOW_BYTES], const char *method)
{
    size_t length = strlen(allow);
    snprintf(allow + length, ROUTE_ALLOW_BYTES - length, "%s%s%s", length ? ", " : "", method,
             strcmp(method, "GET") ? "" : ", HEAD");
}

struct route_match
route_find(const struct route *table, size_t count, const char *method,
           const struct target *target)
{
    struct route_match match = {.result = ROUTE_NO_PATH};
    for (size_t i = 0; i < count; i++) {
        const char *argument;
        if (!path_matches(table[i].pattern, target, &argument))
            continue;
        match.result = ROUTE_NO_METHOD;
        match.argument = argument;
        if (method_matches(table[i].method, method)) {
            bool is_id = strstr(table[i].pattern, ":id");
            match.route = &table[i];
            match.result = is_id && !auction_valid(argument, strlen(argument)) ? ROUTE_BAD_ID
                                                                               : ROUTE_FOUND;
            return match;
        }
        add_allowed(match.allow, table[i].method);
    }
    return match;
}
