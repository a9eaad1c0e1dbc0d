/* What every request passes before its handler sees it. Any HTTP thread. */
#ifndef ADMIT_H
#define ADMIT_H

#include "request.h"

/* Looks at the first line and the header: sets request->match, and notes with request_refuse()
 * what is wrong. That is answered when the body is in, a malformed head at once. */
void admit(struct request *request, const char *method, const char *version);

#endif
