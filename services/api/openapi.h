/* The interface's description, openapi.json, as it is served. */
#ifndef OPENAPI_H
#define OPENAPI_H

#include "embedded.h"

extern const struct embedded_files openapi_files; /* "openapi.json" */

#endif
