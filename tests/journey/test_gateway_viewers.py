"""Viewers that are mute, dead, noisy, refused or too many."""

import base64
import json
import os
import random
import socket
import time

from gateway_house import RawViewer, house  # noqa: F401 (a fixture)
from http_client import http_request
from service import program
from waiting import WAIT_SECONDS, wait_until


def test_mute_viewer_harms_nobody(house):
    sampler = house.peers.sampler("sampler0")
    house.start(samplers=1, BROADCAST_INTERVAL_MS=0)
    mute = RawViewer(house.gateway.port, "lot-1", receive_bytes=4096)
    viewer = house.viewer("lot-1")
    house.wait_watched(sampler)
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
