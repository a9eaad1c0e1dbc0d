"""A stop of each service, whatever is wrong at the time: what is in flight is finished or kept, in the time set."""

import contextlib
import http.client
import json
import threading
import time

import pytest
import zmq

import headcount_wire
from ledger import BusClerk, HttpClerk, audit
from mongo_proxy import MongoProxy
from service import NO_LEAK_CHECK
from small_disk import SmallDisk
from test_outbox import held, wait_held
from test_spool import locked, stored_times
from test_store import batch, make_row
from waiting import wait_until

HICCUP_SECONDS = 3  # of a busy machine; without its limit no stop here would end in 20 s
TEMPO = {"SAMPLE_INTERVAL_MS": 250, "SNAPSHOT_INTERVAL_MS": 1000, "ACK_TIMEOUT_MS": 300}


def timed_term(*services, again=False):
    """Their exit statuses and how long it took; with a second signal when told to."""
    began = time.monotonic()
    for service in services:
        service.signal_term()
    if again:
        for service in services:
            time.sleep(0.02)
            service.signal_term()
    return [service.wait_exit() for service in services], time.monotonic() - began


@pytest.mark.parametrize("again", [False, True])
def test_all_at_once_under_load(make_system, again):
    settings = {**TEMPO, "DRAIN_SECONDS": 1, "STORE_TIMEOUT_MS": 1000, **(NO_LEAK_CHECK if again else {})}
    system = make_system(settings=settings)
    for auction in ("lot-1", "clerk-bus", "clerk-http"):
        system.set_tracking(auction)
    clerks = [
        BusClerk("clerk-bus", [system.endpoint("store")], system.internal_key),
        HttpClerk("clerk-http", system.api.port, system.internal_key),
    ]
    for clerk in clerks:
        clerk.start()
    crowd = system.join("lot-1", 200)
    leaver = threading.Thread(target=system.viewers.close, args=(crowd[:100],))
    leaver.start()
    wait_until(lambda: all(clerk.acknowledged for clerk in clerks) and system.snapshots("lot-1"), 20, "some of each")
    statuses, seconds = timed_term(*system.services, again=again)
    leaver.join()
    assert statuses == [0, 0, 0, 0]
    assert seconds < 6 + HICCUP_SECONDS
    assert not [service for service in system.services if "STOP_TIMEOUT_MS is over" in service.log()]
    for clerk in clerks:
        clerk.end()
        assert not audit(clerk, system.database)
    assert all(service.log_lines(f"{service.kind}.stopped") for service in system.services)


def test_a_sampler_without_a_store_and_with_a_full_disk(make_system, tmp_path):
    with SmallDisk(tmp_path / "small", "4m") as disk:
        system = make_system(
            settings={**TEMPO, "STOP_TIMEOUT_MS": 1000}, sampler={"OUTBOX_PATH": str(disk.path / "outbox.db")}
        )
        system.set_tracking("lot-1")
        system.viewer("lot-1").wait_count(1)
        wait_until(lambda: system.snapshots("lot-1"), 20, "a snapshot")
        began = time.monotonic()
        system.store.kill9()
        wait_held(system, 2)
        disk.fill()
        alone = "headcount_sampler_outbox_memory_only_batches"
        wait_until(lambda: system.sampler.metric(alone) >= 2, 30, "batches in memory only")
        rows = held(system)
        statuses, seconds = timed_term(system.sampler)
        assert statuses == [0] and seconds < 1 + HICCUP_SECONDS
        (lost,) = system.sampler.log_lines("sampler.unsent_lost", "error")
        (kept,) = system.sampler.log_lines("sampler.unsent")
        lost, kept = int(lost.fields["rows"]), int(kept.fields["rows"])
        assert lost >= 2 and kept >= 1
        windows = int(time.monotonic() - began) + 3  # a second each, the open one and those under way
        assert rows <= lost + kept <= windows
        system.stop()


