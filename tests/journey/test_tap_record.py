"""headcount-tap record and replay: the file read by a second implementation, the lines of a live
tap beside those of a replay, and real subscribers before a replay."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time

import msgpack
import pytest
import zmq

import headcount_wire as wire
from log_lines import parse_log_line
from service import NO_LEAK_CHECK, Service, environment, program, run_program
from tap_run import Tap, directory, peers, taps  # noqa: F401 (fixtures)
from waiting import wait_until

RECORDER_MAX_KB = 120_000  # resident, with nobody reading
FLOOD = 20_000
HEADER = ["headcount-record", 1]


def read_record(data):
    """([start_ms, [elapsed_us, message]…], bytes of a torn last entry) by msgpack alone."""
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=2**28)
    unpacker.feed(data)
    header = unpacker.unpack()
    assert header[:2] == HEADER and len(header) == 3
    entries, whole = [], unpacker.tell()
    for elapsed, topic, body in unpacker:
        assert type(topic) is bytes and type(body) is bytes
        assert elapsed >= (entries[-1][0] if entries else 0)
        entries.append((elapsed, wire.decode(topic, body)))
        whole = unpacker.tell()
    return header[2], entries, len(data) - whole


def make_record(*entries, start=1761056100000):
    """A record's bytes, from (elapsed_us, message) as a second implementation writes them."""
    packed = [msgpack.packb([elapsed, *wire.encode(message)]) for elapsed, message in entries]
    return b"".join([msgpack.packb([*HEADER, start]), *packed])


def join(number, auction="lot-1", **more):
    return {
        "kind": "event", "auction": auction, "shard": wire.shard(auction), "node": "gw", "epoch": 5,
        "sequence": number, "time": 1761056100000 + number, "change": "join", "joins": number,
        "leaves": 0, **more,
    }  # fmt: skip


def beat(total, sequences, role="gateway", node="gw"):
    return {"kind": "heartbeat", "role": role, "node": node, "epoch": 5, "time": 1761056100000,
            "state": "ready", "total": total, "sequences": sequences}  # fmt: skip


