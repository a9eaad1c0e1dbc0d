/* In: requests, counts. Out: verdicts, responses, frames. */
#include <assert.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "origin.h"
#include "viewer_protocol.h"

#define ENDPOINT "/ws"
#define ACCEPT_SALT "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, 1.3 */

static const struct {
    unsigned status;
    const char *reason;  /* of the status line */
    const char *headers; /* further ones */
    const char *code;    /* NULL: no error */
    const char *message;
} responses[VIEWER_VERDICTS] = {
    [VIEWER_HEALTHZ] = {200, "OK", "", NULL, "ok"},
    [VIEWER_READYZ] = {200, "OK", "", NULL, "ready"},
    [VIEWER_NOT_FOUND] = {404, "Not Found", "", "not_found",
                          "nothing is here; viewers connect to " ENDPOINT "?auction=ID"},
    [VIEWER_METHOD] = {405, "Method Not Allowed", "Allow: GET\r\n", "method_not_allowed",
                       "the method is not allowed; allowed: GET"},
    [VIEWER_UPGRADE] = {426, "Upgrade Required", "Upgrade: websocket\r\n", "upgrade_required",
                        "this is a WebSocket endpoint; plain HTTP is not served here"},
    [VIEWER_HANDSHAKE] = {400, "Bad Request", "Sec-WebSocket-Version: 13\r\n",
                          "invalid_handshake",
                          "the WebSocket handshake is not valid; needed: version 13, a key, "
                          "Connection: Upgrade, no subprotocol"},
    [VIEWER_AUCTION_MISSING] = {400, "Bad Request", "", "missing_auction",
                                "no auction is named; needed: " ENDPOINT "?auction=ID"},
    [VIEWER_AUCTION_INVALID] = {400, "Bad Request", "", "invalid_auction",
                                "the auction id is malformed; allowed: 1 to 64 of "
                                "A-Z a-z 0-9 _ -"},
    [VIEWER_QUERY] = {400, "Bad Request", "", "invalid_query",
                      "the query names an auction more than once or has too many "
                      "arguments; allowed: one auction"},
    [VIEWER_ORIGIN] = {403, "Forbidden", "", "foreign_origin",
                       "pages of this origin may not connect"},
    [VIEWER_REQUEST] = {400, "Bad Request", "", "bad_request",
                        "the request is malformed or ambiguous"},
    [VIEWER_TARGET] = {414, "URI Too Long", "", "target_too_long", "the target is too long"},
    [VIEWER_HEADERS] = {431, "Request Header Fields Too Large", "", "headers_too_large",
                        "the headers are too many or too long"},
    [VIEWER_VERSION] = {505, "HTTP Version Not Supported", "", "http_version",
                        "only HTTP/1.1 is spoken here"},
    [VIEWER_ADDRESS] = {429, "Too Many Requests", "Retry-After: 30\r\n",
                        "too_many_from_address",
                        "too many connections come from this address; close some"},
    [VIEWER_AUCTIONS] = {503, "Service Unavailable", "Retry-After: 30\r\n", "too_many_auctions",
                         "this gateway has too many auctions; try again later"},
    [VIEWER_FULL] = {503, "Service Unavailable", "Retry-After: 5\r\n", "too_many_connections",
                     "this gateway is full; try again later"},
    [VIEWER_LEAVING] = {503, "Service Unavailable", "Retry-After: 1\r\n", "shutting_down",
                        "this gateway is shutting down; connect again"},
};

static enum viewer_verdict
check_arguments(const struct viewer_request *request, char auction[AUCTION_BYTES])
{
    static const char name[] = "auction=";
    const char *value = NULL;
    for (size_t i = 0; i < request->argument_count; i++) {
        const char *argument = request->arguments[i];
        if (strncmp(argument, name, sizeof name - 1))
            continue;
        if (value)
            return VIEWER_QUERY;
        value = argument + sizeof name - 1;
    }
    if (request->arguments_over)
        return VIEWER_QUERY;
    if (!value)
        return VIEWER_AUCTION_MISSING;
    if (!auction_valid(value, strlen(value)))
        return VIEWER_AUCTION_INVALID;
    memcpy(auction, value, strlen(value) + 1);
    return VIEWER_ADMIT;
}

static bool
is_handshake(const struct viewer_request *request)
{
    return request->websocket && request->connection && request->key && request->version &&
           !strcmp(request->version, "13") && !request->protocols && !request->old;
}

enum viewer_verdict
viewer_request_check(const struct viewer_request *request, const char *allowed_origins,
                     char auction[AUCTION_BYTES])
{
    const char *path = request->path;
    bool ours = !strcmp(path, ENDPOINT);
    if (!ours && strcmp(path, "/healthz") && strcmp(path, "/readyz"))
        return VIEWER_NOT_FOUND;
    if (!request->get)
        return VIEWER_METHOD;
    if (request->body)
        return VIEWER_REQUEST;
    if (!ours)
        return path[1] == 'h' ? VIEWER_HEALTHZ : VIEWER_READYZ;
    if (!request->upgrade)
        return VIEWER_UPGRADE;
    if (!is_handshake(request))
        return VIEWER_HANDSHAKE;
    if (!origins_allow(allowed_origins, request->origin))
        return VIEWER_ORIGIN;
    return check_arguments(request, auction);
}

size_t
viewer_response(enum viewer_verdict verdict, bool ready, char response[RESPONSE_BYTES])
{
    assert(verdict > VIEWER_ADMIT && verdict < VIEWER_VERDICTS);
    if (verdict == VIEWER_READYZ && !ready)
        verdict = VIEWER_LEAVING;
    char body[RESPONSE_BYTES];
    bool error = responses[verdict].code;
    if (error)
        snprintf(body, sizeof body,
                 "{\"success\":false,\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}",
                 responses[verdict].code, responses[verdict].message);
    else
        snprintf(body, sizeof body, "%s\n", responses[verdict].message);
    int length = snprintf(response, RESPONSE_BYTES,
                          "HTTP/1.1 %u %s\r\n%sContent-Type: %s\r\nContent-Length: %zu\r\n"
                          "Cache-Control: no-store\r\nConnection: close\r\n\r\n%s",
                          responses[verdict].status, responses[verdict].reason,
                          responses[verdict].headers, error ? "application/json" : "text/plain",
                          strlen(body), body);
    assert(length > 0 && length < RESPONSE_BYTES);
    return (size_t)length;
}

size_t
viewer_accept(const char *key, char response[RESPONSE_BYTES])
{
    char salted[RESPONSE_BYTES];
    unsigned char digest[SHA_DIGEST_LENGTH], accept[SHA_DIGEST_LENGTH * 2];
    int length = snprintf(salted, sizeof salted, "%s" ACCEPT_SALT, key);
    assert(length > 0 && length < (int)sizeof salted);
    SHA1((const unsigned char *)salted, (size_t)length, digest);
    EVP_EncodeBlock(accept, digest, sizeof digest);
    length = snprintf(response, RESPONSE_BYTES,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                      accept);
    assert(length > 0 && length < RESPONSE_BYTES);
    return (size_t)length;
}

size_t
viewer_frame(const char *auction, uint64_t count, char frame[FRAME_BYTES])
{
    int length = snprintf(frame, FRAME_BYTES,
                          "{\"event\":\"viewerCountUpdate\",\"auction\":\"%s\",\"count\":%llu}",
                          auction, (unsigned long long)count);
    assert(length > 0 && length < FRAME_BYTES);
    return (size_t)length;
}
