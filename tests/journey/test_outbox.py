"""What no store has acknowledged yet outlives the sampler: on its disk, stored once, later."""

import datetime
import os
import time

import pytest

from service import run_program
from small_disk import SmallDisk
from waiting import wait_until

WINDOW_MS = 1000


@pytest.fixture
def system(make_system):
    """A pipeline with short windows, two viewers in lot-1, its analytics on."""
    settings = {"SAMPLE_INTERVAL_MS": 250, "SNAPSHOT_INTERVAL_MS": WINDOW_MS, "ACK_TIMEOUT_MS": 300}
    system = make_system(settings=settings, start=False)
    return system


def start(system):
    system.start()
    system.set_tracking("lot-1")
    for viewer in system.join("lot-1", 2):
        viewer.wait_count(2)
    wait_until(lambda: system.snapshots("lot-1"), what="the first snapshot")
    return system


def outbox_path(system):
    return system.directory / system.sampler.settings["OUTBOX_PATH"]


def held(system):
    return system.sampler.metric("headcount_sampler_outbox_rows")


def wait_held(system, rows, timeout=30):
    wait_until(lambda: held(system) >= rows, timeout, f"{rows} snapshots to wait")


def settle(system):
    """Until nothing is on its way any more."""
    wait_until(
        lambda: held(system) <= 1
        and system.sampler.metric("headcount_sampler_outbox_disk_batches") == 0,
        30,
        "the outbox to be empty",
    )


def times(system):
    return [snapshot["timestamp"] for snapshot in system.snapshots("lot-1")]


def wait_durable(system):
    wait_until(
        lambda: system.sampler.metric("headcount_sampler_outbox_disk_bytes") > 0
        and system.sampler.metric("headcount_sampler_outbox_memory_only_batches") == 0,
        what="the outbox to be on disk",
    )


def stored_count(system):
    with system.database.open() as opened:
        counts = "SELECT count(*), count(DISTINCT timestamp) FROM vieweranalytics"
        return opened.execute(counts).fetchone()


@pytest.mark.parametrize("way", ["kill9", "term"])
def test_a_restart_keeps_what_no_store_acknowledged(system, way):
    start(system)
    system.store.kill9()
    wait_held(system, 4)
    wait_durable(system)
    known = set(times(system))
    getattr(system.sampler, way)()
    assert system.internal_key.encode() not in outbox_path(system).read_bytes()
    assert os.stat(outbox_path(system)).st_mode & 0o777 == 0o600
    if way == "term":
        assert len(system.sampler.log_lines("sampler.unsent")) == 1
    system.sampler.start().wait_ready()
    assert len(system.sampler.log_lines("sampler.outbox_waiting")) == 1
    wait_until(lambda: held(system) >= 4, what="the batches of before")
    system.store.start().wait_ready()
    settle(system)
    wait_until(lambda: len(set(times(system)) - known) >= 4, what="those of before")
    rows, distinct = stored_count(system)
    assert rows == distinct


def test_the_open_minute_is_kept_at_a_stop(make_system):
    settings = {"SAMPLE_INTERVAL_MS": 100, "SNAPSHOT_INTERVAL_MS": 120_000}
    system = make_system(settings=settings)
    system.set_tracking("lot-1")
    system.viewer("lot-1").wait_count(1)
    samples = "headcount_sampler_samples_total"
    began = system.sampler.metric(samples)
    wait_until(lambda: system.sampler.metric(samples) > began + 3, what="samples of it")
    system.sampler.term()
    snapshots = system.snapshots("lot-1")  # two where the minute ended meanwhile
    assert sum(snapshot["joins"] for snapshot in snapshots) == 1
    assert snapshots[-1]["peakViewers"] == 1 and snapshots[-1]["complete"] is False


def test_memory_that_is_full_leaves_the_disk_as_it_is(make_system):
    tempo = {"SAMPLE_INTERVAL_MS": 250, "SNAPSHOT_INTERVAL_MS": WINDOW_MS, "ACK_TIMEOUT_MS": 300}
    system = make_system(settings=tempo, sampler={"OUTBOX_ROWS": 1000})
    auctions = [f"lot-{number}" for number in range(400)]
    for auction in auctions:
        system.set_tracking(auction)
    for auction in auctions:
        system.viewer(auction)
    wait_until(lambda: len(system.snapshots("lot-399")) > 0, what="the first snapshots")
    system.store.kill9()
    parked = "headcount_sampler_outbox_disk_batches"
    wait_until(lambda: system.sampler.metric(parked) >= 2, 30, "batches on disk only")
    assert held(system) <= 1000
    known = set(times(system))
    system.store.start().wait_ready()
    wait_until(lambda: system.sampler.metric(parked) == 0, 30, "them to be loaded again")
    wait_until(lambda: held(system) <= 400, 30, "them to be stored")
    assert system.sampler.metric("headcount_sampler_dropped_rows_total") == 0
    wait_until(lambda: len(set(times(system)) - known) >= 4, 30, "four windows more")
    wait_until(lambda: stored_count(system)[0] > 400 * 4, what="all of these windows")
    rows, distinct = stored_count(system)
    assert distinct * 400 >= rows


