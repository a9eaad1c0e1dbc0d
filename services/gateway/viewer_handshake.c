/* In: bytes. Out: a verdict. */
#include <string.h>

#include "mem.h"

#include "request_head.h"
#include "viewer_handshake.h"

static const enum viewer_verdict faults[] = {[HEAD_BAD] = VIEWER_REQUEST,
                                             [HEAD_TARGET] = VIEWER_TARGET,
                                             [HEAD_FIELDS] = VIEWER_HEADERS,
                                             [HEAD_VERSION] = VIEWER_VERSION};

/* Puts the bytes behind those kept before, as far as a head may go. */
static void
keep(struct connection *connection, const char *bytes, size_t length)
{
    size_t room = HEAD_BYTES_MAX + 1 - connection->head_bytes;
    if (length > room)
        length = room;
    connection->head = mem_resize(connection->head, connection->head_bytes + length);
    memcpy(connection->head + connection->head_bytes, bytes, length);
    connection->head_bytes += (uint32_t)length;
}

/* Counts a connection that a proxy brought for its viewer. */
static enum viewer_verdict
count_viewer(const struct handshake_rules *rules, struct connection *connection,
             const struct viewer_request *request)
{
    const struct forwarded_lines *lines = &request->forwarded[rules->form];
    struct address address;
    if (!connection->proxied ||
        !forwarded_viewer(rules->form, lines->at, lines->count, rules->proxies, &address))
        return VIEWER_ADMIT;
    connection->member = crowd_enter(rules->crowd, &address);
    return connection->member ? VIEWER_ADMIT : VIEWER_ADDRESS;
}

static enum viewer_verdict
judge(const struct handshake_rules *rules, struct connection *connection,
      const struct viewer_request *request, bool more, char auction[AUCTION_BYTES])
{
    enum viewer_verdict verdict =
        viewer_request_check(request, rules->allowed_origins, auction);
    if (verdict != VIEWER_ADMIT)
        return verdict;
    if (more) /* nobody may speak before the answer; somebody smuggles */
        return VIEWER_REQUEST;
    return count_viewer(rules, connection, request);
}

bool
viewer_handshake_read(const struct handshake_rules *rules, struct connection *connection,
                      char *bytes, size_t length, enum viewer_verdict *verdict,
                      char auction[AUCTION_BYTES], const char **key)
{
    struct viewer_request request;
    size_t used = 0;
    if (connection->head_bytes) {
        keep(connection, bytes, length);
        bytes = connection->head;
        length = connection->head_bytes;
    }
    enum head_read read = request_head_read(bytes, length, &request, &used);
    if (read == HEAD_MORE && !connection->head_bytes)
        keep(connection, bytes, length);
    if (read == HEAD_MORE)
        return false;
    if (read != HEAD_WHOLE) {
        *verdict = faults[read];
        return true;
    }
    *verdict = judge(rules, connection, &request, used < length, auction);
    *key = request.key;
    return true;
}
