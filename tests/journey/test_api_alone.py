"""The api with stand-ins around it: what it refuses and how it says so, live counts from a sampler
that loses messages and dies, stores that are silent, wrong or late."""

import contextlib
import http.client
import json
import socket
import time

import pytest

import headcount_wire as wire
from bus_peers import Sampler, Store
from http_client import http_request
from live_poller import LivePoller
from machine import has_ipv6
from service import run_program
from waiting import wait_until

SNAPSHOT = {
    "timestamp": "2025-10-21T14:15:00Z",
    "viewerCount": 475,
    "avgViewers": 445,
    "peakViewers": 475,
    "minViewers": 420,
    "sampleCount": 12,
}
POST = "/api/v1/auctions/123/analytics/snapshot"
SETTINGS = "/api/v1/auctions/123/settings"
ANALYTICS = "/api/v1/auctions/123/analytics/viewers"
PATIENT = {"NODE_TIMEOUT_MS": 8000}  # where a sampler that seems silent would show


@pytest.fixture
def alone(make_system):
    """A system of one api, started by the test's own wish: alone.begin()."""
    system = make_system(gateways=0, samplers=0, stores=0, start=False)
    system.api.settings |= {
        "SAMPLER_ENDPOINTS": system.endpoint("sampler"),
        "STORE_ENDPOINTS": system.endpoint("store"),
        "STORE_TIMEOUT_MS": 20000,
    }

    def begin():
        system.api.start()
        wait_until(lambda: system.api.admin("/healthz"), what="the api to serve")
        wait_until(lambda: system.api.log_lines("api.listening"), what="its port")

    system.begin = begin
    return system


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_one_address_takes_both_families(alone):
    alone.api.settings |= {"LISTEN_ADDRESS": "::", "ADMIN_ADDRESS": "::"}
    alone.begin()
    for port in (alone.api.port, alone.api.settings["ADMIN_PORT"]):
        for address in ("127.0.0.1", "::1"):
            assert http_request(port, "GET", "/healthz", address=address).status == 200


def refused(system, status, code, *request, **options):
    """The request must fail just so, and be counted under its code. Returns the message."""
    name = f'headcount_api_errors_total{{code="{code}"}}'
    before = system.api.metric(name)
    response = system.http(*request, **options)
    answer = response.json()
    assert (response.status, answer["error"]["code"]) == (status, code), answer
    assert answer["success"] is False and set(answer) == {"success", "error"}
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert system.api.metric(name) == before + 1
    return answer["error"]["message"]


def changed(**members):
    return {**SNAPSHOT, **members}


BAD_SNAPSHOTS = [
    (422, "invalid_snapshot", changed(minViewers=446, viewerCount=450), "minViewers"),
    (422, "invalid_snapshot", changed(peakViewers=444), "peakViewers"),
    (422, "invalid_snapshot", changed(viewerCount=-1), "viewerCount"),
    (422, "invalid_snapshot", changed(viewerCount=10**10), "viewerCount"),
    (422, "invalid_snapshot", changed(viewerCount="475"), "viewerCount: is a string"),
    (422, "invalid_snapshot", changed(viewerCount=474.5), "viewerCount: 474.5"),
    (422, "invalid_snapshot", changed(sampleCount=0), "sampleCount"),
    (422, "invalid_snapshot", changed(timestamp="21.10.2025"), "timestamp: is no date"),
    (422, "invalid_snapshot", changed(timestamp=1761056100000), "timestamp: is a number"),
    (422, "invalid_snapshot", changed(timestamp="1999-12-31T23:59:59Z"), "timestamp"),
    (422, "invalid_snapshot", changed(timestamp="9000-01-01T00:00:00Z"), "timestamp"),
    (422, "invalid_snapshot", {}, "timestamp: is missing"),
    (422, "invalid_snapshot", json.dumps(SNAPSHOT).replace("445", "1e999"), "out of range"),
    (400, "invalid_json", json.dumps(SNAPSHOT).replace("445", "NaN"), "no JSON"),
    (400, "invalid_json", json.dumps(SNAPSHOT).replace("445", "Infinity"), "no JSON"),
    (400, "invalid_json", "viewerCount=475", "no JSON"),
    (400, "invalid_json", "", "no JSON"),
    (400, "invalid_json", [SNAPSHOT], "an array"),
    (400, "invalid_json", b"\xff\xfe\x00", "no JSON"),
    (413, "payload_too_large", " " * 65537, "65536 bytes"),
]


