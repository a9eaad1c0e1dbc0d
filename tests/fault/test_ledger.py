"""What was acknowledged is in the database, once, whatever is killed: gateways, samplers, stores and apis at
random, while the database goes away and comes back. LEDGER_KILLS=200 makes it longer, LEDGER_SEED
repeats its victims.
"""

import contextlib
import os
import random
import sqlite3
import threading
import time

import pytest

import harness
from harness import wait_until
from ledger import BusClerk, HttpClerk, audit, read_rows

KILLS = int(os.environ.get("LEDGER_KILLS", 40))
WINDOW_MS = 1200  # of the harness
OUTAGE_SECONDS = 8  # more than a driver takes to notice
SPARED_SECONDS = 7  # two windows, and the silence of a killed gateway twice
COUNTS = {"gateways": 2, "samplers": 2, "stores": 2, "apis": 1}
SETTINGS = {
    "SAMPLERS": 2,
    "SAMPLER_REPLICAS": 2,
    "ACK_TIMEOUT_MS": 500,
    "DATABASE_TIMEOUT_MS": 1000,
    "DATABASE_RETRY_MS": 50,
    "DATABASE_RETRY_MAX_MS": 500,
    "STORE_TIMEOUT_MS": 2000,
    "DRAIN_SECONDS": 0,
}


class Outage:
    """The database is away for a while: its file is locked, or its server is down."""

    def __init__(self, database):
        self.database = database
        self.stack = contextlib.ExitStack()
        self.lock = None

    def begin(self):
        if self.database.kind == "mongodb":
            server = self.database.server
            server.process.terminate()  # a kill might cost this stand-in what it acknowledged
            server.process.wait(30)
            return
        self.lock = sqlite3.connect(
            self.database.path, isolation_level=None, check_same_thread=False
        )
        self.lock.execute("PRAGMA busy_timeout=10000")
        self.lock.execute("BEGIN EXCLUSIVE")

    def end(self):
        if self.database.kind == "mongodb":
            self.database.server.start()
        else:
            self.lock.execute("ROLLBACK")
            self.lock.close()


class Audience:
    """A viewer of lot-1 at each gateway that is there."""

    def __init__(self, system):
        self.system = system
        self.viewers = {}

    def keep(self):
        for index, gateway in enumerate(self.system.of("gateway")):
            viewer = self.viewers.get(index)
            if gateway.running() and (viewer is None or viewer.closed is not None):
                with contextlib.suppress(OSError, Exception):
                    self.viewers[index] = self.system.viewer("lot-1", gateway=index)


class Reaper:
    """Kills one of a kind at a time, and starts it again. Samplers have time between: a window waits in
    memory for heartbeats of all gateways, so what two replicas lose within that time is lost."""

    def __init__(self, system, chance):
        self.system = system
        self.chance = chance
        self.killed = dict.fromkeys(("gateway", "sampler", "store", "api"), 0)
        self.down = {}  # kind: who
        self.spared_until = 0

    def strike(self):
        kind = self.chance.choice(list(self.killed))
        if kind in self.down:
            self.revive(kind)
            return False
        if kind == "sampler" and time.monotonic() < self.spared_until:
            return False
        victim = self.chance.choice(self.system.of(kind))
        victim.kill9()
        if kind == "sampler":
            self.spared_until = time.monotonic() + SPARED_SECONDS
        self.killed[kind] += 1
        self.down[kind] = victim
        return True

    def revive(self, kind):
        victim = self.down[kind]
        if not victim.running():
            victim.start()
        if kind in ("gateway", "sampler"):
            victim.wait_ready(20)
            time.sleep(0.25)  # two samples: a window that it is alone in has it
        del self.down[kind]

    def revive_all(self):
        for kind in list(self.down):
            self.revive(kind)


@pytest.fixture
def own_database(request, tmp_path):
    if request.param == "sqlite":
        yield harness.Database("sqlite")
        return
    server = harness.MongoServer(tmp_path)
    if server.foreign:
        pytest.skip("MONGODB_URI names a server that is not ours to stop")
    server.install()
    server.start()
    yield harness.Database("mongodb", server)
    server.stop()


