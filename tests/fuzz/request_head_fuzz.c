/* A viewer's HTTP request, from its bytes to the verdict. However the bytes are cut, the head
 * is read the same; what is admitted names an auction. Input: where to cut, the bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "forwarded.h"
#include "request_head.h"

#include "fuzz.h"

#define ORIGINS "https://shop.example, http://[::1]:3000"
#define PROXIES "10.0.0.0/8,2001:db8::/32"

/* The same bytes, of which only some have come. */
static void
check_cut(const uint8_t *bytes, size_t length, enum head_read whole, size_t whole_used)
{
    struct viewer_request request;
    size_t used = 0;
    char *copy = malloc(length);
    assert(copy || !length);
    if (length)
        memcpy(copy, bytes, length);
    enum head_read result = request_head_read(copy, length, &request, &used);
    assert(result == HEAD_MORE || result == whole);
    assert(whole != HEAD_WHOLE || (result == HEAD_WHOLE) == (length >= whole_used));
    assert(result != HEAD_WHOLE || used == whole_used);
    free(copy);
}

static void
check_inside(const char *text, const char *bytes, size_t used)
{
    assert(!text || (text >= bytes && text + strlen(text) < bytes + used));
}

static void
check_texts(const struct viewer_request *request, const char *bytes, size_t used)
{
    const char *const texts[] = {request->path, request->key, request->version,
                                 request->protocols, request->origin};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_inside(texts[i], bytes, used);
    for (size_t i = 0; i < request->argument_count; i++)
        check_inside(request->arguments[i], bytes, used);
    for (int form = FORWARDED_X; form <= FORWARDED_RFC; form++)
        for (size_t i = 0; i < request->forwarded[form].count; i++)
            check_inside(request->forwarded[form].at[i], bytes, used);
}

static void
check_verdict(const struct viewer_request *request)
{
    char auction[AUCTION_BYTES], response[RESPONSE_BYTES];
    struct address address;
    enum viewer_verdict verdict = viewer_request_check(request, ORIGINS, auction);
    if (verdict == VIEWER_ADMIT) {
        assert(request->get && request->host && !request->body && !request->old);
        assert(auction_valid(auction, strlen(auction)));
        size_t length = viewer_accept(request->key, response);
        assert(strlen(response) == length);
    } else {
        size_t length = viewer_response(verdict, true, response);
        assert(strlen(response) == length);
    }
    struct networks *proxies = networks_read(PROXIES);
    for (int form = FORWARDED_X; form <= FORWARDED_RFC; form++)
        if (forwarded_viewer((enum forwarded_form)form, request->forwarded[form].at,
                             request->forwarded[form].count, proxies, &address))
            assert(!networks_hold(proxies, &address));
    networks_destroy(&proxies);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    struct viewer_request request;
    size_t length, used = 0, cut = (size_t)fuzz_integer(&fuzz, 2);
    const uint8_t *start = fuzz.at;
    char *bytes = fuzz_rest(&fuzz, &length);
    enum head_read result = request_head_read(bytes, length, &request, &used);
    check_cut(start, length ? cut % length : 0, result, used);
    check_cut(start, length ? length - 1 : 0, result, used);
    if (result == HEAD_WHOLE) {
        assert(used <= length && used <= HEAD_BYTES_MAX);
        check_cut(start, used - 1, result, used);
        check_texts(&request, bytes, used);
        check_verdict(&request);
    }
    free(bytes);
    return 0;
}
