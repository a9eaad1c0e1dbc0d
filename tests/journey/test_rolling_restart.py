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
from harness import SHORT_TEMPO
from machine import free_port
from waiting import wait_until

AUCTIONS = {"roll-a": 150, "roll-b": 100, "roll-c": 50}
GATEWAYS = 3
SETTINGS = {"DRAIN_SECONDS": 2, "BROADCAST_INTERVAL_MS": 100}
SLACK_SECONDS = 0.5  # between what happens and who hears of it, on a machine with other work
BEAT_SECONDS = SHORT_TEMPO["HEARTBEAT_INTERVAL_MS"] / 1000
SAMPLES = SHORT_TEMPO["SNAPSHOT_INTERVAL_MS"] // SHORT_TEMPO["SAMPLE_INTERVAL_MS"]
LOOK_SECONDS = 0.05
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
    """A thread with an asyncio loop that holds the viewers, and knows how late it heard, at most."""

    def __init__(self, url):
        self.url = url
        self.late = 0.0
        self.leaving = False
        self.viewers = [Viewer(auction) for auction, n in AUCTIONS.items() for _ in range(n)]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.tasks = self._run(self._start())

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    async def _start(self):
        tasks = [self._stay(viewer) for viewer in self.viewers]
        return [self.loop.create_task(task) for task in [*tasks, self._look_at_the_clock()]]

    async def _look_at_the_clock(self):
        while True:
            due = time.monotonic() + LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            self.late = max(self.late, time.monotonic() - due)

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

    def __init__(self, viewers, slack):
        self.slack = slack
        self.begins = sorted(when for viewer in viewers for when, _ in viewer.closes)
        self.ends = sorted(when for viewer in viewers for when in viewer.connects[1:])

    def about(self, when):
        """How many viewers were in flight about then."""
        begun = bisect.bisect_right(self.begins, when + self.slack)
        return begun - bisect.bisect_left(self.ends, when - self.slack)


class Counts:
    """A thread that notes every count a sampler publishes, and by how much the latest heartbeat of
    all was late: so long some process has stood still, and knew nothing new meanwhile."""

    def __init__(self, *endpoints):
        self.endpoints = endpoints
        self.series = collections.defaultdict(list)  # auction: (when, count)
        self.beats = {}  # (node, epoch): when
        self.late = 0.0
        self.leaving = threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.linger = 0
            socket.subscribe(b"count/")
            socket.subscribe(b"heartbeat/")
            for endpoint in self.endpoints:
                socket.connect(endpoint)
            while not self.leaving.is_set():
                if not socket.poll(100):
                    continue
                self._note(wire.decode(*socket.recv_multipart()), time.monotonic())

    def _note(self, message, now):
        if message["kind"] == "heartbeat":
            run = message["node"], message["epoch"]
            self.late = max(self.late, now - self.beats.get(run, now) - BEAT_SECONDS)
            self.beats[run] = now
        elif message["change"] in ("state", "change"):
            self.series[message["auction"]].append((now, message["count"]))

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
    stops, began = len(gateway.log_lines("gateway.stopping")), time.monotonic()
    gateway.signal_term()
    wait_until(lambda: len(gateway.log_lines("gateway.stopping")) > stops, what="it to stop")
    answer = gateway.admin("/readyz")
    gone = time.monotonic() > began + SETTINGS["DRAIN_SECONDS"]
    assert gone or answer.status == 503, "it says so at once"
    assert gateway.wait_exit() == 0
    gateway.start().wait_ready()


def check_flights(referee, counts, since):
    for auction, n in AUCTIONS.items():
        viewers = referee.of(auction)
        late = 2 * (counts.late + referee.late)  # a close goes to and fro
        flights = Flights(viewers, SLACK_SECONDS + late)
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
        watching = 0
        for row in rows:
            watching += row["joins"] - row["leaves"]
            # One that lacks samples, the last of all perhaps, may end with a count of before.
            if row["sampleCount"] == SAMPLES:
                assert row["viewerCount"] == watching, (auction, row, watching)
        assert watching == n
        ends = [datetime.datetime.fromisoformat(row["timestamp"]) for row in rows]
        missing = system.minutes_between(ends[0], ends[-1]) + 1 - len(ends)
        assert missing <= system.minutes_unseen(system.sampler), f"{missing} of {auction}: {ends}"


def test_rolling_restart(make_system):
    port = free_port()
    system = make_system(gateways=GATEWAYS, gateway={"PORT": port, **SETTINGS})
    for auction in AUCTIONS:
        system.set_tracking(auction)
    with contextlib.ExitStack() as stack:
        endpoints = [system.endpoint("gateway", index) for index in range(GATEWAYS)]
        counts = Counts(system.endpoint("sampler"), *endpoints)
        stack.enter_context(contextlib.closing(counts))
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
