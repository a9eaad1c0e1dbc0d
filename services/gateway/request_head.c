/* In: bytes. Out: a request. Checked first for characters and line ends, then cut into lines in
 * place: what ended a text becomes its 0. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "request_head.h"

#define KEY_LENGTH 24 /* of Sec-WebSocket-Key: 16 bytes in base64 */
#define KEY_PADDING "=="

struct reading {
    struct viewer_request *request;
    unsigned seen; /* fields that may come once, as bits */
};

static bool
is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!text[i] ||
            (!isalnum((unsigned char)text[i]) && !strchr("!#$%&'*+-.^_`|~", text[i])))
            return false;
    }
    return length;
}

static bool
is_plain(unsigned char c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* Looks for the empty line. */
static enum head_read
find_end(const char *bytes, size_t length, size_t *used)
{
    size_t lines = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool after_cr = i && bytes[i - 1] == '\r';
        if (after_cr != (c == '\n') || (!is_plain(c) && c != '\r' && c != '\n'))
            return HEAD_BAD;
        if (!lines && i >= TARGET_BYTES_MAX)
            return HEAD_TARGET;
        if (i >= HEAD_BYTES_MAX || lines > 1 + FIELDS_MAX)
            return HEAD_FIELDS;
        if (c != '\n')
            continue;
        *used = i + 1;
        if (i < 2) /* before a first line */
            return HEAD_BAD;
        if (lines++ && bytes[i - 2] == '\n')
            return HEAD_WHOLE;
    }
    return HEAD_MORE;
}

