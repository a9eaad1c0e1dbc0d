/* /healthz and /readyz on the main port, as on the operator's. HTTP threads. */
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "handlers.h"

static enum MHD_Result
send_text(struct request *request, unsigned status, const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return answer_send(request, status, response);
}

enum MHD_Result
healthz_get(struct request *request)
{
    return send_text(request, MHD_HTTP_OK, "ok\n");
}

enum MHD_Result
readyz_get(struct request *request)
{
    const char *why;
    char text[256];
    if (health_ready(request->api->health, &why))
        return send_text(request, MHD_HTTP_OK, "ready\n");
    snprintf(text, sizeof text, "not ready: %s\n", why);
    return send_text(request, MHD_HTTP_SERVICE_UNAVAILABLE, text);
}
