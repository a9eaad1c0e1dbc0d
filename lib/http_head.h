/* Whether the head of a request that libmicrohttpd took is what RFC 9112 allows: a proxy before
 * us must not see another request in the same bytes (request smuggling). The library takes a
 * bare CR or LF for the end of a line, joins folded lines, keeps spaces in names, and of two
 * lengths and codings believes what it likes; here none of it passes. Any thread. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <microhttpd.h>
#include <stddef.h>

/* What is wrong with it, for people; NULL: nothing. To be asked at the first call of the access
 * handler, with its method and version; target_bytes: of what the library's URI log
 * callback was given, 0 when there was none. Who is refused must be told Connection: close. */
const char *http_head_fault(struct MHD_Connection *connection, const char *method,
                            size_t target_bytes, const char *version);

#endif