def test_a_full_disk_is_told_and_got_over(make_system, tmp_path):
    with SmallDisk(tmp_path / "small", "4m") as disk:
        tempo = {"SAMPLE_INTERVAL_MS": 250, "SNAPSHOT_INTERVAL_MS": WINDOW_MS, "ACK_TIMEOUT_MS": 300}
        path = str(disk.path / "outbox.db")
        system = make_system(settings=tempo, start=False, sampler={"OUTBOX_PATH": path})
        start(system)
        disk.fill()
        system.store.kill9()
        alone = "headcount_sampler_outbox_memory_only_batches"
        wait_until(lambda: system.sampler.metric(alone) >= 2, 30, "batches in memory only")
        failed = "sampler.outbox_failed"  # a busy writer is behind before it has failed
        wait_until(lambda: system.sampler.log_lines(failed), what="the disk to be told of")
        assert system.sampler.ready()
        disk.empty()
        wait_until(lambda: system.sampler.metric(alone) == 0, 30, "them to be on disk")
        waiting = held(system)
        system.sampler.kill9()
        system.sampler.start().wait_ready()
        wait_until(lambda: held(system) >= waiting, what="them to be there again")
        system.store.start().wait_ready()
        settle(system)
        system.stop()


def test_a_damaged_file_is_set_aside(system):
    start(system)
    system.store.kill9()
    wait_held(system, 3)
    wait_durable(system)
    system.sampler.kill9()
    path = outbox_path(system)
    path.with_name(path.name + "-journal").unlink(missing_ok=True)  # which would mend it
    with open(path, "r+b") as file:
        file.seek(0)
        file.write(b"not a database at all")
    system.sampler.start().wait_ready()
    (line,) = system.sampler.log_lines("sampler.outbox_damaged")
    assert list(path.parent.glob(path.name + ".corrupt-*"))
    assert system.sampler.metric("headcount_sampler_outbox_damaged_total") == 1
    system.store.start().wait_ready()
    wait_until(lambda: len(times(system)) > 1, what="snapshots again")


def test_a_file_that_could_not_be_opened_at_the_start_is_sent_later(system):
    start(system)
    system.store.kill9()
    wait_held(system, 3)
    made = system.sampler.metric("headcount_sampler_snapshots_total")
    wait_durable(system)
    known = set(times(system))
    system.sampler.kill9()
    killed = time.time()
    lock = outbox_path(system).with_name(outbox_path(system).name + ".lock")
    kept = lock.rename(lock.with_name("kept"))
    lock.mkdir()  # as a disk that takes nothing, it passes
    system.sampler.start().wait_ready()
    assert system.sampler.log_lines("sampler.outbox_failed")
    lock.rmdir()
    kept.rename(lock)
    system.store.start().wait_ready()
    wait_until(lambda: system.sampler.log_lines("sampler.outbox_waiting"), what="the batches of before")

    def of_before():
        moments = [datetime.datetime.fromisoformat(text).timestamp() for text in times(system)]
        return sum(moment <= killed for moment in moments)

    wait_until(lambda: of_before() >= made, what="those before the kill")
    assert made >= len(known) + 3


def test_one_file_is_for_one_sampler(system):
    start(system)
    settings = {**system.sampler.settings, "NODE_ID": "other"}
    settings.update(COUNT_BIND=f"ipc://{system.directory}/other.ipc", ADMIN_PORT="0")
    settings["OUTBOX_PATH"] = str(outbox_path(system))
    result = run_program("sampler", settings=settings)
    assert result.returncode == 111 and "OUTBOX_PATH: cannot open" in result.stderr


def test_a_folder_that_is_not_there_is_one_clear_line(system):
    start(system)
    settings = {**system.sampler.settings, "OUTBOX_PATH": "/nonexistent/outbox.db"}
    settings.update(COUNT_BIND=f"ipc://{system.directory}/other.ipc", ADMIN_PORT="0")
    result = run_program("sampler", settings=settings)
    assert result.returncode == 111 and "OUTBOX_PATH: cannot open /nonexistent" in result.stderr
