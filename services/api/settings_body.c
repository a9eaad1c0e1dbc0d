/* JSON → the flag. */
#include <stdio.h>
#include <string.h>

#include "settings_body.h"

#define FIELD "enableViewerAnalytics"

/* Appends the names of the members that are not ours; returns how many there are. */
static size_t
list_unknown(json_t *object, char *names, size_t names_bytes)
{
    const char *name;
    json_t *value;
    size_t count = 0, length = 0;
    json_object_foreach(object, name, value)
    {
        if (!strcmp(name, FIELD))
            continue;
        if (length < names_bytes)
            length += (size_t)snprintf(names + length, names_bytes - length, "%s'%.40s'",
                                       count ? ", " : "", name);
        count++;
    }
    return count;
}

enum api_error
settings_body_decode(const char *body, size_t bytes, bool *enabled,
                     char reason[BODY_REASON_BYTES])
{
    json_t *object;
    char names[BODY_REASON_BYTES / 2] = "";
    enum api_error error = json_body_read(body, bytes, API_INVALID_SETTING, &object, reason);
    if (error != API_ERROR_COUNT)
        return error;
    const json_t *value = json_object_get(object, FIELD);
    if (list_unknown(object, names, sizeof names)) {
        snprintf(reason, BODY_REASON_BYTES, "unknown settings: %s; allowed: " FIELD, names);
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
