/* The request's memory and its body. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_metrics.h"
#include "mem.h"
#include "request.h"

struct request *
request_new(const struct api_context *api, const char *target)
{
    struct request *request = mem_alloc(sizeof *request);
    request->api = api;
    request->refused = API_ERROR_COUNT;
    target_init(&request->target, target);
    request->target_bytes = strlen(target);
    metrics_add(api->metrics, METRIC_IN_FLIGHT, 1);
    return request;
}

void
request_destroy(struct request **request)
{
    if (!*request)
        return;
    metrics_add((*request)->api->metrics, METRIC_IN_FLIGHT, -1);
    if ((*request)->call.answered)
        ack_fini(&(*request)->call.ack);
    target_fini(&(*request)->target);
    free((*request)->body);
    free(*request);
    *request = NULL;
}

const char *
request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

void
request_refuse(struct request *request, enum api_error error, const char *format, ...)
{
    va_list arguments;
    if (request->refused != API_ERROR_COUNT)
        return;
    request->refused = error;
    va_start(arguments, format);
    vsnprintf(request->reason, sizeof request->reason, format, arguments);
    va_end(arguments);
}

bool
request_take_body(struct request *request, const char *bytes, size_t count)
{
    if (request->body_bytes + count > BODY_BYTES_MAX)
        request_refuse(request, API_PAYLOAD_TOO_LARGE, TOO_LARGE, BODY_BYTES_MAX);
    if (request->refused != API_ERROR_COUNT) {
        request->discarded_bytes += count;
        return request->discarded_bytes <= BODY_DISCARD_MAX;
    }
    if (!request->body)
        request->body = mem_alloc(BODY_BYTES_MAX);
    memcpy(request->body + request->body_bytes, bytes, count);
    request->body_bytes += count;
    return true;
}
