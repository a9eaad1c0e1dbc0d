"""Each program killed -9 and started again: counts exact within 5 s, nothing acknowledged lost."""

import contextlib
import datetime
import socket
import threading
import time

import pytest

from databases import both_databases
from service import Service
from waiting import wait_until

WITHIN_SECONDS = 5
AUCTIONS = {"lot-a": 5, "lot-b": 3}


def crowd(system, gateway=0):
    return {name: system.join(name, count, gateway) for name, count in AUCTIONS.items()}


def live_counts(system):
    try:
        return {name: system.live(name)["viewers"] for name in AUCTIONS}
    except (OSError, AssertionError):
        return None  # the api is on its way


def shown_counts(viewers):
    return {name: {viewer.count for viewer in group} for name, group in viewers.items()}


def wait_exact(system, viewers, expected=None):
    expected = expected or AUCTIONS
    wait_until(
        lambda: live_counts(system) == expected
        and shown_counts(viewers) == {name: {count} for name, count in expected.items()},
        WITHIN_SECONDS,
        f"exact counts; api {live_counts(system)}, viewers {shown_counts(viewers)}",
    )


def read_rows(system, auction):
    """{timestamp: viewerCount} as stored."""
    return {row["timestamp"]: row["viewerCount"] for row in system.snapshots(auction)}


@both_databases
@pytest.mark.parametrize("kind", ["sampler", "store", "api"])
def test_killed_and_restarted(system, kind):
    for name in AUCTIONS:
        system.set_tracking(name)
    viewers = crowd(system)
    wait_exact(system, viewers)
    wait_until(lambda: read_rows(system, "lot-a"), 15, "a first snapshot")
    before = read_rows(system, "lot-a")
    victim = system.of(kind)[0]
    victim.kill9()
    extra = system.viewer("lot-a")  # life goes on meanwhile
    viewers["lot-a"].append(extra)
    victim.start()
    expected = {**AUCTIONS, "lot-a": 6}
    if kind != "store":  # without one the counts go on
        victim.wait_ready()
    wait_exact(system, viewers, expected)
    victim.wait_ready()
    after = wait_until(
        lambda: [count for count in read_rows(system, "lot-a").values() if count == 6],
        15,
        "snapshots with the newcomer",
    )
    assert after
    assert before.items() <= read_rows(system, "lot-a").items(), "an older snapshot is gone"
    assert set(AUCTIONS.values()) >= {len(viewers["lot-b"])}


def test_an_api_killed_with_clients_has_its_port_back(system):
    with socket.create_connection(("127.0.0.1", system.api.port), 5) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        system.api.kill9()
        system.api.start().wait_ready()


def test_gateway_killed_and_restarted(make_system):
    system = make_system(gateways=2)
    viewers = crowd(system, 0)
    others = crowd(system, 1)
    both = {name: 2 * count for name, count in AUCTIONS.items()}
    wait_exact(system, others, both)
    system.gateway.kill9()
    wait_exact(system, others)  # the silent gateway's viewers are gone with it
    wait_until(lambda: all(v.closed for v in viewers["lot-a"]), 5, "viewers to notice")
    system.gateway.start().wait_ready()
    viewers = crowd(system, 0)
    wait_exact(system, viewers, both)
    wait_exact(system, others, both)


def test_only_gateway_killed_and_restarted_at_once(system):
    """A new epoch replaces the old one: no viewer is counted twice."""
    crowd(system)
    system.gateway.kill9()
    system.gateway.start().wait_ready()
    wait_exact(system, crowd(system))


def test_a_sampler_gone_for_good_is_replaced(make_system):
    system = make_system(samplers=2)
    for name in AUCTIONS:
        system.set_tracking(name)
    viewers = crowd(system)
    wait_exact(system, viewers)
    wait_until(lambda: len(read_rows(system, "lot-a")) >= 2, 15, "two snapshots")
    system.sampler.kill9()
    newcomer = system.viewer("lot-a")
    viewers["lot-a"].append(newcomer)
    wait_exact(system, viewers, {**AUCTIONS, "lot-a": 6})
    count = len(read_rows(system, "lot-a"))
    wait_until(lambda: len(read_rows(system, "lot-a")) >= count + 3, 15, "three more snapshots")
    times = sorted(map(datetime.datetime.fromisoformat, read_rows(system, "lot-a")))
    missing = system.minutes_between(times[0], times[-1]) + 1 - len(times)
    assert missing <= system.minutes_unseen(system.of("sampler")[1]), times


@both_databases
def test_nothing_acknowledged_is_lost_when_the_store_dies(make_system):
    system = make_system(gateways=0, samplers=0, apis=0)
    for name in AUCTIONS:
        request = {"kind": "setting", "auction": name, "enabled": True}
        assert system.store_request(request)["code"] == "ok"
    acknowledged, stop = [], threading.Event()
    start = int(time.time()) * 1000 - 86_400_000

    def send():
        minute = 0
        while not stop.is_set():
            minute += 1
            rows = [make_row(name, start + minute * 60_000) for name in AUCTIONS]
            with contextlib.suppress(AssertionError):  # not acknowledged: no promise
                ack = system.store_request({"kind": "batch", "rows": rows}, timeout=1)
                if ack["code"] == "ok":
                    assert ack["saved"] == len(rows), ack
                    acknowledged.extend((row["auction"], row["timestamp"]) for row in rows)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(3):
            count = len(acknowledged)
            wait_until(lambda: len(acknowledged) > count + 20, 15, "acknowledged rows")
            system.store.kill9()
            system.store.start()
    finally:
        stop.set()
        sender.join(20)
    system.store.wait_ready()
    wait_until(lambda: set(acknowledged) <= stored_rows(system), 15, "every acknowledged row")


def make_row(auction, timestamp):
    figures = {"viewerCount": 2, "avgViewers": 2.5, "peakViewers": 3, "minViewers": 2}
    return {"auction": auction, "timestamp": timestamp, "sampleCount": 12, **figures}


def stored_rows(system):
    with system.database.open() as opened:
        if system.database.kind == "mongodb":
            return {
                (row["auction"], round(row["timestamp"].timestamp() * 1000))
                for row in opened.vieweranalytics.find()
            }
        rows = opened.execute("SELECT auction, timestamp FROM vieweranalytics")
        return {tuple(row) for row in rows}


def test_sigterm_while_viewers_watch(system):
    """Everything leaves with status 0 while it is busy; the harness checks the rest."""
    viewers = crowd(system)
    wait_exact(system, viewers)
    assert [service.term() for service in reversed(system.services)] == [0, 0, 0, 0]
    assert isinstance(system.gateway, Service)
    wait_until(lambda: all(v.closed for group in viewers.values() for v in group), 10, "closing")
