"""The store alone, spoken to in its own protocol: keys, rows, flags, faults, retention."""

import concurrent.futures
import sqlite3
import time

import msgpack
import pytest
import zmq

import headcount_wire
from databases import Database, MongoServer, both_databases
from waiting import wait_until

OBJECT_ID = "5f0c1e2d3b4a596877665544"
MINUTE_MS = 60_000


def now_minute_ms():
    return int(time.time() * 1000) // MINUTE_MS * MINUTE_MS


def make_row(auction="lot-1", timestamp=None, **figures):
    """A valid row with exact figures, as headcount_wire takes it."""
    row = {
        "auction": auction,
        "timestamp": now_minute_ms() if timestamp is None else timestamp,
        "viewerCount": 475,
        "avgViewers": 445.25,
        "peakViewers": 475,
        "minViewers": 420,
        "sampleCount": 12,
        "exactPeak": 480,
        "exactMin": 419,
        "exactAvg": 446.5,
        "joins": 60,
        "leaves": 5,
        "coverageMs": 60000,
        "complete": True,
    }
    return {**row, **figures}


def batch(*rows):
    return {"kind": "batch", "rows": list(rows)}


def setting(auction, enabled=True):
    return {"kind": "setting", "auction": auction, "enabled": enabled}


def counts(ack):
    return {name: ack[name] for name in ("saved", "kept", "ignored", "refused")}


def expect(saved=0, kept=0, ignored=0, refused=0):
    return {"saved": saved, "kept": kept, "ignored": ignored, "refused": refused}


@pytest.fixture
def store_system(make_system):
    """make(...) gives a System of stores only."""

    def make(**options):
        return make_system(gateways=0, samplers=0, apis=0, **options)

    return make


def count_rows(system):
    with system.database.open() as opened:
        if system.database.kind == "mongodb":
            return opened.vieweranalytics.count_documents({})
        return opened.execute("SELECT count(*) FROM vieweranalytics").fetchone()[0]


def read_counts(system, auction):
    """{timestamp ms: (sampleCount, viewerCount)} of an auction, straight from the database."""
    with system.database.open() as opened:
        if system.database.kind == "mongodb":
            return {
                round(row["timestamp"].timestamp() * 1000): (row["sampleCount"], row["viewerCount"])
                for row in opened.vieweranalytics.find({"auction": auction})
            }
        query = "SELECT timestamp, sample_count, viewer_count FROM vieweranalytics WHERE auction=?"
        return {row[0]: (row[1], row[2]) for row in opened.execute(query, [auction])}


@both_databases
def test_rows_go_their_ways(store_system):
    system = store_system()
    system.store_request(setting("lot-1"))
    system.store_request(setting("off", False))
    bad = make_row(minViewers=500, timestamp=now_minute_ms() - MINUTE_MS)
    ack = system.store_request(batch(make_row(), make_row("off"), make_row("unknown"), bad))
    assert (ack["code"], counts(ack)) == ("ok", expect(saved=1, ignored=2, refused=1))
    row, reason = ack["refusals"][0]
    assert row == 3 and "minViewers" in reason and "allowed" in reason
    assert count_rows(system) == 1
    for outcome in ("saved", "refused"):
        assert system.store.metric(f'headcount_store_snapshots_total{{outcome="{outcome}"}}') == 1


@both_databases
def test_a_wrong_key_changes_nothing(store_system):
    system = store_system()
    system.store_request(setting("lot-1"))
    for request in (batch(make_row()), setting("lot-1", False)):
        for key in ("", "wrong", system.internal_key[:-1], system.internal_key + "x"):
            ack = system.store_request({**request, "key": key})
            assert ack["code"] == "unauthorized"
    assert count_rows(system) == 0
    assert counts(system.store_request(batch(make_row()))) == expect(saved=1)
    assert system.store.metric('headcount_store_requests_refused_total{reason="unauthorized"}') == 8
    assert len(system.store.log_lines("store.unauthorized")) == 1


