"""TLS on the gateway's port: what is no handshake, an old one, a slow one or half of one; a certificate that is
changed, and changed for the worse, while viewers watch."""

import contextlib
import os
import socket
import ssl
import subprocess
import time

import pytest

from machine import free_port
from service import Service
from viewers import Viewers
from waiting import wait_until

HANDSHAKE_MS = 3000  # an honest one on a busy machine takes less
CHECK_MS = 100
REFUSED = 'headcount_gateway_refused_total{reason="slow_handshake"}'
# A hello of TLS 1.0 with one cipher that it had.
OLD_HELLO = bytes.fromhex("160301002d01000029" "0301" + "ab" * 32 + "00" "0002002f" "0100")


def make_pair(folder, name):
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *subject, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


class House:
    """A gateway with TLS, and honest viewers whose counts are looked at."""

    def __init__(self, folder):
        self.folder = folder
        make_pair(folder, "first")
        self.cert, self.key = folder / "now.crt", folder / "now.key"
        self.take("first")
        self.gateway = Service("gateway", "gateway", {
            "PORT": free_port(),
            "EVENT_BIND": f"ipc://{folder}/gw.ipc",
            "DRAIN_SECONDS": 0,
            "HANDSHAKE_TIMEOUT_MS": HANDSHAKE_MS,
            "TLS_CERT_FILE": self.cert,
            "TLS_KEY_FILE": self.key,
            "TLS_CHECK_INTERVAL_MS": CHECK_MS,
        }, folder)  # fmt: skip
        self.gateway.start("--sampler-endpoints=").wait_ready()
        self.viewers = Viewers()
        self.honest = self.join(10)
        self.check()

    def take(self, name):
        """Puts a pair where the gateway looks, one file after the other."""
        for place, kind in ((self.cert, "crt"), (self.key, "key")):
            part = self.folder / "part"
            part.write_bytes((self.folder / f"{name}.{kind}").read_bytes())
            os.replace(part, place)

    def join(self, count=1):
        trust = ssl._create_unverified_context()
        return self.viewers.join(f"wss://127.0.0.1:{self.gateway.port}/ws", "honest", count, ssl=trust)

    def check(self):
        self.honest += self.join()
        for viewer in self.honest:
            viewer.wait_count(len(self.honest))
        self.viewers.close([self.honest.pop()])
        for viewer in self.honest:
            viewer.wait_count(len(self.honest))
            assert viewer.closed is None

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.gateway.port), 10)

    def served(self):
        """The certificate that a new connection is shown."""
        return ssl.get_server_certificate(("127.0.0.1", self.gateway.port))

    def stop(self):
        self.viewers.stop()
        self.gateway.term()
        assert not self.gateway.faults()
        assert len(self.gateway.log().splitlines()) < 100, "the log was flooded"
        assert "PRIVATE" not in self.gateway.log()


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    yield house
    house.stop()


def read_all(peer):
    answer = b""
    with contextlib.suppress(OSError):
        while more := peer.recv(65536):
            answer += more
    return answer


def test_what_is_no_handshake_is_closed(house):
    for sent in (
        b"GET /ws?auction=a HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(3000), b"\x16\x03\x01\xff\xff" + bytes(70000),
        b"\x80\x2e\x01\x00\x02" + bytes(40), b"\x16\x03\x01\x00\x00" * 2000, b"\x15\x03\x01\x00\x02\x01\x00" * 500,
        OLD_HELLO,
    ):  # fmt: skip
        with house.connect() as peer:
            with contextlib.suppress(OSError):
                peer.sendall(sent)
            answer = read_all(peer)
        assert b"HTTP" not in answer and answer[:1] in (b"", b"\x15"), answer[:40]
    house.check()


def test_slow_handshakes_are_timed_out(house):
    before = house.gateway.metric(REFUSED)
    hello = ssl.MemoryBIO()
    client = ssl._create_unverified_context().wrap_bio(ssl.MemoryBIO(), hello)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    sent = hello.read()
    peers = [house.connect() for _ in range(200)]
    for peer in peers[100:]:  # these stop in its midst
        peer.sendall(sent)
    began, position = time.monotonic(), 0
    while house.gateway.metric(REFUSED) < before + len(peers):
        assert time.monotonic() - began < 30
        for peer in peers[:100]:
            with contextlib.suppress(OSError):
                peer.send(sent[position : position + 1])
        position += 1
        time.sleep(0.1)
    for peer in peers:
        peer.close()
    house.check()


def test_the_certificate_is_changed_under_viewers(house):
    first = house.served()
    make_pair(house.folder, "second")
    house.take("second")
    wait_until(lambda: house.served() != first, what="the new certificate")
    second = house.served()
    house.check()
    kept = "tls.kept"
    for spoil in (
        lambda: house.key.write_bytes(b"garbage"),
        lambda: house.cert.write_bytes((house.folder / "first.crt").read_bytes()),  # and not its key
        lambda: house.key.unlink(),
    ):
        before = len(house.gateway.log_lines(kept))
        spoil()
        wait_until(lambda: len(house.gateway.log_lines(kept)) > before, what="the change to be seen")
        assert house.served() == second
        house.check()
    house.take("first")
    wait_until(lambda: house.served() == first, what="the first one again")
    house.check()
