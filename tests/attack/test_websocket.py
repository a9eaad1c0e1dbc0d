"""RFC 6455 as a viewer may break it: each case sends frames to a real gateway and expects the connection to stay
open (a ping is answered), an answer, or a close code. Honest viewers of the same auction keep their counts. Numbers
are our own: group, case.
"""

import socket
import struct

import pytest

from machine import free_port
from raw_websocket import shake_hands
from service import Service
from viewers import Viewers
from waiting import wait_until

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
LIMIT = 4096  # MESSAGE_BYTES_MAX
OPEN = "open"
HONEST = 3  # viewers of the same auction, throughout


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x12\x34\x56\x78", length=None):
    """length: (form, value) to send another than the true one."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    form, value = length or (None, len(payload))
    form = form or (7 if value < 126 else 16 if value < 65536 else 64)
    bit = 0x80 if mask else 0
    if form == 7:
        head += bytes([bit | value])
    elif form == 16:
        head += bytes([bit | 126]) + struct.pack(">H", value)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", value)
    if not mask:
        return head + payload
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def close(code, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


def split(text, *places):
    """A text message in fragments, cut at places."""
    cuts = [0, *places, len(text)]
    parts = [text[a:b] for a, b in zip(cuts, cuts[1:])]
    return b"".join(
        frame(CONTINUATION if i else TEXT, part, fin=i == len(parts) - 1)
        for i, part in enumerate(parts)
    )


KAPPA = "κόσμε".encode()
VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
INVALID_CODES = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
BAD_UTF8 = {
    "lone continuation": b"\x80",
    "lone start": b"\xce",
    "overlong slash": b"\xc0\xaf",
    "overlong zero": b"\xf0\x80\x80\x80",
    "surrogate": b"\xed\xa0\x80",
    "pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "beyond the last": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "never a byte": b"\xfe",
    "in the middle": KAPPA + b"\xed\xa0\x80edited",
}

CASES = {
    # 1: messages, which are read and ignored
    **{f"1.1 text of {n}": (frame(TEXT, b"*" * n), OPEN) for n in (0, 1, 125, 126, 127, 128, LIMIT)},
    **{f"1.2 binary of {n}": (frame(BINARY, b"\xfe" * n), OPEN) for n in (0, 125, 126, LIMIT)},
    "1.3 too long": (frame(TEXT, b"*" * (LIMIT + 1)), 1009),
    "1.4 too long in fragments": (split(b"*" * (LIMIT + 2), 2000, 4000), 1009),
    "1.5 said to be huge": (frame(BINARY, b"", length=(64, 1 << 40)), 1009),
    # 2: pings and pongs
    "2.1 empty ping": (frame(PING), (PONG, b"")),
    "2.2 ping of 125": (frame(PING, b"\xfe" * 125), (PONG, b"\xfe" * 125)),
    "2.3 ping of 126": (frame(PING, b"x" * 126), 1002),
    "2.4 unasked pong": (frame(PONG, b"hi"), OPEN),
    "2.5 pong, then ping": (frame(PONG, b"a") + frame(PING, b"b"), (PONG, b"b")),
    "2.6 ten pings": (b"".join(frame(PING, b"%d" % i) for i in range(10)), (PONG, b"0")),
    "2.7 ping in fragments": (frame(PING, b"a", fin=False), 1002),
    "2.8 pong of 126": (frame(PONG, b"x" * 126), 1002),
    # 3: reserved bits
    **{f"3.1 bits {bits} on text": (frame(TEXT, b"a", rsv=bits), 1002) for bits in range(1, 8)},
    **{f"3.2 bit {bit} on ping": (frame(PING, rsv=bit), 1002) for bit in (1, 2, 4)},
    **{f"3.3 bit {bit} on close": (frame(CLOSE, rsv=bit), 1002) for bit in (1, 2, 4)},
    # 4: opcodes that there are not
    **{f"4.1 opcode {code}": (frame(code, b"a"), 1002) for code in (3, 4, 5, 6, 7)},
    **{f"4.2 opcode {code}": (frame(code, b"a"), 1002) for code in (11, 12, 13, 14, 15)},
    # 5: fragments
    "5.1 two": (split(b"hello", 2), OPEN),
    "5.2 one byte each": (split(b"hello", 1, 2, 3, 4), OPEN),
    "5.3 empty ones": (split(b"", 0, 0, 0), OPEN),
    "5.4 ping between": (
        frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(CONTINUATION, b"b"),
        (PONG, b"p"),
    ),
    "5.5 close between": (frame(TEXT, b"a", fin=False) + close(1000), 1000),
    "5.6 continuation of nothing": (frame(CONTINUATION, b"a"), 1002),
    "5.7 the same, not the last": (frame(CONTINUATION, b"a", fin=False), 1002),
    "5.8 text within a text": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "5.9 binary within a text": (frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"), 1002),
    "5.10 continuation after the last": (split(b"ab", 1) + frame(CONTINUATION, b"c"), 1002),
    # 6: UTF-8
    "6.1 valid": (frame(TEXT, KAPPA + "𝄞€".encode()), OPEN),
    "6.2 cut within a character": (split(KAPPA, 1, 3, 4), OPEN),
    "6.3 noncharacters": (frame(TEXT, b"\xef\xbf\xbf\xf4\x8f\xbf\xbf"), OPEN),
    "6.4 binary need not be": (frame(BINARY, b"\xff\xfe"), OPEN),
    **{f"6.5 {name}": (frame(TEXT, text), 1007) for name, text in BAD_UTF8.items()},
    "6.6 known before the end": (frame(TEXT, b"\xed\xa0\x80", fin=False), 1007),
    "6.7 ends within a character": (split(KAPPA[:-1], 2), 1007),
    # 7: closes
    "7.1 without a code": (frame(CLOSE), None),
    "7.2 a code of one byte": (frame(CLOSE, b"\x03"), 1002),
    "7.3 of 125": (close(1000, b"x" * 123), 1000),
    "7.4 of 126": (frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    "7.5 reason is no UTF-8": (close(1000, b"\xed\xa0\x80"), 1007),
    "7.6 in fragments": (frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    "7.7 more after it": (close(1000) + frame(PING, b"x") + frame(TEXT, b"\xff"), 1000),
    **{f"7.8 code {code}": (close(code), code) for code in VALID_CODES},
    **{f"7.9 code {code}": (close(code), 1002) for code in INVALID_CODES},
    # 8: masks
    "8.1 none on text": (frame(TEXT, b"a", mask=b""), 1002),
    "8.2 none on ping": (frame(PING, b"", mask=b""), 1002),
    "8.3 of zeros": (frame(TEXT, b"a", mask=b"\0\0\0\0"), OPEN),
    # 9: lengths
    "9.1 16 bits for 125": (frame(TEXT, b"a" * 125, length=(16, 125)), 1002),
    "9.2 64 bits for 126": (frame(TEXT, b"a" * 126, length=(64, 126)), 1002),
    "9.3 the highest bit": (frame(TEXT, b"", length=(64, 1 << 63)), 1002),
    "9.4 16 bits on a ping": (frame(PING, b"a", length=(16, 1)), 1002),
}


class Peer:
    def __init__(self, port, auction="lot-1"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.bytes = shake_hands(self.socket, auction)

    def receive(self):
        more = self.socket.recv(65536)
        if not more:
            raise EOFError
        return more

    def take(self, count):
        while len(self.bytes) < count:
            self.bytes += self.receive()
        taken, self.bytes = self.bytes[:count], self.bytes[count:]
        return taken

    def frame(self):
        """(opcode, payload) of the next frame but counts."""
        while True:
            first, second = self.take(2)
            assert first & 0x70 == 0 and second & 0x80 == 0, "a server's frame"
            length = second
            if length == 126:
                (length,) = struct.unpack(">H", self.take(2))
            payload = self.take(length)
            if first & 15 != TEXT:
                return first & 15, payload

    def closes_with(self):
        """The code of the close that comes; what comes before it is passed over."""
        opcode, payload = self.frame()
        while opcode != CLOSE:
            opcode, payload = self.frame()
        try:
            assert self.receive() is None, "nothing may follow a close"
        except (EOFError, ConnectionResetError):
            pass
        return struct.unpack(">H", payload[:2])[0] if payload else None


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    directory = tmp_path_factory.mktemp("gateway")
    settings = {
        "PORT": free_port(),
        "EVENT_BIND": f"ipc://{directory}/gw.ipc",
        "MESSAGES_PER_SECOND": 1000,
        "MESSAGE_BYTES_MAX": LIMIT,
        "DRAIN_SECONDS": 0,
    }
    gateway = Service("gateway", "gateway", settings, directory)
    gateway.start("--sampler-endpoints=")
    gateway.wait_ready()
    viewers = Viewers()
    gateway.honest = viewers.join(f"ws://127.0.0.1:{gateway.port}/ws", "lot-1", HONEST)
    yield gateway
    viewers.stop()
    gateway.term()
    assert not gateway.faults()


def send(peer, sent, bytewise):
    if not bytewise:
        peer.socket.sendall(sent)
        return
    peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for i in range(len(sent)):
            peer.socket.send(sent[i : i + 1])
    except OSError:
        pass  # it was closed before the end


def expect(peer, expected):
    if expected == OPEN:
        peer.socket.sendall(frame(PING, b"still there?"))
        assert peer.frame() == (PONG, b"still there?")
    elif isinstance(expected, tuple):
        assert peer.frame() == expected
    else:
        assert peer.closes_with() == expected


@pytest.mark.parametrize("case", CASES)
def test_case(gateway, case):
    sent, expected = CASES[case]
    for bytewise in (False, True):
        if bytewise and len(sent) > 300:
            continue
        peer = Peer(gateway.port)
        send(peer, sent, bytewise)
        expect(peer, expected)
        peer.socket.close()
    viewers = "headcount_gateway_viewers"
    wait_until(lambda: gateway.metric(viewers) == HONEST, what="them to have left")
    for viewer in gateway.honest:  # who see each of them come and go
        viewer.wait_count(HONEST)


def test_frames_with_the_request_are_refused_whole(gateway):
    """Nobody may speak before the answer: somebody else's bytes could be taken for a viewer's."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as peer:
        peer.sendall(
            b"GET /ws?auction=a HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n" + frame(PING, b"early")
        )
        assert peer.recv(4096).startswith(b"HTTP/1.1 400 ")