def test_a_store_with_a_full_disk(make_system, tmp_path):
    with SmallDisk(tmp_path / "small", "1m") as disk:
        system = make_system(
            settings={"DATABASE_TIMEOUT_MS": 60000, "STOP_TIMEOUT_MS": 700},
            gateways=0, samplers=0, apis=0, store={"SPOOL_PATH": disk.path / "spool.db"},
        )  # fmt: skip
        system.store_request({"kind": "setting", "auction": "lot-1", "enabled": True})
        disk.fill()
        with locked(system), zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.linger = 0
            dealer.connect(system.endpoint("store"))
            request = {"id": 1, "key": system.internal_key, **batch(make_row())}
            dealer.send_multipart(headcount_wire.encode_request(request))
            queued = "headcount_store_queue_requests"
            wait_until(lambda: system.store.metric(queued) == 1, what="the request to be under way")
            statuses, seconds = timed_term(system.store)
            assert statuses == [0] and seconds < 0.7 + HICCUP_SECONDS
            assert not dealer.poll(0)
        assert not stored_times(system)
        system.stop()


@pytest.mark.parametrize("database", ["mongodb"], indirect=True)
def test_an_api_whose_database_hangs(make_system, database):
    proxy = MongoProxy(database.server)
    try:
        system = make_system(
            gateways=0, samplers=0, api={"MONGODB_URI": proxy.uri, "DRAIN_SECONDS": 1, "DATABASE_TIMEOUT_MS": 1000}
        )
        system.set_tracking("lot-1")
        proxy.cut()
        path = "/api/v1/auctions/lot-1/analytics/viewers"
        answers = []
        reader = threading.Thread(target=lambda: answers.append(system.http("GET", path, key="admin").status))
        reader.start()
        flying = "headcount_api_requests_in_flight"
        wait_until(lambda: system.api.metric(flying) >= 1, what="the request to be under way")
        statuses, seconds = timed_term(system.api)
        reader.join()
        assert statuses == [0] and seconds < 6
        assert answers == [503]
    finally:
        proxy.stop()


@pytest.mark.parametrize("database", ["mongodb"], indirect=True)
def test_an_api_whose_database_hangs_for_long(make_system, database):
    proxy = MongoProxy(database.server)
    try:
        system = make_system(
            gateways=0, samplers=0,
            api={"MONGODB_URI": proxy.uri, "DRAIN_SECONDS": 1, "DATABASE_TIMEOUT_MS": 60000, "STOP_TIMEOUT_MS": 500},
        )  # fmt: skip
        system.set_tracking("lot-1")
        proxy.cut()

        def read():
            with contextlib.suppress(OSError, http.client.HTTPException):
                system.http("GET", "/api/v1/auctions/lot-1/analytics/viewers", key="admin")

        reader = threading.Thread(target=read)
        reader.start()
        flying = "headcount_api_requests_in_flight"
        wait_until(lambda: system.api.metric(flying) >= 1, what="the request to be under way")
        statuses, seconds = timed_term(system.api)
        reader.join()
        assert statuses == [0] and 1.5 <= seconds < 1.5 + HICCUP_SECONDS
        assert "STOP_TIMEOUT_MS is over" in system.api.log()
    finally:
        proxy.stop()


def test_an_api_that_is_asked_to_the_end(make_system):
    """On connections that stay open: it is stopped between two requests, or in one."""
    system = make_system(gateways=0, samplers=0)
    system.set_tracking("lot-1")
    path = "/api/v1/auctions/lot-1/analytics/snapshot"
    row = {**make_row("lot-1"), "timestamp": "2026-01-01T00:00:00Z"}
    body = json.dumps({name: value for name, value in row.items() if name != "auction"})
    headers = {"x-internal-api-key": system.internal_key, "Content-Type": "application/json"}

    def ask(begun):
        connection = http.client.HTTPConnection("127.0.0.1", system.api.port, timeout=10)
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                connection.request("POST", path, body, headers)
                assert connection.getresponse().read()
                begun.set()
        connection.close()

    for _ in range(5):
        begun = [threading.Event() for _ in range(8)]
        askers = [threading.Thread(target=ask, args=(event,)) for event in begun]
        for asker in askers:
            asker.start()
        assert all(event.wait(20) for event in begun)
        statuses, _ = timed_term(system.api)
        assert statuses == [0]
        for asker in askers:
            asker.join()
        system.api.start().wait_ready()