class Recorder(Tap):
    """A running headcount-tap record; its stdout is not read unless asked for."""

    def __init__(self, *arguments, **options):
        super().__init__("record", *arguments, read=False, **options)

    def finish(self, number=signal.SIGTERM):
        """(status, the summary's numbers) after a signal; 0 waits only."""
        status, errors = self.end(number)
        lines = [parse_log_line(line) for line in errors.splitlines()]
        summary = next(line for line in lines if line.id == "tap.recorded")
        return status, {name: int(value) for name, value in summary.fields.items()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_record_holds_what_passed(peers, directory, taps, number):
    gateway = peers.gateway("gw0")
    gateway.join("lot-1", 3)
    path = directory / "bus.record"
    began = time.time() * 1000
    recorder = Recorder(str(path), gateway.endpoint)
    live = taps("--json", gateway.endpoint)

    def held():
        return path.exists() and path.stat().st_size and len(read_record(path.read_bytes())[1])

    peers.until(lambda: held() and held() >= 514 and len(live.of("event")) >= 513, "the state")
    for auction in ("lot-1", "lot-2", "a" * 64):
        gateway.join(auction)
    gateway.leave("lot-1")
    gateway.join("lot-2", lost=True)
    gateway.join("lot-2")
    peers.until(lambda: b"heartbeat/" in path.read_bytes(), "a heartbeat")
    gateway.bye()
    peers.until(lambda: live.of("bye") and b"bye/" in path.read_bytes(), "the bye")
    status, summary = recorder.finish(number)
    start, entries, torn = read_record(path.read_bytes())
    messages = [message for _, message in entries]
    assert status == 0 and torn == 0
    assert began - 1000 < start < time.time() * 1000
    assert entries[-1][0] / 1000 < time.time() * 1000 - start + 1000
    assert summary == {"messages": len(messages), "bytes": path.stat().st_size, "gaps": 1,
                       "missed": 1, "lost": 0, "dropped": 0, "undecodable": 0}  # fmt: skip

    def told(all_of_them):
        return [m for m in all_of_them if m["kind"] == "event" and m["change"] in ("join", "leave")]

    assert told(messages) == told(live.messages) and len(told(messages)) == 5
    assert {"heartbeat", "event", "bye"} == {message["kind"] for message in messages}


def test_a_second_signal_is_no_loss_where_all_can_be_written(peers, directory):
    """Both are there before the loop looks: it stands still meanwhile."""
    gateway = peers.gateway("gw0")
    path = directory / "bus.record"
    recorder = Recorder(str(path), gateway.endpoint)
    peers.until(lambda: path.exists() and b"heartbeat/" in path.read_bytes(), "a heartbeat")
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        recorder.process.send_signal(number)
    status, summary = recorder.finish(0)
    assert (status, summary["bytes"]) == (0, path.stat().st_size)


def test_filters_and_seconds(peers, directory):
    gateway = peers.gateway("gw0")
    gateway.join("lot-1")
    gateway.join("lot-2")
    paths = [directory / name for name in ("events", "lot")]
    events = Recorder("--kind", "event", "--seconds", "3", str(paths[0]), gateway.endpoint)
    lot = Recorder("--auction", "lot-2", "--seconds", "3", str(paths[1]), gateway.endpoint)
    peers.until(lambda: events.process.poll() is not None is not lot.process.poll(), "the ends")
    assert events.finish(0)[0] == lot.finish(0)[0] == 0
    kinds = {message["kind"] for _, message in read_record(paths[0].read_bytes())[1]}
    lots = {message["auction"] for _, message in read_record(paths[1].read_bytes())[1]}
    assert (kinds, lots) == ({"event"}, {"lot-2"})


def test_a_file_is_not_overwritten_unless_forced(peers, directory):
    gateway = peers.gateway("gw0")
    path = directory / "kept"
    path.write_text("precious")
    refused = run_program("tap", "record", str(path), gateway.endpoint)
    assert refused.returncode == 111 and path.read_text() == "precious"
    assert "FILE exists; --force overwrites it" in refused.stderr
    for wrong in (directory, directory / "no" / "where"):
        result = run_program("tap", "record", "--force", str(wrong), gateway.endpoint)
        assert result.returncode == 111 and "cannot write to FILE" in result.stderr
    forced = Recorder("--force", str(path), gateway.endpoint)
    peers.until(lambda: b"heartbeat/" in path.read_bytes(), "a heartbeat")
    assert forced.finish()[0] == 0
    read_record(path.read_bytes())


def flood(publisher, numbers):
    for number in numbers:
        publisher.send_multipart(wire.encode(join(number)))


@pytest.fixture
def publisher(directory):
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.linger = 0
        socket.sndhwm = FLOOD * 10
        socket.bind(f"ipc://{directory}/gw.ipc")
        yield socket


def await_subscription(publisher, prefix=b"event/"):
    while publisher.recv() != b"\1" + prefix:
        pass


def test_a_kill_tears_at_most_the_last_message(publisher, directory):
    path = directory / "torn"
    recorder = Recorder(str(path), f"ipc://{directory}/gw.ipc")
    await_subscription(publisher)
    flood(publisher, range(1, FLOOD))
    wait_until(lambda: path.exists() and path.stat().st_size > 100_000, what="a part of it")
    recorder.end(signal.SIGKILL)
    _, entries, _ = read_record(path.read_bytes())
    assert [message["sequence"] for _, message in entries] == list(range(1, len(entries) + 1))
    assert len(entries) > 1000


def test_what_nobody_takes_is_counted(publisher, directory):
    recorder = Recorder("-", f"ipc://{directory}/gw.ipc", settings=NO_LEAK_CHECK)
    await_subscription(publisher)
    sent = 0
    body = wire.encode(beat(1, {str(shard): 2**50 for shard in range(256)}))
    while recorder.process.poll() is None and sent < 15_000:  # 40 MB: more than the buffer
        for _ in range(500):
            publisher.send_multipart(body)
        sent += 500
        time.sleep(0.002)
    wait_until(lambda: b"tap.behind" in os.read(recorder.process.stderr.fileno(), 65536), what="it")
    if b"__asan_init" not in program("tap").read_bytes():  # which keeps what was freed
        assert recorder.resident_kb() < RECORDER_MAX_KB
    recorder.process.terminate()  # it goes on trying for a while, unless it is asked again; then nothing ends it sooner
    wait_until(lambda: recorder.process.poll() or recorder.process.terminate(), 2, "the end", 0.01)
    status, summary = recorder.finish(0)
    assert status == 111 and summary["dropped"] > 0
    assert 1000 < summary["messages"] <= sent - summary["dropped"]
    _, entries, torn = read_record(recorder.process.stdout.buffer.read())
    assert 1 < len(entries) < summary["messages"]


def test_disk_full(peers):
    gateway = peers.gateway("gw0")
    recorder = Recorder("--force", "/dev/full", gateway.endpoint)
    peers.until(lambda: recorder.process.poll() is not None, "the end")
    status, errors = recorder.end(0)
    assert status == 111 and "No space left on device" in errors


def test_a_replay_shows_what_the_tap_showed(peers, directory):
    gateway = peers.gateway("gw0")
    gateway.join("lot-1", 3)
    path = directory / "bus.record"
    recorder = Recorder(str(path), gateway.endpoint)
    peers.until(lambda: path.exists() and b"event/ff" in path.read_bytes(), "the state")
    for round in range(5):
        gateway.join("lot-1", 2)
        gateway.join("lot-2", 1, lost=round == 3)
        peers.during(0.05)
    peers.until(lambda: path.read_bytes().count(b"heartbeat/gateway/") >= 4, "heartbeats")

    def holds_all():
        of_lot = (m for _, m in read_record(path.read_bytes())[1] if m.get("auction") == "lot-2")
        return any(message["joins"] == 5 for message in of_lot)

    peers.until(holds_all, "the last join")
    assert recorder.finish()[0] == 0
    messages = [message for _, message in read_record(path.read_bytes())[1]]
    result = run_program("tap", "replay", "--json", str(path))
    assert (result.returncode, result.stderr) == (0, "")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    missed = [line for line in lines if line["kind"] == "missed"]
    assert [line for line in lines if line["kind"] != "missed"] == messages
    assert [(line["first"], line["last"]) for line in missed] == [(4, 4)]
    people = run_program("tap", "replay", "--auction", "lot-2", "--kind", "event", str(path))
    assert re.fullmatch(r"(\S+Z event lot-2 join .*\n){4}", people.stdout)
    piped = subprocess.run(
        [program("tap"), "replay", "--json", "-"], input=path.read_bytes(), capture_output=True,
        env=environment({}), timeout=30,
    )  # fmt: skip
    assert piped.stdout.decode() == result.stdout


def write(directory, data):
    path = directory / "made.record"
    path.write_bytes(data)
    return str(path)


def test_torn_records_are_read_as_far_as_they_go(directory):
    whole = make_record((0, join(1)), (5, join(2)), (9, join(3)))
    second = len(make_record((0, join(1)), (5, join(2))))
    for cut, messages in ((1, 2), (10, 2), (len(whole) - second, 2), (len(whole) - 10, 0)):
        result = run_program("tap", "replay", write(directory, whole[: len(whole) - cut]))
        assert result.returncode == 0
        assert result.stdout.count("\n") == messages
        if cut != len(whole) - second:
            assert "the last record is cut off" in result.stderr
            assert f"messages_read={messages}" in result.stderr
        else:
            assert result.stderr == ""


def catches_signals(tap):
    status = pathlib.Path(f"/proc/{tap.process.pid}/status").read_text()
    caught = re.search(r"SigCgt:\s+(\w+)", status)
    return int(caught.group(1), 16) >> (signal.SIGTERM - 1) & 1


def test_a_pipe_without_a_writer_is_waited_for(directory, taps):
    pipe = directory / "pipe"
    os.mkfifo(pipe)
    left = Tap("replay", str(pipe))
    wait_until(lambda: catches_signals(left), what="the tap to wait")
    assert left.end() == (0, "")
    tap = taps("replay", str(pipe))
    wait_until(lambda: catches_signals(tap), what="the tap to wait")
    pipe.write_bytes(make_record((0, join(1)), (5, join(2))))
    assert tap.process.wait(10) == 0
    wait_until(lambda: len(tap.lines) == 2, what="the lines")


def test_wrong_records_are_refused_with_the_place(directory):
    good = make_record((0, join(1)), (5, join(2)))
    end = len(good)
    rows = [
        (b"", 0, "the file is empty; allowed: a file that `headcount-tap record` wrote", 0),
        (b'{"kind":"event"}\n', 0, "no record of the bus; allowed: a file that", 0),
        (msgpack.packb(["headcount-record", 2, 5]), 18, "another version; allowed: 1", 0),
        (good + b"\xc1", end, "no message begins here; allowed: an array of 3", 2),
        (good + b"\x93\x06\xc4\x01x\xc6\xff\xff\xff\xff", end + 5, "0 to 65536 bytes", 2),
        (good + msgpack.packb([6, b"", b""]), end + 2, "the topic is empty; allowed: 1 to 159", 2),
        (good + msgpack.packb([4, b"x", b""]), end + 1, "time goes back; allowed: no less", 2),
        (good + msgpack.packb([2**60, b"x", b""]), end + 1, "0 to 2^53 - 1", 2),
    ]
    for data, at, text, messages in rows:
        result = run_program("tap", "replay", write(directory, data))
        assert result.returncode == 111, text
        assert f"at byte {at}: " in result.stderr and text in result.stderr
        assert result.stdout.count("\n") == messages and result.stderr.count("\n") == 1
    junk = good + msgpack.packb([6, b"event/00/", b"\xc0"])
    result = run_program("tap", "replay", write(directory, junk))
    assert result.returncode == 0 and result.stdout.count("\n") == 2
    assert "tap.junk" in result.stderr
    for wrong in (directory, directory / "nothing"):
        result = run_program("tap", "replay", str(wrong))
        assert result.returncode == 111 and result.stderr.count("\n") == 1


def test_everybody_who_waits_gets_all_of_it(directory, taps):
    path = write(directory, make_record(*((number, join(number)) for number in range(1, FLOOD))))
    endpoint = f"ipc://{directory}/replay.ipc"
    first = taps("--json", "--kind", "event", endpoint)
    replay = Tap("replay", "--bind", endpoint, "--wait", "2", "--speed", "0", path)
    wait_until(lambda: (directory / "replay.ipc").exists(), what="the replay")
    second = taps("--json", "--kind", "event", "--bus-hwm", "100", endpoint)
    status, errors = replay.end(0)
    assert status == 0
    summary = parse_log_line(errors.splitlines()[-1])
    assert (summary.id, summary.fields["published"]) == ("tap.replayed", str(FLOOD - 1))
    for tap in (first, second):
        wait_until(lambda tap=tap: len(tap.lines) == FLOOD - 1, what="all of it")
        assert [message["sequence"] for message in tap.messages] == list(range(1, FLOOD))


def test_pacing(directory, taps):
    """No faster than was asked for; and what at speed 1 would take 35 s is over in a few."""
    for speed, gap_us in (("1", 100_000), ("0.4", 50_000), ("20", 5_000_000)):
        entries = ((number * gap_us, join(number)) for number in range(1, 9))
        path = write(directory, make_record(*entries))
        endpoint = f"ipc://{directory}/replay{speed}.ipc"
        tap = taps("--json", "--kind", "event", endpoint)
        began = time.monotonic()
        replay = Tap("replay", "--bind", endpoint, "--wait", "1", "--speed", speed, path)
        wait_until(lambda tap=tap: len(tap.lines) == 8, what="the last message", every=0.002)
        assert time.monotonic() - began >= 7 * gap_us / 1e6 / float(speed), speed
        assert replay.end()[0] == 0


def test_a_sampler_counts_what_is_replayed(directory, taps):
    lots = [f"lot-{number}" for number in range(20)]
    entries = [(0, beat(0, {}))]
    sequences = {}
    for round in range(1, 4):
        for lot in lots:
            number = sequences[wire.shard(lot)] = sequences.get(wire.shard(lot), 0) + 1
            entries.append((round * 1000, join(number, lot, joins=round)))
    held = {str(shard): number for shard, number in sequences.items()}
    entries += [(4000 + second * 500_000, beat(60, held)) for second in range(20)]
    path = write(directory, make_record(*entries))
    bus, counts = (f"ipc://{directory}/{name}.ipc" for name in ("replay", "counts"))
    settings = {"NODE_ID": "s0", "COUNT_BIND": counts, "GATEWAY_ENDPOINTS": bus, "STORE_ENDPOINTS": ""}
    sampler = Service("sampler", "sampler", settings, directory).start("--store-endpoints=")
    replay = Tap("replay", "--bind", bus, "--wait", "1", path)
    tap = taps("--json", "--kind", "count", counts)

    def shown():
        return {m["auction"]: m["count"] for m in tap.of("count") if "auction" in m}

    wait_until(lambda: shown() == dict.fromkeys(lots, 3), what="the recorded counts")
    assert replay.end()[0] == 0
    assert sampler.term() == 0 and not sampler.faults()


@pytest.mark.parametrize("arguments, status, text", [
    (["record"], 100, "no FILE; allowed: a path or - for stdout, then one or more of tcp://"),
    (["record", "ipc://x"], 100, "no FILE; allowed: a path or -"),
    (["record", "file"], 100, "no ENDPOINT; allowed: one or more of tcp://HOST:PORT, ipc://PATH"),
    (["record", "file", "somewhere"], 100, "'somewhere' is no endpoint"),
    (["record", "--json", "file", "ipc://x"], 100, "--json: unknown flag"),
    (["record", "--seconds", "-1", "file", "ipc://x"], 102, "SECONDS: '-1' is out of range"),
    (["record", "--kind", "x", "file", "ipc://x"], 102, "KIND: 'x' is no kind"),
    (["replay"], 100, "0 operands; allowed: one FILE, or - for stdin"),
    (["replay", "a", "b"], 100, "2 operands; allowed: one FILE"),
    (["replay", "--speed", "fast", "a"], 102, "SPEED: 'fast' is no speed; allowed: 0 (as fast"),
    (["replay", "--speed", "-1", "a"], 102, "SPEED: '-1' is no speed"),
    (["replay", "--speed", "nan", "a"], 102, "SPEED: 'nan' is no speed"),
    (["replay", "--bind", "here", "a"], 102, "BIND: 'here' is no endpoint; allowed: tcp://HOST"),
    (["rerun", "ipc://x"], 100, "'rerun' is no endpoint"),
])  # fmt: skip
def test_wrong_arguments(arguments, status, text):
    result = run_program("tap", *arguments)
    assert (result.returncode, result.stdout) == (status, "")
    assert text in result.stderr and result.stderr.count("\n") == 1


def test_help_of_each():
    assert "record, replay" in run_program("tap", "--help").stdout
    for name, flags in (("record", ("seconds", "force", "auction", "kind")),
                        ("replay", ("bind", "speed", "wait", "auction", "kind", "json"))):
        shown = run_program("tap", name, "--help")
        assert shown.returncode == 0 and f"Usage: headcount-tap {name} " in shown.stdout
        assert all(f"\n  --{flag}\n" in shown.stdout for flag in flags)
        assert run_program("tap", name, "--check").returncode == 0
