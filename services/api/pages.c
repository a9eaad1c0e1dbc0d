/* Embedded files → answers with ETag and cache headers. */
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "embedded.h"
#include "etag.h"
#include "handlers.h"
#include "openapi.h"
#include "page_file.h"

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

static enum MHD_Result
send_file(struct request *request, const struct embedded_file *file)
{
    if (!file)
        return answer_error(request, API_NOT_FOUND, "there is no such file");
    bool same =
        etag_matches(request_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH), file->etag);
    struct MHD_Response *response = page_file_response(request, file, !same);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, file->etag);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    return answer_send(request, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
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
    return answer_data(request,
                       json_pack("{s:s, s:b, s:s}", "viewerSocketUrl",
                                 settings->viewer_socket_url, "analyticsPublic",
                                 settings->analytics_public, "version", HEADCOUNT_VERSION));
}
