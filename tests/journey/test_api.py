"""The api with a real store and database: the seed's requests to the letter, settings, lists, long
answers in little memory, databases that break."""

import datetime
import http.client
import json
import socket
import subprocess
import threading
import time

import pytest

from databases import Database, MongoServer, both_databases
from service import program
from waiting import wait_until

MINUTE_MS = 60_000
DAYS_90 = 90 * 24 * 60
SEED = {
    "timestamp": "2025-10-21T14:15:00Z",
    "viewerCount": 475,
    "avgViewers": 445,
    "peakViewers": 475,
    "minViewers": 420,
    "sampleCount": 12,
}


@pytest.fixture
def make_api(make_system):
    """make(...) gives a started system of a store and an api."""

    def make(**options):
        return make_system(gateways=0, samplers=0, **options)

    return make


def post(system, auction, **members):
    path = f"/api/v1/auctions/{auction}/analytics/snapshot"
    return system.http("POST", path, {**SEED, **members}, key="internal")


def analytics(system, auction, query=""):
    path = f"/api/v1/auctions/{auction}/analytics/viewers{query}"
    return system.http("GET", path, key="admin")


def text_of(timestamp_ms):
    moment = datetime.datetime.fromtimestamp(timestamp_ms / 1000, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def count_rows(system):
    with system.database.open() as opened:
        if system.database.kind == "mongodb":
            return opened.vieweranalytics.count_documents({})
        return opened.execute("SELECT count(*) FROM vieweranalytics").fetchone()[0]


def fill(system, auction, count, last_ms=None):
    """count snapshots, one a minute, with viewerCount 0, 1, 2 …; the first one's time."""
    system.set_tracking(auction)
    last_ms = last_ms or int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
    first_ms = last_ms - (count - 1) * MINUTE_MS
    for start in range(0, count, 1000):
        rows = [
            {
                "auction": auction, "timestamp": first_ms + i * MINUTE_MS, "viewerCount": i,
                "avgViewers": i + 0.25, "peakViewers": i + 1, "minViewers": i, "sampleCount": 12,
                "exactPeak": i + 1, "exactMin": i, "exactAvg": i + 0.125, "joins": 1, "leaves": 0,
                "coverageMs": 60000, "complete": True,
            }
            for i in range(start, min(start + 1000, count))
        ]  # fmt: skip
        assert system.store_request({"kind": "batch", "rows": rows})["saved"] == len(rows)
    return first_ms


@both_databases
def test_the_seed_to_the_letter(make_api):
    system = make_api()
    auction = "5f0c1e2d3b4a596877665544"
    assert post(system, auction).data()["outcome"] == "ignored", "off until somebody opts in"
    assert system.set_tracking(auction) == {"auction": auction, "enableViewerAnalytics": True}
    command = [
        "curl", "-sS", "-m", "20", "-X", "POST",
        system.url(f"/api/v1/auctions/{auction}/analytics/snapshot"),
        "-H", "Content-Type: application/json", "-H", "@-", "-d", json.dumps(SEED),
    ]  # fmt: skip
    header = f"x-internal-api-key: {system.internal_key}\n"
    answer = subprocess.run(command, input=header, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["data"]["outcome"] == "saved"
    response = analytics(system, auction, "?timeRange=all")
    assert response.json() == {
        "success": True,
        "data": {
            "auction": auction,
            "timeRange": "all",
            "enableViewerAnalytics": True,
            "snapshots": [SEED],
        },
    }
    assert b'"avgViewers":445,' in response.body, "a whole number stays one"


@both_databases
def test_doubled_and_fuller_snapshots(make_api):
    system = make_api()
    system.set_tracking("lot-1")
    assert post(system, "lot-1", sampleCount=5).data()["outcome"] == "saved"
    assert post(system, "lot-1", sampleCount=5).data()["outcome"] == "kept"
    assert post(system, "lot-1", sampleCount=4, viewerCount=430).data()["outcome"] == "kept"
    assert post(system, "lot-1", sampleCount=12, viewerCount=440).data()["outcome"] == "saved"
    snapshots = system.snapshots("lot-1")
    assert [(s["sampleCount"], s["viewerCount"]) for s in snapshots] == [(12, 440)]
    for outcome, count in (("saved", 2), ("kept", 2), ("ignored", 0)):
        name = f'headcount_api_snapshots_posted_total{{outcome="{outcome}"}}'
        assert system.api.metric(name) == count


@both_databases
def test_times_with_fractions_and_zones_and_old_ones(make_api):
    system = make_api()
    system.set_tracking("lot-1")
    times = ["2025-10-21T14:15:00.250Z", "2025-10-21T16:16:00+02:00", "2000-01-01T00:00:00Z"]
    for time_text in times:
        assert post(system, "lot-1", timestamp=time_text).data()["outcome"] == "saved"
    assert [snapshot["timestamp"] for snapshot in system.snapshots("lot-1")] == [
        "2000-01-01T00:00:00Z",
        "2025-10-21T14:15:00.250Z",
        "2025-10-21T14:16:00Z",
    ]


@both_databases
def test_the_flag_is_obeyed_at_once(make_api):
    system = make_api()
    path = "/api/v1/auctions/lot-1/settings"
    assert system.http("GET", path, key="admin").data()["enableViewerAnalytics"] is False
    system.set_tracking("lot-1")
    wait_until(lambda: system.http("GET", path, key="admin").data()["enableViewerAnalytics"])
    assert post(system, "lot-1").data()["outcome"] == "saved"
    system.set_tracking("lot-1", False)
    answer = post(system, "lot-1", timestamp="2025-10-21T14:16:00Z").data()
    assert answer["outcome"] == "ignored" and "not enabled" in answer["message"]
    data = analytics(system, "lot-1").data()
    assert data["enableViewerAnalytics"] is False and len(data["snapshots"]) == 1


@both_databases
def test_ranges_and_limits(make_api):
    system = make_api()
    now_ms = int(time.time() * 1000)
    count = 3 * 60
    first_ms = fill(system, "lot-1", count)

    def counts(query):
        return [snapshot["viewerCount"] for snapshot in analytics(system, "lot-1", query).data()["snapshots"]]

    assert counts("") == counts("?timeRange=all") == counts("?timeRange=90d") == list(range(count))
    hour = counts("?timeRange=1h")
    assert hour == list(range(count - len(hour), count)) and 58 <= len(hour) <= 61
    assert counts("?limit=20") == list(range(count - 20, count))
    assert counts("?timeRange=1h&limit=1000") in (hour, hour[1:]), "the hour may have moved on"
    window = f"?from={text_of(first_ms + 10 * MINUTE_MS)}&to={text_of(first_ms + 19 * MINUTE_MS)}"
    assert counts(window) == list(range(10, 20))
    assert counts(window + "&limit=3") == [17, 18, 19]
    data = analytics(system, "lot-1", f"?from={text_of(now_ms + 3600_000)}").data()
    assert data["snapshots"] == [] and data["to"] is None and "timeRange" not in data
    assert analytics(system, "never-heard-of").data()["snapshots"] == []
    full = analytics(system, "lot-1", "?limit=1").data()["snapshots"][0]
    assert full["exactAvg"] == count - 1 + 0.125 and full["complete"] is True
    head = system.http("HEAD", "/api/v1/auctions/lot-1/analytics/viewers", key="admin")
    assert (head.status, head.body) == (200, b"")


@both_databases
def test_auctions_are_listed_page_by_page(make_api):
    system = make_api()
    ids = sorted([f"lot-{i:02}" for i in range(12)] + ["5f0c1e2d3b4a596877665544", "Z", "_a"])
    for auction in ids:
        system.set_tracking(auction, auction < "lot-06")
    found, path = [], "/api/v1/auctions?limit=4"
    while True:
        data = system.http("GET", path).data()
        found += data["auctions"]
        if data["next"] is None:
            break
        assert len(data["auctions"]) == 4 and data["next"] == found[-1]["id"]
        path = f"/api/v1/auctions?limit=4&after={data['next']}"
    assert [auction["id"] for auction in found] == ids
    for auction in found:
        assert auction["enableViewerAnalytics"] == (auction["id"] < "lot-06")
        assert auction["viewers"] is None, "no sampler is heard"


def test_live_counts_from_viewers_to_http(make_system):
    system = make_system()
    system.set_tracking("known")
    system.join("lot-1", 3)
    system.join("lot-2", 1)
    wait_until(lambda: system.live("lot-1") == {"auction": "lot-1", "viewers": 3, "live": True})
    wait_until(lambda: system.live("lot-2")["viewers"] == 1)

    def listed():
        data = system.http("GET", "/api/v1/auctions").data()
        return {row["id"]: row["viewers"] for row in data["auctions"]}, data["live"]

    all_of_them = {"known": 0, "lot-1": 3, "lot-2": 1}, True
    wait_until(lambda: listed() == all_of_them, what=f"{all_of_them}, not {listed()}")
    system.sampler.kill9()
    wait_until(lambda: system.live("lot-1")["live"] is False)
    system.sampler.start()
    wait_until(lambda: system.live("lot-1")["viewers"] == 3)


def test_analytics_may_be_public(make_api):
    system = make_api(api={"ANALYTICS_PUBLIC": "true"})
    assert system.http("GET", "/api/v1/auctions/lot-1/analytics/viewers").status == 200
    assert system.http("GET", "/api/v1/auctions/lot-1/settings").status == 401


def bound_mb(mb):
    """Memory that may be taken; a thread sanitizer keeps several shadows of each byte."""
    return mb * 10 if b"__tsan_init" in program("api").read_bytes() else mb


def memory_mb(system, field):
    with open(f"/proc/{system.api.pid}/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return int(lines[field].split()[0]) / 1024


@pytest.mark.limit(600)
def test_90_days_in_little_memory(make_api):
    system = make_api()
    first_ms = fill(system, "lot-1", DAYS_90)
    assert analytics(system, "lot-1", "?limit=1").status == 200  # warmed up
    before_mb = memory_mb(system, "VmRSS")
    answers, sent = [], "headcount_api_snapshots_read_total"

    def read():
        connection = http.client.HTTPConnection("127.0.0.1", system.api.port, timeout=120)
        headers = {"x-admin-api-key": system.admin_key}
        path = "/api/v1/auctions/lot-1/analytics/viewers?timeRange=all"
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = [response.read(1)]
        all_began.wait()
        body.append(response.read())
        answers.append(b"".join(body))
        connection.close()

    def look():  # when each has its first byte, and the buffers between have room for no more
        nonlocal early
        early = system.api.metric(sent)

    early, all_began = None, threading.Barrier(3, look, timeout=200)
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    grown_mb = memory_mb(system, "VmHWM") - before_mb
    assert len(answers) == 3 and len(set(answers)) == 1
    print(f"{len(answers[0])} bytes each, {grown_mb:.1f} MB more, {early} rows before any was read")
    assert len(answers[0]) > 25e6 and grown_mb < bound_mb(20), "less than one answer, sanitizers included"
    assert early < 3 * DAYS_90, "the answers began before they were whole"
    snapshots = json.loads(answers[0])["data"]["snapshots"]
    assert len(snapshots) == DAYS_90
    for i, snapshot in enumerate(snapshots):
        assert snapshot["viewerCount"] == i
    assert snapshots[0]["timestamp"] == text_of(first_ms)
    assert system.api.metric(sent) >= 3 * DAYS_90


@pytest.mark.limit(600)
def test_a_reader_that_stops_holds_nobody_up(make_api):
    system = make_api()
    fill(system, "lot-1", DAYS_90)
    before_mb = memory_mb(system, "VmRSS")
    path = "/api/v1/auctions/lot-1/analytics/viewers"
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nx-admin-api-key: {system.admin_key}\r\n\r\n"
    stopped = []
    for _ in range(20):
        connection = socket.create_connection(("127.0.0.1", system.api.port), 30)
        connection.sendall(request.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        stopped.append(connection)
    # Were it held up, it would be for ANSWER_TIMEOUT_SECONDS: longer than http_request() waits.
    assert analytics(system, "lot-1", "?limit=10").status == 200
    assert memory_mb(system, "VmHWM") - before_mb < bound_mb(30)
    for connection in stopped:
        connection.close()
    wait_until(lambda: system.api.metric("headcount_api_requests_aborted_total") == 20)
    wait_until(lambda: system.api.metric("headcount_api_requests_in_flight") == 0)


@pytest.mark.limit(600)
def test_a_database_that_breaks_midway_breaks_the_answer_off(make_api):
    import sqlite3

    system = make_api()
    fill(system, "lot-1", DAYS_90)
    connection = http.client.HTTPConnection("127.0.0.1", system.api.port, timeout=60)
    path = "/api/v1/auctions/lot-1/analytics/viewers"
    connection.request("GET", path, headers={"x-admin-api-key": system.admin_key})
    response = connection.getresponse()
    assert response.status == 200 and response.read(1000).startswith(b'{"success":true')
    with sqlite3.connect(system.database.path, timeout=30) as writer:
        writer.execute("ALTER TABLE vieweranalytics RENAME TO elsewhere")
    with pytest.raises(http.client.IncompleteRead):
        while response.read(1_000_000):
            pass
    connection.close()
    assert system.api.metric("headcount_api_streams_broken_total") == 1
    assert system.api.log_lines("analytics.broken", "warn")
    answer = analytics(system, "lot-1")
    assert (answer.status, answer.json()["error"]["code"]) == (503, "database_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    wait_until(lambda: system.api.admin("/readyz").status == 503, what="not ready")
    assert system.http("GET", "/readyz").status == 503
    assert system.live("lot-1")["live"] is False, "needs no database"
    with sqlite3.connect(system.database.path, timeout=30) as writer:
        writer.execute("ALTER TABLE elsewhere RENAME TO vieweranalytics")
    system.api.wait_ready()
    wait_until(lambda: analytics(system, "lot-1", "?limit=1").status == 200)
    assert system.api.metric("headcount_api_database_up") == 1


def test_an_api_before_the_first_store(make_api):
    system = make_api(start=False)
    system.api.start()
    answer = wait_until(lambda: system.api.admin("/readyz"), what="the api")
    assert answer.status == 503 and b"the store has not prepared" in wait_until(
        lambda: b"prepared" in (body := system.api.admin("/readyz").body) and body
    )
    answer = analytics(system, "lot-1")
    assert (answer.status, answer.json()["error"]["code"]) == (503, "database_unavailable")
    system.store.start()
    system.api.wait_ready()
    assert analytics(system, "lot-1").data()["snapshots"] == []


@pytest.mark.limit(600)
def test_a_mongodb_that_goes_and_comes_back(make_system, mongo_server, tmp_path):
    if mongo_server.foreign:
        pytest.skip("somebody else's server is not stopped")
    server = MongoServer(tmp_path)
    server.start()
    system = make_system(
        database=Database("mongodb", server), gateways=0, samplers=0,
        api={"DATABASE_TIMEOUT_MS": 1000, "DATABASE_RETRY_MS": 3000},
    )  # fmt: skip
    try:
        fill(system, "lot-1", 30)
        server.kill9()
        wait_until(lambda: system.api.admin("/readyz").status == 503, 30, "not ready")
        began = time.monotonic()
        for _ in range(30):
            assert analytics(system, "lot-1").status == 503
        assert time.monotonic() - began < 15, "a dead database holds nobody up for long"
        assert system.live("lot-1")["live"] is False
        server.start()
        wait_until(lambda: analytics(system, "lot-1").status == 200, 60, "the database again")
        system.api.wait_ready()
    finally:
        system.stop()
        server.stop()


def test_a_deleted_database_file_is_noticed_and_made_anew(make_api):
    system = make_api()
    fill(system, "lot-1", 3)
    for path in system.directory.glob("headcount.db*"):
        path.unlink()
    answer = post(system, "lot-1")
    assert answer.status == 200 and b"spooled" in answer.body, (
        "nothing may be acknowledged that no file holds"
    )
    wait_until(lambda: set_again(system), what="a new file to take settings")

    def new_one_is_read():  # with what was spooled meanwhile, if the setting came first
        answer = analytics(system, "lot-1")
        return answer.status == 200 and len(answer.data()["snapshots"]) <= 1

    wait_until(new_one_is_read, what="the new file")


def set_again(system):
    body = {"enableViewerAnalytics": True}
    path = "/api/v1/auctions/lot-1/settings"
    return system.http("PATCH", path, body, "admin").status == 200
