"""The real sampler between gateways, stores and readers that the test plays itself."""

import pathlib
import shutil
import socket
import tempfile
import time

import msgpack
import pytest

import headcount_wire as wire
from machine import release_port
from sampler_peers import Peers, now_ms
from service import Service, run_program
from waiting import wait_until

KEY = "a-key-of-the-tests"
SAMPLE_MS, WINDOW_MS, BEAT_MS, ACK_MS = 100, 1200, 200, 400
TIMEOUT_MS = 2500  # for so long the test, which sends the heartbeats, may itself stand still
PATIENT_ACK_MS = 10000  # where a batch must not be repeated because the test was slow


@pytest.fixture
def peers(request):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    peers = Peers(directory, BEAT_MS)
    peers.samplers = []
    yield peers
    peers.close()
    faults, logs = [], ""
    for sampler in peers.samplers:
        sampler.signal_term()
        sampler.wait_exit()
        release_port(sampler.settings["ADMIN_PORT"])
        faults += sampler.faults()
        logs += sampler.log()
    shutil.rmtree(directory)
    assert not faults, f"{faults}\n{logs}"
    assert KEY not in logs


def settings(peers, gateways=1, **more):
    return {
        "NODE_ID": "sampler",
        "GATEWAY_ENDPOINTS": ",".join(peers.endpoint(f"gw{i}") for i in range(gateways)),
        "COUNT_BIND": peers.endpoint("sampler"),
        "STORE_ENDPOINTS": peers.endpoint("store"),
        "INTERNAL_API_KEY": KEY,
        "SAMPLE_INTERVAL_MS": SAMPLE_MS,
        "SNAPSHOT_INTERVAL_MS": WINDOW_MS,
        "HEARTBEAT_INTERVAL_MS": BEAT_MS,
        "NODE_TIMEOUT_MS": TIMEOUT_MS,
        "ACK_TIMEOUT_MS": ACK_MS,
        "OUTBOX_PATH": peers.directory / "sampler-outbox.db",
        **more,
    }


def start(peers, gateways=1, wait=True, **more):
    sampler = Service("sampler", "sampler", settings(peers, gateways, **more), peers.directory)
    peers.samplers.append(sampler)
    sampler.start()
    if wait:
        peers.until(sampler.ready, "the sampler to be ready")
    return sampler


def wait_count(peers, reader, auction, count, timeout=5):
    peers.until(
        lambda: reader.counts.get(auction) == count,
        f"{auction} to show {count}",
        timeout,
    )


def wait_rows(peers, store, auction, count, timeout=10):
    peers.until(
        lambda: len(store.of(auction)) >= count, f"{count} snapshots of {auction}", timeout
    )
    return store.of(auction)


def wait_complete(peers, store, auction):
    """A snapshot of a window that had a baseline and no disturbance."""
    return peers.until(
        lambda: [row for row in store.of(auction) if row["complete"]], "a complete snapshot"
    )[0]


def total(store, auction, what):
    return sum(row[what] for row in store.of(auction))


def check_row(row):
    assert row["timestamp"] % WINDOW_MS == 0
    assert 1 <= row["sampleCount"] <= WINDOW_MS // SAMPLE_MS
    assert row["exactPeak"] >= row["peakViewers"] >= row["avgViewers"] >= row["minViewers"]
    assert row["minViewers"] >= row["exactMin"] >= 0
    assert row["exactPeak"] >= row["exactAvg"] >= row["exactMin"]
    assert row["peakViewers"] >= row["viewerCount"] >= row["minViewers"]
    assert 0 <= row["coverageMs"] <= WINDOW_MS
    assert not row["complete"] or row["coverageMs"] == WINDOW_MS


def test_counts_over_two_gateways(peers):
    gateways = [peers.gateway("gw0"), peers.gateway("gw1")]
    peers.store()
    start(peers, gateways=2)
    reader = peers.reader()
    gateways[0].join("lot-1", 3)
    wait_count(peers, reader, "lot-1", 3)
    gateways[1].join("lot-1", 4)
    gateways[1].join("lot-2")
    wait_count(peers, reader, "lot-1", 7)
    wait_count(peers, reader, "lot-2", 1)
    gateways[0].leave("lot-1", 2)
    wait_count(peers, reader, "lot-1", 5)
    gateways[0].leave("lot-1")
    gateways[1].leave("lot-1", 4)
    wait_count(peers, reader, "lot-1", 0)
    assert reader.counts["lot-2"] == 1


