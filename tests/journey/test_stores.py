"""Several stores and apis over one database: batches and requests go to any store that lives, and a
store that dies before it acknowledges loses nothing and doubles nothing."""

import datetime
import threading
import time

import pytest

from harness import SHORT_TEMPO
from http_client import http_request
from waiting import wait_until

AUCTIONS = [f"lot-{number}" for number in range(20)]
TEMPO = {**SHORT_TEMPO, "ACK_TIMEOUT_MS": 600, "STORE_TIMEOUT_MS": 20000}
WINDOW_MS = TEMPO["SNAPSHOT_INTERVAL_MS"]


def api(system, index, method, path, body=None, key="admin"):
    headers = {"x-admin-api-key": system.admin_key}
    if key == "internal":
        headers = {"x-internal-api-key": system.internal_key}
    return http_request(system.of("api")[index].port, method, path, body, headers)


def turn(system, auction, enabled, index=0):
    body = {"enableViewerAnalytics": enabled}
    return api(system, index, "PATCH", f"/api/v1/auctions/{auction}/settings", body)


def stored(system, auction, index=0):
    path = f"/api/v1/auctions/{auction}/analytics/viewers?timeRange=all"
    return api(system, index, "GET", path).data()["snapshots"]


def times(rows):
    return [wall_ms(row["timestamp"]) for row in rows]


def wall_ms(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


# (A process that is stopped while it writes to SQLite keeps the file locked: not SIGSTOP there.)
@pytest.mark.parametrize(
    ("database", "fault"), [("sqlite", "kill -9"), ("mongodb", "SIGSTOP")], indirect=["database"]
)
def test_a_store_that_dies_loses_nothing(make_system, fault):
    system = make_system(tempo=TEMPO, stores=2, apis=2)
    viewers = []
    for auction in AUCTIONS:
        turn(system, auction, True).data()
        viewers.append(system.viewer(auction))
    last = AUCTIONS[-1]
    wait_until(lambda: len(stored(system, last)) >= 2, what="the first snapshots")
    first, second = system.of("store")
    taken = [store.metric("headcount_store_requests_total") for store in (first, second)]
    wait_until(
        lambda: all(
            store.metric("headcount_store_requests_total") > before
            for store, before in zip((first, second), taken)
        ),
        what="both stores to take requests",
    )
    before = len(stored(system, last))
    if fault == "kill -9":
        first.kill9()
    else:
        first.pause()
    wait_until(lambda: len(stored(system, last, 1)) >= before + 4, what="snapshots to go on")
    if fault == "kill -9":
        first.start().wait_ready()
    else:
        first.resume()
    closed = len(stored(system, last))
    wait_until(lambda: len(stored(system, last)) >= closed + 2, what="snapshots afterwards")
    system.leave(*viewers)  # from here on nothing is made that the apis could differ by
    made = system.wait_last_window()
    found = [stored(system, auction) for auction in AUCTIONS]
    assert sum(map(len, found)) == made
    for auction, rows in zip(AUCTIONS, found):
        assert all(moment % WINDOW_MS == 0 for moment in times(rows)), f"{auction}: {rows}"
        assert len(set(times(rows))) == len(rows), f"{auction}: {rows}"
        assert rows == stored(system, auction, 1), "the apis disagree"


@pytest.mark.parametrize("database", ["mongodb"], indirect=True)
def test_requests_find_the_store_that_lives(make_system):
    """Settings and posted snapshots are answered while one store is stopped, in the middle of them."""
    system = make_system(tempo=TEMPO, stores=2, apis=2)
    system.of("store")[0].pause()
    answers = []

    def ask(number):
        answers.append(turn(system, f"lot-{number}", True, number % 2).status)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 12
    body = {
        "timestamp": "2026-01-01T00:01:00.000Z", "viewerCount": 3, "avgViewers": 2.5,
        "peakViewers": 3, "minViewers": 2, "sampleCount": 12,
    }  # fmt: skip
    path = "/api/v1/auctions/lot-1/analytics/snapshot"
    for index in (0, 1):
        answer = api(system, index, "POST", path, body, key="internal")
        assert answer.status in (200, 201), answer.body
    assert [row["viewerCount"] for row in stored(system, "lot-1")] == [3]
    system.of("store")[0].resume()


def test_a_setting_reaches_the_other_store(make_system):
    """A flag changed through one store is obeyed by the other within FLAG_CACHE_MS."""
    system = make_system(tempo=TEMPO, stores=2)
    row = {
        "auction": "lot-1", "timestamp": 1767225660000, "viewerCount": 3, "avgViewers": 2.5,
        "peakViewers": 3, "minViewers": 2, "sampleCount": 12,
    }  # fmt: skip

    def outcome(index, number):
        moved = {**row, "timestamp": row["timestamp"] + 60000 * number}
        ack = system.store_request({"kind": "batch", "id": number, "rows": [moved]}, index)
        return {name for name in ("saved", "ignored") if ack[name]}

    numbers = iter(range(1, 10000))
    setting = {"kind": "setting", "id": 1, "auction": "lot-1"}
    for enabled, expected in ((True, {"saved"}), (False, {"ignored"})):
        system.store_request({**setting, "enabled": enabled}, 0)
        changed = time.monotonic()
        assert outcome(0, next(numbers)) == expected, "where it was changed, at once"

        def obeyed():
            late = time.monotonic() > changed + TEMPO["FLAG_CACHE_MS"] / 1000 + 0.01
            found = outcome(1, next(numbers))
            assert found == expected or not late, "asked after FLAG_CACHE_MS"
            return late and found == expected

        wait_until(obeyed, what="the other store")