@both_databases
def test_a_repeat_is_kept_and_the_fuller_wins(store_system):
    system = store_system()
    system.store_request(setting("lot-1"))
    row = make_row(sampleCount=8)
    assert counts(system.store_request(batch(row))) == expect(saved=1)
    assert counts(system.store_request(batch(row))) == expect(kept=1)
    assert counts(system.store_request(batch({**row, "sampleCount": 7}))) == expect(kept=1)
    fuller = {**row, "sampleCount": 12, "viewerCount": 470}
    assert counts(system.store_request(batch(fuller))) == expect(saved=1)
    assert read_counts(system, "lot-1") == {row["timestamp"]: (12, 470)}


@both_databases
def test_two_stores_and_many_writers_keep_one_fullest_row(store_system):
    system = store_system(stores=2)
    system.store_request(setting("lot-1"))
    start = now_minute_ms() - 100 * MINUTE_MS

    def write(writer):
        rows = [
            make_row(
                timestamp=start + minute * MINUTE_MS,
                sampleCount=1 + (writer * 7 + minute * 3) % 60,
                viewerCount=420 + writer,
            )
            for minute in range(50)
        ]
        ack = system.store_request(batch(*rows), index=writer % 2, timeout=30)
        assert ack["code"] == "ok" and ack["saved"] + ack["kept"] == 50, ack

    wait_until(
        lambda: counts(system.store_request(batch(make_row()), index=1)) != expect(ignored=1),
        what="the second store to learn of the flag",
    )
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    found = read_counts(system, "lot-1")
    for minute in range(50):
        best = max(1 + (writer * 7 + minute * 3) % 60 for writer in range(8))
        assert found[start + minute * MINUTE_MS][0] == best
    assert len(found) == 51


def test_what_does_not_decode_is_answered_and_counted(store_system):
    system = store_system()
    key = system.internal_key
    bodies = {
        "version": (b"batch/", [2, 7, key, []]),
        "topic": (b"rubbish/", [1, 7, key, []]),
        "type": (b"batch/", [1, 7, 5, []]),
        "format": (b"batch/", [1, 7]),
    }
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(system.endpoint("store"))
        for reason, (topic, body) in bodies.items():
            dealer.send_multipart([topic, msgpack.packb(body)])
            assert dealer.poll(20000), reason
            ack = headcount_wire.decode_ack(*dealer.recv_multipart())
            assert ack["code"] == ("version" if reason == "version" else "invalid")
            name = f'headcount_store_requests_refused_total{{reason="{reason}"}}'
            assert system.store.metric(name) == 1
        for frames in ([b"alone"], [b"batch/", b"x", b"y"], [b""] * 20):
            dealer.send_multipart(frames)
            assert dealer.poll(20000)
            assert headcount_wire.decode_ack(*dealer.recv_multipart())["code"] == "invalid"
        dealer.send_multipart([b"batch/", b"\xdd\xff\xff\xff\xff" * 3])
        assert dealer.poll(20000)
        assert headcount_wire.decode_ack(*dealer.recv_multipart())["code"] == "invalid"
    assert system.store_request(setting("lot-1"))["code"] == "ok"


@both_databases
def test_a_switch_counts_at_once_here_and_soon_elsewhere(store_system):
    system = store_system(stores=2, settings={"FLAG_CACHE_MS": 5000})
    for store in system.of("store"):  # ready before, with the spool alone, while the other prepares the file
        wait_until(lambda s=store: s.log_lines("store.database_up"), what="its database")
    for index in (0, 1):
        assert counts(system.store_request(batch(make_row()), index)) == expect(ignored=1)
    system.store_request(setting("lot-1"))
    assert counts(system.store_request(batch(make_row()))) == expect(saved=1)
    system.store_request(setting("lot-1", False))
    assert counts(system.store_request(batch(make_row()))) == expect(ignored=1)
    system.store_request(setting("lot-1"))
    fresh_until = time.monotonic() + 5 + 0.01

    def obeyed():
        late = time.monotonic() > fresh_until
        found = counts(system.store_request(batch(make_row()), 1))
        assert found != expect(ignored=1) or not late, "asked after FLAG_CACHE_MS"
        return found == expect(kept=1)

    wait_until(obeyed, what="the other store to read the flag again")


