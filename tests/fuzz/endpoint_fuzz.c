/* A list of endpoints. The spelling that one is given reads as itself; what is on this machine
 * stays there in it. Input: the list. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "endpoint.h"

#include "fuzz.h"

static void
check(const char *text)
{
    struct endpoint endpoint, again;
    enum endpoint_kind kind = endpoint_read(text, &endpoint);
    bool local = endpoint_is_local(text);
    if (kind == ENDPOINT_FIXED) {
        assert(endpoint_read(endpoint.text, &again) == ENDPOINT_FIXED);
        assert(!strcmp(endpoint.text, again.text));
        assert(endpoint_is_local(endpoint.text) == local);
    } else if (kind == ENDPOINT_NAME) {
        int port = atoi(endpoint.port);
        assert(*endpoint.host && port > 0 && port < 65536);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    char *list = fuzz_text(&fuzz);
    const char *rest = list;
    char text[ENDPOINT_BYTES];
    bus_endpoints_valid(list);
    while (endpoint_next(&rest, text)) {
        assert(rest <= list + strlen(list));
        check(text);
    }
    check(list);
    free(list);
    return 0;
}
