"""headcount-tap before played publishers and before the real system."""

import json
import pathlib
import re
import signal
import subprocess

import pytest
import zmq

import headcount_wire as wire
from bus_peers import Sampler
from service import environment, program, run_program
from tap_run import Tap, directory, peers, taps  # noqa: F401 (fixtures)
from waiting import wait_until

LINES_MAX_KB = 60_000  # resident, with stdout blocked
FLOOD, PART = 100_000, 500


def test_state_first_then_changes(peers, taps):
    gateway = peers.gateway("gw0")
    gateway.join("lot-1", 5)
    gateway.leave("lot-1", 2)
    gateway.join("lot-2")
    tap = taps("--kind", "event", gateway.endpoint)
    peers.until(lambda: len(tap.lines) >= 2, "the state")
    gateway.join("lot-1")
    gateway.leave("lot-2")
    peers.until(lambda: len(tap.lines) >= 4, "the changes")
    form = r"\S+Z event (\S+) (\S+) viewers=(\d+) joins=(\d+) leaves=(\d+) node=gw0 sequence=(\d+)\n"
    shown = [re.fullmatch(form, line).groups() for line in tap.lines]
    assert sorted(shown[:2]) == [
        ("lot-1", "state", "3", "5", "2", "7"), ("lot-2", "state", "1", "1", "0", "1"),
    ]  # fmt: skip
    assert shown[2:] == [
        ("lot-1", "join", "4", "6", "2", "8"), ("lot-2", "leave", "0", "1", "1", "2"),
    ]  # fmt: skip


def test_every_kind_for_people(peers, taps):
    gateway = peers.gateway("gw0")
    tap = taps(gateway.endpoint)
    peers.until(lambda: tap.lines, "a heartbeat")
    time_ms = 1761056100250
    base = {"node": "gw0", "epoch": gateway.epoch, "time": time_ms}
    figures = {"timestamp": 1761056100000, "viewerCount": 475, "avgViewers": 445.25,
               "peakViewers": 475, "minViewers": 420, "sampleCount": 12}  # fmt: skip
    exact = {"exactPeak": 481, "exactMin": 419, "exactAvg": 446.5, "joins": 62, "leaves": 7,
             "coverageMs": 60000, "complete": True}  # fmt: skip
    count = {"kind": "count", "auction": "lot-1", "sequence": 1, "change": "change", "count": 475}
    gateway.send(base | count)
    gateway.send(base | {"kind": "snapshot", "auction": "lot-1"} | figures)
    gateway.send(base | {"kind": "snapshot", "auction": "lot-1"} | figures | exact)
    gateway.send(base | {"kind": "bye", "role": "gateway"})
    expected = [
        "2025-10-21T14:15:00.250Z count lot-1 change viewers=475 node=gw0 sequence=1\n",
        "2025-10-21T14:15:00Z snapshot lot-1 viewers=475 avg=445.25 peak=475 min=420 samples=12"
        " node=gw0\n",
        "2025-10-21T14:15:00Z snapshot lot-1 viewers=475 avg=445.25 peak=475 min=420 samples=12"
        " exact_avg=446.50 exact_peak=481 exact_min=419 joins=62 leaves=7 coverage_ms=60000"
        " complete=true node=gw0\n",
        "2025-10-21T14:15:00.250Z bye gateway gw0\n",
    ]
    peers.until(lambda: expected[-1] in tap.lines, "the bye")
    others = [line for line in tap.lines if " heartbeat " not in line]
    assert others == expected
    beat = next(line for line in tap.lines if " heartbeat " in line)
    assert re.fullmatch(r"\S+Z heartbeat gateway gw0 ready viewers=0 messages=0\n", beat)


def test_json_is_the_vectors_form(peers, taps):
    gateway = peers.gateway("gw0")
    gateway.join("lot-1", 3)
    tap = taps("--json", "--kind", "event,heartbeat", gateway.endpoint)
    peers.until(lambda: tap.of("heartbeat") and len(tap.of("event")) >= 513, "the whole answer")
    shard = wire.shard("lot-1")
    held = [message for message in tap.of("event") if message["shard"] == shard]
    assert [message["change"] for message in held] == ["begin", "state", "end"]
    assert held[1] == {
        "kind": "event", "shard": shard, "auction": "lot-1", "node": "gw0",
        "epoch": gateway.epoch, "sequence": 3, "time": held[1]["time"], "change": "state",
        "joins": 3, "leaves": 0,
    }  # fmt: skip
    beat = tap.of("heartbeat")[0]
    assert beat["total"] == 3 and beat["sequences"] == {str(shard): 3}
    for message in tap.messages:
        assert wire.decode(*wire.encode(message)) == message


