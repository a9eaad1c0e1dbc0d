/* In: bytes of viewers, counts for them. Out: joins, frames, answers, closes. */
#include <stdlib.h>

#include "clock.h"

#include "container.h"
#include "viewer_socket_inside.h"

#define LINGER_BYTES 65536 /* thrown away after our last word */

/* The last word was said; -1: it could not be. */
static int
linger(struct viewer_socket *viewers, struct connection *connection, int said)
{
    viewer_states_move(viewers, connection, CONNECTION_LINGERING);
    if (!said)
        connection_end_sending(connection);
    return said;
}

/* Sends the frame, or leaves it to viewer_traffic_resume() when earlier ones are not out yet.
 * -1: the socket is dead. */
static int
write_frame(struct viewer_socket *viewers, struct connection *connection,
            const struct frame *frame)
{
    if (connection_clogged(connection)) {
        metrics_add(viewers->metrics, METRIC_FRAMES_HELD, 1);
        return 0; /* a callback comes when they are */
    }
    if (connection_send(connection, frame->bytes, frame->length))
        return -1;
    connection->viewer.told = frame->count;
    metrics_add(viewers->metrics, METRIC_FRAMES, 1);
    return 0;
}

void
viewer_traffic_tell(void *arg, struct viewer *viewer, struct frame *frame)
{
    struct viewer_socket *viewers = arg;
    struct connection *connection = container_of(viewer, struct connection, viewer);
    if (write_frame(viewers, connection, frame))
        viewer_states_kill(viewers, connection);
}

/* The newest count, where the viewer does not know it yet. -1: the socket is dead. */
static int
tell_news(struct viewer_socket *viewers, struct connection *connection)
{
    if (broadcast_awaits_news(connection->viewer.auction))
        return 0;
    struct frame *frame = broadcast_frame(viewers->broadcast, connection->viewer.auction);
    if (connection->viewer.told == frame->count)
        return 0;
    return write_frame(viewers, connection, frame);
}

int
viewer_traffic_resume(struct viewer_socket *viewers, struct connection *connection)
{
    connection_resume(connection);
    return connection->state == CONNECTION_VIEWING ? tell_news(viewers, connection) : 0;
}

/* Answers a request that makes no viewer. */
static int
answer(struct viewer_socket *viewers, struct connection *connection,
       enum viewer_verdict verdict)
{
    char response[RESPONSE_BYTES];
    if (verdict >= VIEWER_NOT_FOUND)
        refusals_add(viewers->refusals, refusals_row(verdict));
    size_t length = viewer_response(verdict, !viewers->draining, response);
    return linger(viewers, connection, connection_send(connection, response, length));
}

/* Who connected before the port was closed is served for what is left of the drain, and then
 * asked to go like the others. */
static enum viewer_verdict
join(struct viewer_socket *viewers, struct connection *connection, const char *auction)
{
    if (viewers->draining && clock_mono_ms() >= viewers->drain_end_ms)
        return VIEWER_LEAVING;
    if (viewers->viewers >= viewers->options.viewers_max)
        return VIEWER_FULL;
    if (!attendance_join(viewers->attendance, auction, &connection->viewer))
        return VIEWER_AUCTIONS;
    return VIEWER_ADMIT;
}

/* Bytes of a request. -1: close. */
static int
on_request(struct viewer_socket *viewers, struct connection *connection, unsigned char *bytes,
           size_t length)
{
    char auction[AUCTION_BYTES], response[RESPONSE_BYTES];
    enum viewer_verdict verdict;
    const char *key;
    if (!viewer_handshake_read(&viewers->rules, connection, (char *)bytes, length, &verdict,
                               auction, &key))
        return 0;
    if (verdict == VIEWER_ADMIT)
        verdict = join(viewers, connection, auction);
    if (verdict != VIEWER_ADMIT)
        return answer(viewers, connection, verdict);
    viewer_states_move(viewers, connection, CONNECTION_VIEWING);
    size_t response_length = viewer_accept(key, response);
    free(connection->head);
    connection->head = NULL;
    if (connection_send(connection, response, response_length))
        return -1;
    return tell_news(viewers, connection);
}

