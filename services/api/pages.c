/* Embedded files → answers with ETag, cache and security headers. */
#include <stdio.h>
#include <string.h>

#include "embedded.h"
#include "etag.h"
#include "handlers.h"
#include "openapi.h"
#include "page_policy.h"
#include "pages.h"
#include "request.h"

#define NAME_BYTES 128

/* Which page stands for which path. */
static const struct {
    const char *pattern;
    const char *name;
} pages[] = {
    {"/", "pages/index.html"},
    {"/auctions/:id", "pages/dashboard.html"},
    {"/auctions/:id/live", "pages/live.html"},
    {"/auctions/:id/setup", "pages/setup.html"},
};

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

static struct MHD_Response *
make_response(struct request *request, const struct embedded_file *file, bool with_body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        with_body ? file->length : 0, (void *)file->bytes, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, file->type);
    if (!strncmp(file->type, "text/html", 9))
        add_page_headers(request, response);
    return response;
}

static enum MHD_Result
send_file(struct request *request, const struct embedded_file *file)
{
    if (!file)
        return request_fail(request, API_NOT_FOUND, "there is no such file");
    bool same =
        etag_matches(request_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH), file->etag);
    struct MHD_Response *response = make_response(request, file, !same);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, file->etag);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    return request_reply(request, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
}

enum MHD_Result
page_get(struct request *request)
{
    const struct embedded_file *file = NULL;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (!strcmp(pages[i].pattern, request->match.route->pattern))
            file = embedded_find(&web_files, pages[i].name);
    }
    return send_file(request, file);
}

enum MHD_Result
asset_get(struct request *request)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "assets/%s", request->match.argument);
    return send_file(request, embedded_find(&web_files, name));
}

enum MHD_Result
openapi_get(struct request *request)
{
    return send_file(request, embedded_find(&openapi_files, "openapi.json"));
}

enum MHD_Result
config_get(struct request *request)
{
    const struct api_settings *settings = request->api->settings;
    return request_reply_data(request, json_pack("{s:s, s:b, s:s}", "viewerSocketUrl",
                                                 settings->viewer_socket_url, "analyticsPublic",
                                                 settings->analytics_public, "version",
                                                 HEADCOUNT_VERSION));
}

struct MHD_Response *
pages_error(struct request *request)
{
    const char *accept = request_header(request, MHD_HTTP_HEADER_ACCEPT);
    const struct target *target = &request->target;
    const struct embedded_file *file = embedded_find(&web_files, "pages/error.html");
    bool interface = target->segment_count && !strcmp(target->segments[0], "api");
    if (!file || interface || !accept || !strstr(accept, "text/html"))
        return NULL;
    struct MHD_Response *response = make_response(request, file, true);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return response;
}
