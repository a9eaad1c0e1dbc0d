/* A request's head, read by RFC 9112 to the letter: whatever two readers could understand in
 * two ways (a line end without CR, a folded line, a second Host, a body's length given twice)
 * is refused, so that no proxy in front can be made to see another request than we do. Pure;
 * any thread. */
#ifndef REQUEST_HEAD_H
#define REQUEST_HEAD_H

#include <stddef.h>

#include "viewer_protocol.h"

#define HEAD_BYTES_MAX 8192   /* of a head */
#define TARGET_BYTES_MAX 4096 /* of its first line */
#define FIELDS_MAX 100        /* lines after the first */

enum head_read {
    HEAD_MORE, /* nothing wrong so far */
    HEAD_WHOLE,
    HEAD_BAD,
    HEAD_TARGET, /* the first line is too long */
    HEAD_FIELDS, /* the rest is, or has too many lines */
    HEAD_VERSION /* no HTTP/1 */
};

/* Reads what there is of a request. HEAD_WHOLE: *request is filled with texts that lie in
 * bytes, which is written to (and must stay), and *used bytes were the head. */
enum head_read request_head_read(char *bytes, size_t length, struct viewer_request *request,
                                 size_t *used);

#endif
