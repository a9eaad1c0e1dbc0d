/* In: bytes to send. Out: sockets. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "connection.h"

/* The whole of it goes: what the kernel does not take, libwebsockets keeps. */
static int
send_raw(void *arg, const unsigned char *bytes, size_t length)
{
    struct connection *connection = arg;
    if (lws_write(connection->wsi, (unsigned char *)bytes, length, LWS_WRITE_RAW) < 0)
        return -1;
    if (!connection->paused && lws_partial_buffered(connection->wsi)) {
        connection->paused = true;
        lws_rx_flow_control(connection->wsi, 0);
    }
    return 0;
}

int
connection_encrypt(struct connection *connection, const struct tls_server *server)
{
    connection->tls = tls_session_new(server, send_raw, connection);
    return connection->tls ? 0 : -1;
}

int
connection_send(struct connection *connection, const void *bytes, size_t length)
{
    if (connection->tls)
        return tls_session_write(connection->tls, bytes, length);
    return send_raw(connection, bytes, length);
}

bool
connection_clogged(const struct connection *connection)
{
    return lws_partial_buffered(connection->wsi);
}

void
connection_resume(struct connection *connection)
{
    if (!connection->paused || connection_clogged(connection))
        return;
    connection->paused = false;
    lws_rx_flow_control(connection->wsi, 1);
    if (connection->state == CONNECTION_LINGERING)
        shutdown(lws_get_socket_fd(connection->wsi), SHUT_WR);
}

int
connection_frame(struct connection *connection, enum frame_opcode opcode,
                 const unsigned char *payload, size_t length)
{
    unsigned char frame[FRAME_HEAD_BYTES + CONTROL_BYTES_MAX];
    assert(length <= CONTROL_BYTES_MAX);
    size_t head = frame_head(opcode, length, frame);
    memcpy(frame + head, payload, length);
    return connection_send(connection, frame, head + length);
}

int
connection_say_close(struct connection *connection, unsigned code, const char *text)
{
    unsigned char payload[CONTROL_BYTES_MAX] = {(unsigned char)(code >> 8),
                                                (unsigned char)code};
    if (code == CLOSE_NONE)
        return connection_frame(connection, FRAME_CLOSE, payload, 0);
    size_t length = strlen(text);
    assert(length <= sizeof payload - 2);
    memcpy(payload + 2, text, length);
    return connection_frame(connection, FRAME_CLOSE, payload, 2 + length);
}

void
connection_end_sending(struct connection *connection)
{
    if (connection->tls)
        tls_session_end(connection->tls);
    if (!connection_clogged(connection)) /* else when it is no more */
        shutdown(lws_get_socket_fd(connection->wsi), SHUT_WR);
}

void
connection_kill(struct connection *connection)
{
    lws_set_timeout(connection->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_SYNC);
}

void
connection_fini(struct connection *connection)
{
    tls_session_destroy(&connection->tls);
    free(connection->head);
    connection->head = NULL;
}
