"""The whole way: viewers → gateway → sampler → store → database → api, on both databases."""

import datetime
import pathlib
import time

import bson
import pytest

from databases import both_databases
from waiting import wait_until

OBJECT_ID = "5f0c1e2d3b4a596877665544"
SEED_FIELDS = {
    "timestamp": str,
    "viewerCount": int,
    "avgViewers": (int, float),
    "peakViewers": int,
    "minViewers": int,
    "sampleCount": int,
}
EXACT_FIELDS = {
    "exactPeak": int,
    "exactMin": int,
    "exactAvg": (int, float),
    "joins": int,
    "leaves": int,
    "coverageMs": int,
    "complete": bool,
}
SQLITE_FIELDS = """auction timestamp viewer_count avg_viewers peak_viewers min_viewers sample_count
    exact_peak exact_min exact_avg joins leaves coverage_ms complete created_at updated_at""".split()


def is_full(snapshot, viewers):
    """A whole minute in which nobody came or went, and no gateway fell silent."""
    return (
        snapshot["sampleCount"] == 12
        and snapshot["complete"]
        and snapshot["viewerCount"] == snapshot["minViewers"] == viewers
        and snapshot["peakViewers"] == viewers
        and not snapshot["joins"] + snapshot["leaves"]
    )


def wait_full(system, auction, viewers, timeout=20):
    """The auction's first full snapshot with so many viewers, as the api gives it."""
    return wait_until(
        lambda: next((s for s in system.snapshots(auction) if is_full(s, viewers)), None),
        timeout,
        f"a full snapshot of {auction} with {viewers} viewers",
    )


def count_stored(system, auction):
    with system.database.open() as opened:
        if system.database.kind == "mongodb":
            return opened.vieweranalytics.count_documents({"auction": auction})
        query = "SELECT count(*) FROM vieweranalytics WHERE auction=?"
        return opened.execute(query, [auction]).fetchone()[0]


def check_mongodb(opened, auction, snapshot):
    """The collection is the one that the owner's Mongoose models know."""
    stored_id = bson.ObjectId(auction) if len(auction) == 24 else auction
    when = datetime.datetime.fromisoformat(snapshot["timestamp"].replace("Z", "+00:00"))
    document = opened.vieweranalytics.find_one({"auction": stored_id, "timestamp": when})
    assert set(document) == {"_id", "auction", "createdAt", "updatedAt"} | set(SEED_FIELDS) | set(
        EXACT_FIELDS
    )
    for name, kind in {**SEED_FIELDS, **EXACT_FIELDS}.items():
        if name != "timestamp":
            assert isinstance(document[name], kind), (name, document[name])
            assert document[name] == snapshot[name], name
    for name in ("timestamp", "createdAt", "updatedAt"):
        assert isinstance(document[name], datetime.datetime), name
    assert isinstance(document["_id"], bson.ObjectId)
    indexes = opened.vieweranalytics.index_information()
    unique = [i for i in indexes.values() if i["key"] == [("auction", 1), ("timestamp", 1)]]
    expiring = [i for i in indexes.values() if i["key"] == [("createdAt", 1)]]
    assert unique[0]["unique"] is True
    assert expiring[0]["expireAfterSeconds"] == 90 * 86400
    assert opened.auctions.find_one({"_id": stored_id})["enableViewerAnalytics"] is True


def check_sqlite(opened, auction, snapshot):
    columns = {row["name"]: row for row in opened.execute("PRAGMA table_info(vieweranalytics)")}
    assert list(columns) == SQLITE_FIELDS
    assert [name for name, row in columns.items() if row["pk"]] == ["auction", "timestamp"]
    when = datetime.datetime.fromisoformat(snapshot["timestamp"].replace("Z", "+00:00"))
    milliseconds = round(when.timestamp() * 1000)
    row = opened.execute(
        "SELECT * FROM vieweranalytics WHERE auction=? AND timestamp=?", [auction, milliseconds]
    ).fetchone()
    assert row["viewer_count"] == snapshot["viewerCount"]
    assert row["avg_viewers"] == snapshot["avgViewers"]
    assert row["sample_count"] == snapshot["sampleCount"]
    assert row["exact_peak"] == snapshot["exactPeak"]
    assert abs(row["created_at"] / 1000 - time.time()) < 60
    assert opened.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


@both_databases
@pytest.mark.parametrize("auction", ["lot-1", OBJECT_ID])
def test_viewers_become_snapshots(system, auction):
    system.set_tracking(auction)
    viewers = system.join(auction, 3)
    for viewer in viewers:
        viewer.wait_count(3)
    assert set(viewers[0].frames[-1]) == {"event", "auction", "count"}
    assert viewers[0].frames[-1]["auction"] == auction
    snapshot = wait_full(system, auction, 3)
    for name, kind in {**SEED_FIELDS, **EXACT_FIELDS}.items():
        assert isinstance(snapshot[name], kind), (name, snapshot[name])
    assert snapshot["avgViewers"] == 3 and snapshot["exactPeak"] == 3
    assert snapshot["coverageMs"] == 1200
    assert snapshot["timestamp"].endswith("Z")
    with system.database.open() as opened:
        check = check_mongodb if system.database.kind == "mongodb" else check_sqlite
        check(opened, auction, snapshot)
    live = {"auction": auction, "viewers": 3, "live": True}
    wait_until(lambda: system.live(auction) == live, what="the api to say so")
    assert len(system.sampler.log_lines()) and len(system.store.log_lines())


