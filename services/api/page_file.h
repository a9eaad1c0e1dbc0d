/* The pages and their parts, from the program's own memory, as responses. HTTP threads. */
#ifndef PAGE_FILE_H
#define PAGE_FILE_H

#include "embedded.h"
#include "request.h"

/* Yours to queue; file stays borrowed until then. */
struct MHD_Response *page_file_response(struct request *request,
                                        const struct embedded_file *file, bool with_body);

/* The error page, for a browser that asked for a page and not for the interface; else NULL. */
struct MHD_Response *page_file_error(struct request *request);

#endif
