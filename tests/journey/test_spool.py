"""What the store acknowledges while the database cannot take it: on its disk, in the database later."""

import contextlib
import os
import sqlite3

import pytest
import zmq

import headcount_wire
from databases import Database, MongoServer
from machine import free_port
from service import run_program
from small_disk import SmallDisk
from test_store import batch, count_rows, counts, expect, make_row, now_minute_ms, read_counts, setting
from waiting import wait_until

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS


@pytest.fixture
def make_store(make_system):
    """A started System of one store, the analytics of lot-1 on."""

    def make(settings=None, **options):
        tempo = {"DATABASE_TIMEOUT_MS": 100, "DATABASE_RETRY_MS": 20, "DATABASE_RETRY_MAX_MS": 200}
        settings = {**tempo, **(settings or {})}
        system = make_system(gateways=0, samplers=0, apis=0, settings=settings, **options)
        assert system.store_request(setting("lot-1"))["code"] == "ok"
        return system

    return make


def spool_path(system):
    return system.directory / system.store.settings["SPOOL_PATH"]


@contextlib.contextmanager
def locked(system):
    """While it lasts, nobody else can write the database's file."""
    with contextlib.closing(sqlite3.connect(system.database.path, isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout=10000")
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def minutes(count, first=0, auction="lot-1"):
    start = now_minute_ms() - 20 * DAY_MS
    return [make_row(auction, start + (first + number) * MINUTE_MS) for number in range(count)]


def spool(system, *rows):
    """Sends a batch that must be acknowledged as spooled."""
    ack = system.store_request(batch(*rows), timeout=20)
    assert (ack["code"], ack["spooled"]) == ("ok", len(rows)) and counts(ack) == expect()


def stored_times(system):
    return sorted(read_counts(system, "lot-1"))


def wait_drained(system):
    metric = "headcount_store_spool_batches"
    wait_until(lambda: system.store.metric(metric, 1) == 0, 30, "the spool to be empty")


def test_a_batch_is_kept_through_a_kill_until_the_database_is_back(make_store):
    system = make_store()
    rows = minutes(5)
    with locked(system):
        spool(system, *rows[:3])
        spool(system, *rows[3:])
        assert system.store.ready()
        assert system.store.metric("headcount_store_database_up") == 0
        assert system.store.metric("headcount_store_spool_batches") == 2
        assert system.store.metric("headcount_store_spool_bytes") > 100
        assert system.store_request(setting("lot-2"))["code"] == "unavailable"
        system.store.kill9()
        assert system.internal_key.encode() not in spool_path(system).read_bytes()
        assert os.stat(spool_path(system)).st_mode & 0o777 == 0o600
        system.store.start().wait_ready()
        assert system.store.metric("headcount_store_spool_batches") == 2
        assert len(system.store.log_lines("store.spool_waiting")) == 1
    wait_drained(system)
    assert stored_times(system) == [row["timestamp"] for row in rows]
    assert system.store.metric("headcount_store_spool_bytes") == 0
    assert system.store.metric("headcount_store_spool_drained_total") == 5
    assert len(system.store.log_lines("store.spool_drained")) == 1
    assert counts(system.store_request(batch(*rows))) == expect(kept=5)


@pytest.mark.limit(600)
def test_a_server_that_goes_and_comes_back(make_store, tmp_path):
    server = MongoServer(tmp_path)
    if server.foreign:
        pytest.skip("MONGODB_URI names a server that is not ours to stop")
    server.install()
    server.start()
    try:
        database = Database("mongodb", server)
        system = make_store(database=database, settings={"DATABASE_TIMEOUT_MS": 2000})
        rows = minutes(300)
        server.process.terminate()  # a kill might cost it the flag, which it has just been told
        server.process.wait(30)
        for start in range(0, 300, 100):
            spool(system, *rows[start : start + 100])
        assert len(system.store.log_lines("store.database_down")) == 1
        server.start()
        wait_drained(system)
        assert stored_times(system) == [row["timestamp"] for row in rows]
        system.stop()
    finally:
        server.stop()


def test_flags_are_asked_when_the_database_is_back(make_store):
    system = make_store()
    with locked(system):
        spool(system, make_row("lot-1"), make_row("lot-unknown"))
    wait_drained(system)
    assert count_rows(system) == 1


def test_oldest_first_and_no_faster_than_told(make_store):
    system = make_store(settings={"SPOOL_DRAIN_ROWS": 50})
    rows = minutes(1000)
    with locked(system):
        for start in range(0, 1000, 100):
            spool(system, *[{**row, "auction": "lot-1"} for row in rows[start : start + 100]])
    wait_until(lambda: stored_times(system), 20, "the first rows")
    stored = stored_times(system)
    assert stored == [row["timestamp"] for row in rows[: len(stored)]]
    assert 0 < len(stored) < 1000 and system.store.metric("headcount_store_spool_batches") > 0
    newer = make_row()  # does not wait for the spool
    assert counts(system.store_request(batch(newer))) == expect(saved=1)


def test_a_full_spool_warns_before_and_says_so(make_store):
    system = make_store(settings={"SPOOL_BYTES": 65536})
    rows = minutes(4000)
    sent = 0
    with locked(system):
        while True:
            ack = system.store_request(batch(*rows[sent : sent + 50]), timeout=20)
            if ack["code"] != "ok":
                break
            sent += 50
        assert ack["code"] == "unavailable" and "spool is full" in ack["message"]
        assert 0 < sent < 4000
        wait_until(lambda: not system.store.ready(), what="the store to say that it takes no more")
        (warning,) = system.store.log_lines("store.spool_filling")
        assert 0.8 <= int(warning.fields["bytes"]) / 65536 < 1
        assert system.store.metric("headcount_store_spool_bytes_max") == 65536
    wait_drained(system)
    assert len(stored_times(system)) == sent
    assert system.store.ready()
    with locked(system):
        spool(system, *rows[sent : sent + 50])
    wait_drained(system)


def test_a_full_disk_loses_nothing(make_store, tmp_path):
    with SmallDisk(tmp_path / "small", "1m") as disk:
        system = make_store(store={"SPOOL_PATH": disk.path / "spool.db"})
        rows = minutes(20000)
        sent, refused = [], 0
        with locked(system):
            for start in range(0, 20000, 50):
                ack = system.store_request(batch(*rows[start : start + 50]), timeout=20)
                if ack["code"] == "ok":
                    sent += rows[start : start + 50]
                else:
                    assert ack["code"] == "unavailable" and "cannot be written" in ack["message"]
                    refused += 1
                if refused == 3:
                    break
            assert sent and refused == 3
            assert system.store.log_lines("store.spool_failed")
            system.store.kill9()
            system.store.start().wait_ready()
        wait_drained(system)
        assert stored_times(system) == [row["timestamp"] for row in sent]
        with locked(system):
            spool(system, rows[-1])  # there is room again
        wait_drained(system)
        system.stop()


def test_a_disk_that_has_room_again_is_used_again(make_store, tmp_path):
    """Though nothing is handed in meanwhile."""
    usable = "headcount_store_spool_usable"
    with SmallDisk(tmp_path / "small", "2m") as disk:
        system = make_store(store={"SPOOL_PATH": disk.path / "spool.db"})
        disk.fill()
        with locked(system):
            ack = system.store_request(batch(*minutes(500)), timeout=20)
            assert ack["code"] == "unavailable" and "cannot be written" in ack["message"]
            wait_until(lambda: system.store.metric(usable) == 0, what="the spool to be told of")
            wait_until(lambda: not system.store.ready(), what="a store that can do neither")
            disk.empty()
            wait_until(lambda: system.store.metric(usable) == 1, what="the spool")
            wait_until(system.store.ready, what="the store to be ready")
        system.stop()


def test_a_database_whose_disk_is_full(make_store, tmp_path):
    """And whose spool has room."""
    with SmallDisk(tmp_path / "small", "1m") as disk:
        system = make_store(settings={"SQLITE_PATH": disk.path / "headcount.db"})
        system.database.path = disk.path / "headcount.db"
        rows = minutes(3000)
        assert system.store_request(batch(*rows[:10]))["saved"] == 10
        disk.fill()
        for start in range(10, 3000, 230):
            assert system.store_request(batch(*rows[start : start + 230]), timeout=20)["code"] == "ok"
        assert system.store.metric("headcount_store_spool_batches") > 0
        assert "full" in system.store.log_lines("store.database_down")[-1].fields["reason"]
        disk.empty()
        wait_drained(system)
        assert stored_times(system) == [row["timestamp"] for row in rows]
        assert not set_aside(system)
        system.stop()


def poison(system, how="RAISE(ABORT, 'too odd for me')"):
    """From now on the database refuses lot-bad."""
    with contextlib.closing(sqlite3.connect(system.database.path, isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout=10000")
        other.execute(
            "CREATE TRIGGER poison BEFORE INSERT ON vieweranalytics WHEN NEW.auction='lot-bad'"
            f" BEGIN SELECT {how}; END"
        )


def set_aside(system):
    with contextlib.closing(sqlite3.connect(f"file:{spool_path(system)}?mode=ro", uri=True)) as opened:
        return opened.execute("SELECT subject, reason FROM set_aside ORDER BY subject").fetchall()


def test_a_snapshot_that_the_database_refuses_is_set_aside(make_store):
    system = make_store()
    system.store_request(setting("lot-bad"))
    poison(system)
    first, second = now_minute_ms() - MINUTE_MS, now_minute_ms()
    ack = system.store_request(batch(make_row("lot-bad", first), make_row("lot-1", first)))
    assert counts(ack) == expect(saved=1, refused=1)
    assert [row for row, _ in ack["refusals"]] == [0]
    with locked(system):
        spool(system, make_row("lot-1", second), make_row("lot-bad", second))
        spool(system, make_row("lot-1", second - 5 * MINUTE_MS))
    wait_drained(system)
    assert len(stored_times(system)) == 3
    aside = set_aside(system)
    assert len(aside) == 2 and system.store.metric("headcount_store_spool_set_aside") == 2
    assert all(subject.startswith("lot-bad ") and "too odd for me" in reason for subject, reason in aside)
    assert system.store.log_lines("store.set_aside")
    system.store_request(batch(make_row("lot-bad", first)))  # repeated: kept once
    assert len(set_aside(system)) == 2


def test_a_snapshot_that_fails_for_no_known_reason_does_not_block_the_rest(make_store):
    system = make_store()
    system.store_request(setting("lot-bad"))
    poison(system, "json('{')")
    now = now_minute_ms()
    spool(system, make_row("lot-1", now - MINUTE_MS), make_row("lot-bad", now))
    ack = system.store_request(batch(make_row("lot-1", now)))
    assert ack["saved"] + ack["spooled"] == 1  # between two attempts the database counts as down
    with locked(system):
        spool(system, make_row("lot-1", now - 2 * MINUTE_MS))
    wait_drained(system)
    assert len(stored_times(system)) == 3
    ((subject, reason),) = set_aside(system)
    assert subject.startswith("lot-bad ") and "malformed JSON" in reason


def test_a_damaged_spool_is_set_aside_and_what_is_left_of_it_is_kept(make_store):
    system = make_store()
    rows = minutes(600)
    with locked(system):
        for start in range(0, 600, 20):
            spool(system, *rows[start : start + 20])
        system.store.kill9()
        with open(spool_path(system), "r+b") as file:  # a page in the midst
            file.seek(os.path.getsize(file.name) // 2 // 4096 * 4096)
            file.write(os.urandom(4096))
        system.store.start().wait_ready()
    (damaged,) = system.store.log_lines("store.spool_damaged")
    assert (system.directory / damaged.fields["moved_to"]).exists()
    rescued = int(damaged.fields["rescued_batches"])
    assert 0 < rescued < 30
    assert system.store.metric("headcount_store_spool_damaged_total") == 1
    wait_drained(system)
    assert len(stored_times(system)) == rescued * 20


def test_a_spool_that_could_not_be_opened_at_the_start_is_drained_later(make_store):
    system = make_store()
    rows = minutes(3)
    with locked(system):
        spool(system, *rows)
        system.store.kill9()
    lock = spool_path(system).with_name(spool_path(system).name + ".lock")
    kept = lock.rename(lock.with_name("kept"))
    lock.mkdir()  # as a disk that takes nothing, it passes
    system.store.start().wait_ready()
    assert system.store.log_lines("store.spool", "error")
    assert system.store.metric("headcount_store_spool_usable") == 0
    assert not stored_times(system)
    lock.rmdir()
    kept.rename(lock)
    wait_until(lambda: stored_times(system), what="it to be drained")
    assert stored_times(system) == [row["timestamp"] for row in rows]
    assert system.store.metric("headcount_store_spool_usable") == 1


def test_a_spool_belongs_to_one_store(make_store):
    system = make_store()
    second = run_program(
        "store",
        settings={
            **{key: str(value) for key, value in system.store.settings.items()},
            "SPOOL_PATH": str(spool_path(system)),
            "STORE_BIND": f"ipc://{system.directory}/second.ipc",
            "ADMIN_PORT": str(free_port()),
        },
    )
    assert second.returncode != 0
    assert "in use by another process" in second.stderr + second.stdout


def test_a_path_set_wrongly_leaves_the_database_as_it_is(make_store, tmp_path):
    """A spool, and an outbox, that are told to use the database's file."""
    system = make_store()
    assert system.store.term() == 0
    database = str(system.database.path)
    own = {key: str(value) for key, value in system.store.settings.items()}
    same = run_program("store", "--check", settings={**own, "SPOOL_PATH": database, "SQLITE_PATH": database})
    assert same.returncode == 102 and "SPOOL_PATH: is SQLITE_PATH too" in same.stderr
    other = {**own, "SPOOL_PATH": database, "SQLITE_PATH": str(tmp_path / "other.db")}
    sampler = {
        "INTERNAL_API_KEY": system.internal_key,
        "OUTBOX_PATH": database,
        "COUNT_BIND": f"ipc://{system.directory}/wrong.ipc",
        "ADMIN_PORT": "0",
    }
    for name, settings in (("store", other), ("sampler", sampler)):
        refused = run_program(name, settings=settings)
        assert refused.returncode == 111
        assert "is a database of something else" in refused.stderr
    system.store.start().wait_ready()
    assert system.store_request(batch(*minutes(1)))["code"] == "ok" and count_rows(system) == 1


def test_a_stop_does_not_wait_for_a_database_that_hangs(make_store):
    system = make_store(settings={"DATABASE_TIMEOUT_MS": 60000, "STOP_TIMEOUT_MS": 500})
    with locked(system):
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.linger = 0
            dealer.connect(system.endpoint("store"))
            request = {"id": 1, "key": system.internal_key, **batch(make_row())}
            dealer.send_multipart(headcount_wire.encode_request(request))
            metric = "headcount_store_queue_requests"
            wait_until(lambda: system.store.metric(metric) == 1, what="the request to be under way")
            assert system.store.term(timeout=40) == 0  # not DATABASE_TIMEOUT_MS
            assert not dealer.poll(0)  # it was not acknowledged, so it will be sent again
    assert "STOP_TIMEOUT_MS is over" in system.store.log()
