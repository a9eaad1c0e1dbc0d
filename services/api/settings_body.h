/* The body of a change of settings. Pure but for memory; any thread. */
#ifndef SETTINGS_BODY_H
#define SETTINGS_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "api_error.h"
#include "json_body.h"

/* Reads {enableViewerAnalytics: boolean} and nothing else. API_ERROR_COUNT, or the error with
 * what is wrong and what is allowed in reason. */
enum api_error settings_body_decode(const char *body, size_t bytes, bool *enabled,
                                    char reason[BODY_REASON_BYTES]);

#endif