def test_bad_snapshots_are_refused_by_name(alone):
    alone.begin()
    for status, code, body, said in BAD_SNAPSHOTS:
        message = refused(alone, status, code, "POST", POST, body, key="internal")
        assert said in message, (message, said)
    largest = json.dumps(SNAPSHOT).ljust(65536)
    assert alone.http("POST", POST, largest, key="internal").status == 503, "64 KiB are allowed"


BAD_ADDRESSES = [
    (404, "not_found", "GET", "/api/v1/auctions/123/nothing"),
    (404, "not_found", "GET", "/api/v2/auctions"),
    (404, "not_found", "GET", "/metrics"),  # on the operator's port only
    (404, "not_found", "GET", "/assets/nothing.js"),
    (404, "not_found", "GET", "/assets/..%2fembed.py"),
    (405, "method_not_allowed", "DELETE", SETTINGS),
    (405, "method_not_allowed", "POST", "/api/v1/auctions"),
    (405, "method_not_allowed", "GET", POST),
    (405, "method_not_allowed", "OPTIONS", POST),
    (400, "invalid_auction_id", "GET", "/api/v1/auctions/a%20b/viewers"),
    (400, "invalid_auction_id", "GET", "/api/v1/auctions/%2e%2e/viewers"),
    (400, "invalid_auction_id", "GET", f"/api/v1/auctions/{'x' * 65}/viewers"),
    (400, "invalid_auction_id", "GET", "/auctions/a.b/live"),
    (400, "invalid_target", "GET", "/api/v1/auctions/%zz/viewers"),
    (400, "invalid_target", "GET", "/api/v1/auctions/a%00b/viewers"),
    (400, "invalid_target", "GET", "/api/v1/auctions?limit=1&limit=2"),
    (400, "invalid_limit", "GET", "/api/v1/auctions?limit=0"),
    (400, "invalid_limit", "GET", "/api/v1/auctions?limit=1001"),
    (400, "invalid_cursor", "GET", "/api/v1/auctions?after=a%20b"),
    (400, "invalid_range", "GET", ANALYTICS + "?timeRange=1y"),
    (400, "invalid_range", "GET", ANALYTICS + "?timeRange=1h&from=2025-10-21T14:15:00Z"),
    (400, "invalid_range", "GET", ANALYTICS + "?from=monday"),
    (400, "invalid_range", "GET", ANALYTICS + "?from=2025-10-22T00:00:00Z&to=2025-10-21T00:00:00Z"),
    (400, "invalid_limit", "GET", ANALYTICS + "?limit=x"),
]


def test_bad_addresses_are_refused_by_name(alone):
    alone.begin()
    for status, code, method, path in BAD_ADDRESSES:
        refused(alone, status, code, method, path, key="admin")
    response = alone.http("DELETE", SETTINGS)
    assert response.headers["allow"] == "GET, HEAD, PATCH"


BAD_SETTINGS = [
    (400, "unknown_field", {"enableViewerAnalytics": True, "title": "x"}, "unknown settings: 1"),
    (422, "invalid_setting", {}, "is missing"),
    (422, "invalid_setting", {"enableViewerAnalytics": "yes"}, "is a string"),
    (422, "invalid_setting", {"enableViewerAnalytics": None}, "is null"),
    (400, "invalid_json", "true", "a boolean"),
]


def test_bad_settings_are_refused_by_name(alone):
    alone.begin()
    for status, code, body, said in BAD_SETTINGS:
        message = refused(alone, status, code, "PATCH", SETTINGS, body, key="admin")
        assert said in message
    headers = {"Content-Type": "text/plain"}
    refused(alone, 415, "unsupported_media_type", "PATCH", SETTINGS, "{}", "admin", headers)
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    refused(alone, 422, "invalid_setting", "PATCH", SETTINGS, "{}", "admin", headers)


