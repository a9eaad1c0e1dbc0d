"""The api and the health ports against the open internet: requests that two readers could take for different
ones, slow and half ones, floods of connections, other pages' scripts. Honest callers are answered throughout.
"""

import contextlib
import re
import select
import socket
import time

import pytest

from databases import Database
from harness import System
from http_client import http_request
from service import run_program
from waiting import wait_until

SNAPSHOT = "/api/v1/auctions/lot-1/analytics/snapshot"
SETTINGS = "/api/v1/auctions/lot-1/settings"
VIEWERS = "/api/v1/auctions/lot-1/viewers"
CUT = 'headcount_api_connections_cut_total{reason="%s"}'
SECOND = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"  # what is to be smuggled
MARK = "zq9<script>"
REQUEST_SECONDS = 6  # more than a busy machine stands still


def head(*lines, method="POST", target=SNAPSHOT, version="HTTP/1.1", host="Host: x"):
    first = [f"{method} {target} {version}", *([host] if host else [])]
    return ("\r\n".join([*first, *lines]) + "\r\n\r\n").encode("latin-1")


LENGTH, CHUNKED = "Content-Length: 4", "Transfer-Encoding: chunked"
GET = {"method": "GET", "target": "/healthz"}
SMUGGLED = {
    "length and chunks": head(LENGTH, CHUNKED) + b"0\r\n\r\n",
    "chunks and length": head(CHUNKED, LENGTH) + b"0\r\n\r\n",
    "two lengths": head(LENGTH, "Content-Length: 5") + b"abcde",
    "the same length twice": head(LENGTH, LENGTH) + b"abcd",
    "two lengths in one": head("Content-Length: 4, 4") + b"abcd",
    "a length with a sign": head("Content-Length: +4") + b"abcd",
    "a negative length": head("Content-Length: -4") + b"abcd",
    "a length in hex": head("Content-Length: 0x4") + b"abcd",
    "no length": head("Content-Length:"),
    "odd chunks": head("Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "identity": head("Transfer-Encoding: identity"),
    "two codings": head(CHUNKED, "Transfer-Encoding: identity") + b"0\r\n\r\n",
    "chunks, hidden by a tab": head("Transfer-Encoding:\x0bchunked") + b"0\r\n\r\n",
    "chunks in 1.0": head(CHUNKED, version="HTTP/1.0") + b"0\r\n\r\n",
    "chunks, not last": head("Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
    "space before the colon": head("Transfer-Encoding : chunked") + b"0\r\n\r\n",
    "a chunk of no size": head(CHUNKED) + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk that is longer": head(CHUNKED) + b"2\r\n{}XX\r\n0\r\n\r\n",
    "a chunk beyond all": head(CHUNKED) + b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "folded": head("X-A: b", " c: d", **GET),
    "a folded coding": head("Transfer-Encoding:", " chunked") + b"0\r\n\r\n",
    "a tab before a name": head("\tX-A: b", **GET),
    "no name": head(": b", **GET),
    "no colon": head("X-A", **GET),
    "bare line feeds": head(**GET).replace(b"\r\n", b"\n"),
    "a bare line feed": head("X-A: b\nContent-Length: 40", **GET),
    "a bare carriage return": head("X-A: b\rContent-Length: 40", **GET),
    "a head ended by them": head("X-A: b\r\rGET /openapi.json HTTP/1.1", **GET),
    "a zero in a value": head("X-A: b\0c", **GET),
    "a zero in the target": head(method="GET", target="/healthz\0/b"),
    "two hosts": head("Host: y", **GET),
    "no host": head(host=None, **GET),
    "host is a list": head(host="Host: x, y", **GET),
    "host with a user": head(host="Host: x@y", **GET),
    "a body where none may be": head("Content-Length: 34", **GET),
    "chunks where none may be": head(CHUNKED, **GET) + b"0\r\n\r\n",
    "version 0.9": b"GET /healthz\r\n\r\n",
    "version 1.2": head(version="HTTP/1.2", **GET),
    "version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two spaces": head(method="GET", target=" /healthz"),
}
ONLY_API = ("a zero in the target", "two spaces")  # a health port knows no more than its paths


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """An api by itself; 127.0.0.2 is no proxy."""
    system = System(
        Database("sqlite"), gateways=0, samplers=0, stores=0,
        api={
            "TRUSTED_PROXIES": "127.0.0.1",
            "MAX_CONNECTIONS": 60,
            "CONNECTIONS_PER_ADDRESS": 40,
            "REQUEST_TIMEOUT_SECONDS": REQUEST_SECONDS,
            "ANSWER_TIMEOUT_SECONDS": 2,
            "CORS_ORIGINS": "https://shop.example",
        },
    )  # fmt: skip
    system.api.start()
    wait_until(lambda: system.api.admin("/healthz"), what="the api")
    yield system
    log = system.api.log()
    assert len(log.splitlines()) < 60, "the log was flooded"
    assert "127.0.0" not in log.replace("address=127.0.0.1", "")
    system.stop()


def connect(port, source="127.0.0.2", receive_bytes=None):
    peer = socket.socket()
    if receive_bytes:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    peer.settimeout(10)
    peer.bind((source, 0))
    peer.connect(("127.0.0.1", port))
    return peer


def exchange(port, sent):
    """All that comes back until the other end closes."""
    answer = b""
    with connect(port) as peer, contextlib.suppress(OSError):
        peer.sendall(sent)
        while more := peer.recv(65536):
            answer += more
    return answer


def statuses(answer):
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d+) ", answer)]


@pytest.mark.parametrize("port", ["PORT", "ADMIN_PORT"])
def test_nothing_is_smuggled(house, port):
    wrong = []
    for name, sent in SMUGGLED.items():
        if port == "ADMIN_PORT" and name in ONLY_API:
            continue
        got = statuses(exchange(house.api.settings[port], sent + SECOND))
        if not got or any(not 400 <= status < 600 for status in got):
            wrong.append(f"{name}: {got}")
    assert not wrong, "\n".join(wrong)
    assert house.http("GET", "/healthz").status == 200


def test_every_answer_is_fenced_in(house):
    for method, path in (
        ("GET", "/"), ("GET", VIEWERS), ("GET", "/openapi.json"), ("GET", "/healthz"), ("GET", "/nothing"),
        ("GET", SETTINGS), ("POST", SNAPSHOT), ("DELETE", SETTINGS), ("GET", "/assets/style.css"),
        ("GET", "/auctions/a%20b"), ("GET", "/auctions/lot-1/setup"), ("GET", "/readyz"),
    ):  # fmt: skip
        headers = house.http(method, path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["cross-origin-resource-policy"] == "same-origin", path
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy
        assert headers["cache-control"] in ("no-store", "no-cache"), path
        if "json" in headers["content-type"] and path != "/openapi.json":
            assert headers["cache-control"] == "no-store", path
        assert "server" not in headers and "access-control-allow-origin" not in headers
    for path in ("/healthz", "/readyz", "/metrics", "/nothing"):
        headers = house.api.admin(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_nothing_is_reflected(house):
    key = {"x-admin-api-key": house.admin_key}
    quoted = MARK.replace("<", "%3C").replace(">", "%3E")
    analytics = "/api/v1/auctions/lot-1/analytics/viewers"
    asked = [
        ("GET", f"/{quoted}", None), ("GET", f"/auctions/{quoted}", None), ("GET", f"/assets/{quoted}", None),
        (MARK.strip("<>"), "/healthz", None), ("GET", f"{analytics}?timeRange={quoted}", None),
        ("GET", f"{analytics}?from={quoted}", None), ("GET", f"{analytics}?limit={quoted}", None),
        ("GET", f"/api/v1/auctions?after={quoted}", None), ("GET", f"/api/v1/auctions?limit={quoted}", None),
        ("PATCH", SETTINGS, {MARK: 1}), ("PATCH", SETTINGS, f'{{"a": {MARK}}}'), ("PATCH", SETTINGS, MARK),
    ]  # fmt: skip
    for method, path, body in asked:
        for accept in ("*/*", "text/html"):
            told = {**key, "Accept": accept, "X-Odd": MARK, "User-Agent": MARK, "Origin": f"https://{MARK}"}
            answer = house.http(method, path, body, headers=told)
            assert answer.status >= 400
            everything = answer.body + str(answer.headers).encode()
            assert b"zq9" not in everything, (method, path, everything)


def test_pages_of_others_only_as_configured(house):
    def ask(origin, path=VIEWERS, method="GET", **headers):
        answer = house.http(method, path, headers={"Origin": origin, **headers})
        allowed = {k: v for k, v in answer.headers.items() if k.startswith("access-control-")}
        return answer, allowed

    answer, allowed = ask("https://shop.example")
    assert allowed["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-credentials" not in allowed
    assert answer.headers["vary"] == "Origin" and answer.json()["success"]
    for foreign in ("https://evil.example", "http://shop.example", "https://shop.example.evil", "null"):
        answer, allowed = ask(foreign)
        assert answer.status == 200 and not allowed and answer.headers["vary"] == "Origin"
    assert not ask("https://shop.example", "/")[1], "pages are nobody else's"
    wish = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "x-admin-api-key"}
    answer, allowed = ask("https://shop.example", SETTINGS, "OPTIONS", **wish)
    assert (answer.status, answer.body) == (204, b"")
    assert allowed["access-control-allow-methods"] == "GET, HEAD, PATCH"
    assert "x-admin-api-key" in allowed["access-control-allow-headers"]
    for origin, path in (("https://evil.example", SETTINGS), ("https://shop.example", "/api/none")):
        answer, allowed = ask(origin, path, "OPTIONS", **wish)
        assert answer.status in (404, 405) and "access-control-allow-methods" not in allowed
    assert ask("https://shop.example", SETTINGS, "OPTIONS")[0].status == 405, "no preflight"
    keys = {"INTERNAL_API_KEY": "12345678", "ADMIN_API_KEY": "87654321"}
    result = run_program("api", "--check", settings={**keys, "CORS_ORIGINS": "shop.example"})
    assert result.returncode == 102 and "CORS_ORIGINS: " in result.stderr


def answered(house, path=VIEWERS):
    """Whether it need not wait until somebody's time is over."""
    began = time.monotonic()
    assert house.http("GET", path).status == 200
    return time.monotonic() - began < REQUEST_SECONDS / 2


def test_an_address_has_its_share(house):
    before = house.api.metric(CUT % "address")
    peers = [connect(house.api.port) for _ in range(41)]  # several threads let them in
    wait_until(lambda: house.api.metric(CUT % "address") == before + 1, what="one to be refused")
    (refused,), _, _ = select.select(peers, [], [], 10)
    assert statuses(refused.recv(4096)) == [429] and not refused.recv(4096)
    with connect(house.api.port, "127.0.0.3") as other:
        other.sendall(SECOND)
        assert statuses(other.recv(4096)) == [200]
    for peer in peers:
        peer.close()


def test_slow_requests_keep_nobody_out(house):
    """More of them than there may be connections, a byte a time, from several addresses."""
    before = house.api.metric(CUT % "slow_request"), house.api.metric(CUT % "pushed")
    peers = [connect(house.api.port, f"127.0.1.{i % 5}") for i in range(150)]
    sent = head("Content-Length: 60000", "X-A: " + "b" * 100)
    began, position = time.monotonic(), 0
    while house.api.metric(CUT % "slow_request") < before[0] + 40:
        assert time.monotonic() - began < 30
        for peer in peers:
            with contextlib.suppress(OSError):
                peer.send(sent[position : position + 1])
        position += 1
        assert answered(house)
        time.sleep(0.1)
    assert house.api.metric(CUT % "pushed") >= before[1] + 90
    for peer in peers:
        assert not peer.recv(100), "closed, without a word"
        peer.close()


def test_who_does_not_read_is_let_go(house):
    before = house.api.metric(CUT % "slow_reader")
    peers = [connect(house.api.port, receive_bytes=1024) for _ in range(20)]
    for peer in peers:  # the kernel holds a part of what is asked for
        peer.sendall(head(method="GET", target="/assets/chart.min.js") * 30)
    wait_until(lambda: house.api.metric(CUT % "slow_reader") >= before + 20, what="them to be cut")
    assert answered(house)
    for peer in peers:
        peer.close()


@pytest.mark.parametrize("port", ["PORT", "ADMIN_PORT"])
def test_silent_connections_keep_nobody_out(house, port):
    """Of other addresses than one, and of one that has no limit."""
    port = house.api.settings[port]
    peers = [connect(port, "127.0.0.1") for _ in range(300)]
    for _ in range(5):
        assert http_request(port, "GET", "/healthz", timeout=5).status == 200
    for peer in peers:
        peer.close()


def test_floods_of_headers_and_bodies(house):
    for sent, expected in (
        (head("X: " + "y" * 60000, **GET), {431}),
        (head(*(f"X-{n}: y" for n in range(5000)), **GET), {431}),
        (head(method="GET", target="/" + "a" * 60000), {414}),
        (head("Content-Length: 99999999999"), {401}),  # and not read
    ):
        with connect(house.api.port) as peer, contextlib.suppress(OSError):
            peer.sendall(sent)
            got = statuses(peer.recv(4096))
            assert set(got) == expected
    with connect(house.api.port) as peer, pytest.raises(OSError):
        peer.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(10000):
            peer.sendall(b"X-A: " + b"b" * 1000 + b"\r\n")
    assert answered(house)
    wait_until(lambda: house.api.metric("headcount_api_requests_unread_total") >= 3, what="them counted")
