/* Text of a request line → segments and parameters. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"
#include "target.h"

static int
read_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* In place. In a query '+' stands for a space. */
static bool
decode(char *text, bool plus_is_space)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from != '%') {
            *to++ = plus_is_space && *from == '+' ? ' ' : *from;
            continue;
        }
        int high = read_hex(from[1]);
        int low = high < 0 ? -1 : read_hex(from[2]);
        if (low < 0 || (!high && !low))
            return false;
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = 0;
    return true;
}

static enum target_result
take_path(struct target *target, char *path)
{
    while (path && *path == '/') {
        char *segment = path + 1;
        path = strchr(segment, '/');
        if (!path && !*segment && !target->segment_count)
            break; /* "/" alone */
        if (target->segment_count == TARGET_SEGMENTS)
            return TARGET_TOO_MANY;
        target->segments[target->segment_count++] = segment;
    }
    for (size_t i = 0; i < target->segment_count; i++) {
        char *end = strchr(target->segments[i], '/');
        if (end)
            *end = 0;
        if (!decode(target->segments[i], false))
            return TARGET_ENCODING;
    }
    return TARGET_OK;
}

/* Leaves out the scheme and host of an absolute address, which RFC 9112 wants taken (3.2.2).
 * NULL: neither that nor a path. */
static char *
find_path(char *text)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++)
        if (!strncasecmp(text, schemes[i], strlen(schemes[i]))) {
            text += strlen(schemes[i]);
            text += strcspn(text, "/");
            return text;
        }
    return *text == '/' || !*text ? text : NULL;
}

static enum target_result
take_query(struct target *target, char *query)
{
    char *rest = query, *part;
    while ((part = strsep(&rest, "&"))) {
        if (!*part)
            continue;
        if (target->parameter_count == TARGET_PARAMETERS)
            return TARGET_TOO_MANY;
        char *value = part + strcspn(part, "=");
        if (*value)
            *value++ = 0;
        if (!decode(part, true) || !decode(value, true))
            return TARGET_ENCODING;
        if (target_parameter(target, part))
            return TARGET_DOUBLED;
        target->parameters[target->parameter_count++] = (struct target_parameter){part, value};
    }
    return TARGET_OK;
}

void
target_init(struct target *target, const char *text)
{
    *target = (struct target){.text = mem_text(text)};
    char *query = strchr(target->text, '?');
    if (query)
        *query++ = 0;
    char *path = find_path(target->text);
    target->result = path ? take_path(target, path) : TARGET_FORM;
    if (target->result == TARGET_OK && query)
        target->result = take_query(target, query);
}

void
target_fini(struct target *target)
{
    free(target->text);
    *target = (struct target){0};
}

const char *
target_parameter(const struct target *target, const char *name)
{
    for (size_t i = 0; i < target->parameter_count; i++) {
        if (!strcmp(target->parameters[i].name, name))
            return target->parameters[i].value;
    }
    return NULL;
}

const char *
target_result_text(enum target_result result)
{
    switch (result) {
    case TARGET_OK:
        return "nothing is wrong";
    case TARGET_FORM:
        return "the address is no path; allowed: one that begins with /, or with http://";
    case TARGET_ENCODING:
        return "the address is badly percent-encoded; allowed: % and two hex digits, not %00";
    case TARGET_DOUBLED:
        return "a parameter is given twice; allowed: each parameter once";
    case TARGET_TOO_MANY:
        return "the address has too many parts; allowed: 8 segments, 16 parameters";
    }
    return "";
}
