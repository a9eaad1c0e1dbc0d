/* Between libwebsockets' request and viewer_protocol.c: what the headers say, and sending the
 * answer. Within libwebsockets' callbacks; one thread. */
#ifndef VIEWER_HANDSHAKE_H
#define VIEWER_HANDSHAKE_H

#include <libwebsockets.h>
#include <stdbool.h>

#include "viewer_protocol.h"

/* Judges the request that wsi has just read. upgrade: its Upgrade header, or NULL. */
enum viewer_verdict viewer_handshake_check(struct lws *wsi, const char *upgrade,
                                           const char *allowed_origins,
                                           char auction[AUCTION_BYTES]);

/* Sends the response; the caller then closes the connection. */
void viewer_handshake_answer(struct lws *wsi, enum viewer_verdict verdict, bool ready);

#endif
