/* The envelopes of every JSON answer. Pure but for memory; any thread. */
#ifndef REPLY_JSON_H
#define REPLY_JSON_H

#include <jansson.h>

#include "api_error.h"

/* {"success":true,"data":…}; takes data over. The caller frees the text. */
char *reply_json_data(json_t *data);

/* {"success":false,"error":{"code":…,"message":…}}; what is not printable ASCII in message
 * becomes '?'. The caller frees the text. */
char *reply_json_error(enum api_error error, const char *message);

#endif