@both_databases
def test_what_was_acknowledged_survives_a_kill(store_system):
    system = store_system()
    system.store_request(setting("lot-1"))
    start = now_minute_ms() - 500 * MINUTE_MS
    for minute in range(0, 300, 10):
        rows = [make_row(timestamp=start + (minute + i) * MINUTE_MS) for i in range(10)]
        assert system.store_request(batch(*rows))["saved"] == 10
    system.store.kill9()
    assert count_rows(system) == 300
    system.store.start().wait_ready()
    assert counts(system.store_request(batch(make_row()))) == expect(saved=1)


@pytest.mark.limit(600)
def test_without_a_spool_a_database_goes_and_comes_back(store_system, tmp_path):
    server = MongoServer(tmp_path)
    if server.foreign:
        pytest.skip("MONGODB_URI names a server that is not ours to stop")
    server.install()
    server.start()
    system = store_system(
        database=Database("mongodb", server),
        settings={"DATABASE_TIMEOUT_MS": 3000},
        store={"SPOOL_PATH": None},
    )
    try:
        system.store_request(setting("lot-1"))
        server.kill9()
        row = make_row()
        ack = system.store_request(batch(row))
        assert ack["code"] == "unavailable" and counts(ack) == expect()
        wait_until(lambda: not system.store.ready(), what="the store to say it is not ready")
        for _ in range(3):
            assert system.store_request(batch(row))["code"] == "unavailable"
        assert len(system.store.log_lines("store.database_down")) == 1
        server.start()
        system.store.wait_ready()
        system.store_request(setting("lot-1"))
        ack = system.store_request(batch(row))
        assert ack["code"] == "ok" and ack["saved"] + ack["kept"] == 1
        assert len(read_counts(system, "lot-1")) == 1
        system.stop()
    finally:
        server.stop()