def test_filters(peers, directory, taps):
    gateway = peers.gateway("gw0")
    for number in range(20):
        gateway.join(f"lot-{number}")
    with Sampler(f"ipc://{directory}/sampler.ipc") as sampler:
        for number in range(20):
            sampler.set(f"lot-{number}", 100 + number)
        endpoints = (gateway.endpoint, f"ipc://{directory}/sampler.ipc")
        one = taps("--json", "--auction", "lot-1", *endpoints)
        two = taps("--json", "--auction=lot-1,lot-2", "--kind", "count", *endpoints)
        beats = taps("--json", "--kind", "heartbeat", "--kind", "bye", *endpoints)
        peers.until(lambda: {m["kind"] for m in one.messages} == {"event", "count"}, "both of one")
        lots = {"lot-1", "lot-2"}
        peers.until(lambda: {m.get("auction") for m in two.messages} >= lots, "both lots' counts")
        peers.until(lambda: {m["role"] for m in beats.messages} == {"gateway", "sampler"}, "beats")
        sampler.set("lot-1", 7)
        sampler.bye()
        peers.until(lambda: beats.of("bye"), "the bye")
        peers.until(lambda: one.messages[-1].get("count") == 7, "the change")
    assert {m["auction"] for m in one.messages if "auction" in m} == {"lot-1"}
    assert {m["kind"] for m in one.messages} == {"event", "count"}
    assert {m["auction"] for m in two.messages if "auction" in m} == {"lot-1", "lot-2"}
    assert {m["kind"] for m in two.messages} == {"count"}
    assert {m["kind"] for m in beats.messages} == {"heartbeat", "bye"}


def test_missed_sequences_are_told(peers, taps):
    gateway = peers.gateway("gw0")
    gateway.join("lot-1")
    people = taps("--kind", "event", gateway.endpoint)
    tap = taps("--kind", "event", "--json", gateway.endpoint)
    peers.until(lambda: len(tap.messages) >= 513 and people.lines, "the states")
    gateway.join("lot-1", 3, lost=True)
    gateway.join("lot-1")
    peers.until(lambda: tap.of("missed"), "the gap")
    gateway.join("lot-1", 2, lost=True)
    peers.until(lambda: len(tap.of("missed")) >= 2, "the tail, by a heartbeat")
    shard = wire.shard("lot-1")
    missed = {"kind": "missed", "role": "gateway", "node": "gw0", "shard": shard}
    assert tap.of("missed") == [missed | {"first": 2, "last": 4}, missed | {"first": 6, "last": 7}]
    assert tap.of("heartbeat") == []
    text = f"missed gateway gw0 shard={shard:02x} messages=3 (2 to 4)\n"
    peers.until(lambda: any(line.endswith(text) for line in people.lines), "people to be told")


def test_nodes_lost_and_restarted_are_told(peers, taps):
    gateway = peers.gateway("gw0")
    # For less than that the test, which sends the heartbeats, may itself stand still.
    flags = ("--kind", "event", "--node-timeout-ms", "2500", gateway.endpoint)
    tap, people = taps("--json", *flags), taps(*flags)
    gateway.join("lot-1")
    peers.until(lambda: len(tap.lines) >= 513 and people.lines, "the state")
    peers.during(0.5)  # a heartbeat passes
    gateway.silent = True
    peers.until(lambda: tap.of("lost"), "the silence")
    peers.until(lambda: any(" lost " in line for line in people.lines), "the line")
    gateway.silent = False
    gateway.join("lot-1")
    gateway.epoch, gateway.pairs, gateway.sequences = gateway.epoch + 1, {}, {}
    peers.until(lambda: tap.of("restarted"), "the new epoch")
    gateway.bye()
    peers.during(3)
    node = {"role": "gateway", "node": "gw0"}
    assert tap.of("lost") == [{"kind": "lost", **node}]
    assert tap.of("restarted") == [{"kind": "restarted", **node}]
    told = [line.split(" ", 1)[1] for line in people.lines if " event " not in line]
    assert told == ["lost gateway gw0\n", "restarted gateway gw0\n"]


