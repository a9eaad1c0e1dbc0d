"""A WebSocket handshake by hand, for viewers that do only what a test says."""

import base64
import os


def shake_hands(connection, auction):
    """Asks for an auction on a connected socket; what came behind the answer, which must be yes."""
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET /ws?auction={auction} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = connection.recv(65536)
        if not more:
            raise EOFError
        answer += more
    head, rest = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 101"), head
    return rest
