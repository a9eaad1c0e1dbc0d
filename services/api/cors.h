/* Pages of other origins that may use the interface from a browser: those of CORS_ORIGINS, and
 * none by default (the Fetch standard's CORS protocol). Keys travel in headers of the request
 * and never in cookies, so credentials are not allowed. Any HTTP thread. */
#ifndef CORS_H
#define CORS_H

#include "request.h"

/* Adds what a browser wants to see on an answer of the interface. */
void cors_add_headers(const struct request *request, struct MHD_Response *response);

/* Whether a browser asks for leave to send another request to a path that is there. */
bool cors_is_preflight(const struct request *request, const char *method);

/* Adds the answer to that: with the methods of request->match.allow. */
void cors_add_leave(const struct request *request, struct MHD_Response *response);

#endif
