/* The native endpoint as text: what a handshake asks for, or why it is refused; the answers and
 * the frames. Pure; any thread. */
#ifndef VIEWER_PROTOCOL_H
#define VIEWER_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auction.h"

#include "forwarded.h"

#define FRAME_BYTES 160       /* the longest frame's text and its end */
#define RESPONSE_BYTES 512    /* the longest response and its end */
#define ARGUMENTS_MAX 16      /* of a query */
#define FORWARDED_LINES_MAX 8 /* of one header that proxies write */

struct forwarded_lines {
    const char *at[FORWARDED_LINES_MAX];
    size_t count;
};

/* A request as its sender worded it; texts are borrowed, NULL where there was none. */
struct viewer_request {
    bool get;                             /* the method */
    bool old;                             /* HTTP/1.0 */
    bool host;                            /* header Host is there */
    bool body;                            /* there is one */
    const char *path;                     /* without the query */
    const char *arguments[ARGUMENTS_MAX]; /* "name=value", decoded */
    size_t argument_count;
    bool arguments_over;                 /* there were more */
    bool upgrade;                        /* header Upgrade is there */
    bool websocket;                      /* which names websocket */
    bool connection;                     /* header Connection names upgrade */
    const char *key;                     /* header Sec-WebSocket-Key, well-formed */
    const char *version;                 /* header Sec-WebSocket-Version */
    const char *protocols;               /* header Sec-WebSocket-Protocol */
    const char *origin;                  /* header Origin */
    struct forwarded_lines forwarded[2]; /* by enum forwarded_form */
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
    VIEWER_REQUEST,  /* from here on the caller's findings: malformed HTTP */
    VIEWER_TARGET,   /* a target too long */
    VIEWER_HEADERS,  /* too many headers, or too long */
    VIEWER_VERSION,  /* another HTTP than 1 */
    VIEWER_ADDRESS,  /* too many connections of one address */
    VIEWER_FULL,     /* too many connections */
    VIEWER_AUCTIONS, /* too many auctions */
    VIEWER_LEAVING,  /* shutting down */
    VIEWER_VERDICTS
};

/* allowed_origins: see origin.h. */
enum viewer_verdict viewer_request_check(const struct viewer_request *request,
                                         const char *allowed_origins,
                                         char auction[AUCTION_BYTES]);

/* The whole HTTP response to anything but VIEWER_ADMIT (ready: for VIEWER_READYZ); its length.
 */
size_t viewer_response(enum viewer_verdict verdict, bool ready, char response[RESPONSE_BYTES]);

/* The response that makes a WebSocket of the connection; key as in the request. */
size_t viewer_accept(const char *key, char response[RESPONSE_BYTES]);

/* {"event":"viewerCountUpdate","auction":"<id>","count":475}; its length. */
size_t viewer_frame(const char *auction, uint64_t count, char frame[FRAME_BYTES]);

#endif
