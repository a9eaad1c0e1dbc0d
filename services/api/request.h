/* One HTTP request, from its first line to the end of its answer. It belongs to the HTTP thread
 * that serves its connection, and while it is suspended to whom it was handed. */
#ifndef REQUEST_H
#define REQUEST_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>

#include "api_context.h"
#include "api_error.h"
#include "routes.h"
#include "store_client.h"
#include "target.h"

#define BODY_BYTES_MAX (64 * 1024)     /* more is refused with 413 */
#define BODY_DISCARD_MAX (1024 * 1024) /* more is not even read to its end */
#define REQUEST_REASON_BYTES 320

struct request {
    const struct api_context *api;
    struct MHD_Connection *connection; /* from the access callback on */
    struct target target;
    size_t target_bytes; /* of what it was read from */
    struct route_match match;
    bool begun;                        /* the header was looked at */
    bool preflight;                    /* a browser asks; see cors.h */
    enum api_error refused;            /* API_ERROR_COUNT: not */
    char reason[REQUEST_REASON_BYTES]; /* why it was refused */
    char *body;
    size_t body_bytes;
    size_t discarded_bytes; /* of a body that is not wanted */
    struct store_call call; /* while suspended */
    route_f *resume;        /* what goes on after a suspension */
};

/* target: as in the request line. */
struct request *request_new(const struct api_context *api, const char *target);
void request_destroy(struct request **request);

const char *request_header(const struct request *request, const char *name);

#define TOO_LARGE "the body is too large; allowed: up to %d bytes"

/* Notes the first reason why the request will be answered with an error. */
void request_refuse(struct request *request, enum api_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes a part of the body. False: there is so much that the connection should be closed. */
bool request_take_body(struct request *request, const char *bytes, size_t count);

#endif
