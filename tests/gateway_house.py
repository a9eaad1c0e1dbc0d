"""The real gateway between viewers, samplers and readers of events that the test plays itself."""

import os
import pathlib
import shutil
import socket
import struct
import tempfile

import pytest

import headcount_wire as wire
from gateway_peers import Peers
from machine import free_port, release_port
from raw_websocket import shake_hands
from service import Service
from viewers import Viewers
from waiting import WAIT_SECONDS

BEAT_MS, TIMEOUT_MS = 200, 3000


class House:
    """A gateway, its viewers, and whoever else is on the bus."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
        self.peers = Peers(self.directory, BEAT_MS)
        self.viewers = Viewers()
        self.gateway = None

    def start(self, samplers=0, **more):
        names = [self.peers.endpoint(f"sampler{i}") for i in range(samplers)]
        settings = {
            "PORT": free_port(),
            "NODE_ID": "gw",
            "EVENT_BIND": self.peers.endpoint("gw"),
            "SAMPLER_ENDPOINTS": ",".join(names) or None,
            "HEARTBEAT_INTERVAL_MS": BEAT_MS,
            "NODE_TIMEOUT_MS": TIMEOUT_MS,
            "DRAIN_SECONDS": 0,
            **more,
        }
        self.gateway = Service("gateway", "gateway", settings, self.directory)
        self.gateway.start(*([] if samplers else ["--sampler-endpoints="]))
        self.gateway.wait_ready()
        return self

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.gateway.port}/ws"

    def join(self, auction, count=1, **options):
        return self.viewers.join(self.url, auction, count, **options)

    def viewer(self, auction, **options):
        return self.join(auction, 1, **options)[0]

    def wait_count(self, viewer, count, timeout=WAIT_SECONDS):
        self.peers.until(
            lambda: viewer.count == count,
            f"{viewer.auction} to show {count}, shown: {viewer.counts[-9:]}",
            timeout,
        )

    def wait_watched(self, sampler, auction="lot-1"):
        topic = wire.topic_auction("count", auction)
        self.peers.until(lambda: topic in sampler.watched, f"a subscription to {auction}")

    def start_watching(self):
        """(a sampler, the one viewer of lot-1 for whom it is asked)."""
        sampler = self.peers.sampler("sampler0")
        self.start(samplers=1)
        viewer = self.viewer("lot-1")
        self.wait_watched(sampler)
        return sampler, viewer

    def stop(self):
        self.viewers.stop()
        self.peers.close()
        gateway = self.gateway
        if not gateway:
            return
        gateway.signal_term()
        gateway.wait_exit()
        faults = gateway.faults()
        log = gateway.log()
        release_port(gateway.port)
        release_port(gateway.settings["ADMIN_PORT"])
        shutil.rmtree(self.directory)
        assert not faults, f"{faults}\n{log}"
        assert "127.0.0.1:" not in log and "Python" not in log  # no peer, no agent


@pytest.fixture
def house():
    house = House()
    yield house
    house.stop()


class RawViewer:
    """A viewer that does only what the test says: no pongs, no reads."""

    def __init__(self, port, auction, receive_bytes=None):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(WAIT_SECONDS)
        self.socket.connect(("127.0.0.1", port))
        self.bytes = shake_hands(self.socket, auction)

    def _fill(self):
        more = self.socket.recv(65536)
        if not more:
            raise EOFError
        self.bytes += more

    def frame(self):
        """(opcode, payload) of the next frame."""
        while len(self.bytes) < 2 or len(self.bytes) < self._length():
            self._fill()
        length, head = self._length(), self._head()
        opcode, payload = self.bytes[0] & 15, self.bytes[head:length]
        self.bytes = self.bytes[length:]
        return opcode, payload

    def _head(self):
        return 4 if self.bytes[1] == 126 else 2

    def _length(self):
        if self.bytes[1] == 126:
            return 4 + struct.unpack(">H", self.bytes[2:4])[0] if len(self.bytes) > 3 else 1 << 30
        return 2 + self.bytes[1]

    def send(self, opcode, payload=b""):
        head = bytes([0x80 | opcode, 0x80 | len(payload)])
        mask = os.urandom(4)
        self.socket.sendall(
            head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        )

    def close(self):
        self.socket.close()