def test_keys_open_only_what_they_are_for(alone):
    alone.begin()
    cases = [
        ("POST", POST, SNAPSHOT, None),
        ("POST", POST, SNAPSHOT, "admin"),
        ("POST", POST, SNAPSHOT, "x" * 5000),
        ("PATCH", SETTINGS, {"enableViewerAnalytics": True}, None),
        ("PATCH", SETTINGS, {"enableViewerAnalytics": True}, "internal"),
        ("GET", SETTINGS, None, "wrong-key-of-some-length"),
        ("GET", ANALYTICS, None, None),
        ("GET", ANALYTICS, None, "internal"),
        ("GET", "/api/v1/auctions/a%20b/settings", None, None),  # before the id is looked at
    ]
    for method, path, body, key in cases:
        refused(alone, 401, "unauthorized", method, path, body, key=key)
        assert alone.http(method, path, body).headers["www-authenticate"].startswith("Bearer")
    with Store(alone.endpoint("store")) as store:
        for headers in (
            {"Authorization": f"Bearer {alone.internal_key}"},
            {"X-Internal-API-Key": alone.internal_key},
        ):
            assert alone.http("POST", POST, SNAPSHOT, headers=headers).status == 200
        assert [request["key"] for request in store.asked] == [alone.internal_key] * 2


def test_a_store_that_does_not_answer(alone):
    alone.api.settings["STORE_TIMEOUT_MS"] = 600
    alone.begin()
    began = time.monotonic()
    response = alone.http("POST", POST, SNAPSHOT, key="internal")
    assert response.status == 503 and time.monotonic() - began > 0.5
    assert response.json()["error"]["code"] == "store_unavailable"
    assert int(response.headers["retry-after"]) >= 1
    seen = []
    with Store(alone.endpoint("store"), lambda request: seen.append(request["id"])) as store:
        refused(alone, 503, "store_unavailable", "POST", POST, SNAPSHOT, key="internal")
        assert len(set(seen)) <= 1, "repeated, with one id"
        store.answer = lambda request: {"saved": 1} if seen.count(request["id"]) else seen.append(
            request["id"]
        )
        answers = []  # only what is asked twice under one id, and in time, is answered

        def saved():
            answers.append(alone.http("POST", POST, SNAPSHOT, key="internal"))
            return answers[-1].status == 200

        wait_until(saved, what="a repeated request to be answered")
        *late, answer = answers
        assert answer.data()["outcome"] == "saved" and {each.status for each in late} <= {503}
    assert alone.api.metric("headcount_api_store_timeouts_total") == 2 + len(late)
    assert alone.api.metric("headcount_api_store_repeats_total") >= 1
    assert alone.api.log_lines("store.silent", "warn")


def post_at_once(system, count):
    """The statuses of so many posted snapshots, all under way together."""
    connections = []
    for _ in range(count):
        connection = http.client.HTTPConnection("127.0.0.1", system.api.port, timeout=30)
        headers = {"x-internal-api-key": system.internal_key}
        connection.request("POST", POST, json.dumps(SNAPSHOT), headers)
        connections.append(connection)
    statuses = [connection.getresponse().status for connection in connections]
    for connection in connections:
        connection.close()
    return statuses


def test_one_store_of_several_answers(alone):
    """Silent stores stay connected, and requests go round: none may meet only silent ones."""
    names = [f"store{number}" for number in range(4)]
    alone.api.settings["STORE_ENDPOINTS"] = ",".join(alone.endpoint(name) for name in names)
    alone.begin()
    with contextlib.ExitStack() as stack:
        stores = [stack.enter_context(Store(alone.endpoint(name))) for name in names]
        connected = 'headcount_api_peers_connected{of="stores"}'
        wait_until(lambda: alone.api.metric(connected) == 4, what="the stores")
        for store in stores[1:]:
            store.answer = lambda request: None
        assert post_at_once(alone, 64) == [200] * 64
        asked = [{request["id"] for request in store.requests} for store in stores]
        assert asked[0] == set.union(*asked) and len(asked[0]) == 64, "each with one id"
    assert alone.api.metric("headcount_api_store_timeouts_total") == 0