def test_junk_is_dropped(peers):
    gateway = peers.gateway("gw0")
    tap = Tap("--json", gateway.endpoint)
    peers.until(lambda: tap.of("heartbeat"), "a heartbeat")
    for frames in ([b"event/"], [b"event/00/", b"\xc1"], [b"event/00/", b"", b""], [b"x", b"y"],
                   [b"count/00/", b"\x91\x02"]):  # fmt: skip
        gateway.socket.send_multipart(frames)
    gateway.join("lot-1")
    peers.until(lambda: any(m["change"] == "join" for m in tap.of("event")), "the join")
    status, errors = tap.end()
    assert status == 0
    assert re.fullmatch(r"\S+Z warn  tap tap.junk: a message does not decode reason=\w+ .*\n", errors)


def flood(publisher, count, first):
    """count joins of one auction; a publisher's send never waits."""
    shard = wire.shard("lot-1")
    for number in range(first, first + count):
        publisher.send_multipart(wire.encode({
            "kind": "event", "auction": "lot-1", "shard": shard, "node": "gw", "epoch": 1,
            "sequence": number, "time": 0, "change": "join", "joins": number, "leaves": 0,
        }))  # fmt: skip


def test_a_stdout_that_is_not_read_harms_nobody(directory, taps):
    with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
        publisher.linger = 0
        publisher.sndhwm = FLOOD // 10
        publisher.bind(f"ipc://{directory}/gw.ipc")
        tap = taps("--json", "--bus-hwm", "1000", f"ipc://{directory}/gw.ipc", read=False)
        healthy = context.socket(zmq.SUB)
        healthy.subscribe(b"event/")
        healthy.connect(f"ipc://{directory}/gw.ipc")
        wanted = {b"\1event/", b"\1heartbeat/"}
        while wanted:
            assert publisher.poll(10_000)
            wanted.discard(publisher.recv())
        for first in range(1, FLOOD + 1, PART):
            flood(publisher, PART, first)
            for number in range(first, first + PART):
                assert healthy.poll(10_000), "the healthy reader lost something"
                assert wire.decode(*healthy.recv_multipart())["sequence"] == number
        assert tap.resident_kb() < LINES_MAX_KB
        tap.thread.start()  # now it is read, and tells what it missed
        wait_until(lambda: len(tap.lines) > 1000, what="lines")
        beat = {"kind": "heartbeat", "role": "gateway", "node": "gw", "epoch": 1, "time": 0,
                "state": "ready", "total": 0, "sequences": {wire.shard("lot-1"): FLOOD}}

        def told():
            publisher.send_multipart(wire.encode(beat))
            return json.loads(tap.lines[-1])["kind"] == "heartbeat" and tap.of("missed")

        missed = wait_until(told, 30, "what was missed", every=0.2)
        lost = sum(gap["last"] - gap["first"] + 1 for gap in missed)
        assert lost == FLOOD - len(tap.of("event")) > FLOOD // 4
        healthy.close()


def blocked(directory, context):
    """A tap whose stdout is full, and its publisher."""
    publisher = context.socket(zmq.XPUB)
    publisher.linger = 0
    publisher.bind(f"ipc://{directory}/gw.ipc")
    tap = Tap(f"ipc://{directory}/gw.ipc", read=False)
    while publisher.recv() != b"\1event/":
        pass
    flood(publisher, 20_000, 1)
    return tap, publisher


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_also_while_stdout_is_blocked(directory, number):
    with zmq.Context() as context:
        tap, publisher = blocked(directory, context)
        assert tap.end(number) == (0, "")
        publisher.close()


def test_a_closed_stdout_ends_it_quietly(directory):
    with zmq.Context() as context:
        tap, publisher = blocked(directory, context)
        tap.process.stdout.close()
        assert tap.end(0) == (0, "")
        idle = Tap("ipc://" + str(directory / "nobody.ipc"), read=False)
        idle.process.stdout.close()
        assert idle.end(0) == (0, "")
        publisher.close()