def test_counts_are_paced_and_repeated(peers):
    gateway = peers.gateway("gw0")
    peers.store()
    start(peers, COUNT_INTERVAL_MS=100)
    reader = peers.reader(b"count/")
    peers.until(lambda: len(reader.of("count", change="end")) >= wire.SHARDS, "the subscription")
    for _ in range(300):
        gateway.join("storm")
        peers.pump()
        time.sleep(0.001)
    wait_count(peers, reader, "storm", 300)
    changes = reader.of("count", auction="storm", change="change")
    sequences = [change["sequence"] for change in changes]
    assert sequences == list(range(1, len(changes) + 1))
    times = [change["time"] for change in changes]
    assert all(later - time >= 95 for time, later in zip(times, times[1:]))
    peers.until(
        lambda: len(reader.of("count", auction="storm", change="change")) > len(changes),
        "the repeat",
        6,
    )
    assert reader.messages[-1]["count"] == 300


def test_silence_bye_and_restart(peers):
    silent, leaver, phoenix = (peers.gateway(f"gw{i}") for i in range(3))
    peers.store()
    sampler = start(peers, gateways=3)
    reader = peers.reader()
    for gateway in (silent, leaver, phoenix):
        gateway.join("lot-1", 2)
    wait_count(peers, reader, "lot-1", 6)
    leaver.bye()
    wait_count(peers, reader, "lot-1", 4)
    silent.silent = True
    wait_count(peers, reader, "lot-1", 2)
    assert now_ms() - silent.beaten >= TIMEOUT_MS - 10
    lost = [line.fields["gateway"] for line in sampler.log_lines("sampler.lost")]
    assert lost == [silent.node]  # not the one that had said bye
    phoenix.start()
    phoenix.join("lot-1")
    wait_count(peers, reader, "lot-1", 1)
    silent.silent = False  # it had been cut off: its viewers never left
    wait_count(peers, reader, "lot-1", 3)


def test_late_sampler_gets_the_state(peers):
    gateways = [peers.gateway("gw0"), peers.gateway("gw1")]
    store = peers.store()
    for number in range(300):
        gateways[0].join(f"lot-{number}", 2)
        gateways[1].join(f"lot-{number}")
    beat = {"HEARTBEAT_INTERVAL_MS": 1000, "NODE_TIMEOUT_MS": 10000}
    sampler = start(peers, gateways=2, wait=False, **beat)
    reader = peers.reader()
    # Until the gateways are let speak it cannot be ready.
    wait_until(lambda: sampler.admin("/readyz") is not None, what="its health port")
    wait_until(lambda: reader.pump() or reader.messages, what="its heartbeat")
    assert sampler.admin("/readyz").status == 503
    assert b"warming up" in sampler.admin("/readyz").body
    assert sampler.admin("/healthz").status == 200
    peers.until(sampler.ready, "the sampler to be ready")
    assert [beat["state"] for beat in reader.of("heartbeat")][0] == "warming"
    peers.until(lambda: len(reader.counts) == 300, "all counts")
    assert set(reader.counts.values()) == {3}
    row = wait_rows(peers, store, "lot-7", 1)[0]
    check_row(row)
    assert (row["minViewers"], row["exactMin"], row["joins"]) == (3, 3, 0)  # the baseline
    # the first window is a part, unless warm-up ended after the last sample of the one before
    assert row["complete"] == (row["coverageMs"] == WINDOW_MS)
    assert wait_complete(peers, store, "lot-7")["sampleCount"] == WINDOW_MS // SAMPLE_MS


def test_nobody_is_there(peers):
    peers.store()
    sampler = start(peers, wait=False)
    peers.until(sampler.ready, "the sampler to be ready without a gateway")


