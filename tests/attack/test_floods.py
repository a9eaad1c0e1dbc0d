"""The gateway against the open internet: smuggled requests, slow and half ones, floods of connections, headers and
made-up auctions. Honest viewers keep their exact counts throughout, and memory stays within a bound.
ATTACK_CONNECTIONS=10000 and ATTACK_AUCTIONS=1000000 make it longer; see README.md beside this file.
"""

import base64
import contextlib
import os
import re
import socket
import struct
import time

import pytest

from machine import free_port
from memory import Memory
from service import Service
from viewers import Viewers
from waiting import wait_until

CONNECTIONS = int(os.environ.get("ATTACK_CONNECTIONS", 2000))
AUCTIONS = int(os.environ.get("ATTACK_AUCTIONS", 10000))
MEMORY_MIB = 40  # more than before the attack, at most
HANDSHAKE_MS = 3000  # an honest one on a busy machine takes less
REFUSED = 'headcount_gateway_refused_total{reason="%s"}'
KEY = "AAAAAAAAAAAAAAAAAAAAAA=="


def request(auction="lot-9", *more, target=None, host="x", end="\r\n\r\n"):
    lines = [
        f"GET {target or f'/ws?auction={auction}'} HTTP/1.1",
        *([f"Host: {host}"] if host else []),
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        *more,
    ]
    return "\r\n".join(lines).encode("latin-1") + end.encode()


class House:
    """A gateway, and honest viewers whose counts are looked at."""

    def __init__(self, directory, **settings):
        settings = {
            "PORT": free_port(),
            "EVENT_BIND": f"ipc://{directory}/gw.ipc",
            "DRAIN_SECONDS": 0,
            "TRUSTED_PROXIES": "127.0.0.1",
            "HANDSHAKE_TIMEOUT_MS": HANDSHAKE_MS,
            **settings,
        }
        self.gateway = Service("gateway", "gateway", settings, directory)
        self.gateway.start("--sampler-endpoints=")
        self.gateway.wait_ready()
        self.viewers = Viewers()
        self.honest = self.join(20)
        self.check()
        self.memory = Memory([self.gateway], MEMORY_MIB)

    def join(self, count=1):
        return self.viewers.join(f"ws://127.0.0.1:{self.gateway.port}/ws", "honest", count)

    def check(self):
        """One comes, one goes: all see it."""
        self.honest += self.join()
        for viewer in self.honest:
            viewer.wait_count(len(self.honest))
        self.viewers.close([self.honest.pop()])
        for viewer in self.honest:
            viewer.wait_count(len(self.honest))

    def refused(self, reason):
        return self.gateway.metric(REFUSED % reason)

    def connect(self, source="127.0.0.2", receive_bytes=None):
        peer = socket.socket()
        if receive_bytes:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        peer.settimeout(10)
        peer.bind((source, 0))
        peer.connect(("127.0.0.1", self.gateway.port))
        return peer

    def stop(self):
        self.viewers.stop()
        self.gateway.term()
        assert not self.gateway.faults()
        log = self.gateway.log()
        assert len(log.splitlines()) < 100, "the log was flooded"
        assert "127.0.0.2" not in log


@pytest.fixture
def make_house(tmp_path):
    with contextlib.ExitStack() as stack:

        def make(**settings):
            house = House(tmp_path, **settings)
            stack.callback(house.stop)
            return house

        yield make


def read_all(peer):
    answer = b""
    with contextlib.suppress(OSError):
        while more := peer.recv(65536):
            answer += more
    return answer


