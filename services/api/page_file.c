/* Embedded files → responses with the headers that pages have. */
#include <string.h>

#include "page_file.h"
#include "page_policy.h"

static void
add_page_headers(struct request *request, struct MHD_Response *response)
{
    char policy[PAGE_POLICY_BYTES];
    page_policy(request->api->settings->viewer_socket_url,
                request_header(request, MHD_HTTP_HEADER_HOST), policy);
    MHD_add_response_header(response, "Content-Security-Policy", policy);
    MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
    MHD_add_response_header(response, "Permissions-Policy",
                            "camera=(), geolocation=(), microphone=()");
}

struct MHD_Response *
page_file_response(struct request *request, const struct embedded_file *file, bool with_body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        with_body ? file->length : 0, (void *)file->bytes, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, file->type);
    if (!strncmp(file->type, "text/html", 9))
        add_page_headers(request, response);
    return response;
}

struct MHD_Response *
page_file_error(struct request *request)
{
    const char *accept = request_header(request, MHD_HTTP_HEADER_ACCEPT);
    const struct target *target = &request->target;
    const struct embedded_file *file = embedded_find(&web_files, "pages/error.html");
    bool interface = target->segment_count && !strcmp(target->segments[0], "api");
    if (!file || interface || !accept || !strstr(accept, "text/html"))
        return NULL;
    struct MHD_Response *response = page_file_response(request, file, true);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return response;
}
