"""What a gateway publishes: joins, leaves, states, heartbeats."""

import asyncio
import socket
import struct
import time

import zmq

import headcount_wire as wire
from gateway_house import BEAT_MS, RawViewer, house  # noqa: F401 (a fixture)
from waiting import wait_until


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
