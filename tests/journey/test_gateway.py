"""The real gateway between viewers, samplers and readers of events that the test plays itself."""

import asyncio
import base64
import json
import os
import pathlib
import random
import shutil
import socket
import struct
import tempfile
import time

import msgpack
import pytest
import zmq

import headcount_wire as wire
from gateway_peers import Peers
from http_client import http_request
from machine import free_port, release_port
from service import Service, program, run_program
from viewers import Viewers
from waiting import WAIT_SECONDS, wait_until

BEAT_MS, TIMEOUT_MS = 200, 3000
NEWS_SECONDS = 0.5  # that a first viewer waits for a sampler's count at most


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
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /ws?auction={auction} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.bytes = b""
        while b"\r\n\r\n" not in self.bytes:
            self._fill()
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101"), head

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


# Joins, leaves and the bus


def test_joins_and_leaves_are_published(house):
    house.start()
    reader = house.peers.reader(b"event/", b"heartbeat/", name="gw")
    house.peers.until(lambda: reader.of("event", change="end"), "the state")
    first = house.viewer("lot-1")
    house.join("lot-1", 2)
    house.join("lot-2")
    house.viewers.close([first])

    def changes(auction):
        return [
            (message["change"], message["joins"], message["leaves"])
            for message in reader.of("event", auction=auction)
        ]

    house.peers.until(lambda: len(changes("lot-1")) >= 4, "the events")
    house.peers.until(lambda: changes("lot-2"), "the events")
    assert changes("lot-1") == [("join", 1, 0), ("join", 2, 0), ("join", 3, 0), ("leave", 3, 1)]
    assert changes("lot-2") == [("join", 1, 0)]
    sequences = [message["sequence"] for message in reader.of("event", auction="lot-1")]
    assert sequences == [1, 2, 3, 4]
    assert {message["epoch"] for message in reader.messages} == {reader.messages[0]["epoch"]}
    assert abs(reader.messages[0]["epoch"] - time.time() * 1000) < 60000


def test_each_way_of_going_is_one_leave(house):
    house.start()
    reader = house.peers.reader(b"event/", name="gw")
    house.peers.until(lambda: reader.of("event", change="end"), "the state")
    viewers = house.join("lot-1", 2)
    raw = RawViewer(house.gateway.port, "lot-1")
    house.viewers.close(viewers[:1])  # the orderly way
    house.viewers.abort(viewers[1:])
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()  # a reset
    house.peers.until(lambda: len(reader.of("event", change="leave")) == 3, "three leaves")
    house.peers.during(0.3)
    assert reader.of("event", auction="lot-1")[-1]["leaves"] == 3
    assert len(reader.of("event", change="leave")) == 3
    assert house.gateway.metric("headcount_gateway_viewers") == 0