@pytest.mark.parametrize("skew_ms", [-3600_000, 3600_000])
def test_a_clock_that_is_far_off_is_told(peers, skew_ms):
    near, far = peers.gateway("gw0"), peers.gateway("gw1")
    near.skew_ms, far.skew_ms = 2000, skew_ms
    peers.store()
    sampler = start(peers, gateways=2)
    reader = peers.reader()
    far.join("lot-1", 3)
    wait_count(peers, reader, "lot-1", 3)
    peers.until(lambda: sampler.log_lines("sampler.clock", "warn"), "a warning")
    heard = sampler.metric("headcount_sampler_heartbeats_total")
    peers.until(lambda: sampler.metric("headcount_sampler_heartbeats_total") > heard + 6, "beats")
    (line,) = sampler.log_lines("sampler.clock")  # one line, not one each
    assert line.fields["gateway"] == "gw1"
    assert abs(int(line.fields["ahead_ms"]) - skew_ms) < 5000


def test_lost_events_are_healed(peers):
    gateway = peers.gateway("gw0")
    store = peers.store()
    sampler = start(peers)
    reader = peers.reader()
    gateway.join("lot-1", 5)
    gateway.join("lot-2", 5)
    wait_count(peers, reader, "lot-1", 5)
    wait_complete(peers, store, "lot-1")
    gateway.subscriptions.clear()
    gateway.leave("lot-1", 3, lost=True)  # only the heartbeat tells
    wait_count(peers, reader, "lot-1", 2)
    assert wire.topic_renewal("gateway", "gw0", wire.shard("lot-1")) in gateway.subscriptions
    gateway.join("lot-2", 2, lost=True)
    gateway.join("lot-2", 2)  # the pair tells at once
    wait_count(peers, reader, "lot-2", 9)
    peers.until(
        lambda: wire.topic_renewal("gateway", "gw0", wire.shard("lot-2")) in gateway.subscriptions,
        "the renewal",
    )
    peers.until(lambda: sampler.metric("headcount_sampler_gaps_total") == 2, "two gaps")
    assert sampler.metric("headcount_sampler_renewals_total") >= 2
    peers.until(lambda: total(store, "lot-2", "joins") >= 9, "the window of the joins")
    assert total(store, "lot-2", "joins") == 9
    assert total(store, "lot-1", "leaves") == 3
    assert [row for row in store.of("lot-2") if not row["complete"]]


def test_a_gateway_that_answers_nothing_is_asked_in_measure(peers):
    gateway = peers.gateway("gw0")
    start(peers)
    gateway.answer = lambda prefix: None
    gateway.sequences = {shard: 1 for shard in range(wire.SHARDS)}
    started = time.monotonic()
    renewal = wire.topic_renewal("gateway", "gw0", 7)
    gateway.subscriptions.clear()
    peers.until(lambda: gateway.subscriptions.count(renewal) >= 4, "the shard to be asked for")
    seconds = time.monotonic() - started
    assert 1 <= gateway.subscriptions.count(b"event/") <= seconds + 2


def test_hundreds_of_gateways_do_not_flood_the_log(peers):
    gateway = peers.gateway("gw0")
    sampler = start(peers)
    beat = {"kind": "heartbeat", "role": "gateway", "state": "ready", "total": 0, "sequences": {}}
    for number in range(300):
        gateway.send(beat | {"node": f"other{number}"})
    peers.until(lambda: sampler.metric("headcount_sampler_gateways") == 301, "all of them")
    assert len(sampler.log_lines("sampler.found")) == 100