def test_a_store_that_cannot_is_passed_over(alone):
    """The other one can; only when none can is that the answer, and then at once."""
    alone.api.settings["STORE_ENDPOINTS"] += "," + alone.endpoint("other")
    alone.begin()
    unable = {"code": "unavailable"}
    with Store(alone.endpoint("store"), lambda request: unable):
        with Store(alone.endpoint("other")) as other:
            connected = 'headcount_api_peers_connected{of="stores"}'
            wait_until(lambda: alone.api.metric(connected) == 2, what="both stores")
            assert post_at_once(alone, 10) == [200] * 10
            other.answer = lambda request: unable
            began = time.monotonic()
            assert post_at_once(alone, 10) == [503] * 10
            assert time.monotonic() - began < 15, "not after STORE_TIMEOUT_MS"


@pytest.mark.parametrize(
    "ack, status, said",
    [
        ({"saved": 1}, 200, "saved"),
        ({"kept": 1}, 200, "kept"),
        ({"ignored": 1}, 200, "ignored"),
        ({"refused": 1, "refusals": [[0, "peakViewers: too many"]]}, 422, "peakViewers: too many"),
        ({"code": "unavailable"}, 503, "try again"),
        ({"code": "unauthorized"}, 500, "unauthorized"),
        ({"code": "version"}, 500, "version"),
    ],
)
def test_each_answer_of_the_store(alone, ack, status, said):
    alone.begin()
    with Store(alone.endpoint("store"), lambda request: ack) as store:
        response = alone.http("POST", POST, SNAPSHOT, key="internal")
        assert response.status == status and said in response.body.decode()
        row = store.requests[0]["rows"][0]
        assert row == {**SNAPSHOT, "auction": "123", "timestamp": 1761056100000}
    if ack.get("code") == "unauthorized":
        assert "INTERNAL_API_KEY" in alone.api.log_lines("store.refused", "error")[0].text


def test_settings_go_through_the_store(alone):
    alone.begin()
    with Store(alone.endpoint("store"), lambda request: {}) as store:
        for enabled in (True, False):
            assert alone.set_tracking("lot-7", enabled) == {
                "auction": "lot-7",
                "enableViewerAnalytics": enabled,
            }
        assert [request["enabled"] for request in store.asked] == [True, False]
        assert {request["auction"] for request in store.requests} == {"lot-7"}


def test_requests_wait_for_a_slow_store_without_holding_others_up(alone):
    alone.api.settings["STORE_TIMEOUT_MS"] = 60000
    alone.begin()
    held = []
    with Store(alone.endpoint("store"), lambda request: held.append(request["id"])) as store:
        connections = []
        for _ in range(40):
            connection = http.client.HTTPConnection("127.0.0.1", alone.api.port, timeout=60)
            headers = {"x-internal-api-key": alone.internal_key}
            connection.request("POST", POST, json.dumps(SNAPSHOT), headers)
            connections.append(connection)
        wait_until(lambda: len(set(held)) == 40, what="all requests at the store")
        for _ in range(20):  # there are four threads; a request held up would wait for its time-out
            assert alone.http("GET", "/healthz").status == 200
        store.answer = lambda request: {"saved": 1}
        for connection in connections:
            assert connection.getresponse().status == 200
            connection.close()


def viewers(system, auction="lot-1"):
    data = system.live(auction)
    return data["viewers"] if data["live"] else None


def wait_viewers(system, count, auction="lot-1"):
    wait_until(
        lambda: viewers(system, auction) == count,
        what=f"{count} viewers of {auction}, not {viewers(system, auction)}",
    )