def test_output_to_a_file_and_to_a_full_disk(peers, directory):
    gateway = peers.gateway("gw0")
    for path, status in ((directory / "out", 0), (pathlib.Path("/dev/full"), 111)):
        with open(path, "w") as file:
            process = subprocess.Popen(
                [program("tap"), gateway.endpoint], stdout=file, stderr=subprocess.PIPE,
                env=environment({}), text=True,
            )  # fmt: skip
        if status:
            peers.until(lambda: process.poll() is not None, "the end")
        else:
            peers.until(lambda: path.stat().st_size, "a line")
            process.terminate()
        errors = process.communicate(timeout=10)[1]
        assert process.returncode == status
        assert ("No space left on device" in errors) == bool(status)
        assert errors.count("\n") == bool(status)


@pytest.mark.parametrize("arguments, status, text", [
    ([], 100, "no ENDPOINT; allowed: one or more of tcp://HOST:PORT, ipc://PATH"),
    (["somewhere"], 100, "'somewhere' is no endpoint; allowed: tcp://HOST:PORT, ipc://PATH"),
    (["tcp://host"], 100, "'tcp://host' is no endpoint"),
    (["--color", "ipc://x"], 100, "--color: unknown flag"),
    (["ipc://x", "--auction"], 100, "--auction: needs a value"),
    (["--auction", "a/b", "ipc://x"], 102, "AUCTION: 'a/b' is no auction id; allowed: 1 to 64"),
    (["--auction", "ok," + "a" * 65, "ipc://x"], 102, "is no auction id"),
    (["--auction", "", "ipc://x"], 102, "AUCTION: is empty"),
    (["--kind", "events", "ipc://x"], 102, "KIND: 'events' is no kind; allowed: event, count,"),
    (["--kind", ",", "ipc://x"], 102, "KIND: is empty"),
    (["--json=yes", "ipc://x"], 102, "JSON: 'yes' is no switch; allowed: true or false"),
    (["--bus-hwm", "0", "ipc://x"], 102, "BUS_HWM: '0' is out of range"),
])  # fmt: skip
def test_wrong_arguments(arguments, status, text):
    result = run_program("tap", *arguments)
    assert (result.returncode, result.stdout) == (status, "")
    assert text in result.stderr and result.stderr.count("\n") == 1


def test_help_and_check():
    help_text = run_program("tap", "--help")
    assert help_text.returncode == 0 and "ENDPOINT" in help_text.stdout
    for flag in ("--auction", "--kind", "--json", "--bus-hwm", "--log-level"):
        assert f"\n  {flag}\n" in help_text.stdout
    assert run_program("tap", "--check", "--kind", "event").returncode == 0


def test_before_the_real_system(system, taps):
    endpoints = (system.endpoint("gateway"), system.endpoint("sampler"))
    viewers = system.join("lot-1", 3)
    viewers[0].wait_count(3)
    tap = taps("--json", *endpoints)

    def newest(kind, member):
        found = [m for m in tap.of(kind) if m.get("auction") == "lot-1"]
        return found[-1][member] if found else None

    wait_until(lambda: newest("count", "count") == 3, what="the count's state")
    wait_until(lambda: newest("event", "joins") == 3, what="the gateway's state")
    states = [m for m in tap.messages if m.get("auction") == "lot-1"]
    assert all(m["change"] in ("state", "change") for m in states if m["kind"] == "count")
    assert [m["change"] for m in states if m["kind"] == "event"] == ["state"]
    system.leave(viewers[0])
    wait_until(lambda: newest("event", "leaves") == 1, what="the leave")
    wait_until(lambda: newest("count", "count") == 2, what="the new count")
    wait_until(lambda: tap.of("snapshot"), what="a snapshot", timeout=20)
    roles = {"gateway", "sampler"}
    wait_until(lambda: {m["role"] for m in tap.of("heartbeat")} == roles, what="heartbeats of both")
    assert tap.of("missed") == []
    for message in tap.messages:
        assert wire.decode(*wire.encode(message)) == message
    system.gateway.term()
    wait_until(lambda: tap.of("bye"), what="the gateway's bye")
