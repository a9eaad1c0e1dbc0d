/* A request's body as a JSON object. Pure but for memory; any thread. */
#ifndef JSON_BODY_H
#define JSON_BODY_H

#include <jansson.h>
#include <stddef.h>

#include "api_error.h"

#define BODY_REASON_BYTES 256

/* API_ERROR_COUNT with *object, a JSON object that the caller gives back with json_decref(),
 * or with reason: bad_number when a number in it is beyond what a double or 64 bits hold, else
 * API_INVALID_JSON. */
enum api_error json_body_read(const char *body, size_t bytes, enum api_error bad_number,
                              json_t **object, char reason[BODY_REASON_BYTES]);

/* What a value is, for messages: "a number", "an object", "missing" for NULL. Static. */
const char *json_type_text(const json_t *value);

#endif