def test_without_a_spool_a_locked_database_file_loses_nothing(store_system):
    system = store_system(settings={"DATABASE_TIMEOUT_MS": 200}, store={"SPOOL_PATH": None})
    system.store_request(setting("lot-1"))
    with sqlite3.connect(system.database.path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert system.store_request(batch(make_row()))["code"] == "unavailable"
        other.execute("ROLLBACK")
    wait_until(
        lambda: system.store_request(batch(make_row()))["code"] == "ok", what="the file to be free"
    )
    assert count_rows(system) == 1


def test_a_full_queue_says_try_again(store_system):
    system = store_system(
        settings={"QUEUE_REQUESTS": 2, "DATABASE_TIMEOUT_MS": 30000}, store={"SPOOL_PATH": None}
    )
    system.store_request(setting("lot-1"))
    with sqlite3.connect(system.database.path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.linger = 0
            dealer.connect(system.endpoint("store"))
            for number in range(20):
                request = {"id": number, "key": system.internal_key, **batch(make_row())}
                dealer.send_multipart(headcount_wire.encode_request(request))
            assert dealer.poll(20000)
            ack = headcount_wire.decode_ack(*dealer.recv_multipart())
            assert ack["code"] == "unavailable"
            assert system.store.ready()  # the loop goes on while the database blocks
        other.execute("ROLLBACK")
    assert system.store.metric('headcount_store_requests_unavailable_total{reason="queue"}') > 0


@both_databases
def test_old_snapshots_are_deleted(store_system):
    system = store_system(store={"RETENTION_DAYS": 90, "RETENTION_INTERVAL_MS": 100})
    system.store_request(setting("lot-1"))
    start = now_minute_ms() - 2000 * MINUTE_MS
    rows = [make_row(timestamp=start + i * MINUTE_MS) for i in range(20)]
    assert system.store_request(batch(*rows))["saved"] == 20
    old = int((time.time() - 91 * 86400) * 1000)
    if system.database.kind == "mongodb":
        import datetime

        old_date = datetime.datetime.fromtimestamp(old / 1000, datetime.timezone.utc)
        with system.database.open() as opened:
            first = [row["_id"] for row in opened.vieweranalytics.find().sort("timestamp", 1).limit(15)]
            opened.vieweranalytics.update_many(
                {"_id": {"$in": first}}, {"$set": {"createdAt": old_date}}
            )
    else:
        with sqlite3.connect(system.database.path, timeout=10) as opened:
            opened.execute(
                "UPDATE vieweranalytics SET created_at=? WHERE timestamp<?",
                [old, start + 15 * MINUTE_MS],
            )
    wait_until(lambda: count_rows(system) == 5, what="15 old snapshots to be deleted")
    assert min(read_counts(system, "lot-1")) == start + 15 * MINUTE_MS


@pytest.mark.parametrize("database", ["mongodb"], indirect=True)
def test_documents_as_the_owners_models_have_them(store_system):
    system = store_system()
    for auction in (OBJECT_ID, "lot-1"):
        system.store_request(setting(auction))
    before = time.time()
    timestamp = now_minute_ms()
    plain = make_row("lot-1", timestamp, avgViewers=445)
    exact = ("exactPeak", "exactMin", "exactAvg", "joins", "leaves", "coverageMs", "complete")
    for name in exact:
        plain.pop(name)
    system.store_request(batch(make_row(OBJECT_ID, timestamp), plain))
    import bson

    with system.database.open() as opened:
        document = opened.vieweranalytics.find_one({"auction": bson.ObjectId(OBJECT_ID)})
        other = opened.vieweranalytics.find_one({"auction": "lot-1"})
        indexes = {index["name"]: index for index in opened.vieweranalytics.list_indexes()}
        auctions = {row["_id"]: row for row in opened.auctions.find()}
    expected = make_row(timestamp=timestamp)
    for name in ("auction", "timestamp"):
        expected.pop(name)
    assert {name: document[name] for name in expected} == expected
    assert isinstance(document["_id"], bson.ObjectId)
    assert round(document["timestamp"].timestamp() * 1000) == timestamp
    for name in ("createdAt", "updatedAt"):
        assert before - 1 < document[name].timestamp() < time.time() + 1
    assert type(document["viewerCount"]) is int and type(document["avgViewers"]) is float
    assert set(document) == set(expected) | {"_id", "auction", "timestamp", "createdAt", "updatedAt"}
    assert set(other) & set(exact) == set()
    assert type(other["avgViewers"]) is int
    assert list(indexes["auction_1_timestamp_1"]["key"].items()) == [("auction", 1), ("timestamp", 1)]
    assert indexes["auction_1_timestamp_1"]["unique"]
    assert indexes["createdAt_1"]["expireAfterSeconds"] == 90 * 86400
    assert auctions[bson.ObjectId(OBJECT_ID)] == {
        "_id": bson.ObjectId(OBJECT_ID),
        "enableViewerAnalytics": True,
    }


@pytest.mark.parametrize("database", ["mongodb"], indirect=True)
def test_other_fields_of_an_auction_are_not_ours(store_system):
    system = store_system()
    with system.database.open() as opened:
        opened.auctions.insert_one({"_id": "lot-1", "title": "Clocks", "lots": [1, 2]})
        assert counts(system.store_request(batch(make_row()))) == expect(ignored=1)
        system.store_request(setting("lot-1"))
        assert opened.auctions.find_one({"_id": "lot-1"}) == {
            "_id": "lot-1",
            "title": "Clocks",
            "lots": [1, 2],
            "enableViewerAnalytics": True,
        }


def test_one_log_line_an_interval(store_system):
    system = store_system(store={"LOG_INTERVAL_MS": 300})
    system.store_request(setting("lot-1"))
    now = now_minute_ms()
    rows = [make_row(timestamp=now - i * MINUTE_MS) for i in range(50)]
    system.store_request(batch(*rows))
    line = wait_until(
        lambda: system.store.log_lines("store.snapshots_saved"), what="the line about what was saved"
    )
    assert [entry.fields["saved"] for entry in line] == ["50"]
