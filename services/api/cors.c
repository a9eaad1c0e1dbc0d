/* Origin headers → headers of answers. */
#include <string.h>

#include "origin.h"

#include "cors.h"

#define MAX_AGE "600" /* seconds; for so long a browser need not ask again */
#define HEADERS "authorization, content-type, x-admin-api-key, x-internal-api-key"

static bool
is_interface(const struct request *request)
{
    const struct target *target = &request->target;
    return *request->api->settings->cors_origins && target->segment_count &&
           !strcmp(target->segments[0], "api");
}

/* NULL: foreign, or no page. */
static const char *
find_origin(const struct request *request)
{
    const char *allowed = request->api->settings->cors_origins;
    const char *origin = request_header(request, MHD_HTTP_HEADER_ORIGIN);
    if (!origin || !is_interface(request) || !origins_allow(allowed, origin))
        return NULL;
    return strcmp(allowed, "*") ? origin : "*";
}

void
cors_add_headers(const struct request *request, struct MHD_Response *response)
{
    const char *origin = find_origin(request);
    if (is_interface(request))
        MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ORIGIN);
    if (!origin)
        return;
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_EXPOSE_HEADERS,
                            MHD_HTTP_HEADER_RETRY_AFTER);
}

bool
cors_is_preflight(const struct request *request, const char *method)
{
    return !strcmp(method, MHD_HTTP_METHOD_OPTIONS) &&
           request->match.result == ROUTE_NO_METHOD && find_origin(request) &&
           request_header(request, MHD_HTTP_HEADER_ACCESS_CONTROL_REQUEST_METHOD);
}

void
cors_add_leave(const struct request *request, struct MHD_Response *response)
{
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_METHODS,
                            request->match.allow);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_MAX_AGE, MAX_AGE);
}