def test_heartbeats_tell_sequences_and_viewers(house):
    house.start()
    house.join("lot-1", 3)
    shard = wire.shard("lot-1")
    reader = house.peers.reader(b"heartbeat/gateway/", name="gw")
    house.peers.until(lambda: len(reader.messages) >= 10, "heartbeats")
    for beat in reader.messages:
        assert beat["node"] == "gw" and beat["state"] == "ready" and beat["total"] == 3
        assert {int(key): value for key, value in beat["sequences"].items()} == {shard: 3}
    times = [beat["time"] for beat in reader.messages[1:]]  # the first was asked for
    gaps = sorted(later - earlier for earlier, later in zip(times, times[1:]))
    assert 0.5 * BEAT_MS <= gaps[len(gaps) // 2] <= 2 * BEAT_MS, gaps  # whatever one pause did


def test_subscription_is_answered_with_state(house):
    house.start()
    house.join("lot-1", 3)
    house.viewers.close(house.join("lot-2", 1))
    wait_until(lambda: house.gateway.metric("headcount_gateway_leaves_total") == 1, what="a leave")
    shard = wire.shard("lot-1")

    one = house.peers.reader(wire.topic_auction("event", "lot-1"), name="gw")
    none = house.peers.reader(wire.topic_auction("event", "lot-3"), name="gw")
    house.peers.until(lambda: one.messages and none.messages, "two states")
    assert (one.messages[0]["change"], one.messages[0]["joins"]) == ("state", 3)
    assert (none.messages[0]["joins"], none.messages[0]["leaves"]) == (0, 0)

    reader = house.peers.reader(wire.topic_shard("event", shard), name="gw")
    house.peers.until(lambda: reader.of("event", change="end"), "the end")
    assert [message["change"] for message in reader.messages] == ["begin", "state", "end"]
    begin, state, end = reader.messages
    assert (state["joins"], state["leaves"], state["sequence"]) == (3, 0, 3)
    assert end["joins"] == wire.auction_check("lot-1") and begin["sequence"] == end["sequence"] == 3

    everything = house.peers.reader(b"event/", name="gw")
    house.peers.until(lambda: len(everything.of("event", change="end")) == 256, "256 ends")
    states = {message["auction"]: message for message in everything.of("event", change="state")}
    assert states["lot-1"]["joins"] == 3
    assert (states["lot-2"]["joins"], states["lot-2"]["leaves"]) == (1, 1)


def test_renewed_subscription_is_answered_again(house):
    house.start()
    house.join("lot-1", 1)
    topic = wire.topic_shard("event", wire.shard("lot-1"))
    reader = house.peers.reader(topic, name="gw")
    for round in (1, 2, 3):
        house.peers.until(lambda: len(reader.of("event", change="end")) == round, "an answer")
        reader.socket.subscribe(topic)
        reader.socket.unsubscribe(topic)
    for _ in range(20):  # a flapping one is not answered each time
        reader.socket.subscribe(topic)
        reader.socket.unsubscribe(topic)
    house.peers.during(0.5)
    assert len(reader.of("event", change="end")) <= 3 + 7
    assert reader.of("event", change="state")[-1]["joins"] == 1


def test_renewal_of_one_node_is_answered_by_it(house):
    house.start()
    house.join("lot-1", 1)
    shard = wire.shard("lot-1")
    reader = house.peers.reader(wire.topic_shard("event", shard), name="gw")
    house.peers.until(lambda: len(reader.of("event", change="end")) == 1, "the first answer")
    for node in ("gw-2", "gw"):
        reader.socket.subscribe(wire.topic_renewal("gateway", node, shard))
        reader.socket.unsubscribe(wire.topic_renewal("gateway", node, shard))
        if node != "gw":
            house.peers.during(0.3)
            assert len(reader.of("event", change="end")) == 1, "what another was asked for"
    house.peers.until(lambda: len(reader.of("event", change="end")) == 2, "its own answer")
    assert [event["joins"] for event in reader.of("event", change="state")] == [1, 1]


def test_many_auctions_state_comes_whole(house):
    house.start()
    names = [f"lot-{i}" for i in range(1500)]

    async def join_all():
        for start in range(0, len(names), 50):
            part = names[start : start + 50]
            await asyncio.gather(*(house.viewers._open(house.url, name, {}) for name in part))

    house.viewers.run(join_all())
    reader = house.peers.reader(b"event/", name="gw")
    house.peers.until(lambda: len(reader.of("event", change="end")) == 256, "256 ends")
    states = reader.of("event", change="state")
    assert sorted(message["auction"] for message in states) == sorted(names)
    assert sum(end["joins"] for end in reader.of("event", change="end")) == wire.auction_check(*names)


def test_foreign_messages_from_subscribers_are_counted(house):
    house.start()
    peer = house.peers.context.socket(zmq.XSUB)
    peer.linger = 0
    peer.connect(house.peers.endpoint("gw"))
    for message in (b"\2junk", b"hello", b"\1event/zz/", b"\1" + b"\xff" * 300, b"\1event/3f/x y/"):
        peer.send(message)
    name = "headcount_gateway_subscriptions_foreign_total"
    wait_until(lambda: house.gateway.metric(name) >= 2, what="them to be counted")
    peer.close()
    house.viewer("lot-1").wait_count(1)


# Counts


def test_own_count_without_a_sampler(house):
    house.start()
    first = house.viewer("lot-1")
    first.wait_count(1)
    second = house.viewer("lot-1")
    first.wait_count(2)
    second.wait_count(2)
    house.viewers.close([second])
    first.wait_count(1)
    assert first.counts == [1, 2, 1]
    other = house.viewer("lot-2")
    other.wait_count(1)
    assert other.frames == [{"event": "viewerCountUpdate", "auction": "lot-2", "count": 1}]


def test_first_change_is_told_at_once(house):
    house.start(BROADCAST_INTERVAL_MS=4000)
    first = house.viewer("lot-1")
    first.wait_count(1)
    asked = time.monotonic()
    second = house.viewer("lot-1")
    first.wait_count(2, timeout=3)  # less than the interval
    house.viewers.close([second])
    first.wait_count(1)
    assert first.counts == [1, 2, 1]
    assert time.monotonic() - asked > 3.9  # the interval's


def test_sampler_says_how_many_are_elsewhere(house):
    sampler = house.peers.sampler("sampler0")
    house.start(samplers=1)
    viewer = house.viewer("lot-1")
    topic = wire.topic_auction("count", "lot-1")
    house.peers.until(lambda: topic in sampler.watched, "a subscription")
    sampler.count("lot-1", 475)
    house.wait_count(viewer, 475)
    second = house.viewer("lot-1")  # counted in at once, before the sampler says so
    house.wait_count(viewer, 476)
    taken = house.gateway.metric("headcount_gateway_counts_total")
    sampler.count("lot-1", 476)
    house.peers.until(
        lambda: house.gateway.metric("headcount_gateway_counts_total") > taken, "the count to arrive"
    )
    house.viewers.close([second])
    house.wait_count(viewer, 475)
    sampler.count("lot-1", 0)  # never less than our own
    house.wait_count(viewer, 1)
    sampler.count("lot-2", 99)  # not ours: not even sent here
    counts = house.gateway.metric("headcount_gateway_counts_total")
    house.viewers.close([viewer])
    house.peers.until(lambda: topic not in sampler.watched, "the subscription to end")
    assert house.gateway.metric("headcount_gateway_counts_total") == counts


def test_first_viewer_is_told_the_whole_at_once(house):
    """Not its own gateway's share first: 1, then 475 would be seen at each restart of a gateway."""
    sampler = house.peers.sampler("sampler0")
    house.start(samplers=1)
    house.peers.until(
        lambda: house.gateway.metric("headcount_gateway_sampler_followed"), "it to be followed"
    )
    assert told_in_time(house, sampler, 475) == [475]
    assert told_in_time(house, sampler, 1) == [1]  # the sampler knows of nobody else
    sampler.close()
    unheard = house.viewer("lot-unheard")  # nobody answers for it: told our own after a while
    house.wait_count(unheard, 1)


def told_in_time(house, sampler, count):
    """What the first viewer of an auction was told until this count, in a shorter time than the
    gateway waits for a sampler; on a busy machine it may take some auctions until one is."""
    for number in range(100):
        auction = f"lot-{count}-{number}"
        sampler.counts[auction] = count
        joined = time.monotonic()
        viewer = house.viewer(auction)
        house.wait_count(viewer, count)
        if time.monotonic() - joined < NEWS_SECONDS - 0.1:
            return viewer.counts
    raise AssertionError(f"{count} took {NEWS_SECONDS} s each time")


def test_silent_sampler_is_left_for_another(house):
    first, second = house.peers.sampler("sampler0"), house.peers.sampler("sampler1")
    house.start(samplers=2)
    viewer = house.viewer("lot-1")
    topic = wire.topic_auction("count", "lot-1")
    house.peers.until(lambda: topic in first.watched & second.watched, "subscriptions")
    house.peers.until(
        lambda: house.gateway.log_lines("counts.follow"), "the gateway to follow one"
    )
    name = house.gateway.log_lines("counts.follow")[0].fields["sampler"]
    followed, other = (first, second) if name == "sampler0" else (second, first)
    followed.count("lot-1", 10)
    other.count("lot-1", 20)
    house.wait_count(viewer, 10)
    house.peers.during(0.3)
    assert viewer.count == 10  # sticky
    followed.silent = True
    house.wait_count(viewer, 20)
    assert 1 not in viewer.counts[viewer.counts.index(10) :]  # no flicker to our own
    followed.silent = False
    followed.count("lot-1", 30)
    house.peers.during(0.5)
    assert viewer.count == 20  # sticky again
    other.silent = True
    house.wait_count(viewer, 30)


def test_two_samplers_of_one_name_are_told(house):
    first, second = house.peers.sampler("sampler0"), house.peers.sampler("sampler1")
    first.node = second.node  # by mistake; the second has started later
    first.epoch = second.epoch - 1
    house.start(samplers=2)
    viewer = house.viewer("lot-1")
    topic = wire.topic_auction("count", "lot-1")
    house.peers.until(lambda: topic in first.watched & second.watched, "subscriptions")
    house.peers.until(lambda: house.gateway.log_lines("counts.follow"), "one to be followed")
    house.peers.until(lambda: house.gateway.log_lines("counts.ignored", "warn"), "a warning")
    assert house.gateway.log_lines("counts.ignored")[0].fields["sampler"] == second.node
    assert house.gateway.metric('headcount_gateway_bus_dropped_total{reason="epoch"}') > 0
    first.count("lot-1", 10)
    second.count("lot-1", 20)
    house.wait_count(viewer, 20)
    assert 10 not in viewer.counts


def test_shards_without_a_sampler_are_told(house):
    sampler = house.peers.sampler("sampler0")
    sampler.shards = [wire.shard("lot-1")]
    house.start(samplers=1)
    viewer = house.viewer("lot-1")
    house.peers.until(lambda: house.gateway.log_lines("counts.part", "warn"), "a warning")
    fields = house.gateway.log_lines("counts.part")[0].fields
    assert (fields["sampler"], fields["shards"]) == ("sampler0", "1")
    sampler.count("lot-1", 7)
    house.wait_count(viewer, 7)
    sampler.shards = None
    sampler.start()
    house.peers.until(lambda: house.gateway.log_lines("counts.follow"), "all to be followed")


def test_dead_sampler_leaves_our_own_count(house):
    sampler = house.peers.sampler("sampler0")
    house.start(samplers=1)
    viewer = house.viewer("lot-1")
    topic = wire.topic_auction("count", "lot-1")
    house.peers.until(lambda: topic in sampler.watched, "a subscription")
    sampler.count("lot-1", 7)
    house.wait_count(viewer, 7)
    sampler.close()
    house.wait_count(viewer, 1)
    sampler.start()
    house.peers.until(lambda: topic in sampler.watched, "a subscription")
    sampler.count("lot-1", 8)
    house.wait_count(viewer, 8)


def test_flapping_sampler_does_not_flood_the_log(house):
    house.start(samplers=1)
    sampler = house.peers.sampler("sampler0")
    house.peers.until(lambda: house.gateway.log_lines("counts.follow"), "it to be followed")
    started = time.monotonic()
    heard = house.gateway.metric("headcount_gateway_followings_total")
    for number in range(1000):
        sampler.state = ("warming", "ready")[number % 2]
        sampler.heartbeat()
    house.peers.until(
        lambda: house.gateway.metric("headcount_gateway_followings_total") >= heard + 500,
        "it to be followed again and again",
    )
    ticks = 10 * (time.monotonic() - started) + 2
    assert len(house.gateway.log_lines("counts.follow")) <= ticks


def test_restarting_sampler_does_not_flicker(house):
    sampler = house.peers.sampler("sampler0")
    house.start(samplers=1)
    viewer = house.viewer("lot-1")
    topic = wire.topic_auction("count", "lot-1")
    house.peers.until(lambda: topic in sampler.watched, "a subscription")
    sampler.count("lot-1", 7)
    house.wait_count(viewer, 7)
    house.peers.until(lambda: house.gateway.log_lines("counts.follow"), "it to be followed")
    sampler.bye()
    sampler.start(state="warming")
    house.peers.until(lambda: topic in sampler.watched, "a subscription")
    sampler.count("lot-1", 2)  # what it knows so far
    house.peers.during(0.3)
    assert viewer.counts[-1] == 7 and 2 not in viewer.counts
    sampler.counts["lot-1"] = 7
    sampler.state = "ready"
    house.peers.until(
        lambda: len(house.gateway.log_lines("counts.follow")) == 2, "it to be followed"
    )
    sampler.count("lot-1", 9)
    house.wait_count(viewer, 9)
    assert viewer.counts[viewer.counts.index(7) :] == [7, 9]


def test_junk_on_the_bus_is_dropped_and_counted(house):
    sampler = house.peers.sampler("sampler0")
    house.start(samplers=1)
    viewer = house.viewer("lot-1")
    topic = wire.topic_auction("count", "lot-1")
    house.peers.until(lambda: topic in sampler.watched, "a subscription")
    good = [1, "sampler0", sampler.epoch, 1, 1, 1, 5]
    pack = msgpack.packb
    junk = {
        "topic": [[b"heartbeat/sampler/a b/", pack([1])], [topic + b"x", pack(good)]],
        "version": [[topic, pack([2, *good[1:]])]],
        "format": [[topic, b"\xc1"], [topic, pack(good) + b"x"], [topic, pack(good[:5])]],
        "type": [[topic, pack([1, "sampler0", sampler.epoch, "1", 1, 1, 5])]],
        "range": [[topic, pack([*good[:6], 2**60])], [topic, pack([*good[:5], 9, 5])]],
        "frames": [[topic], [topic, pack(good), b"more"]],
    }
    dropped = "headcount_gateway_bus_dropped_total"
    for messages in junk.values():
        for frames in messages:
            sampler.socket.send_multipart(frames)
    house.peers.until(
        lambda: house.gateway.metric(dropped) == sum(map(len, junk.values())), "the junk"
    )
    for reason, messages in junk.items():
        assert house.gateway.metric(f'{dropped}{{reason="{reason}"}}') == len(messages), reason
    sampler.count("lot-1", 5)
    house.wait_count(viewer, 5)
    assert len(house.gateway.log_lines("counts.dropped")) == 1  # rate-limited


def test_two_thousand_at_once_settle_exactly(house):
    house.start()
    watcher = house.viewer("lot-1")

    async def crowd():
        gate = asyncio.Semaphore(200)

        async def one():
            async with gate:
                return await house.viewers._open(house.url, "lot-1", {"ping_interval": None})

        return await asyncio.gather(*(one() for _ in range(2000)))

    began = time.monotonic()
    joined = house.viewers.run(crowd(), timeout=200)
    watcher.wait_count(2001)
    wait_until(lambda: all(viewer.count == 2001 for viewer in joined), what="all to know")
    assert len(watcher.counts) <= (time.monotonic() - began) / 0.05 + 10  # conflated
    house.viewers.abort(joined[:1999])
    watcher.wait_count(2)
    joined[1999].wait_count(2)


# Viewers that misbehave


def test_mute_viewer_harms_nobody(house):
    sampler = house.peers.sampler("sampler0")
    house.start(samplers=1, BROADCAST_INTERVAL_MS=0)
    mute = RawViewer(house.gateway.port, "lot-1", receive_bytes=4096)
    viewer = house.viewer("lot-1")
    topic = wire.topic_auction("count", "lot-1")
    house.peers.until(lambda: topic in sampler.watched, "a subscription")
    held = "headcount_gateway_frames_held_total"
    memory = "process_resident_memory_bytes"
    sampler.count("lot-1", 1000)
    house.wait_count(viewer, 1000)
    before = house.gateway.metric(memory)
    count = 1000
    deadline = time.monotonic() + 60
    while house.gateway.metric(held) < 2000:
        assert time.monotonic() < deadline, house.gateway.metrics()
        for _ in range(200):
            count += 1
            sampler.count("lot-1", count)
            time.sleep(0.001)
        sampler.pump()
        house.wait_count(viewer, count)
    if b"__asan_init" not in program("gateway").read_bytes():  # which keeps what was freed
        assert house.gateway.metric(memory) - before < 2 * 1024 * 1024
    told = []
    while not told or told[-1] != count:  # and the mute one, once it reads, has the newest
        opcode, payload = mute.frame()
        assert opcode == 1
        told.append(json.loads(payload)["count"])
    assert told == sorted(told)
    assert len(told) < count - 1000
    mute.close()


def test_dead_viewer_is_found_by_ping(house):
    house.start(PING_INTERVAL_MS=400, PING_TIMEOUT_MS=3000)
    alive = house.viewer("lot-1")
    pongs = RawViewer(house.gateway.port, "lot-1")
    joined = time.monotonic()
    dead = RawViewer(house.gateway.port, "lot-1")
    alive.wait_count(3)
    deadline = joined + WAIT_SECONDS
    while alive.count != 2:
        assert time.monotonic() < deadline, "nobody is found"
        opcode, payload = pongs.frame()
        if opcode == 9:
            pongs.send(10, payload)
    assert time.monotonic() - joined > 3  # the time-out
    while (frame := dead.frame())[0] == 1:
        pass
    assert frame == (9, b"p")
    assert alive.closed is None
    assert house.gateway.metric('headcount_gateway_closed_total{reason="dead"}') == 1
    dead.close()
    pongs.close()


def test_paused_gateway_takes_nobody_for_dead(house):
    house.start(PING_INTERVAL_MS=3000, PING_TIMEOUT_MS=2500)
    viewers = house.join("lot-1", 20)
    wait_until(lambda: house.gateway.metric("headcount_gateway_pings_total") > 0, what="a ping")
    house.gateway.pause()
    time.sleep(6)
    house.gateway.resume()
    pings = house.gateway.metric("headcount_gateway_pings_total")
    wait_until(
        lambda: house.gateway.metric("headcount_gateway_pings_total") > pings + 20, what="pings"
    )
    assert {viewer.closed for viewer in viewers} == {None}


def test_small_frames_are_ignored_and_big_ones_refused(house):
    house.start()
    viewer = house.viewer("lot-1")
    other = house.viewer("lot-1")

    async def talk(messages):
        for message in messages:
            await viewer.socket.send(message)

    house.viewers.run(talk(["hello", b"\0" * 1000, "", "x" * 4096, [b"a", b"b"]]))
    name = "headcount_gateway_client_frames_total"
    wait_until(lambda: house.gateway.metric(name) >= 6, what="the frames")
    assert viewer.closed is None
    house.viewers.run(talk(["x" * 4097]))
    wait_until(lambda: viewer.closed, what="the close")
    assert viewer.closed == 1009
    other.wait_count(1)


def test_flood_of_frames_is_refused(house):
    house.start()
    viewer = house.viewer("lot-1")
    other = house.viewer("lot-1")

    async def send(count):  # a reset for unread ones could swallow the close
        for _ in range(count):
            await viewer.socket.send("x")

    sent = 101  # one more than allowed, if no time passes

    def refused():
        nonlocal sent
        read = house.gateway.metric("headcount_gateway_client_frames_total") >= sent
        if read and not viewer.closed and not house.gateway.metric(refusals):
            house.viewers.run(send(1))
            sent += 1
        return viewer.closed

    refusals = 'headcount_gateway_closed_total{reason="too_many_frames"}'
    house.viewers.run(send(sent))
    wait_until(refused, what="the close")
    assert viewer.closed == 1008
    other.wait_count(1)


def test_garbage_on_the_port_is_survived(house):
    house.start()
    chance = random.Random(5)
    handshake = (
        b"GET /ws?auction=a HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    requests = [
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\nraw",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /" + b"a" * 100000,
        b"GET /ws?" + b"&".join(b"a%d=%d" % (i, i) for i in range(300)) + b" HTTP/1.1\r\n\r\n",
        handshake + b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        handshake + b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff" * 10,
        handshake + b"\x88\x80\0\0\0\0" * 20,
        handshake.replace(b"websocket", b"h2c"),
        handshake[:-2],
    ]
    for _ in range(200):
        mutated = bytearray(handshake + bytes(chance.randrange(256) for _ in range(40)))
        for _ in range(chance.randrange(1, 8)):
            mutated[chance.randrange(len(mutated))] = chance.randrange(256)
        requests.append(bytes(mutated[: chance.randrange(1, len(mutated))]))
    for request in requests:
        with socket.create_connection(("127.0.0.1", house.gateway.port), timeout=5) as peer:
            try:
                peer.sendall(request)
                peer.settimeout(0.02)
                peer.recv(4096)
            except OSError:
                pass
    wait_until(lambda: house.gateway.metric("headcount_gateway_viewers") == 0, what="all to go")
    house.viewer("lot-1").wait_count(1)


# Refusals


def refusal(house, path="/ws?auction=a", headers=None, method="GET"):
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
    }
    headers = {**upgrade, **(headers or {})}
    headers = {name: value for name, value in headers.items() if value is not None}
    response = http_request(house.gateway.port, method, path, headers=headers)
    answer = response.json()
    assert answer["success"] is False and answer["error"]["message"]
    assert response.headers["content-type"] == "application/json"
    return response.status, answer["error"]["code"]


