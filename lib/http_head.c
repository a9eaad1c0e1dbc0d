/* In: a head as libmicrohttpd read it. Out: the first fault.
 *
 * How lines ended the library does not say, but it leaves them where it read them, with zeros
 * for what stood between their parts:
 *
 *     GET 0 /target 0 HTTP/1.1 0 0 Host 0 [blank] value 0 0 Name 0 value 0 0 CR LF
 *
 * So each name must begin two bytes after the value before it: one is a bare CR or LF, more is
 * a zero within, elsewhere is a folded line. */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "http_head.h"

#define LINE_END 2 /* CR LF */
#define ENDS "a line does not end with CR LF, is folded, or holds a zero byte"

struct head {
    const char *next; /* where the next line must begin */
    const char *fault;
    const char *length, *coding; /* Content-Length and Transfer-Encoding */
    unsigned hosts;
};

static bool
is_token(const char *name)
{
    size_t length = strcspn(name, " \t\"(),/:;<=>?@[\\]{}");
    for (const char *c = name; *c; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return length && !name[length];
}

static bool
is_text(const char *value)
{
    for (; *value; value++)
        if (iscntrl((unsigned char)*value) && *value != '\t')
            return false;
    return true;
}

/* A field that may stand there once. */
static const char *
take_once(const char **place, const char *value, const char *fault)
{
    if (*place)
        return fault;
    *place = value;
    return NULL;
}

static const char *
take_field(struct head *head, const char *name, const char *value)
{
    if (name != head->next)
        return ENDS;
    head->next = value + strlen(value) + LINE_END;
    if (!is_token(name))
        return "a field's name is none";
    if (!is_text(value))
        return "a field's value holds control characters";
    if (!strcasecmp(name, "Content-Length"))
        return take_once(&head->length, value, "Content-Length is there twice");
    if (!strcasecmp(name, "Transfer-Encoding"))
        return take_once(&head->coding, value, "Transfer-Encoding is there twice");
    if (strcasecmp(name, "Host"))
        return NULL;
    head->hosts++;
    return value[strcspn(value, " \t,/@?#\\\"<>")] ? "Host is no host" : NULL;
}

static enum MHD_Result
on_field(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct head *head = arg;
    (void)kind;
    head->fault = name && value ? take_field(head, name, value) : "a field has no value";
    return head->fault ? MHD_NO : MHD_YES;
}

static const char *
find_body_fault(const struct head *head, const char *method, bool newest)
{
    bool bodiless = !strcmp(method, "GET") || !strcmp(method, "HEAD");
    if (head->coding && head->length)
        return "both Content-Length and Transfer-Encoding are there";
    if (head->coding && (!newest || strcasecmp(head->coding, "chunked")))
        return "Transfer-Encoding is not chunked";
    if (bodiless && (head->coding || (head->length && strcmp(head->length, "0"))))
        return "a body came where none may be";
    return NULL;
}

const char *
http_head_fault(struct MHD_Connection *connection, const char *method, size_t target_bytes,
                const char *version)
{
    struct head head = {.next = version + strlen(version) + LINE_END};
    bool newest = !strcmp(version, MHD_HTTP_VERSION_1_1);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, on_field, &head);
    size_t bytes = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)
                       ->header_size;
    if (target_bytes && version != method + strlen(method) + 1 + target_bytes + 1)
        return "the first line is not three words";
    if (head.fault)
        return head.fault;
    if (head.next + LINE_END != method + bytes)
        return ENDS;
    if (!newest && strcmp(version, MHD_HTTP_VERSION_1_0))
        return "the version is neither HTTP/1.0 nor HTTP/1.1";
    if (head.hosts != 1 && (newest || head.hosts))
        return "Host is not there once";
    return find_body_fault(&head, method, newest);
}
