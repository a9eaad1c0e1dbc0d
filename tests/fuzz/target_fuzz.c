/* The api's request target, and where it leads. Whatever was read of a right one, encoded to
 * the last byte, reads the same and leads to the same place. Input: the method and its 0, the
 * target. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auction.h"
#include "routes.h"

#include "fuzz.h"

static char *
put_encoded(char *to, char mark, const char *text)
{
    *to++ = mark;
    for (; *text; text++)
        to += sprintf(to, "%%%02X", (unsigned char)*text);
    return to;
}

static char *
encode(const struct target *target, size_t length)
{
    char *text = malloc(4 * length + 16 * TARGET_SEGMENTS + 16 * TARGET_PARAMETERS), *to = text;
    for (size_t i = 0; i < target->segment_count; i++)
        to = put_encoded(to, '/', target->segments[i]);
    for (size_t i = 0; i < target->parameter_count; i++) {
        to = put_encoded(to, i ? '&' : '?', target->parameters[i].name);
        to = put_encoded(to, '=', target->parameters[i].value);
    }
    *to = 0;
    return text;
}

static struct route_match
find(const char *method, const struct target *target)
{
    struct route_match match = route_find(routes, route_count, method, target);
    bool found = match.result == ROUTE_FOUND || match.result == ROUTE_BAD_ID;
    assert(found == (match.route != NULL));
    assert(match.result != ROUTE_NO_METHOD || *match.allow);
    if (match.result == ROUTE_FOUND && strstr(match.route->pattern, ":id"))
        assert(auction_valid(match.argument, strlen(match.argument)));
    return match;
}

static void
check_again(const char *method, const struct target *target, size_t length)
{
    struct target again;
    char *text = encode(target, length);
    target_init(&again, text);
    assert(again.result == TARGET_OK && again.segment_count == target->segment_count);
    for (size_t i = 0; i < again.segment_count; i++)
        assert(!strcmp(again.segments[i], target->segments[i]));
    assert(again.parameter_count == target->parameter_count);
    for (size_t i = 0; i < again.parameter_count; i++) {
        const struct target_parameter *parameter = &target->parameters[i];
        assert(!strcmp(target_parameter(&again, parameter->name), parameter->value));
    }
    assert(find(method, &again).route == find(method, target).route);
    target_fini(&again);
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    struct target target;
    char *method = fuzz_text(&fuzz), *text = fuzz_text(&fuzz);
    target_init(&target, text);
    assert(*target_result_text(target.result));
    find(method, &target);
    if (target.result == TARGET_OK)
        check_again(method, &target, strlen(text));
    target_fini(&target);
    free(method);
    free(text);
    return 0;
}