def test_handshakes_are_refused_with_a_reason(house):
    house.start(ALLOWED_ORIGINS="https://shop.example,http://localhost:8080")
    missing, invalid = (400, "missing_auction"), (400, "invalid_auction")
    assert refusal(house, "/ws") == missing
    assert refusal(house, "/ws?") == missing
    assert refusal(house, "/ws?auction") == missing
    assert refusal(house, "/ws?lot=1") == missing
    assert refusal(house, "/ws?auction=") == invalid
    assert refusal(house, "/ws?auction=a%20b") == invalid
    assert refusal(house, "/ws?auction=a%2Fb") == invalid
    assert refusal(house, "/ws?auction=%C3%A9") == invalid
    assert refusal(house, "/ws?auction=" + "a" * 65) == invalid
    assert refusal(house, "/ws?auction=a&auction=a") == (400, "invalid_query")
    many = "&".join(f"x{i}=1" for i in range(30))
    assert refusal(house, f"/ws?auction=a&{many}") == (400, "invalid_query")
    assert refusal(house, "/") == (404, "not_found")
    assert refusal(house, "/ws/x?auction=a") == (404, "not_found")
    origin = {"Origin": "https://evil.example"}
    assert refusal(house, headers=origin) == (403, "foreign_origin")
    assert refusal(house, headers={"Origin": "null"}) == (403, "foreign_origin")
    bad = (400, "invalid_handshake")
    assert refusal(house, headers={"Sec-WebSocket-Version": "8"}) == bad
    assert refusal(house, headers={"Sec-WebSocket-Key": None}) == bad
    assert refusal(house, headers={"Sec-WebSocket-Protocol": "chat"}) == bad
    assert refusal(house, headers={"Upgrade": "h2c"}) == bad
    plain = {"Upgrade": None, "Connection": None}
    assert refusal(house, headers=plain) == (426, "upgrade_required")
    assert refusal(house, headers=plain, method="POST") == (405, "method_not_allowed")
    own = house.viewer("a", origin="https://shop.example")
    own.wait_count(1)
    house.viewer("%61").wait_count(2)
    refused = "headcount_gateway_refused_total"
    assert house.gateway.metric(f'{refused}{{reason="origin"}}') == 2
    assert house.gateway.metric(f'{refused}{{reason="invalid_auction"}}') == 5
    assert house.gateway.metric(refused) == 21


