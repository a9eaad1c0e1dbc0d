"""What was acknowledged is in the database, once, whatever is killed: gateways, samplers, stores and apis at
random, while one trouble after another befalls the rest (troubles.py). LEDGER_KILLS=200 and
LEDGER_AWAY_SECONDS=120 make it longer, LEDGER_SEED repeats its victims.
"""

import contextlib
import os
import random
import time

import pytest

import troubles
from databases import Database, MongoServer
from ledger import BusClerk, HttpClerk, audit, read_rows
from mongo_proxy import MongoProxy
from small_disk import SmallDisk
from waiting import wait_until

KILLS = int(os.environ.get("LEDGER_KILLS", 40))
WINDOW_MS = 1200  # of the harness
SPOOL_SECONDS = 60 + 5 * troubles.AWAY_SECONDS  # for the spools to be drained
SPARED_SECONDS = {"sampler": 7, "gateway": 1}  # two windows and a killed gateway's silence twice; four heartbeats
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
    """Kills one of a kind at a time, and starts it again. From a sampler's return to the next one's death there is
    time: a window waits in memory for heartbeats of all gateways, so what two replicas lose
    within that time is lost. And after a gateway was stopped, until it is heard again: with the other one killed
    nobody would be seen to watch."""

    def __init__(self, system, chance):
        self.system = system
        self.chance = chance
        self.killed = dict.fromkeys(("gateway", "sampler", "store", "api"), 0)
        self.down = {}  # kind: who
        self.spared_until = {}  # kind: monotonic s

    def strike(self, spared):
        kind = self.chance.choice(list(self.killed))
        if kind in spared:
            return False
        if kind in self.down:
            self.revive(kind)
            return False
        if time.monotonic() < self.spared_until.get(kind, 0):
            return False
        victim = self.chance.choice(self.system.of(kind))
        victim.kill9()
        self.killed[kind] += 1
        self.down[kind] = victim
        return True

    def revive(self, kind):
        victim = self.down.get(kind)
        if not victim:
            return
        if not victim.running():
            victim.start()
        if kind in ("gateway", "sampler"):
            victim.wait_ready(20)
            time.sleep(0.25)  # two samples: a window that it is alone in has it
        if kind == "sampler":
            self.spare(kind)
        del self.down[kind]

    def spare(self, kind):
        self.spared_until[kind] = time.monotonic() + SPARED_SECONDS[kind]

    def revive_all(self):
        for kind in list(self.down):
            self.revive(kind)


class Story:
    """Kills all the time, and one trouble after another: each at its number of kills, when the one before it has
    had its time."""

    def __init__(self, system, way, audience, chance):
        self.reaper = Reaper(system, chance)
        self.audience = audience
        self.to_come = troubles.for_system(system, way)
        self.step = KILLS // (len(self.to_come) + 1)
        self.kills = 0
        self.trouble = None
        self.ends = 0  # the trouble that is, at the earliest
        self.told = []  # (wall ms, what began)

    def goes_on(self):
        return self.kills < KILLS or self.to_come or self.trouble

    def turn(self):
        now = time.monotonic()
        if self.trouble and now > self.ends:
            self.trouble.end()
            for kind in self.trouble.spared:
                self.reaper.spare(kind)
            self.trouble = None
        elif self.to_come and not self.trouble and self.kills >= self.due():
            self.trouble = self.to_come.pop(0)
            for kind in self.trouble.spared:
                self.reaper.revive(kind)
            self.audience.keep()
            self.told.append((int(time.time() * 1000), type(self.trouble).__name__))
            self.trouble.begin()
            self.ends = now + self.trouble.seconds
        self.kills += self.reaper.strike(self.trouble.spared if self.trouble else ())

    def due(self):
        return KILLS - self.step * len(self.to_come)


@pytest.fixture
def own_database(request, tmp_path):
    if request.param == "sqlite":
        yield Database("sqlite")
        return
    server = MongoServer(tmp_path)
    if server.foreign:
        pytest.skip("MONGODB_URI names a server that is not ours to stop")
    server.install()
    server.start()
    yield Database("mongodb", server)
    server.stop()


