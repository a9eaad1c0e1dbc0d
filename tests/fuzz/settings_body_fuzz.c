/* A change of an auction's settings. What is refused says why. Input: the body. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "settings_body.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {data, size};
    bool enabled = false;
    size_t length;
    char *body = fuzz_rest(&fuzz, &length), *reason = mem_alloc(BODY_REASON_BYTES);
    if (settings_body_decode(body, length, &enabled, reason) == API_ERROR_COUNT) {
        json_t *json = json_loadb(body, length, 0, NULL);
        assert(json_object_size(json) == 1);
        const json_t *value = json_object_get(json, "enableViewerAnalytics");
        assert(json_is_boolean(value) && json_is_true(value) == enabled);
        json_decref(json);
    } else {
        assert(*reason && strlen(reason) < BODY_REASON_BYTES);
    }
    free(reason);
    free(body);
    return 0;
}