def test_too_many_connections_are_refused(house):
    house.start(MAX_CONNECTIONS=3)
    viewers = house.join("lot-1", 3)
    assert refusal(house) == (503, "too_many_connections")
    house.viewers.close(viewers[:1])
    viewers[1].wait_count(2)
    house.viewer("lot-1").wait_count(3)


def test_flood_of_half_open_connections_is_bounded(house):
    house.start(MAX_CONNECTIONS=16, HANDSHAKE_TIMEOUT_MS=600000)
    sockets = [
        socket.create_connection(("127.0.0.1", house.gateway.port), timeout=5)
        for _ in range(200)
    ]
    closed = 'headcount_gateway_refused_total{reason="handshakes"}'
    wait_until(lambda: house.gateway.metric(closed) == 200 - 81, what="the oldest to be closed")
    assert house.gateway.metric("headcount_gateway_connections") <= 81
    house.viewer("lot-1").wait_count(1)  # who asks at once gets in
    for peer in sockets:
        peer.close()
    wait_until(
        lambda: house.gateway.metric("headcount_gateway_connections") == 1, what="them to go"
    )


def test_health_on_the_viewers_port(house):
    house.start()
    assert http_request(house.gateway.port, "GET", "/healthz").body == b"ok\n"
    assert http_request(house.gateway.port, "GET", "/readyz").body == b"ready\n"