def wait_settled(system):
    """Nothing is on its way: no spool, no outbox holds anything but the window just closed."""
    for store in system.of("store"):
        usable = "headcount_store_spool_usable"
        wait_until(lambda s=store: s.metric(usable) == 1, 30, "the spools to be usable")
        spooled = "headcount_store_spool_batches"
        wait_until(lambda s=store: s.metric(spooled) == 0, SPOOL_SECONDS, "the spools to be empty")
    for sampler in system.of("sampler"):
        parked = "headcount_sampler_outbox_disk_batches"
        wait_until(lambda s=sampler: s.metric(parked) == 0, 30, "the outboxes to be empty")
        held = "headcount_sampler_outbox_rows"
        wait_until(lambda s=sampler: s.metric(held) <= 1, 30, "the outboxes to be empty")


def windows_missing(rows, began_ms, ended_ms):
    stored = {timestamp for timestamp, _ in rows}
    first = began_ms // WINDOW_MS * WINDOW_MS + 2 * WINDOW_MS
    return [time for time in range(first, ended_ms - WINDOW_MS, WINDOW_MS) if time not in stored]


@pytest.fixture
def make_cluster(make_system, own_database, tmp_path):
    """make(way) gives a started System of replicas; its stores reach a MongoDB through system.proxy, samplers hand
    their snapshots to the stores ("bus") or post them ("http"), and spools and outboxes lie on a small disk
    where one can be made."""
    proxy = MongoProxy(own_database.server) if own_database.kind == "mongodb" else None
    disk = SmallDisk(tmp_path / "small", troubles.DISK)

    def make(way):
        # A store that waits long for a locked file is killed before it spools.
        own = {"MONGODB_URI": proxy.uri} if proxy else {"DATABASE_TIMEOUT_MS": 200}
        settings = {**SETTINGS, **own}
        system = make_system(database=own_database, settings=settings, start=False, **COUNTS)
        system.proxy = proxy
        for number, sampler in enumerate(system.of("sampler")):
            sampler.settings["SAMPLER_ORDINAL"] = number
            if way == "http":
                sampler.settings["BACKEND_API_URL"] = system.url("")
        troubles.use_disk(system, disk)
        return system.start()

    yield make
    if proxy:
        proxy.rule = lambda command: None
        proxy.stop()
    disk.unmount()


@pytest.mark.limit(1800)
@pytest.mark.parametrize(
    "own_database, way",
    [("sqlite", "bus"), ("mongodb", "bus"), ("sqlite", "http")],
    indirect=["own_database"],
)
def test_the_ledger_and_the_database_agree(own_database, way, make_cluster, record_property):
    seed = int(os.environ.get("LEDGER_SEED", random.randrange(10**6)))
    record_property("told", f"{own_database.kind}, {way}: LEDGER_SEED={seed}")
    system = make_cluster(way)
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
    chance = random.Random(seed)
    story = Story(system, way, audience, chance)
    while story.goes_on():
        story.turn()
        audience.keep()
        time.sleep(chance.uniform(0.02, 0.2))
    story.reaper.revive_all()
    ended_ms = int(time.time() * 1000)
    for service in system.services:
        service.wait_ready(30)
    for clerk in clerks:
        clerk.end()
    wait_settled(system)
    record_property("told", f"  killed {story.reaper.killed}")
    for clerk in clerks:
        rows = len(clerk.acknowledged)
        record_property("told", f"  {clerk.auction}: {rows} rows, {clerk.outcomes}")
    lines = [line for clerk in clerks for line in audit(clerk, own_database)]
    assert not lines, "\n".join(lines[:20])
    assert all(clerk.outcomes.get("saved") for clerk in clerks)
    assert any(clerk.outcomes.get("spooled") for clerk in clerks), "the troubles were not felt"

    def missing():
        return windows_missing(read_rows(own_database, "lot-1"), began_ms, ended_ms)

    with contextlib.suppress(AssertionError):  # the last ones may still wait for their verdict
        wait_until(lambda: not missing(), 15, every=0.5)
    assert not missing(), f"of {began_ms} to {ended_ms}, when {story.told}"
    rows = read_rows(own_database, "lot-1")
    assert len(rows) == len(dict(rows)), "windows are doubled"
    most = COUNTS["gateways"] * (story.kills + 2)
    odd = [row for row in rows if not 1 <= row[1] <= most]
    assert not odd, f"{odd} of {rows}, when {story.told}"