/* Says close and does no more. */
static int
fail(struct viewer_socket *viewers, struct connection *connection, unsigned code)
{
    static const struct {
        unsigned code;
        enum gateway_metric row;
    } rows[] = {{CLOSE_PROTOCOL, METRIC_CLOSED_PROTOCOL},
                {CLOSE_NO_UTF8, METRIC_CLOSED_NO_UTF8},
                {CLOSE_TOO_BIG, METRIC_CLOSED_BIG},
                {CLOSE_POLICY, METRIC_CLOSED_NOISY}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].code == code)
            metrics_add(viewers->metrics, rows[i].row, 1);
    }
    return linger(viewers, connection, connection_say_close(connection, code, ""));
}

/* A frame of the viewer's has ended. -1: close. */
static int
on_frame(struct viewer_socket *viewers, struct connection *connection, enum frame_read read)
{
    struct frame_reader *reader = &connection->reader;
    bool closing = connection->state == CONNECTION_CLOSING;
    if (closing || read == FRAME_READ_CLOSE) {
        if (!closing)
            connection_say_close(connection, reader->code, "");
        if (connection->tls)
            tls_session_end(connection->tls);
        return read == FRAME_READ_CLOSE || read == FRAME_READ_FAULT ? -1 : 0;
    }
    if (read == FRAME_READ_FAULT)
        return fail(viewers, connection, reader->code);
    metrics_add(viewers->metrics, METRIC_CLIENT_FRAMES, 1);
    if (!bucket_take(&connection->frames, viewers->options.messages_per_second,
                     clock_mono_ms()))
        return fail(viewers, connection, CLOSE_POLICY);
    if (read == FRAME_READ_PING)
        return connection_frame(connection, FRAME_PONG, reader->control,
                                reader->control_length);
    return 0;
}

static int
on_frames(struct viewer_socket *viewers, struct connection *connection, unsigned char *bytes,
          size_t length)
{
    if (connection->state == CONNECTION_VIEWING)
        ping_heard(&connection->ping);
    while (length && connection->state != CONNECTION_LINGERING) {
        enum frame_read read = frame_reader_next(
            &connection->reader, viewers->options.message_bytes_max, &bytes, &length);
        if (read != FRAME_READ_MORE && on_frame(viewers, connection, read))
            return -1;
    }
    return 0;
}

/* Plain text of a viewer. -1: close. */
static int
on_bytes(struct viewer_socket *viewers, struct connection *connection, unsigned char *bytes,
         size_t length)
{
    switch (connection->state) {
    case CONNECTION_ASKING:
        return on_request(viewers, connection, bytes, length);
    case CONNECTION_VIEWING:
    case CONNECTION_CLOSING:
        return on_frames(viewers, connection, bytes, length);
    case CONNECTION_LINGERING:
        connection->head_bytes += (uint32_t)length;
        return connection->head_bytes > LINGER_BYTES ? -1 : 0;
    case CONNECTION_NONE:
        break;
    }
    return -1;
}

int
viewer_traffic_receive(struct viewer_socket *viewers, struct connection *connection,
                       unsigned char *bytes, size_t length)
{
    if (!connection->tls)
        return on_bytes(viewers, connection, bytes, length);
    int plain;
    tls_session_feed(connection->tls, bytes, length);
    while ((plain = tls_session_read(connection->tls, viewers->plain, PLAIN_BYTES)) > 0) {
        if (on_bytes(viewers, connection, viewers->plain, (size_t)plain))
            return -1;
    }
    if (plain < 0 && !tls_session_ready(connection->tls) &&
        connection->state == CONNECTION_ASKING)
        refusals_add(viewers->refusals, METRIC_REFUSED_TLS);
    return plain;
}
