"""Gateways on one port restarted one after the other, as Kubernetes rolls them: each says at once
that it is not ready, asks its viewers to go spread over its drain, and is started again.

A referee holds viewers that connect again at once, and so knows how many are in flight: no count,
whether the sampler's or a viewer's, may ever be wrong by more."""

import asyncio
import bisect
import collections
import contextlib
import datetime
import json
import threading
import time

import websockets
import zmq

import headcount_wire as wire
from harness import free_port, wait_until

AUCTIONS = {"roll-a": 150, "roll-b": 100, "roll-c": 50}
GATEWAYS = 3
SETTINGS = {"DRAIN_SECONDS": 2, "BROADCAST_INTERVAL_MS": 100}
SLACK_SECONDS = 0.5  # between what happens and who hears of it, on a machine with other work
WITHIN_SECONDS = 5


class Viewer:
    """One that stays; all times are monotonic."""

    def __init__(self, auction):
        self.auction = auction
        self.socket = None
        self.connects = []  # when
        self.frames = []  # (when, count)
        self.closes = []  # (when, code)


class Referee:
    """A thread with an asyncio loop that holds the viewers."""

    def __init__(self, url):
        self.url = url
        self.leaving = False
        self.viewers = [Viewer(auction) for auction, n in AUCTIONS.items() for _ in range(n)]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.tasks = self._run(self._start())

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    async def _start(self):
        return [self.loop.create_task(self._stay(viewer)) for viewer in self.viewers]

    async def _stay(self, viewer):
        while not self.leaving:
            viewer.socket = await self._connect(f"{self.url}?auction={viewer.auction}")
            viewer.connects.append(time.monotonic())
            with contextlib.suppress(websockets.ConnectionClosed):
                async for text in viewer.socket:
                    viewer.frames.append((time.monotonic(), json.loads(text)["count"]))
            viewer.closes.append((time.monotonic(), viewer.socket.close_code))

    async def _connect(self, url):
        while True:
            with contextlib.suppress(OSError, websockets.WebSocketException):
                return await websockets.connect(url, ping_interval=None, compression=None)
            await asyncio.sleep(0.02)  # cut off in the very moment that a port was closed

    async def _end(self):
        self.leaving = True
        for task in self.tasks:
            task.cancel()
        for viewer in self.viewers:
            if viewer.socket:
                viewer.socket.transport.abort()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def close(self):
        self._run(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    def of(self, auction):
        return [viewer for viewer in self.viewers if viewer.auction == auction]


class Flights:
    """When viewers of an auction were not connected."""

    def __init__(self, viewers):
        self.begins = sorted(when for viewer in viewers for when, _ in viewer.closes)
        self.ends = sorted(when for viewer in viewers for when in viewer.connects[1:])

    def about(self, when):
        """How many viewers were in flight about then."""
        begun = bisect.bisect_right(self.begins, when + SLACK_SECONDS)
        return begun - bisect.bisect_left(self.ends, when - SLACK_SECONDS)


class Counts:
    """A thread that notes every count a sampler publishes."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.series = collections.defaultdict(list)  # auction: (when, count)
        self.leaving = threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.linger = 0
            socket.subscribe(b"count/")
            socket.connect(self.endpoint)
            while not self.leaving.is_set():
                if not socket.poll(100):
                    continue
                message = wire.decode(*socket.recv_multipart())
                if message["change"] in ("state", "change"):
                    told = (time.monotonic(), message["count"])
                    self.series[message["auction"]].append(told)

    def close(self):
        self.leaving.set()
        self.thread.join(10)


def are_exact(referee, counts):
    """Whether the sampler and every viewer know the truth."""
    return all(
        counts.series[auction][-1:]
        and counts.series[auction][-1][1] == n
        and all(viewer.frames and viewer.frames[-1][1] == n for viewer in referee.of(auction))
        for auction, n in AUCTIONS.items()
    )


def roll(gateway):
    gateway.signal_term()
    wait_until(lambda: gateway.admin("/readyz").status == 503, 1, "it to say so at once")
    assert gateway.wait_exit() == 0
    gateway.start().wait_ready()


def check_flights(referee, counts, since):
    for auction, n in AUCTIONS.items():
        viewers = referee.of(auction)
        flights = Flights(viewers)
        told = {"the sampler": counts.series[auction]}
        told |= {f"viewer {i}": viewer.frames for i, viewer in enumerate(viewers)}
        for who, series in told.items():
            for when, count in series:
                error, allowed = abs(count - n), flights.about(when)
                assert when < since or error <= allowed, (auction, who, when - since, count, allowed)


def check_snapshots(system, referee):
    """The minutes say how many went and came, and nobody else."""
    for auction, n in AUCTIONS.items():
        came = sum(len(viewer.connects) for viewer in referee.of(auction))

        def all_told():
            rows = system.snapshots(auction)
            return rows if sum(row["joins"] for row in rows) == came else None

        rows = wait_until(all_told, WITHIN_SECONDS, f"{came} joins in all of {auction}")
        counts = [0] + [row["viewerCount"] for row in rows]
        for row, before, after in zip(rows, counts, counts[1:]):
            assert row["joins"] - row["leaves"] == after - before, (auction, row, before)
        assert counts[-1] == n
        ends = [datetime.datetime.fromisoformat(row["timestamp"]) for row in rows]
        lengths = {(end - start).total_seconds() for start, end in zip(ends, ends[1:])}
        assert len(lengths) == 1, f"a minute of {auction} is missing: {ends}"


def test_rolling_restart(make_system):
    port = free_port()
    system = make_system(gateways=GATEWAYS, gateway={"PORT": port, **SETTINGS})
    for auction in AUCTIONS:
        system.set_tracking(auction)
    with contextlib.ExitStack() as stack:
        counts = stack.enter_context(contextlib.closing(Counts(system.endpoint("sampler"))))
        referee = stack.enter_context(contextlib.closing(Referee(system.viewer_url())))
        wait_until(lambda: are_exact(referee, counts), 10, "all viewers to be counted")
        since = time.monotonic()
        for gateway in system.of("gateway"):
            roll(gateway)
        wait_until(lambda: are_exact(referee, counts), WITHIN_SECONDS, "the truth again")
        closes = sorted(close for viewer in referee.viewers for close in viewer.closes)
        assert {code for _, code in closes} == {1012}
        assert len(closes) >= sum(AUCTIONS.values()) / 2  # most had to go, some more than once
        check_flights(referee, counts, since)
        check_snapshots(system, referee)