def test_snapshots(peers):
    gateway = peers.gateway("gw0")
    store = peers.store()
    sampler = start(peers)
    reader = peers.reader()
    peers.until(lambda: reader.of("heartbeat"), "the subscription")
    gateway.join("busy", 3)
    gateway.join("gone")
    gateway.leave("gone")

    def quiet():  # none of those in whose midst they came
        return [row for row in store.of("busy") if row["complete"] and row["minViewers"]]

    row = peers.until(quiet, "a complete snapshot of all three")[0]
    check_row(row)
    assert row["sampleCount"] == 12 and row["coverageMs"] == WINDOW_MS
    assert (row["viewerCount"], row["avgViewers"], row["peakViewers"]) == (3, 3.0, 3)
    gateway.leave("busy", 3)
    wait_count(peers, reader, "busy", 0)
    empty = now_ms()
    peers.until(lambda: total(store, "busy", "leaves") >= 3, "the window of the leaves")
    peers.during(2.5 * WINDOW_MS / 1000)
    for auction, viewers in (("busy", 3), ("gone", 1)):
        assert total(store, auction, "joins") == total(store, auction, "leaves") == viewers
    for row in store.rows:
        assert row["exactPeak"] and row["timestamp"] - WINDOW_MS <= empty  # none without viewers
        check_row(row)
        published = reader.of("snapshot", auction=row["auction"], timestamp=row["timestamp"])
        assert len(published) == 1
        assert row.items() <= published[0].items()
    assert not [request for request in store.requests if request["key"] != KEY]
    sent = sampler.log_lines("sampler.sent")
    assert sent and sent[0].text == "viewer analytics sent"
    fields = [line.fields for line in sent]  # less is told where the next window ended first
    assert any(of["acknowledged"] == of["batches"] == "1" and int(of["snapshots"]) for of in fields)


def test_many_auctions_in_batches(peers):
    gateway = peers.gateway("gw0")
    store = peers.store()
    for number in range(2500):
        gateway.join(f"lot-{number}")
    sampler = start(peers)
    peers.until(lambda: len(store.rows) >= 2500, "all snapshots")
    first = store.rows[0]["timestamp"]
    sizes = {  # a batch may have been repeated
        request["id"]: len(request["rows"])
        for request in store.requests
        if request["rows"][0]["timestamp"] == first
    }
    assert sorted(sizes.values()) == [500, 1000, 1000]
    whole = {"snapshots": "2500", "batches": "3", "acknowledged": "3"}

    def told():
        return any(whole.items() <= of.fields.items() for of in sampler.log_lines("sampler.sent"))

    peers.until(told, "the log line")


def test_unacknowledged_batch_is_repeated(peers):
    gateway = peers.gateway("gw0")
    store = peers.store()
    store.mode = "mute"
    sampler = start(peers)
    gateway.join("lot-1")
    peers.until(lambda: store.requests, "a batch")
    first = store.requests[0]
    peers.until(
        lambda: [request["id"] for request in store.requests].count(first["id"]) >= 3,
        "two repeats",
    )
    repeats = [request for request in store.requests if request["id"] == first["id"]]
    assert all(request == first for request in repeats)
    assert sampler.metric("headcount_sampler_batch_repeats_total") >= 2
    store.mode = "ok"

    def arrived():  # what was sent before its acknowledgement came, too
        values = sampler.metrics()
        peers.pump()
        sent = ("headcount_sampler_batches_total", "headcount_sampler_batch_repeats_total")
        copies = sum(values[name] for name in sent)
        return values["headcount_sampler_outbox_rows"] == 0 and copies == len(store.requests)

    peers.until(arrived, "all to be taken")
    count = len(store.requests)
    peers.until(lambda: len(store.requests) >= count + 2, "later batches")
    assert first["id"] not in [request["id"] for request in store.requests[count:]]


def test_silent_store_beside_one_that_answers(peers):
    """It stays connected, and batches go round: so a repeat goes to both."""
    gateway = peers.gateway("gw0")
    silent, store = peers.store("silent"), peers.store("answers")
    silent.mode = "mute"
    places = f"{peers.endpoint('silent')},{peers.endpoint('answers')}"
    sampler = start(peers, STORE_ENDPOINTS=places, ACK_TIMEOUT_MS=1000)
    connected = 'headcount_sampler_peers_connected{of="stores"}'
    peers.until(lambda: sampler.metric(connected) == 2, "both stores")
    auctions = [f"lot-{number}" for number in range(2500)]  # three batches a window
    for auction in auctions:
        gateway.join(auction)
    peers.until(lambda: silent.requests and store.requests, "batches at both")
    for auction in auctions:
        gateway.leave(auction)

    def settled():
        values = sampler.metrics()
        batches = values["headcount_sampler_batches_total"]
        repeats = values["headcount_sampler_batch_repeats_total"]
        copies = len(silent.requests) + len(store.requests)
        taken = values["headcount_sampler_outbox_rows"] == 0
        all_stored = {row["auction"] for row in store.rows} == set(auctions)
        return taken and all_stored and repeats and copies == batches + 2 * repeats

    peers.until(settled, "every batch to be taken and each repeat to be at both")