def test_live_counts_come_and_go_with_the_sampler(alone):
    alone.begin()
    assert alone.live("lot-1") == {"auction": "lot-1", "viewers": None, "live": False}
    with Sampler(alone.endpoint("sampler"), state="warming") as sampler:
        sampler.set("lot-1", 3)
        wait_until(lambda: alone.api.metric("headcount_api_live_samplers") == 1)
        assert viewers(alone) is None
        sampler.state = "ready"
        wait_viewers(alone, 3)
        sampler.set("lot-1", 4)
        wait_viewers(alone, 4)
        wait_viewers(alone, 0, "never-heard-of")
        sampler.bye()
        wait_viewers(alone, None)
    with Sampler(alone.endpoint("sampler")) as sampler:  # restarted, with other figures
        sampler.set("lot-2", 9)
        wait_viewers(alone, 9, "lot-2")
        wait_viewers(alone, 0)
        sampler.silent = True
        wait_viewers(alone, None, "lot-2")
        sampler.silent = False
        wait_viewers(alone, 9, "lot-2")


def test_a_lost_count_is_asked_for_again(alone):
    alone.begin()
    with Sampler(alone.endpoint("sampler")) as sampler:
        sampler.set("lot-1", 3)
        wait_viewers(alone, 3)
        sampler.set("lot-1", 8, lost=True)  # shown by the next heartbeat's sequence only
        wait_viewers(alone, 8)
        renewal = wire.topic_renewal("sampler", sampler.node, wire.shard("lot-1"))
        assert sampler.subscriptions.count(renewal) == 1
        assert sampler.subscriptions.count(b"count/") == 1, "nobody else was asked"


def test_the_second_sampler_takes_over(alone):
    second = alone.endpoint("sampler", 1)
    alone.api.settings["SAMPLER_ENDPOINTS"] += "," + second
    alone.begin()
    with Sampler(alone.endpoint("sampler"), "a") as first, Sampler(second, "b") as other:
        first.set("lot-1", 5)
        other.set("lot-1", 6)
        followed = wait_until(lambda: viewers(alone))
        gone, left = (first, 6) if followed == 5 else (other, 5)
        gone.bye()
        wait_viewers(alone, left)


def split(*names):
    """The shards that these auctions are in, and all others."""
    inside = sorted({wire.shard(name) for name in names})
    return inside, [number for number in range(wire.SHARDS) if number not in inside]


def test_samplers_of_some_shards_each(make_system):
    """A shard without a sampler is unknown, and no other."""
    system = make_system(gateways=0, samplers=0, start=False)
    first, second = system.endpoint("sampler"), system.endpoint("sampler", 1)
    system.api.settings |= {"SAMPLER_ENDPOINTS": f"{first},{second}", **PATIENT}
    system.start()
    system.set_tracking("lot-1")
    inside, outside = split("lot-1", "lot-3")

    def listed():
        data = system.http("GET", "/api/v1/auctions").data()
        return {row["id"]: row["viewers"] for row in data["auctions"]}, data["live"]

    part = Sampler(first, "part", shards=inside)
    rest = Sampler(second, "rest", shards=outside)
    with part, rest:
        for sampler, counts in ((part, (5, 99, 7)), (rest, (99, 6, 99))):
            for auction, count in zip(("lot-1", "lot-2", "lot-3"), counts, strict=True):
                sampler.set(auction, count)  # also what is not its to tell
        wait_viewers(system, 5, "lot-1")
        wait_viewers(system, 6, "lot-2")
        wait_until(lambda: system.api.metric("headcount_api_live") == 1)
        wait_until(lambda: listed() == ({"lot-1": 5, "lot-2": 6, "lot-3": 7}, True))
        part.bye()
        assert viewers(system, "lot-1") == 5, "held on to for a while"
        wait_viewers(system, None, "lot-1")
        wait_viewers(system, 6, "lot-2")
        part_gone = {"lot-1": None, "lot-2": 6}, False  # lot-3 is nowhere else
        wait_until(lambda: listed() == part_gone, what=f"{part_gone}, not {listed()}")
        known = wire.SHARDS - len(inside)
        wait_until(lambda: system.api.metric("headcount_api_live_shards") == known)
        assert system.api.metric("headcount_api_live") == 0
        assert system.api.log_lines("live.part", "warn")


