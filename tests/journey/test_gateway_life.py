"""How a gateway starts, shares a port with others, and drains."""

import pathlib
import socket
import time

import pytest

from gateway_house import house  # noqa: F401 (a fixture)
from machine import free_port, release_port
from service import Service, run_program
from waiting import WAIT_SECONDS, wait_until


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