def test_store_that_comes_late(peers):
    gateway = peers.gateway("gw0")
    sampler = start(peers, ACK_TIMEOUT_MS=PATIENT_ACK_MS)
    gateway.join("lot-1")
    peers.until(lambda: sampler.metric("headcount_sampler_outbox_rows") >= 2, "two to be held")
    store = peers.store()
    rows = wait_rows(peers, store, "lot-1", 2, timeout=5)
    assert rows[1]["timestamp"] - rows[0]["timestamp"] == WINDOW_MS
    assert sampler.metric("headcount_sampler_batch_repeats_total") == 0


def test_wrong_key(peers):
    gateway = peers.gateway("gw0")
    store = peers.store()
    store.mode = "unauthorized"
    sampler = start(peers, ACK_TIMEOUT_MS=PATIENT_ACK_MS)
    gateway.join("lot-1")
    peers.until(lambda: sampler.log_lines("sampler.not_taken", "error"), "the error")
    assert sampler.log_lines("sampler.not_taken")[0].fields["code"] == "unauthorized"
    first = store.requests[0]["id"]
    peers.during(2)
    assert [request["id"] for request in store.requests].count(first) == 1  # no hammering
    peers.until(lambda: sampler.metric("headcount_sampler_outbox_rows") >= 2, "two to be held")
    assert sampler.ready()  # live counts go on
    store.mode = "ok"  # with the next batch the others go as well
    peers.until(lambda: sampler.metric("headcount_sampler_outbox_rows") == 0, "all to be taken")
    assert [request["id"] for request in store.requests].count(first) == 2


def test_refused_and_unreadable_batches_are_dropped(peers):
    gateway = peers.gateway("gw0")
    store = peers.store()
    store.mode = "refuse"
    sampler = start(peers)
    gateway.join("lot-1")
    peers.until(lambda: sampler.log_lines("sampler.refused"), "the refusal")
    line = sampler.log_lines("sampler.refused")[0]
    assert line.fields["reason"] == "a good reason" and line.fields["auction"] == "lot-1"
    store.mode = "invalid"
    peers.until(lambda: sampler.log_lines("sampler.invalid", "error"), "the error")
    name = 'headcount_sampler_dropped_rows_total{reason="invalid"}'
    assert sampler.metrics()[name] >= 1
    peers.until(lambda: sampler.metric("headcount_sampler_outbox_rows") == 0, "none to be held")


def test_killed_and_started_again(peers):
    gateways = [peers.gateway("gw0"), peers.gateway("gw1")]
    store = peers.store()
    sampler = start(peers, gateways=2)
    reader = peers.reader()
    gateways[0].join("lot-1", 2)
    wait_count(peers, reader, "lot-1", 2)
    sampler.kill9()
    gateways[0].leave("lot-1")
    gateways[1].join("lot-1", 4)
    reader.counts.clear()
    sampler.start()
    wait_count(peers, reader, "lot-1", 5, timeout=5)
    ids = {request["id"] for request in store.requests}
    wait_complete(peers, store, "lot-1")
    peers.until(lambda: {request["id"] for request in store.requests} - ids, "a new batch")


