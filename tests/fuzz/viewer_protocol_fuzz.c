/* A handshake's verdict, its answer, and the frame that a viewer is told. Input: flags, then
 * texts that end with 0: path, version, protocols, origin, allowed origins, arguments. */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "viewer_protocol.h"

#include "fuzz.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define TEXTS 5

static void
check_frame(const char *auction, uint64_t count)
{
    char frame[FRAME_BYTES];
    size_t length = viewer_frame(auction, count, frame);
    json_t *json = json_loadb(frame, length, 0, NULL);
    assert(!strcmp(json_string_value(json_object_get(json, "auction")), auction));
    assert((uint64_t)json_integer_value(json_object_get(json, "count")) == count);
    json_decref(json);
}

static void
check_verdict(const struct viewer_request *request, const char *allowed)
{
    char auction[AUCTION_BYTES] = "", response[RESPONSE_BYTES];
    enum viewer_verdict verdict = viewer_request_check(request, allowed, auction);
    if (verdict != VIEWER_ADMIT) {
        size_t length = viewer_response(verdict, false, response);
        assert(strlen(response) == length);
        return;
    }
    assert(request->get && !request->body && request->key &&
           auction_valid(auction, strlen(auction)));
    check_frame(auction, request->argument_count);
    check_frame(auction, INT64_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    char *texts[TEXTS], *arguments[ARGUMENTS_MAX];
    unsigned flags = (unsigned)fuzz_integer(&fuzz, 2);
    for (int i = 0; i < TEXTS; i++)
        texts[i] = fuzz_text(&fuzz);
    struct viewer_request request = {
        .get = !(flags & 1), .old = flags & 2, .host = !(flags & 4), .body = flags & 8};
    request.upgrade = request.websocket = !(flags & 16);
    request.connection = !(flags & 32);
    request.arguments_over = flags & 64;
    request.key = flags & 128 ? NULL : KEY;
    request.path = texts[0];
    request.version = flags & 256 ? NULL : texts[1];
    request.protocols = flags & 512 ? NULL : texts[2];
    request.origin = flags & 1024 ? NULL : texts[3];
    while (fuzz.left && request.argument_count < ARGUMENTS_MAX) {
        arguments[request.argument_count] = fuzz_text(&fuzz);
        request.arguments[request.argument_count] = arguments[request.argument_count];
        request.argument_count++;
    }
    check_verdict(&request, texts[4]);
    for (size_t i = 0; i < request.argument_count; i++)
        free(arguments[i]);
    for (int i = 0; i < TEXTS; i++)
        free(texts[i]);
    return 0;
}
