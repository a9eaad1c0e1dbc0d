/* JSON → the flag. */
#include <stdio.h>

#include "settings_body.h"

#define FIELD "enableViewerAnalytics"

/* How many members are not ours. */
static size_t
count_unknown(json_t *object)
{
    return json_object_size(object) - (json_object_get(object, FIELD) ? 1 : 0);
}

enum api_error
settings_body_decode(const char *body, size_t bytes, bool *enabled,
                     char reason[BODY_REASON_BYTES])
{
    json_t *object;
    enum api_error error = json_body_read(body, bytes, API_INVALID_SETTING, &object, reason);
    if (error != API_ERROR_COUNT)
        return error;
    const json_t *value = json_object_get(object, FIELD);
    size_t unknown = count_unknown(object);
    if (unknown) {
        snprintf(reason, BODY_REASON_BYTES, "unknown settings: %zu; allowed: " FIELD, unknown);
        error = API_UNKNOWN_FIELD;
    } else if (!json_is_boolean(value)) {
        snprintf(reason, BODY_REASON_BYTES, FIELD ": is %s; allowed: true or false",
                 json_type_text(value));
        error = API_INVALID_SETTING;
    }
    *enabled = json_is_true(value);
    json_decref(object);
    return error;
}