def test_paused_process_invents_nothing(peers):
    gateway = peers.gateway("gw0")
    store = peers.store()
    sampler = start(peers)
    reader = peers.reader()
    gateway.join("lot-1", 2)
    wait_count(peers, reader, "lot-1", 2)
    wait_complete(peers, store, "lot-1")
    paused = now_ms()
    sampler.pause()
    peers.during(2 * TIMEOUT_MS / 1000)
    gateway.join("lot-1")
    resumed = now_ms()
    sampler.resume()
    wait_count(peers, reader, "lot-1", 3)
    assert sampler.metric("headcount_sampler_gateways_lost_total") == 0
    peers.until(lambda: store.of("lot-1")[-1]["timestamp"] > resumed + WINDOW_MS, "new ones")
    rows = [row for row in store.of("lot-1") if row["timestamp"] > paused]
    for row in rows:
        check_row(row)
        assert row["minViewers"] >= 2
    windows = resumed // WINDOW_MS - paused // WINDOW_MS + 1  # with any part of the pause
    rows = [row for row in rows if row["timestamp"] <= resumed + WINDOW_MS]
    most = windows * WINDOW_MS // SAMPLE_MS - (resumed - paused) // SAMPLE_MS + 1
    assert sum(row["sampleCount"] for row in rows) <= most
    unobserved = sampler.metric("headcount_sampler_unobserved_milliseconds_total")
    assert unobserved >= 1.5 * TIMEOUT_MS


def test_state_on_subscription(peers):
    gateway = peers.gateway("gw0")
    peers.store()
    sampler = start(peers)
    gateway.join("lot-1", 5)
    peers.until(lambda: sampler.metric("headcount_sampler_viewers") == 5, "five viewers")
    single = peers.reader(wire.topic_auction("count", "lot-1"))
    peers.until(lambda: single.of("count", change="state"), "the state")
    assert single.of("count", change="state")[0]["count"] == 5
    unknown = peers.reader(wire.topic_auction("count", "nothing"))
    wait_count(peers, unknown, "nothing", 0)
    assert unknown.messages[0]["change"] == "state"
    shard = wire.shard("lot-1")
    whole = peers.reader(wire.topic_shard("count", shard))
    peers.until(lambda: whole.of("count", change="end"), "the end of the answer")
    kept = [message["change"] for message in whole.messages if message["change"] != "change"]
    assert kept == ["begin", "state", "end"]
    assert whole.of("count", change="end")[0]["count"] == wire.auction_check(whole.of("count", change="state")[0]["auction"])
    everything = peers.reader(b"")
    peers.until(lambda: len(everything.of("count", change="end")) >= 256, "all 256 shards")


def test_heartbeat_on_subscription(peers):
    gateway = peers.gateway("gw0")
    peers.store()
    gateway.join("lot-1", 5)
    start(peers, HEARTBEAT_INTERVAL_MS=1500, NODE_TIMEOUT_MS=3000)
    began = time.monotonic()
    for _ in range(8):  # one after the other
        reader = peers.reader(b"heartbeat/")
        peers.until(lambda: reader.messages, "a heartbeat")
    assert reader.messages[0]["arrived"] - began < 4 * 1.5  # or each would have waited for its turn
    assert reader.messages[0]["total"] == 5
    assert str(wire.shard("lot-1")) in reader.messages[0]["sequences"]


def test_flapping_subscriber(peers):
    gateway = peers.gateway("gw0")
    peers.store()
    sampler = start(peers)
    for number in range(100):
        gateway.join(f"lot-{number}")
    peers.until(lambda: sampler.metric("headcount_sampler_viewers") == 100, "the viewers")
    before = sampler.metric("headcount_sampler_states_total")
    began = time.monotonic()
    reader = peers.reader(b"count/")
    while time.monotonic() - began < 1:
        reader.socket.subscribe(b"count/")
        reader.socket.unsubscribe(b"count/")
        peers.pump()
    subscriptions = "headcount_sampler_subscriptions_total"
    peers.until(lambda: sampler.metric(subscriptions) > 20, "them to be read")
    states = sampler.metric("headcount_sampler_states_total") - before
    assert states <= 100 * (4 * (time.monotonic() - began) + 3)