# Start and stop


def test_drain_asks_viewers_to_connect_elsewhere(house):
    house.start(DRAIN_SECONDS=5)
    viewers = house.join("lot-1", 100)
    reader = house.peers.reader(b"event/", b"heartbeat/", b"bye/", name="gw")
    house.peers.until(lambda: reader.of("heartbeat"), "a heartbeat")
    asked = time.monotonic()
    times = []
    house.gateway.signal_term()
    house.peers.until(lambda: reader.of("heartbeat", state="leaving"), "word of it")
    assert house.gateway.admin("/readyz").status == 503
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", house.gateway.port), timeout=5)

    def gone():
        for viewer in viewers:
            if viewer.closed and len(times) < sum(bool(other.closed) for other in viewers):
                times.append(time.monotonic() - asked)
        return len(times) == len(viewers)

    house.peers.until(gone, "all to be asked")
    assert {viewer.closed for viewer in viewers} == {1012}
    assert times[len(times) // 4] > 0.2 and times[-1] > 1.5  # spread
    house.peers.until(lambda: reader.of("bye"), "the bye")
    assert house.gateway.wait_exit() == 0
    assert len(reader.of("event", change="leave")) == 100


def test_second_signal_ends_at_once(house):
    house.start(DRAIN_SECONDS=600)
    house.join("lot-1", 5)
    reader = house.peers.reader(b"bye/", b"heartbeat/", name="gw")
    house.peers.until(lambda: reader.of("heartbeat"), "a heartbeat")
    house.gateway.signal_term()
    house.peers.until(lambda: reader.of("heartbeat", state="leaving"), "word of it")
    house.gateway.signal_term()
    assert house.gateway.wait_exit() == 0
    house.peers.until(lambda: reader.of("bye"), "the bye")


def wait_parked(port, count):
    """Waits until so many connections have waited to be accepted at a port of this machine."""

    def parked():
        lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
        fields = (line.split() for line in lines)
        # Of a listening socket (state 0A) the receive queue is those that wait.
        return sum(
            int(queue.split(":")[1], 16)
            for _, local, _, state, queue, *_ in fields
            if state == "0A" and int(local.split(":")[1], 16) == port
        )

    wait_until(lambda: parked() == count, what=f"{count} to wait at port {port}")


def test_drain_serves_who_connected_before_it(house):
    """More than one turn of the loop accepts: closing the port would reset those who wait."""
    house.start(DRAIN_SECONDS=5)
    house.gateway.pause()
    address = ("127.0.0.1", house.gateway.port)
    waiting = [socket.create_connection(address, timeout=WAIT_SECONDS) for _ in range(300)]
    for peer in waiting:
        peer.sendall(
            b"GET /ws?auction=lot-1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
    wait_parked(house.gateway.port, 300)
    house.gateway.process.terminate()  # known before the first of them is accepted
    house.gateway.resume()
    for peer in waiting:
        with peer, peer.makefile("rb") as stream:
            assert stream.readline().split()[1] == b"101"
            assert b"\x03\xf4restarting" in stream.read()  # 1012
    assert house.gateway.wait_exit() == 0


def test_gateways_share_a_port(house):
    house.start()
    settings = {
        **house.gateway.settings,
        "NODE_ID": "gw-2",
        "EVENT_BIND": f"ipc://{house.directory}/gw-2.ipc",
        "ADMIN_PORT": free_port(),
    }
    other = Service("gateway", "gateway2", settings, house.directory)
    other.start("--sampler-endpoints=").wait_ready()
    try:
        # The kernel chooses by a hash of the address: all 64 at one has a chance of 2^-63.
        viewers = house.join("lot-1", 64)
        here, there = (g.metric("headcount_gateway_viewers") for g in (house.gateway, other))
        assert here + there == 64 and here and there, (here, there)
        assert other.term() == 0
        wait_until(lambda: sum(bool(v.closed) for v in viewers) == there, what="them to be asked")
        assert house.gateway.metric("headcount_gateway_viewers") == here
    finally:
        other.term()
        release_port(settings["ADMIN_PORT"])
    assert not other.faults()


def refused_start(settings):
    """The one error line of a gateway that must not start."""
    result = run_program("gateway", "--sampler-endpoints=", settings=settings)
    assert result.returncode == 111
    errors = [line for line in result.stderr.splitlines() if "error" in line]
    assert len(errors) == 1, result.stderr
    return errors[0]


def test_taken_port_is_one_clear_line(house):
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        settings = {"PORT": port, "ADMIN_PORT": 0, "EVENT_BIND": f"ipc://{house.directory}/gw.ipc"}
        assert f"port {port}: Address already in use" in refused_start(settings)


def test_second_gateway_with_the_same_endpoint_is_one_clear_line(house):
    house.start()
    house.viewer("lot-1")
    settings = {**house.gateway.settings, "ADMIN_PORT": 0}
    error = refused_start(settings)
    assert settings["EVENT_BIND"] in error and "in use" in error
    # The failed start took nothing from the running one: neither its endpoint nor viewers.
    reader = house.peers.reader(b"event/", name="gw")
    house.peers.until(lambda: reader.of("event", auction="lot-1"), "the state")
    house.join("lot-1", 16)


def test_unusable_endpoint_is_one_clear_line(house):
    settings = {"PORT": 0, "ADMIN_PORT": 0, "EVENT_BIND": "ipc:///nowhere/at/all.ipc"}
    result = run_program("gateway", settings=settings)
    assert result.returncode == 111
    assert len([line for line in result.stderr.splitlines() if "error" in line]) == 1


@pytest.mark.parametrize(
    "name, value",
    [
        ("PORT", "70000"),
        ("NODE_ID", "a b"),
        ("EVENT_BIND", "udp://x"),
        ("SAMPLER_ENDPOINTS", "nonsense"),
        ("ALLOWED_ORIGINS", "shop.example"),
        ("NODE_TIMEOUT_MS", "900"),
        ("PING_INTERVAL_MS", "soon"),
    ],
)
def test_wrong_setting_is_named(name, value):
    result = run_program("gateway", "--check", settings={name: value})
    assert result.returncode == 102
    assert name in result.stderr and len(result.stderr.splitlines()) == 1
