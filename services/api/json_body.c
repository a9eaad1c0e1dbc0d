/* Bytes → a JSON object, or why not. */
#include <stdio.h>

#include "json_body.h"

enum api_error
json_body_read(const char *body, size_t bytes, enum api_error bad_number, json_t **object,
               char reason[BODY_REASON_BYTES])
{
    json_error_t error;
    *object =
        json_loadb(body ? body : "", bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (json_is_object(*object))
        return API_ERROR_COUNT;
    if (*object) {
        snprintf(reason, BODY_REASON_BYTES, "the body is %s; allowed: a JSON object",
                 json_type_text(*object));
        json_decref(*object);
        return API_INVALID_JSON;
    }
    if (json_error_code(&error) == json_error_numeric_overflow) {
        snprintf(reason, BODY_REASON_BYTES,
                 "a number in line %d, column %d is out of range; allowed: finite numbers",
                 error.line, error.column);
        return bad_number;
    }
    snprintf(reason, BODY_REASON_BYTES, "the body is no JSON (line %d, column %d%s)",
             error.line, error.column,
             json_error_code(&error) == json_error_duplicate_key ? ": a duplicate name" : "");
    return API_INVALID_JSON;
}

const char *
json_type_text(const json_t *value)
{
    if (!value)
        return "missing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "unknown";
}