def test_two_samplers_of_one_name_are_told(make_system):
    system = make_system(gateways=0, samplers=0, start=False)
    places = system.endpoint("sampler"), system.endpoint("sampler", 1)
    system.api.settings["SAMPLER_ENDPOINTS"] = ",".join(places)
    system.start()
    with Sampler(places[0], "twin") as former, Sampler(places[1], "twin") as latter:
        former.epoch = latter.epoch - 1
        former.set("lot-1", 5)
        latter.set("lot-1", 6)
        wait_until(lambda: system.api.log_lines("live.ignored", "warn"))
        assert system.api.log_lines("live.ignored")[0].fields["sampler"] == "twin"
        assert system.api.metric('headcount_api_bus_dropped_total{reason="epoch"}') > 0
        wait_viewers(system, 6)


def check_grown(poller, old, new):
    """The old number was told, then the new one, and nothing else."""
    seen = poller.seen["lot-1"]
    assert set(seen) == {old, new} and seen == sorted(seen)


@pytest.mark.parametrize("way", ["bye", "silence", "restart"])
def test_a_replica_takes_over_without_a_jump(alone, way):
    """Two samplers tell the same; the followed one goes, and a poller sees the right number."""
    second = alone.endpoint("sampler", 1)
    alone.api.settings["SAMPLER_ENDPOINTS"] += "," + second
    alone.api.settings |= PATIENT
    alone.begin()
    with Sampler(alone.endpoint("sampler"), "a") as first, Sampler(second, "b") as other:
        for sampler in (first, other):
            sampler.set("lot-1", 5)
        wait_viewers(alone, 5)
        wait_until(lambda: alone.api.metric("headcount_api_live_samplers") == 2)
        with LivePoller(alone, "lot-1") as poller:
            if way == "bye":
                first.bye()
            elif way == "silence":
                first.silent = True
                wait_until(lambda: alone.api.metric("headcount_api_live_samplers") == 1)
            else:
                with first.lock:
                    first.epoch += 1000
                    first.state = "warming"
                    first.sequences.clear()
                    first.set("lot-1", 1)  # counts again, and is not whole yet
            wait_until(lambda: len(poller.seen["lot-1"]) > 60)
            other.set("lot-1", 6)
            wait_until(lambda: poller.seen["lot-1"][-1] != 5)
        check_grown(poller, 5, 6)


def test_a_quick_restart_does_not_show(alone):
    alone.api.settings |= PATIENT
    alone.begin()
    with Sampler(alone.endpoint("sampler")) as sampler:
        sampler.set("lot-1", 5)
        wait_viewers(alone, 5)
        with LivePoller(alone, "lot-1") as poller:
            with sampler.lock:
                sampler.epoch += 1000
                sampler.state = "warming"
                sampler.sequences.clear()
                sampler.set("lot-1", 1)
            wait_until(lambda: len(poller.seen["lot-1"]) > 30)
            sampler.set("lot-1", 7)
            sampler.state = "ready"
            wait_until(lambda: poller.seen["lot-1"][-1] != 5)
        check_grown(poller, 5, 7)


def test_hostile_bus_messages_are_dropped_and_counted(alone):
    alone.api.settings |= PATIENT
    alone.begin()
    with Sampler(alone.endpoint("sampler")) as sampler:
        sampler.set("lot-1", 3)
        wait_viewers(alone, 3)
        topic = b"count/" + b"a" * 10
        sampler.send_raw(topic, b"\x91\x01")
        sampler.send_raw(b"count/00/", b"\xc1")
        sampler.send_raw(b"count/00/", b"\x97\x02\xa1a\x01\x01\x01\x03\x00")  # version 2
        sampler.send_raw(b"count/00/", b"\x97\x01\x05\x01\x01\x01\x03\x00")
        sampler.send_raw(b"count/00/", b"\x97\x01\xa1a\x00\x01\x01\x03\x00")
        sampler.send_raw(b"count/00/", b"\x90", b"a third frame")

        def dropped(reason):
            return alone.api.metric(f'headcount_api_bus_dropped_total{{reason="{reason}"}}')

        expected = {"topic": 1, "format": 2, "version": 1, "type": 1, "range": 1}
        wait_until(
            lambda: {reason: dropped(reason) for reason in expected} == expected,
            what="each reason counted",
        )
        assert viewers(alone) == 3
        assert alone.api.log_lines("bus.dropped", "warn")