static int
hex_digit(char c)
{
    if (!isxdigit((unsigned char)c))
        return -1;
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Takes %XX and + back, in place. False: it is no such text, or has a 0 in it. */
static bool
decode(char *text)
{
    char *to = text;
    for (; *text; text++, to++) {
        int high = 0, low = 0;
        *to = *text == '+' ? ' ' : *text;
        if (*text != '%')
            continue;
        if ((high = hex_digit(text[1])) < 0 || (low = hex_digit(text[2])) < 0 || !(high | low))
            return false;
        *to = (char)(high << 4 | low);
        text += 2;
    }
    *to = 0;
    return true;
}

static bool
read_arguments(struct viewer_request *request, char *query)
{
    for (char *argument; (argument = strsep(&query, "&"));) {
        if (!*argument)
            continue;
        if (request->argument_count == ARGUMENTS_MAX) {
            request->arguments_over = true;
            return true;
        }
        if (!decode(argument))
            return false;
        request->arguments[request->argument_count++] = argument;
    }
    return true;
}

/* "/path?query", the same behind http://host, or "*". */
static bool
read_target(struct viewer_request *request, char *target)
{
    for (const char *c = target; *c; c++) {
        if (*c <= ' ' || *c == '#') /* beyond ASCII: negative */
            return false;
    }
    if (!strncasecmp(target, "http://", 7) || !strncasecmp(target, "https://", 8)) {
        target = strstr(target, "//") + 2;
        size_t host = strcspn(target, "/?");
        if (!host || !target[host] || target[host] == '?')
            return false;
        target += host;
    }
    if (*target != '/' && strcmp(target, "*"))
        return false;
    request->path = target;
    char *query = strchr(target, '?');
    if (!query)
        return true;
    *query = 0;
    return read_arguments(request, query + 1);
}

static enum head_read
read_first(struct viewer_request *request, char *line)
{
    char *method = strsep(&line, " "), *target = strsep(&line, " "), *version = line;
    if (!version || strncmp(version, "HTTP/", 5) || !isdigit((unsigned char)version[5]) ||
        version[6] != '.' || !isdigit((unsigned char)version[7]) || version[8] ||
        !is_token(method, strlen(method)))
        return HEAD_BAD;
    if (version[5] != '1')
        return HEAD_VERSION;
    request->old = version[7] == '0';
    request->get = !strcmp(method, "GET");
    return read_target(request, target) ? HEAD_WHOLE : HEAD_BAD;
}

/* Whether a comma-separated list names item, letter case aside. */
static bool
names(const char *list, const char *item)
{
    size_t length = strlen(item);
    for (;; list += strcspn(list, ",")) {
        list += strspn(list, ", \t");
        if (!*list)
            return false;
        if (!strncasecmp(list, item, length) && strchr(", \t", list[length]))
            return true;
    }
}

/* A host and a port, maybe; an empty one is allowed. A list or a name with a user may mean one
 * host to a proxy and another to us. */
static bool
take_host(struct viewer_request *request, const char *value)
{
    static const char parts[] = "-._~%!$&'()*+;=:[]"; /* of RFC 3986, but ',' and '@' */
    request->host = true;
    for (; *value; value++) {
        if (!isalnum((unsigned char)*value) && !strchr(parts, *value))
            return false;
    }
    return true;
}

static bool
take_upgrade(struct viewer_request *request, const char *value)
{
    request->upgrade = true;
    request->websocket |= names(value, "websocket");
    return true;
}

static bool
take_connection(struct viewer_request *request, const char *value)
{
    request->connection |= names(value, "upgrade");
    return true;
}

static bool
take_key(struct viewer_request *request, const char *value)
{
    size_t length = strlen(value), base = KEY_LENGTH - strlen(KEY_PADDING);
    for (size_t i = 0; i < length && i < base; i++) {
        if (!isalnum((unsigned char)value[i]) && value[i] != '+' && value[i] != '/')
            return true; /* as good as none */
    }
    if (length == KEY_LENGTH && !strcmp(value + base, KEY_PADDING))
        request->key = value;
    return true;
}

static bool
take_version(struct viewer_request *request, const char *value)
{
    request->version = value;
    return true;
}

static bool
take_protocols(struct viewer_request *request, const char *value)
{
    request->protocols = value;
    return true;
}

static bool
take_origin(struct viewer_request *request, const char *value)
{
    request->origin = value;
    return true;
}

/* Nobody here takes a body; one whose end is in doubt is never skipped. */
static bool
take_length(struct viewer_request *request, const char *value)
{
    request->body = strspn(value, "0") < strlen(value);
    return *value && strspn(value, "0123456789") == strlen(value);
}

static bool
take_encoding(struct viewer_request *request, const char *value)
{
    (void)request, (void)value;
    return false;
}

static bool
take_line(struct forwarded_lines *lines, const char *value)
{
    if (lines->count == FORWARDED_LINES_MAX)
        return false;
    lines->at[lines->count++] = value;
    return true;
}

static bool
take_x_forwarded(struct viewer_request *request, const char *value)
{
    return take_line(&request->forwarded[FORWARDED_X], value);
}

static bool
take_forwarded(struct viewer_request *request, const char *value)
{
    return take_line(&request->forwarded[FORWARDED_RFC], value);
}

static const struct {
    const char *name;
    bool once;
    bool (*take)(struct viewer_request *request, const char *value); /* false: it is bad */
} fields[] = {
    {"Host", true, take_host},
    {"Upgrade", false, take_upgrade},
    {"Connection", false, take_connection},
    {"Sec-WebSocket-Key", true, take_key},
    {"Sec-WebSocket-Version", true, take_version},
    {"Sec-WebSocket-Protocol", false, take_protocols},
    {"Origin", true, take_origin},
    {"Content-Length", true, take_length},
    {"Transfer-Encoding", true, take_encoding},
    {"X-Forwarded-For", false, take_x_forwarded},
    {"Forwarded", false, take_forwarded},
};

/* "name: value"; a line that begins with a blank continues the last, which is long forbidden.
 */
static bool
read_field(struct reading *reading, char *line)
{
    char *value = strchr(line, ':');
    if (!value || !is_token(line, (size_t)(value - line)))
        return false;
    *value++ = 0;
    value += strspn(value, " \t");
    for (size_t end = strlen(value); end && strchr(" \t", value[end - 1]);)
        value[--end] = 0;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcasecmp(line, fields[i].name))
            continue;
        bool again = reading->seen & 1u << i;
        reading->seen |= 1u << i;
        return !(again && fields[i].once) && fields[i].take(reading->request, value);
    }
    return true;
}

/* Cuts the line at *at out of the head, and moves behind it. */
static char *
cut_line(char **at)
{
    char *line = *at, *end = strstr(line, "\r\n");
    *end = 0;
    *at = end + 2;
    return line;
}

enum head_read
request_head_read(char *bytes, size_t length, struct viewer_request *request, size_t *used)
{
    struct reading reading = {.request = request};
    enum head_read result = find_end(bytes, length, used);
    if (result != HEAD_WHOLE)
        return result;
    *request = (struct viewer_request){0};
    bytes[*used - 2] = 0; /* the empty line */
    result = read_first(request, cut_line(&bytes));
    while (result == HEAD_WHOLE && *bytes) {
        if (!read_field(&reading, cut_line(&bytes)))
            result = HEAD_BAD;
    }
    return result == HEAD_WHOLE && !request->host && !request->old ? HEAD_BAD : result;
}