SMUGGLED = {
    "length and chunks": request("a", "Content-Length: 4", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "two lengths": request("a", "Content-Length: 4", "Content-Length: 5") + b"abcde",
    "a length with a sign": request("a", "Content-Length: +4") + b"abcd",
    "a body": request("a", "Content-Length: 36") + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "odd chunks": request("a", "Transfer-Encoding: xchunked"),
    "space before the colon": request("a", "Transfer-Encoding : chunked"),
    "folded line": request("a", "X-A: b", " c: d"),
    "tab before a name": request("a", "\tX-A: b"),
    "no name": request("a", ": b"),
    "no colon": request("a", "X-A"),
    "bare line feed": request("a").replace(b"\r\n", b"\n"),
    "bare carriage return": request("a", "X-A: b\rX-B: c"),
    "a zero in a value": request("a", "X-A: b\0c"),
    "two hosts": request("a", "Host: y"),
    "no host": request("a", host=None),
    "host is a list": request("a", host="x, y"),
    "two keys": request("a", f"Sec-WebSocket-Key: {KEY}"),
    "key too short": request("a").replace(KEY.encode(), b"AAAA"),
    "version 0.9": b"GET /ws?auction=a\r\n\r\n",
    "version 1.0": request("a").replace(b"HTTP/1.1", b"HTTP/1.0"),
    "version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version 1.1.1": request("a").replace(b"HTTP/1.1", b"HTTP/1.1.1"),
    "two spaces": request("a").replace(b"GET ", b"GET  "),
    "small method": request("a").replace(b"GET", b"get"),
    "absolute target elsewhere": request(target="http://other/ws?auction=a&auction=b"),
    "a second request": request("a") + request("b"),
    "an early frame": request("a") + b"\x81\x80\0\0\0\0",
    "fragment": request(target="/ws?auction=a#b"),
    "bytes beyond ASCII": request(target="/ws?auction=\xe9"),
    "escaped zero": request(target="/ws?auction=a%00"),
    "up the tree": request(target="/ws/../ws?auction=a b"),
}  # fmt: skip


def test_smuggled_requests_get_one_refusal(make_house):
    house = make_house()
    wrong = []
    for name, sent in SMUGGLED.items():
        with house.connect() as peer:
            peer.sendall(sent)
            answer = read_all(peer)
        statuses = len(re.findall(rb"HTTP/1\.1 [0-9]", answer))
        if statuses != 1 or answer.split()[1][:1] not in (b"4", b"5"):
            wrong.append(f"{name}: {answer[:120]!r}")
    assert not wrong, "\n".join(wrong)
    house.check()
    assert house.gateway.metric("headcount_gateway_viewers") == len(house.honest)


def test_header_floods_are_cut_off(make_house):
    house = make_house()
    floods = {
        b"431": [request("a", *(f"X-{n}: y" for n in range(200))), request("a", "X: " + "y" * 9000)],
        b"414": [request(target="/ws?auction=" + "a" * 5000)],
    }
    for status, requests in floods.items():
        for sent in requests:
            with house.connect() as peer:
                with contextlib.suppress(OSError):
                    peer.sendall(sent)
                assert read_all(peer).split()[1] == status
    with house.connect() as peer:  # for ever
        with contextlib.suppress(OSError):
            peer.sendall(b"GET /ws?auction=a HTTP/1.1\r\n")
            for _ in range(10000):
                peer.sendall(b"X-A: " + b"b" * 1000 + b"\r\n")
            pytest.fail("megabytes of headers were read")
    house.check()
    house.memory.check()


def test_slow_requests_are_timed_out(make_house):
    house = make_house()
    peers = [house.connect() for _ in range(300)]
    sent = request("slow")
    began = time.monotonic()
    position = 0
    while house.refused("slow_handshake") < len(peers):
        assert time.monotonic() - began < 30
        for peer in peers:
            with contextlib.suppress(OSError):
                peer.send(sent[position : position + 1])
        position += 1
        time.sleep(0.1)
    house.check()
    for peer in peers:
        peer.close()
    wait_until(lambda: house.gateway.metric("headcount_gateway_connections") == 20, what="them gone")
    house.memory.check()


@pytest.mark.limit(120 + CONNECTIONS // 100)
def test_one_address_has_its_share(make_house):
    house = make_house(CONNECTIONS_PER_ADDRESS=50)
    kept, refused, sent = [], 0, request("crowd")
    for _ in range(CONNECTIONS):
        peer = house.connect()
        with contextlib.suppress(OSError):
            peer.sendall(sent)
        answer = b""
        with contextlib.suppress(OSError):
            answer = peer.recv(4096)
        if answer.startswith(b"HTTP/1.1 101"):
            kept.append(peer)
        else:
            assert not answer or answer.startswith(b"HTTP/1.1 429"), answer
            refused += 1
            peer.close()
    house.memory.check()
    assert (len(kept), refused) == (50, CONNECTIONS - 50)
    assert house.refused("address") == refused
    with house.connect("127.0.0.3") as other:
        other.sendall(request("crowd"))
        assert other.recv(4096).startswith(b"HTTP/1.1 101")
    house.check()
    kept.pop().close()
    wait_until(
        lambda: house.gateway.metric("headcount_gateway_viewers") == 49 + len(house.honest),
        what="one to have left",
    )
    with house.connect() as next_one:
        next_one.sendall(sent)
        assert next_one.recv(4096).startswith(b"HTTP/1.1 101")
    for peer in kept:
        peer.close()
    house.memory.report()


def test_a_trusted_proxy_says_whose_connection_it_is(make_house):
    house = make_house(CONNECTIONS_PER_ADDRESS=3)
    peers = []

    def ask(source, *lines):
        peer = house.connect(source)
        peers.append(peer)
        peer.sendall(request("proxied", *lines))
        return peer.recv(4096).split()[1]

    for _ in range(3):
        assert ask("127.0.0.1", "X-Forwarded-For: 198.51.100.7") == b"101"
    assert ask("127.0.0.1", "X-Forwarded-For: 198.51.100.7") == b"429"
    assert ask("127.0.0.1", "X-Forwarded-For: 203.0.113.9, 198.51.100.7") == b"429"
    assert ask("127.0.0.1", "X-Forwarded-For: 198.51.100.8") == b"101"
    for _ in range(3):  # IPv6: by the network of 64 bits
        assert ask("127.0.0.1", f"X-Forwarded-For: 2001:db8::{len(peers)}") == b"101"
    assert ask("127.0.0.1", "X-Forwarded-For: 2001:db8::ffff:1") == b"429"
    assert ask("127.0.0.1", "X-Forwarded-For: 2001:db8:0:1::1") == b"101"
    for number in range(3):  # who is not trusted may say what they like
        assert ask("127.0.0.2", f"X-Forwarded-For: 192.0.2.{number}") == b"101"
    with contextlib.suppress(ConnectionResetError):
        assert ask("127.0.0.2", "X-Forwarded-For: 192.0.2.99") == b"429"
    house.check()
    for peer in peers:
        peer.close()


@pytest.mark.limit(120 + AUCTIONS // 500)
def test_made_up_auctions_are_bounded(make_house):
    house = make_house(AUCTIONS_MAX=500, CONNECTIONS_PER_ADDRESS=0)
    statuses = {}
    for number in range(AUCTIONS):
        with house.connect() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.sendall(request(f"made-up-{number}-{base64.b16encode(os.urandom(8)).decode()}"))
            status = peer.recv(4096).split()[1]
        statuses[status] = statuses.get(status, 0) + 1
    assert set(statuses) == {b"101", b"503"}
    assert house.gateway.metric("headcount_gateway_auctions") <= 500
    assert house.refused("auctions") == statuses[b"503"]
    house.check()
    house.memory.check()
    house.memory.report()


def test_who_does_not_read_costs_little(make_house):
    house = make_house(CONNECTIONS_PER_ADDRESS=0)
    deaf = []
    for _ in range(200):
        peer = house.connect(receive_bytes=2048)
        peer.sendall(request("honest"))
        deaf.append(peer)
    wait_until(
        lambda: house.gateway.metric("headcount_gateway_viewers") == 200 + len(house.honest),
        what="them to be viewers",
    )
    for _ in range(30):
        for viewer in house.join(5):
            house.honest.append(viewer)
        house.honest[0].wait_count(200 + len(house.honest))
    for peer in deaf:
        peer.close()
    for viewer in house.honest:
        viewer.wait_count(len(house.honest))
    house.memory.check()