def test_junk_is_counted(peers):
    gateway = peers.gateway("gw0")
    peers.store()
    sampler = start(peers)
    topic, body = wire.encode(
        {"kind": "event", "node": "gw0", "epoch": gateway.epoch, "sequence": 1}
        | {"time": now_ms(), "change": "join", "auction": "lot-1", "joins": 1, "leaves": 0}
    )
    values = msgpack.unpackb(body)
    junk = {
        "topic": [b"event/zz/lot-1/", body],
        "version": [topic, msgpack.packb([2, *values[1:]])],
        "format": [topic, b"\xc1"],
        "type": [topic, msgpack.packb([1, 7, *values[2:]])],
        "range": [topic, msgpack.packb([*values[:6], 1, 2])],
        "frames": [topic, body, b"more"],
        "big": [topic, b"\x00" * 100000],
    }
    for frames in junk.values():
        gateway.socket.send_multipart(frames)
    name = "headcount_sampler_junk_messages_total"
    peers.until(lambda: sampler.metric(name) == len(junk), "all junk to be counted")
    metrics = sampler.metrics()
    for reason in ("topic", "version", "type", "range", "frames"):
        assert metrics[f'{name}{{reason="{reason}"}}'] == 1, reason
    assert metrics[f'{name}{{reason="format"}}'] == 2
    assert len(sampler.log_lines("sampler.junk")) == 1  # one line, not one each
    reader = peers.reader()
    gateway.join("lot-1", 2)
    wait_count(peers, reader, "lot-1", 2)


def test_junk_acknowledgement(peers):
    gateway = peers.gateway("gw0")
    store = peers.store()
    store.mode = "mute"
    sampler = start(peers)
    gateway.join("lot-1")
    peers.until(lambda: store.requests, "a batch")
    store.mode = "ok"
    original = store._ack
    store._ack = lambda request: (b"ack/", b"\xc1")
    peers.until(lambda: sampler.metric("headcount_sampler_junk_acks_total") >= 1, "the junk")
    store._ack = original
    peers.until(lambda: sampler.metric("headcount_sampler_outbox_rows") == 0, "all to be taken")


def test_stop(peers):
    gateway = peers.gateway("gw0")
    peers.store()
    sampler = start(peers)
    reader = peers.reader()
    gateway.join("lot-1")
    wait_count(peers, reader, "lot-1", 1)
    sampler.signal_term()
    peers.until(lambda: not sampler.running(), "the sampler to end")
    assert sampler.wait_exit() == 0
    peers.until(lambda: reader.of("bye", node="sampler"), "the bye")
    assert reader.of("heartbeat")[-1]["state"] == "leaving"


@pytest.mark.parametrize(
    "change, named",
    [
        ({"INTERNAL_API_KEY": None}, "INTERNAL_API_KEY"),
        ({"INTERNAL_API_KEY": "short"}, "INTERNAL_API_KEY"),
        ({"SNAPSHOT_INTERVAL_MS": 1250}, "SNAPSHOT_INTERVAL_MS"),
        ({"NODE_TIMEOUT_MS": 300}, "NODE_TIMEOUT_MS"),
        ({"NODE_ID": "a b"}, "NODE_ID"),
        ({"GATEWAY_ENDPOINTS": "udp://x:1"}, "GATEWAY_ENDPOINTS"),
    ],
)
def test_wrong_settings(peers, change, named):
    result = run_program("sampler", settings=settings(peers) | change)
    assert result.returncode == 102
    assert named in result.stderr and result.stderr.count("\n") == 1


def test_places_that_are_taken(peers):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for change in ({"COUNT_BIND": f"tcp://127.0.0.1:{port}"}, {"ADMIN_PORT": port}):
            result = run_program("sampler", settings=settings(peers) | change)
            assert result.returncode == 111
            assert str(port) in result.stderr and "error" in result.stderr


def test_without_a_store(peers):
    """Live counts only: no key is needed, nothing piles up, taps see the snapshots."""
    gateway = peers.gateway("gw0")
    sampler = Service(
        "sampler",
        "sampler",
        settings(peers, STORE_ENDPOINTS=None, INTERNAL_API_KEY=None),
        peers.directory,
    )
    peers.samplers.append(sampler)
    sampler.start("--store-endpoints=")
    peers.until(sampler.ready, "the sampler to be ready")
    reader = peers.reader()
    gateway.join("lot-1", 2)
    wait_count(peers, reader, "lot-1", 2)
    peers.until(lambda: reader.of("snapshot", auction="lot-1"), "a snapshot")
    assert sampler.metric("headcount_sampler_outbox_rows") == 0
