/* From a connection's first bytes to a verdict: gathers the request when it comes in parts, and
 * asks the cores (request_head, viewer_protocol, forwarded, crowd). Within the loop; one
 * thread.
 */
#ifndef VIEWER_HANDSHAKE_H
#define VIEWER_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "connection.h"
#include "forwarded.h"
#include "viewer_protocol.h"

struct handshake_rules {
    const char *allowed_origins;
    const struct networks *proxies;
    enum forwarded_form form;
    struct crowd *crowd;
};

/* Takes bytes (which it may write to). True: the request is whole or wrong. On VIEWER_ADMIT,
 * *auction is who it is for and *key what it is to be answered with (good until
 * connection_fini() or the bytes go), and a proxied connection is counted for its viewer. */
bool viewer_handshake_read(const struct handshake_rules *rules, struct connection *connection,
                           char *bytes, size_t length, enum viewer_verdict *verdict,
                           char auction[AUCTION_BYTES], const char **key);

#endif
