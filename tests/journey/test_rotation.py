"""Keys are changed while the system runs: files are read again on SIGHUP, two keys are valid at once."""

import signal
import time

import pytest

from test_store import batch, make_row, now_minute_ms
from waiting import wait_until

NAMES = ("INTERNAL_API_KEY", "INTERNAL_API_KEY_PREVIOUS", "ADMIN_API_KEY", "ADMIN_API_KEY_PREVIOUS")
TEMPO = {"SAMPLE_INTERVAL_MS": 100, "SNAPSHOT_INTERVAL_MS": 500, "ACK_TIMEOUT_MS": 300}


class Keys:
    """The files that a secret is mounted as."""

    def __init__(self, folder):
        self.folder = folder
        self.values = {}

    def write(self, **values):
        for name, value in values.items():
            self.values[name] = value
            (self.folder / name).write_text(value + "\n")

    def take_away(self, *names):
        for name in names:
            (self.folder / name).unlink()

    def settings(self, *names):
        return {f"{name}_FILE": str(self.folder / name) for name in names}


@pytest.fixture
def keys(tmp_path):
    keys = Keys(tmp_path)
    keys.write(INTERNAL_API_KEY="internal-key-1", ADMIN_API_KEY="admin-key-one", ADMIN_API_KEY_PREVIOUS="")
    return keys


@pytest.fixture
def system(make_system, keys):
    files = {"INTERNAL_API_KEY": None, "ADMIN_API_KEY": None}
    system = make_system(
        settings=TEMPO,
        store={**files, **keys.settings(*NAMES[:2])},
        sampler={**files, **keys.settings(NAMES[0])},
        api={**files, **keys.settings(*NAMES)},
    )
    system.internal_key, system.admin_key = "internal-key-1", "admin-key-one"
    return system


def read_again(service):
    lines = len(service.log_lines("settings.read_again") + service.log_lines("settings.kept"))
    service.process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: len(service.log_lines("settings.read_again") + service.log_lines("settings.kept"))
        > lines,
        what=f"{service.name} to read its keys again",
    )


def all_answered(sampler):
    """Whether no batch is on its way, repeats included."""
    values = sampler.metrics()
    acks = sum(values[name] for name in values if name.startswith("headcount_sampler_acks_total{"))
    copies = ("headcount_sampler_batches_total", "headcount_sampler_batch_repeats_total")
    return acks == sum(values[name] for name in copies)


def post_status(system, key):
    row = {
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime()),
        "viewerCount": 1, "avgViewers": 1, "peakViewers": 1, "minViewers": 1, "sampleCount": 1,
    }  # fmt: skip
    path = "/api/v1/auctions/lot-9/analytics/snapshot"
    return system.http("POST", path, row, headers={"x-internal-api-key": key}).status


def read_status(system, key):
    path = "/api/v1/auctions/lot-1/analytics/viewers"
    return system.http("GET", path, headers={"x-admin-api-key": key}).status


def store_code(system, key):
    row = make_row("lot-8", now_minute_ms())
    return system.store_request({**batch(row), "key": key})["code"]


def test_keys_are_changed_without_a_refusal(system, keys):
    system.set_tracking("lot-1")
    viewer = system.viewer("lot-1")
    viewer.wait_count(1)
    wait_until(lambda: system.snapshots("lot-1"), what="a snapshot")

    keys.write(
        INTERNAL_API_KEY="internal-key-2",
        INTERNAL_API_KEY_PREVIOUS="internal-key-1",
        ADMIN_API_KEY="admin-key-two",
        ADMIN_API_KEY_PREVIOUS="admin-key-one",
    )
    read_again(system.store)
    assert store_code(system, "internal-key-1") == store_code(system, "internal-key-2") == "ok"
    assert store_code(system, "internal-key-0") == "unauthorized"
    previous = "headcount_store_previous_key_total"
    wait_until(lambda: system.store.metric(previous) >= 2, what="the sampler's key of before")
    read_again(system.api)
    for key in ("admin-key-one", "admin-key-two"):
        assert read_status(system, key) == 200
    assert read_status(system, "admin-key-nil") == 401
    for key in ("internal-key-1", "internal-key-2"):
        assert post_status(system, key) == 200
    assert system.api.metric("headcount_api_previous_key_total") == 2
    read_again(system.sampler)
    wait_until(lambda: all_answered(system.sampler), what="what went with the key of before")

    keys.take_away("INTERNAL_API_KEY_PREVIOUS", "ADMIN_API_KEY_PREVIOUS")
    read_again(system.store)
    read_again(system.api)
    assert store_code(system, "internal-key-1") == "unauthorized"
    assert post_status(system, "internal-key-1") == read_status(system, "admin-key-one") == 401
    system.admin_key = "admin-key-two"
    before = system.store.metric("headcount_store_requests_total")
    wait_until(
        lambda: system.store.metric("headcount_store_requests_total") > before + 2,
        what="more snapshots",
    )
    refused = 'headcount_sampler_acks_total{code="unauthorized"}'
    assert system.sampler.metric(refused) == 0
    for service in system.services:
        for secret in set(keys.values.values()):
            assert secret not in service.log()


def test_a_file_that_cannot_be_used_changes_nothing(system, keys):
    keys.write(INTERNAL_API_KEY="short")
    for service in (system.store, system.sampler, system.api):
        read_again(service)
        (kept,) = service.log_lines("settings.kept", "error")
        assert "INTERNAL_API_KEY: is 5 characters long; allowed: 8 to" in str(kept)
    assert store_code(system, "internal-key-1") == "ok"
    assert post_status(system, "internal-key-1") == 200


def test_a_key_that_comes_late_is_used_at_once(make_system, keys, tmp_path):
    """The sampler's key is wrong; with the right one nothing waits for its next attempt."""
    (tmp_path / "wrong").write_text("wrong-internal-key")
    files = {"INTERNAL_API_KEY": None, "INTERNAL_API_KEY_FILE": str(tmp_path / "wrong")}
    system = make_system(settings=TEMPO, sampler=files)
    system.set_tracking("lot-1")
    system.viewer("lot-1").wait_count(1)
    refused = 'headcount_sampler_acks_total{code="unauthorized"}'
    wait_until(lambda: system.sampler.metric(refused) > 1, what="a refusal")
    (tmp_path / "wrong").write_text(system.internal_key)
    read_again(system.sampler)
    wait_until(lambda: system.snapshots("lot-1"), what="a snapshot")
