/* The pages and their parts, from the program's own memory. HTTP threads. */
#ifndef PAGES_H
#define PAGES_H

#include <microhttpd.h>

struct request;

/* The error page, for a browser that asked for a page and not for the interface; else NULL. */
struct MHD_Response *pages_error(struct request *request);

#endif
