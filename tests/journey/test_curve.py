"""The bus over TCP with keys: who is let in and who is not, at real services."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import tempfile
import time

import pytest
import zmq

import headcount_wire
from bus_keys import KeyedSystem, make_keys, pair, peer, read_key
from databases import Database
from machine import free_port, release_port
from service import Service, program, run_program
from tap_run import Tap
from waiting import wait_until

REFUSED = "headcount_bus_peers_refused_total"
AUCTION = "lot-curve"
FLOOD_SECONDS = 90  # at most
UNARMED = ["mechanism", "handshake"]  # without CURVE; by which end hangs up first


@pytest.fixture(scope="module")
def system():
    system = KeyedSystem(Database("sqlite"))
    try:
        system.start()
        yield system
    finally:
        system.stop()


@pytest.fixture
def directory():
    path = pathlib.Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def gateway(directory):
    """One gateway with keys, over TCP and ipc at once, and the folder of all keys."""
    keys = make_keys(directory / "keys")
    port = free_port()
    settings = {
        "PORT": 0,
        "NODE_ID": "gateway0",
        "EVENT_BIND": f"tcp://127.0.0.1:{port},ipc://{directory}/gateway.ipc",
        "BUS_KEYS": keys,
        "HEARTBEAT_INTERVAL_MS": 100,
    }
    service = Service("gateway", "gateway0", settings, directory)
    service.endpoint = f"tcp://127.0.0.1:{port}"
    service.keys = keys
    service.start("--sampler-endpoints=").wait_ready()
    yield service
    assert service.term() == 0, service.log()
    assert not service.faults()
    release_port(port)


def refused(service, *reasons):
    metrics = service.metrics()
    return sum(metrics[f'{REFUSED}{{reason="{reason}"}}'] for reason in reasons)


def hears(reader, timeout=30):
    """Whether anything at all arrives."""
    return bool(reader.poll(timeout * 1000))


@contextlib.contextmanager
def subscriber(endpoint, server, own):
    with peer(zmq.SUB, endpoint, server, own) as reader:
        reader.subscribe(b"")
        yield reader


def test_the_whole_journey_with_keys(system):
    system.set_tracking(AUCTION)
    viewers = system.join(AUCTION, 3)
    wait_until(lambda: system.live(AUCTION)["viewers"] == 3, what="the api to count")
    with contextlib.closing(TapWithKeys(system)) as tap:
        wait_until(lambda: {m["node"] for m in tap.tap.of("heartbeat")} == {"gateway0", "sampler0"},
                   what="the tap to hear both")  # fmt: skip
        wait_until(lambda: [m for m in tap.tap.of("event") if m.get("auction") == AUCTION],
                   what="the tap to see the state")  # fmt: skip
    wait_until(lambda: system.snapshots(AUCTION), what="a snapshot to be stored")
    for service in (system.gateway, system.sampler, system.store):
        assert refused(service, "key") == refused(service, "role") == 0
    system.leave(*viewers)


class TapWithKeys:
    def __init__(self, system):
        keys = system.folder_of("tap")
        self.tap = Tap("--bus-keys", keys, "--json", system.endpoint("gateway"),
                       system.endpoint("sampler"))  # fmt: skip

    def close(self):
        status, errors = self.tap.end()
        assert status == 0, errors


def test_a_listed_tap_sees_the_state(system):
    viewers = system.join("lot-state", 2)
    for kind, prefix in (("gateway", b"event/"), ("sampler", b"count/")):
        server = read_key(system.keys, f"{kind}.pub")
        with subscriber(system.endpoint(kind), server, pair(system.keys, "tap")) as reader:
            topics = set()

            def state():
                while reader.poll(0):
                    topics.add(reader.recv_multipart()[0])
                return any(t.startswith(prefix) and b"/lot-state/" in t for t in topics)

            wait_until(state, what=f"the state of the {kind}")
    system.leave(*viewers)


@pytest.mark.parametrize("kind", ["gateway", "sampler"])
@pytest.mark.parametrize("who", ["nobody", "stranger", "deceived", "store"])
def test_others_read_nothing(system, kind, who):
    service = getattr(system, kind)
    server = read_key(system.keys, f"{kind}.pub")
    reasons, server, own = {
        "nobody": (UNARMED, None, None),
        "stranger": (["key"], server, zmq.curve_keypair()),
        "deceived": (["handshake"], read_key(system.keys, "api.pub"), pair(system.keys, "tap")),
        "store": (["role"], server, pair(system.keys, "store")),
    }[who]
    before = refused(service, *reasons)
    with subscriber(system.endpoint(kind), server, own) as reader:
        wait_until(lambda: refused(service, *reasons) > before, what="the peer to be refused")
        assert not hears(reader, 0.5)
    wait_until(lambda: service.log_lines("bus.refused"), what="a line in the log")


@pytest.mark.parametrize("who", ["nobody", "stranger", "tap", "gateway"])
def test_others_write_nothing(system, who):
    server = read_key(system.keys, "store.pub")
    reasons, server, own = {
        "nobody": (UNARMED, None, None),
        "stranger": (["key"], server, zmq.curve_keypair()),
        "tap": (["role"], server, pair(system.keys, "tap")),
        "gateway": (["role"], server, pair(system.keys, "gateway")),
    }[who]
    before, requests = refused(system.store, *reasons), setting_requests(system)
    with peer(zmq.DEALER, system.endpoint("store"), server, own) as dealer:
        dealer.send_multipart(setting_request(system))
        wait_until(lambda: refused(system.store, *reasons) > before, what="the peer to be refused")
        assert not hears(dealer, 0.5)
    assert setting_requests(system) == requests


def test_a_listed_writer_writes(system):
    own = pair(system.keys, "api")
    requests = setting_requests(system)
    server = read_key(system.keys, "store.pub")
    with peer(zmq.DEALER, system.endpoint("store"), server, own) as dealer:
        dealer.send_multipart(setting_request(system))
        assert hears(dealer), "no acknowledgement"
        assert headcount_wire.decode_ack(*dealer.recv_multipart())["code"] == "ok"
    assert setting_requests(system) == requests + 1


def setting_request(system):
    request = {"kind": "setting", "id": 1, "key": system.internal_key, "auction": "lot-w", "enabled": True}
    return headcount_wire.encode_request(request)


def setting_requests(system):
    return system.store.metric('headcount_store_requests_total{kind="setting"}')


def test_ipc_beside_tcp_needs_no_keys(gateway, directory):
    with subscriber(f"ipc://{directory}/gateway.ipc", None, None) as reader:
        assert hears(reader)


def listen(gateway, role="tap", folder=None):
    folder = folder or gateway.keys
    server = read_key(gateway.keys, "gateway.pub")
    return subscriber(gateway.endpoint, server, pair(folder, role))


def test_sighup_lets_in_and_throws_out(gateway, directory):
    alice = make_keys(directory / "alice", "tap-alice")
    with listen(gateway) as honest:
        assert hears(honest)
        with listen(gateway, "tap-alice", alice) as reader:
            wait_until(lambda: refused(gateway, "key") == 1, what="alice to be refused")
            assert not hears(reader, 0.3)
        shutil.copy(alice / "tap-alice.pub", gateway.keys)
        reload(gateway, 1)
        with listen(gateway, "tap-alice", alice) as reader:
            assert hears(reader)
            (gateway.keys / "tap-alice.pub").unlink()
            reload(gateway, 2)
            wait_until(lambda: refused(gateway, "key") >= 2, what="alice to be thrown out")
            while reader.poll(0):
                reader.recv_multipart()
            assert not hears(reader, 0.5)
        while honest.poll(0):
            honest.recv_multipart()
        assert hears(honest), "who is still listed comes back"


def reload(gateway, times):
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(gateway.log_lines("bus.keys")) >= times, what="the keys to be read")


def test_bad_keys_at_sighup_leave_the_old(gateway):
    (gateway.keys / "tap-bob.pub").write_text("garbled\n")
    reload(gateway, 1)
    line = gateway.log_lines("bus.keys")[0]
    assert line.level == "error" and "tap-bob.pub" in line.fields["reason"]
    with listen(gateway) as reader:
        assert hears(reader)


def test_our_own_programs_come_in_once_they_are_listed(gateway, directory):
    """A libzmq client that is refused gives up; ours try again."""
    folder = make_keys(directory / "alice", "tap")
    shutil.copy(gateway.keys / "gateway.pub", folder)
    tap = Tap("--bus-keys", folder, "--json", gateway.endpoint)
    wait_until(lambda: refused(gateway, "key") >= 2, what="the tap to come again")
    assert not tap.lines
    shutil.copy(folder / "tap.pub", gateway.keys / "tap-alice.pub")
    reload(gateway, 1)
    wait_until(lambda: tap.lines, what="the tap to hear something")
    status, errors = tap.end()
    assert status == 0 and "our key is not listed there" in errors


def test_a_new_key_of_the_server_is_found(gateway, directory):
    """The one named after the role is tried first, then the further ones."""
    folder = make_keys(directory / "alice", "tap", "gateway")
    shutil.copy(gateway.keys / "gateway.pub", folder / "gateway-new.pub")
    shutil.copy(folder / "tap.pub", gateway.keys / "tap-alice.pub")
    reload(gateway, 1)
    tap = Tap("--bus-keys", folder, "--json", gateway.endpoint)
    wait_until(lambda: tap.lines, what="the tap to hear something")
    assert tap.end()[0] == 0


def descriptors(service):
    return service.metric("process_open_fds")


def flood(gateway, more):
    """Peers without keys, with strangers' and with noise, all at once, until so many more were
    refused for each reason; none is let in."""
    server = read_key(gateway.keys, "gateway.pub")
    port = int(gateway.endpoint.rsplit(":", 1)[1])
    reasons = ("key", "mechanism", "handshake")
    enough = {reason: refused(gateway, reason) + more for reason in reasons}
    deadline = time.monotonic() + FLOOD_SECONDS
    with contextlib.ExitStack() as stack:
        # Who is told that its server's key is wrong comes again every 50 ms for ever.
        for _ in range(20):
            wrong = read_key(gateway.keys, "api.pub")
            stack.enter_context(subscriber(gateway.endpoint, wrong, zmq.curve_keypair()))
        while any(refused(gateway, reason) < enough[reason] for reason in reasons):
            assert time.monotonic() < deadline, enough
            with contextlib.ExitStack() as wave:
                for own in [zmq.curve_keypair() for _ in range(10)]:
                    wave.enter_context(subscriber(gateway.endpoint, server, own))
                    wave.enter_context(subscriber(gateway.endpoint, None, None))
                for noise in (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(200), b"\xff" * 64):
                    raw = wave.enter_context(socket.create_connection(("127.0.0.1", port)))
                    raw.sendall(noise)
                time.sleep(0.1)


def test_a_flood_of_the_uninvited_leaves_the_honest_alone(gateway):
    with listen(gateway) as honest:
        assert hears(honest)
        flood(gateway, 150)  # whatever is allocated once has been
        wait_until(lambda: descriptors(gateway) < 60, what="the refused to be let go")
        files, memory = descriptors(gateway), gateway.metric("process_resident_memory_bytes")
        while honest.poll(0):
            honest.recv_multipart()
        sent = gateway.metric("headcount_gateway_heartbeats_total")
        flood(gateway, 400)
        sent = gateway.metric("headcount_gateway_heartbeats_total") - sent
        heard = 0

        def all_heard():
            nonlocal heard
            while honest.poll(0):
                heard += honest.recv_multipart()[0].startswith(b"heartbeat/")
            return heard >= sent

        wait_until(all_heard, what=f"the {sent} heartbeats of meanwhile")
        wait_until(lambda: descriptors(gateway) <= files + 3, what="descriptors to be given back")
        grown = gateway.metric("process_resident_memory_bytes") - memory
        assert grown < 8_000_000 or b"libasan" in program("gateway").read_bytes()  # keeps what is freed
        assert len(gateway.log_lines("bus.refused")) < 20


def start_with(change, directory, kind="gateway"):
    settings = {
        "EVENT_BIND": "tcp://127.0.0.1:*",
        "COUNT_BIND": "tcp://127.0.0.1:*",
        "STORE_BIND": "tcp://127.0.0.1:*",
        "SQLITE_PATH": directory / "x.db",
        "INTERNAL_API_KEY": "12345678",
        "ADMIN_API_KEY": "12345678",
        **change,
    }
    return run_program(kind, "--check", settings=settings)


def test_key_files_that_are_wrong(directory):
    keys = make_keys(directory / "keys")
    good = {"BUS_KEYS": keys}
    assert start_with(good, directory).returncode == 0
    secret = keys / "gateway.key"

    def refuse(reason, **more):
        done = start_with({**good, **more}, directory)
        assert done.returncode == 102 and reason in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1 and key not in done.stderr

    key = secret.read_text().strip()
    secret.chmod(0o644)
    refuse("gateway.key': can be read by others; allowed: mode 0600")
    secret.chmod(0o600)
    secret.write_text(key[:-1])
    refuse("gateway.key': holds no key")
    secret.unlink()
    refuse("gateway.key': No such file")
    secret.write_text(key)
    secret.chmod(0o600)
    (keys / "tap.pub").write_text("x")
    refuse("tap.pub': holds no key")
    (keys / "tap.pub").unlink()
    refuse("is named after no role", BUS_KEYS=misname(keys))
    (keys / "taps.pub").unlink()
    (keys / "sampler.pub").unlink()
    refuse("no key for SAMPLER_ENDPOINTS; allowed: a folder with sampler.pub",
           SAMPLER_ENDPOINTS="tcp://10.1.2.3:5000")  # fmt: skip
    refuse("No such file", BUS_KEYS=directory / "none")


def misname(keys):
    shutil.copy(keys / "store.pub", keys / "taps.pub")
    return keys


@pytest.mark.parametrize("kind, setting, endpoint", [
    ("gateway", "EVENT_BIND", "tcp://0.0.0.0:5571"),
    ("gateway", "EVENT_BIND", "ipc://x,tcp://*:5571"),
    ("gateway", "SAMPLER_ENDPOINTS", "tcp://sampler.example:5572"),
    ("sampler", "COUNT_BIND", "tcp://[::]:5572"),
    ("sampler", "STORE_ENDPOINTS", "tcp://10.1.2.3:5573"),
    ("store", "STORE_BIND", "tcp://192.0.2.1:5573"),
    ("api", "STORE_ENDPOINTS", "tcp://[2001:db8::1]:5573"),
])  # fmt: skip
def test_the_machine_is_not_left_without_keys(directory, kind, setting, endpoint):
    done = start_with({setting: endpoint}, directory, kind)
    assert done.returncode == 102
    assert f"{setting}: 'tcp://" in done.stderr and "BUS_INSECURE=true" in done.stderr
    done = start_with({setting: endpoint, "BUS_INSECURE": "true"}, directory, kind)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("endpoint", [
    "tcp://127.0.0.1:5571", "tcp://127.9.9.9:5571", "tcp://localhost:5571", "tcp://[::1]:5571",
    "tcp://[::ffff:127.0.0.1]:5571", "ipc://x",
])  # fmt: skip
def test_loopback_needs_no_keys(directory, endpoint):
    assert start_with({"EVENT_BIND": endpoint}, directory).returncode == 0


def test_the_tap_asks_too(directory):
    record = directory / "record"
    record.write_bytes(b"")
    for arguments in (["tcp://10.1.2.3:5571"], ["top", "tcp://10.1.2.3:5571"],
                      ["record", "-", "tcp://10.1.2.3:5571"],
                      ["replay", "--bind", "tcp://*:5571", str(record)]):  # fmt: skip
        done = run_program("tap", *arguments)
        assert done.returncode == 102 and "BUS_INSECURE" in done.stderr, (arguments, done.stderr)


def test_insecure_is_warned_of(directory):
    port = free_port()
    settings = {"PORT": 0, "EVENT_BIND": f"tcp://*:{port}", "BUS_INSECURE": "true"}
    service = Service("gateway", "gateway0", settings, directory)
    service.start("--sampler-endpoints=").wait_ready()
    assert service.term() == 0
    release_port(port)
    (line,) = service.log_lines("bus.insecure")
    assert line.level == "warn" and "without keys" in line.text


def test_keys_are_made_once_and_for_their_owner(directory):
    keys = make_keys(directory / "keys", "store", "tap-alice")
    assert sorted(file.name for file in keys.iterdir()) == [
        "store.key", "store.pub", "tap-alice.key", "tap-alice.pub",
    ]  # fmt: skip
    assert keys.stat().st_mode & 0o777 == 0o700
    for secret in keys.glob("*.key"):
        assert secret.stat().st_mode & 0o777 == 0o600
    before = {file.name: file.read_text() for file in keys.iterdir()}
    done = run_program("keys", "new", str(keys), "api", "store")
    assert done.returncode == 111 and "store.key" in done.stderr
    assert {file.name: file.read_text() for file in keys.iterdir()} == before
    shown = run_program("keys", "show", str(keys))
    assert before["store.pub"].strip() in shown.stdout
    assert not any(before[name].strip() in shown.stdout for name in before if name.endswith(".key"))
    assert run_program("keys", "new", str(keys), "bob").returncode == 100
    assert run_program("keys", "new").returncode == 100
    assert run_program("keys").returncode == 100
    assert run_program("keys", "show", str(directory / "none")).returncode == 111
    assert "new FOLDER" in run_program("keys", "--help").stdout


def test_a_replay_with_keys(gateway, directory):
    record, port = directory / "record", free_port()

    def recorded():
        record.unlink(missing_ok=True)
        done = run_program("tap", "record", "--bus-keys", str(gateway.keys), "--seconds", "1",
                           str(record), gateway.endpoint)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return b"heartbeat/" in record.read_bytes()

    wait_until(recorded, what="something to replay")
    bind = f"tcp://127.0.0.1:{port}"
    replay = Tap("replay", "--bus-keys", gateway.keys, "--bind", bind, "--wait", "1", str(record))
    reader = Tap("--bus-keys", gateway.keys, "--json", bind)
    wait_until(lambda: reader.of("heartbeat"), what="the replay to be heard")
    assert replay.end(0)[0] == 0 and reader.end()[0] == 0
    release_port(port)
