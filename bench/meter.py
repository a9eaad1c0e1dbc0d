"""What the benchmarks for docs/scale.md share: services whose CPU time and memory are read,
publishers in processes of their own, medians."""

import multiprocessing
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

import zmq

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
import headcount_wire as wire
from machine import release_port
from service import Service
from waiting import wait_until


def now_ms():
    return int(time.time() * 1000)


class Measured(Service):
    """A service whose CPU time and memory are read."""

    def cpu(self):
        """Seconds of CPU of its loop and of all its threads together."""
        seconds = {}
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            seconds[int(task.name)] = int((task / "schedstat").read_text().split()[0]) / 1e9
        return seconds[self.pid], sum(seconds.values())

    def resident(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(status.split("VmRSS:")[1].split()[0])

    def wait_metric(self, name, value, seconds=60):
        wait_until(
            lambda: self.metric(name) >= value, seconds, f"{name} to be {value}", 0.1
        )

    def end(self):
        self.term(60)
        release_port(self.settings["ADMIN_PORT"])


def median(values):
    return statistics.median(values)


def spread(values):
    """How far the rounds lay apart, in percent of the median."""
    return 100 * (max(values) - min(values)) / (median(values) or 1)


def run_apart(target, *arguments):
    """Our end of a pipe to target(*arguments, pipe) in a process of its own."""
    here, there = multiprocessing.Pipe()
    multiprocessing.Process(target=target, args=(*arguments, there), daemon=True).start()
    return here


def publish(endpoints, parts, pipe):
    """Binds an XPUB to each endpoint and sends what it is told to: a part is a list of
    (socket, topic, body); between bursts of 1,000 it waits as long as asked. Until a reader has
    subscribed at every socket, nothing is sent."""
    context = zmq.Context()
    context.max_sockets = len(endpoints) + 10
    sockets = []
    for endpoint in endpoints:
        socket = context.socket(zmq.XPUB)
        socket.sndhwm = 0
        socket.bind(endpoint)
        sockets.append(socket)
    pipe.send("bound")
    for socket in sockets:
        while not socket.recv().startswith(b"\1bye/"):  # the last that all readers make
            pass
    while True:
        name, pause = pipe.recv()
        for number, (socket, topic, body) in enumerate(parts[name]):
            sockets[socket].send_multipart((topic, body))
            if pause and number % 1000 == 999:
                time.sleep(pause)
        pipe.send(len(parts[name]))


def tell(pipe, part, pause=0):
    pipe.send((part, pause))
    return pipe.recv()


class Folder:
    """A short private folder, gone at the end."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def wire_bytes(topic, body):
    """On a ZeroMQ connection: each frame has a byte of flags and one of length, or eight."""
    return sum(len(frame) + (2 if len(frame) < 256 else 9) for frame in (topic, body))