def test_pages_are_cached_and_fenced_in(alone):
    alone.api.settings["VIEWER_SOCKET_URL"] = ""
    alone.begin()
    page = alone.http("GET", "/")
    policy = page.headers["content-security-policy"]
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "connect-src 'self' ws://127.0.0.1:8081 wss://127.0.0.1:8081;" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    tag = page.headers["etag"]
    again = alone.http("GET", "/", headers={"If-None-Match": f'"x", {tag}'})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert alone.http("GET", "/", headers={"If-None-Match": '"x"'}).status == 200
    head = alone.http("HEAD", "/")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", tag)
    assert int(head.headers["content-length"]) == len(page.body)
    script = alone.http("GET", "/assets/chart.min.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert b"Chart.js v" in script.body
    assert alone.http("GET", "/openapi.json").json()["openapi"].startswith("3.")
    for host in ("evil.example;script-src", "x" * 300):
        policy = alone.http("GET", "/", headers={"Host": host}).headers["content-security-policy"]
        assert "connect-src 'self';" in policy and "evil" not in policy


def test_the_socket_url_is_in_policy_and_config(alone):
    alone.api.settings["VIEWER_SOCKET_URL"] = "wss://live.example.org/ws"
    alone.begin()
    policy = alone.http("GET", "/").headers["content-security-policy"]
    assert "connect-src 'self' wss://live.example.org;" in policy
    config = alone.http("GET", "/api/v1/config").data()
    assert config["viewerSocketUrl"] == "wss://live.example.org/ws"
    assert config["analyticsPublic"] is False


def test_browsers_get_a_page_where_programs_get_json(alone):
    alone.begin()
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path, status in (("/nothing", 404), ("/auctions/a.b", 400), ("/assets/nothing", 404)):
        page = alone.http("GET", path, headers=browser)
        assert page.status == status and page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert alone.http("GET", path).headers["content-type"] == "application/json"
    answer = alone.http("GET", "/api/v1/nothing", headers=browser)
    assert answer.headers["content-type"] == "application/json"


def exchange(port, request, timeout=30):
    """What comes back for these bytes until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def test_hostile_bytes_do_no_harm(alone):
    alone.api.settings["CONNECTION_TIMEOUT_SECONDS"] = 2
    alone.begin()
    port = alone.api.port
    assert exchange(port, b"\x00\xff\xfe garbage\r\n\r\n").startswith((b"", b"HTTP/1.1 4"))
    exchange(port, b"GET / HTTP/1.1\r\n")  # never ends: closed by the time-out
    assert b" 431 " in exchange(
        port, b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 60000 + b"\r\n\r\n"
    )
    key = alone.internal_key.encode()
    huge = (
        b"POST " + POST.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"x-internal-api-key: " + key + b"\r\nContent-Length: 99999999999\r\n\r\n"
    )
    assert b" 413 " in exchange(port, huge)
    lying = huge.replace(b"99999999999", b"-5")
    exchange(port, lying)
    chunks = huge.replace(b"Content-Length: 99999999999", b"Transfer-Encoding: chunked")
    answer = exchange(port, chunks + (b"8000\r\n" + b" " * 0x8000 + b"\r\n") * 3 + b"0\r\n\r\n")
    assert b" 413 " in answer
    assert alone.http("GET", "/healthz").status == 200


def test_requests_that_the_library_drops_are_freed(alone):
    alone.api.settings["CONNECTION_TIMEOUT_SECONDS"] = 1
    alone.begin()
    parameters = b"GET /healthz?" + b"a&" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    for _ in range(3):
        exchange(alone.api.port, parameters)
    in_flight = "headcount_api_requests_in_flight"
    wait_until(lambda: alone.api.metric(in_flight) == 0, what="no request in flight")
    assert alone.http("GET", "/healthz").status == 200


def test_an_endless_body_is_cut_off(alone):
    alone.begin()
    with socket.create_connection(("127.0.0.1", alone.api.port), 20) as connection:
        head = f"POST {POST} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        with pytest.raises(OSError):
            for _ in range(1000):
                connection.sendall(chunk)
    assert alone.http("GET", "/healthz").status == 200


def test_a_stop_lets_requests_end(alone):
    alone.api.settings["DRAIN_SECONDS"] = 20
    alone.begin()
    held = []
    with Store(alone.endpoint("store"), lambda request: held.append(request["id"])) as store:
        connection = http.client.HTTPConnection("127.0.0.1", alone.api.port, timeout=30)
        headers = {"x-internal-api-key": alone.internal_key}
        connection.request("POST", POST, json.dumps(SNAPSHOT), headers)
        wait_until(lambda: held, what="the request at the store")
        alone.api.signal_term()
        wait_until(lambda: alone.api.log_lines("api.stopping"), what="the stop")
        response = alone.api.admin("/readyz")
        assert response.status == 503 and b"stopping" in response.body
        with pytest.raises(OSError):
            alone.http("GET", "/healthz")
        store.answer = lambda request: {"saved": 1}
        assert connection.getresponse().status == 200
        connection.close()
        assert alone.api.wait_exit() == 0


def test_a_stop_ends_even_what_nobody_answers(alone):
    alone.api.settings |= {"STORE_TIMEOUT_MS": 60000, "DRAIN_SECONDS": 1}
    alone.begin()
    held = []
    with Store(alone.endpoint("store"), lambda request: held.append(request["id"])):
        connection = http.client.HTTPConnection("127.0.0.1", alone.api.port, timeout=60)
        headers = {"x-internal-api-key": alone.internal_key}
        connection.request("POST", POST, json.dumps(SNAPSHOT), headers)
        wait_until(lambda: held, what="the request at the store")
        assert alone.api.term(timeout=40) == 0  # not STORE_TIMEOUT_MS
        connection.close()


@pytest.mark.parametrize(
    "settings, status, said",
    [
        ({"INTERNAL_API_KEY": None}, 102, "INTERNAL_API_KEY"),
        ({"ADMIN_API_KEY": "short"}, 102, "ADMIN_API_KEY"),
        ({"PORT": 65536}, 102, "PORT"),
        ({"API_THREADS": "many"}, 102, "API_THREADS"),
        ({"STORE_ENDPOINTS": "nowhere"}, 102, "STORE_ENDPOINTS"),
        ({"VIEWER_SOCKET_URL": "http://x/ws"}, 102, "VIEWER_SOCKET_URL"),
        ({"LISTEN_ADDRESS": "localhost", "SQLITE_PATH": "/dev/null"}, 102, "LISTEN_ADDRESS"),
        ({"MONGODB_URI": "mongodb:/nothing"}, 111, "MongoDB"),
    ],
)
def test_wrong_settings_end_it_with_one_line(settings, status, said):
    keys = {"INTERNAL_API_KEY": "an-internal-key", "ADMIN_API_KEY": "an-admin-key"}
    free = {"PORT": 0, "ADMIN_PORT": 0}
    ended = run_program("api", settings={**keys, **free, **settings})
    lines = [line for line in ended.stderr.splitlines() if "listening" not in line]
    assert ended.returncode == status, ended.stderr
    assert len(lines) == 1 and said.lower() in lines[0].lower()
    assert "an-internal-key" not in ended.stderr


def test_a_taken_port_ends_it_with_one_line(alone):
    alone.begin()
    settings = {**alone.api.settings, "ADMIN_PORT": 0}
    ended = run_program("api", settings=settings)
    assert ended.returncode == 111
    assert str(alone.api.port) in ended.stderr and "in use" in ended.stderr