def wait_settled(system):
    """Nothing is on its way: no spool, no outbox holds anything but the window just closed."""
    for store in system.of("store"):
        spooled = "headcount_store_spool_batches"
        wait_until(lambda s=store: s.metric(spooled) == 0, 60, "the spools to be empty")
    for sampler in system.of("sampler"):
        parked = "headcount_sampler_outbox_disk_batches"
        wait_until(lambda s=sampler: s.metric(parked) == 0, 30, "the outboxes to be empty")
        held = "headcount_sampler_outbox_rows"
        wait_until(lambda s=sampler: s.metric(held) <= 1, 30, "the outboxes to be empty")


def windows_missing(rows, began_ms, ended_ms):
    stored = {timestamp for timestamp, _ in rows}
    first = began_ms // WINDOW_MS * WINDOW_MS + 2 * WINDOW_MS
    return [time for time in range(first, ended_ms - WINDOW_MS, WINDOW_MS) if time not in stored]


@pytest.mark.limit(900)
@pytest.mark.parametrize("own_database", ["sqlite", "mongodb"], indirect=True)
def test_the_ledger_and_the_database_agree(own_database, make_system, capsys):
    seed = int(os.environ.get("LEDGER_SEED", random.randrange(10**6)))
    chance = random.Random(seed)
    system = make_system(database=own_database, settings=SETTINGS, start=False, **COUNTS)
    for number, sampler in enumerate(system.of("sampler")):
        sampler.settings["SAMPLER_ORDINAL"] = number
    system.start()
    for auction in ("lot-1", "clerk-bus", "clerk-http"):
        system.set_tracking(auction)
    endpoints = [system.endpoint("store", number) for number in range(COUNTS["stores"])]
    clerks = [
        BusClerk("clerk-bus", endpoints, system.internal_key),
        HttpClerk("clerk-http", system.api.port, system.internal_key),
    ]
    audience = Audience(system)
    audience.keep()
    wait_until(lambda: system.snapshots("lot-1"), 20, "the first snapshot")
    began_ms = int(time.time() * 1000)
    for clerk in clerks:
        clerk.start()
    reaper, outage = Reaper(system, chance), Outage(own_database)
    out_from, out_to = KILLS // 4, KILLS // 2
    back_at = None  # when the database comes back, at the earliest
    kills = 0
    while kills < KILLS or back_at:
        if reaper.strike():
            kills += 1
            if kills == out_from:
                outage.begin()
                back_at = time.monotonic() + OUTAGE_SECONDS
            if kills == KILLS * 3 // 4:
                paused = system.of("gateway")[0]
                if paused.running():
                    paused.pause()
                    threading.Timer(1, paused.resume).start()
        if back_at and kills >= out_to and time.monotonic() > back_at:
            outage.end()
            back_at = None
        audience.keep()
        time.sleep(chance.uniform(0.02, 0.2))
    reaper.revive_all()
    ended_ms = int(time.time() * 1000)
    for service in system.services:
        service.wait_ready(30)
    for clerk in clerks:
        clerk.end()
    wait_settled(system)
    with capsys.disabled():
        print(f"\n  {own_database.kind}, LEDGER_SEED={seed}: killed {reaper.killed}", end="")
        for clerk in clerks:
            print(f"; {clerk.auction}: {len(clerk.acknowledged)} rows, {clerk.outcomes}", end="")
        print()
    lines = [line for clerk in clerks for line in audit(clerk, own_database)]
    assert not lines, "\n".join(lines[:20])
    assert all(clerk.outcomes.get("saved") for clerk in clerks)
    assert any(clerk.outcomes.get("spooled") for clerk in clerks), "the outage was not felt"
    rows = read_rows(own_database, "lot-1")
    assert len(rows) == len(dict(rows)), "windows are doubled"
    assert not windows_missing(rows, began_ms, ended_ms)
    assert all(1 <= count <= COUNTS["gateways"] * (kills + 2) for _, count in rows)
