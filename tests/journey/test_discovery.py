"""Peers that come, go and are cut off. What needs a DNS server and links to cut is in
discovery_world.py, which runs in a world of its own."""

import os
import pathlib
import subprocess
import time

import pytest
import zmq

import headcount_wire as wire
import network
from machine import free_port, release_port
from service import environment, program
from waiting import wait_until

HERE = pathlib.Path(__file__).resolve().parent
MARK = 100


def test_in_a_world():
    way_in, why_not = network.way_in()
    if why_not:
        pytest.skip(why_not)
    command = ["/usr/bin/python3", "-m", "pytest", "-q", "-c", HERE.parent / "pytest.ini"]
    command += ["--rootdir", HERE.parent, HERE / "discovery_world.py"]
    done = subprocess.run(
        [*way_in, *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Flood:
    """A gateway that says more than anybody reads."""

    def __init__(self, context, port):
        self.subscribed = 0
        self.socket = context.socket(zmq.XPUB)
        self.socket.linger = 0
        self.socket.sndhwm = MARK
        wait_until(lambda: self._bind(f"tcp://127.0.0.1:{port}"), what="the port")
        event = {"kind": "event", "change": "join", "auction": "lot-1", "sequence": 1}
        event |= {"node": "flood", "epoch": 1, "time": 1, "joins": 1, "leaves": 0}
        self.frames = wire.encode(event | {"shard": wire.shard("lot-1")})

    def _bind(self, endpoint):
        try:
            self.socket.bind(endpoint)
        except zmq.ZMQError:
            return False
        return True

    def pour(self):
        while self.socket.poll(0):
            self.subscribed += self.socket.recv()[:1] == b"\1"
        for _ in range(MARK):
            self.socket.send_multipart(self.frames)


def drain(pipe):
    """Reads what there is; whether there was anything."""
    try:
        return bool(os.read(pipe.fileno(), 1 << 20))
    except BlockingIOError:
        return False


def test_a_reader_at_its_mark_outlives_its_publishers():
    """While it waits its connection is not read, neither data nor its end; see decision 6."""
    context, port = zmq.Context(), free_port()
    flood = Flood(context, port)
    tap = subprocess.Popen(
        [program("tap"), "--bus-hwm", str(MARK), f"tcp://127.0.0.1:{port}"],
        stdout=subprocess.PIPE,
        env=environment({}),
    )
    os.set_blocking(tap.stdout.fileno(), False)

    def pour_for(seconds):
        deadline = time.monotonic() + seconds
        wait_until(lambda: flood.pour() or time.monotonic() > deadline, every=0.001)

    def comes_again():
        flood.pour()
        drain(tap.stdout)
        return flood.subscribed or tap.poll() is not None

    try:
        for _ in range(3):
            wait_until(comes_again, what="the tap to subscribe", every=0.001)
            pour_for(1)
            flood.socket.close()
            pour_for_nobody = time.monotonic() + 1
            wait_until(lambda: time.monotonic() > pour_for_nobody)
            flood = Flood(context, port)
        wait_until(comes_again, what="the tap to subscribe", every=0.001)
        assert tap.poll() is None
        tap.terminate()
        wait_until(lambda: drain(tap.stdout) or tap.poll() is not None, what="the tap to end")
    finally:
        tap.kill()
        tap.communicate()
        flood.socket.close()
        context.term()
        release_port(port)