@both_databases
def test_the_seeds_four_steps(system):
    """What the seed's guide asks to try: two tabs, close one, storage, the dashboard's answer."""
    first = system.viewer("lot-7")
    first.wait_count(1)
    second = system.viewer("lot-7")
    first.wait_count(2)
    second.wait_count(2)
    system.leave(second)
    first.wait_count(1)
    assert system.snapshots("lot-7") == []
    system.set_tracking("lot-7")
    assert wait_full(system, "lot-7", 1)["avgViewers"] == 1
    wait_until(lambda: len(system.snapshots("lot-7")) >= 3, 15, "three snapshots")
    times = [snapshot["timestamp"] for snapshot in system.snapshots("lot-7")]
    assert times == sorted(set(times))


@both_databases
def test_an_auction_nobody_turned_on_is_not_stored(system):
    system.set_tracking("lot-on")
    system.join("lot-off", 2)  # first: whoever is counted in lot-on is counted here
    system.join("lot-on", 2)
    wait_full(system, "lot-on", 2)
    wait_until(lambda: count_stored(system, "lot-on") >= 2, 15, "two stored minutes")
    assert count_stored(system, "lot-off") == 0
    wait_until(lambda: system.live("lot-off")["viewers"] == 2, what="the api to say so")
    assert system.store.metric('headcount_store_snapshots_total{outcome="ignored"}') > 0


@both_databases
@pytest.mark.parametrize("changed_by", ["api", "owner"])
def test_turning_analytics_off_stops_storage_within_5_s(make_system, database, changed_by):
    """With the flag cache at its default: by our api, or by the owner's own program."""
    if (database.kind, changed_by) == ("sqlite", "owner"):
        pytest.skip("nobody else writes our SQLite file")
    system = make_system(settings={"FLAG_CACHE_MS": None})
    system.set_tracking("lot-1")
    viewer = system.viewer("lot-1")
    wait_full(system, "lot-1", 1)
    if changed_by == "api":
        system.set_tracking("lot-1", False)
    else:
        with database.open() as opened:
            change = {"$set": {"enableViewerAnalytics": False}}
            opened.auctions.update_one({"_id": "lot-1"}, change)
    changed = time.time()
    time.sleep(5)  # the promise itself: whatever ends after that is not stored
    closed = system.sampler.metric("headcount_sampler_snapshots_total")
    system.viewer("lot-1")
    viewer.wait_count(2)
    wait_until(
        lambda: system.sampler.metric("headcount_sampler_snapshots_total") >= closed + 3,
        10,
        "three more minutes",
    )
    wait_until(lambda: system.live("lot-1")["viewers"] == 2, what="the api to say so")
    snapshots = system.snapshots("lot-1")
    assert len(snapshots) == count_stored(system, "lot-1") > 0, "what was stored stays readable"
    last = datetime.datetime.fromisoformat(snapshots[-1]["timestamp"]).timestamp()
    assert last <= changed + 5


def test_two_gateways_and_two_samplers_count_as_one(make_system):
    system = make_system(gateways=2, samplers=2)
    system.set_tracking("lot-1")
    left = system.join("lot-1", 3, gateway=0)
    right = system.join("lot-1", 4, gateway=1)
    for viewer in left + right:
        viewer.wait_count(7)
    wait_full(system, "lot-1", 7)
    times = [snapshot["timestamp"] for snapshot in system.snapshots("lot-1")]
    assert len(times) == len(set(times)), "two samplers, one snapshot a minute"


def test_an_auction_without_viewers_has_no_snapshot(system):
    system.set_tracking("lot-1")
    system.set_tracking("lot-2")
    here = system.viewer("lot-1")
    there = system.viewer("lot-2")
    wait_full(system, "lot-1", 1)
    wait_full(system, "lot-2", 1)
    system.leave(there)
    here.wait_count(1)
    wait_until(lambda: system.live("lot-2")["viewers"] == 0, 10, "lot-2 to be empty")
    before = len(system.snapshots("lot-1"))
    wait_until(lambda: len(system.snapshots("lot-1")) >= before + 2, 15, "the minute to close")
    stored = count_stored(system, "lot-2")
    before = len(system.snapshots("lot-1"))
    wait_until(lambda: len(system.snapshots("lot-1")) >= before + 2, 15, "two more minutes")
    assert count_stored(system, "lot-2") == stored


def test_keys_show_up_nowhere(make_system):
    """Not in a command line, a log at its most talkative, a metric or an answer."""
    system = make_system(settings={"LOG_LEVEL": "debug"})
    system.set_tracking("lot-1")
    system.viewer("lot-1")
    wait_full(system, "lot-1", 1)
    bad = {"kind": "batch", "key": "another-key-entirely", "rows": [make_row()]}
    assert system.store_request(bad)["code"] == "unauthorized"
    system.http("GET", "/api/v1/auctions/lot-1/settings", key="another-key-entirely")
    secrets = [system.internal_key, system.admin_key, "another-key-entirely"]
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode(errors="replace")
        except OSError:
            continue  # ended meanwhile
        assert not any(secret in line for secret in secrets), path
    for service in system.services:
        pages = service.log() + service.admin("/metrics").body.decode()
        assert not any(secret in pages for secret in secrets), service.name


def make_row():
    now = int(time.time()) * 1000
    return {
        "auction": "lot-1",
        "timestamp": now,
        "viewerCount": 1,
        "avgViewers": 1,
        "peakViewers": 1,
        "minViewers": 1,
        "sampleCount": 12,
    }
