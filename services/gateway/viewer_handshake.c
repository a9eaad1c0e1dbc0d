/* In: a request's headers. Out: a verdict, a response. */
#include <string.h>

#include "viewer_handshake.h"

#define TEXT_BYTES 256

static const char *
copy_header(struct lws *wsi, enum lws_token_indexes header, char text[TEXT_BYTES])
{
    if (!lws_hdr_total_length(wsi, header))
        return NULL;
    if (lws_hdr_copy(wsi, text, TEXT_BYTES, header) < 0)
        text[0] = 0; /* too long to be anything known */
    return text;
}

/* Whether the list of a Connection header names upgrade. */
static bool
names_upgrade(const char *connection)
{
    for (; connection && *connection; connection += strcspn(connection, ",")) {
        connection += strspn(connection, ", \t");
        if (!strncasecmp(connection, "upgrade", 7) && strchr(", \t", connection[7]))
            return true;
    }
    return false;
}

static void
read_arguments(struct lws *wsi, struct viewer_request *request,
               char texts[ARGUMENTS_MAX][TEXT_BYTES])
{
    if (!lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS))
        return;
    for (int i = 0; lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i) > 0; i++) {
        if (i == ARGUMENTS_MAX ||
            lws_hdr_copy_fragment(wsi, texts[i], TEXT_BYTES, WSI_TOKEN_HTTP_URI_ARGS, i) < 0) {
            request->arguments_over = true;
            return;
        }
        request->arguments[request->argument_count++] = texts[i];
    }
}

enum viewer_verdict
viewer_handshake_check(struct lws *wsi, const char *upgrade, const char *allowed_origins,
                       char auction[AUCTION_BYTES])
{
    char arguments[ARGUMENTS_MAX][TEXT_BYTES], path[TEXT_BYTES], connection[TEXT_BYTES],
        version[TEXT_BYTES], protocols[TEXT_BYTES], origin[TEXT_BYTES];
    struct viewer_request request = {.upgrade = upgrade};
    request.get = lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI);
    request.path = copy_header(wsi, request.get ? WSI_TOKEN_GET_URI : WSI_TOKEN_POST_URI, path);
    request.connection = names_upgrade(copy_header(wsi, WSI_TOKEN_CONNECTION, connection));
    request.key = lws_hdr_total_length(wsi, WSI_TOKEN_KEY);
    request.version = copy_header(wsi, WSI_TOKEN_VERSION, version);
    request.protocols = copy_header(wsi, WSI_TOKEN_PROTOCOL, protocols);
    request.origin = copy_header(wsi, WSI_TOKEN_ORIGIN, origin);
    read_arguments(wsi, &request, arguments);
    return viewer_request_check(&request, allowed_origins, auction);
}

void
viewer_handshake_answer(struct lws *wsi, enum viewer_verdict verdict, bool ready)
{
    unsigned char response[LWS_PRE + RESPONSE_BYTES];
    size_t length = viewer_response(verdict, ready, (char *)response + LWS_PRE);
    lws_write(wsi, response + LWS_PRE, length, LWS_WRITE_HTTP);
}
