/* The native endpoint as text: what a handshake asks for, or why it is refused; the answers and
 * the frames. Pure; any thread. */
#ifndef VIEWER_PROTOCOL_H
#define VIEWER_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auction.h"

#define FRAME_BYTES 160    /* the longest frame and its end */
#define RESPONSE_BYTES 512 /* the longest response and its end */
#define ARGUMENTS_MAX 16   /* of a query */

/* A request as its sender worded it; texts are borrowed, NULL where there was none. */
struct viewer_request {
    bool get;                             /* the method */
    const char *path;                     /* without the query; NULL: too long to be ours */
    const char *arguments[ARGUMENTS_MAX]; /* "name=value", decoded */
    size_t argument_count;
    bool arguments_over;   /* there were more, or too long ones */
    const char *upgrade;   /* header Upgrade */
    bool connection;       /* header Connection names upgrade */
    bool key;              /* header Sec-WebSocket-Key is there */
    const char *version;   /* header Sec-WebSocket-Version */
    const char *protocols; /* header Sec-WebSocket-Protocol */
    const char *origin;    /* header Origin */
};

enum viewer_verdict {
    VIEWER_ADMIT, /* join *auction */
    VIEWER_HEALTHZ,
    VIEWER_READYZ,
    VIEWER_NOT_FOUND,
    VIEWER_METHOD,
    VIEWER_UPGRADE,   /* plain HTTP where a WebSocket is served */
    VIEWER_HANDSHAKE, /* no proper WebSocket handshake */
    VIEWER_AUCTION_MISSING,
    VIEWER_AUCTION_INVALID,
    VIEWER_QUERY,
    VIEWER_ORIGIN,
    VIEWER_FULL,    /* too many connections; the caller's finding */
    VIEWER_LEAVING, /* shutting down; the caller's finding */
    VIEWER_VERDICTS
};

/* allowed_origins: see origin.h. */
enum viewer_verdict viewer_request_check(const struct viewer_request *request,
                                         const char *allowed_origins,
                                         char auction[AUCTION_BYTES]);

/* The whole HTTP response to anything but VIEWER_ADMIT (ready: for VIEWER_READYZ); its length.
 */
size_t viewer_response(enum viewer_verdict verdict, bool ready, char response[RESPONSE_BYTES]);

/* {"event":"viewerCountUpdate","auction":"<id>","count":475}; its length. */
size_t viewer_frame(const char *auction, uint64_t count, char frame[FRAME_BYTES]);

#endif
