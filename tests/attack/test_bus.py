"""The whole system while peers of its bus attack every socket of it at full speed: strangers where there are
keys, and where there are none the worst that a peer can be. Honest viewers keep exact counts, minutes are
stored, and memory stays within a bound.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import time

import pytest

from bus_keys import KeyedSystem, read_key
from databases import Database
from harness import System
from memory import Memory
from waiting import wait_until

FLOODS = pathlib.Path(__file__).with_name("bus_floods.py")
ROUNDS = 6  # of a viewer that comes and one that goes
MEMORY_MIB = 96  # more than before the attack, at most, of each service
REFUSED = 'headcount_bus_peers_refused_total{reason="%s"}'


@contextlib.contextmanager
def flood(*arguments):
    process = subprocess.Popen(
        [sys.executable, FLOODS, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
        assert process.poll() is None, "the flood ended by itself"
    finally:
        process.terminate()
        process.wait(10)


class House:
    """A system with honest viewers of one auction, whose minutes are stored."""

    def __init__(self, system):
        self.system = system
        system.start()
        system.set_tracking("honest")
        self.viewers = system.join("honest", 10)
        self.check()
        self.memory = Memory(system.services, MEMORY_MIB)

    def check(self):
        self.viewers += self.system.join("honest")
        self.all_see(len(self.viewers))
        self.system.leave(self.viewers.pop())
        self.all_see(len(self.viewers))

    def all_see(self, count):
        for viewer in self.viewers:
            viewer.wait_count(count, 20)
        wait_until(lambda: self.system.live("honest")["viewers"] == count, 20, "the api to say so")

    def attacked(self, *floods, felt):
        """Checks while all floods go on, a stored minute that began under them, and for each of
        felt that its metric has gone beyond its number."""
        with contextlib.ExitStack() as stack:
            running = [stack.enter_context(flood(*arguments)) for arguments in floods]
            for process in running:
                assert process.stdout.readline() == "flooding\n"
            began = time.time()
            for _ in range(ROUNDS):
                self.check()
                self.memory.check()
            wait_until(lambda: self.minute_since(began), 20, "a minute to be stored")
            for service, name, least in felt:
                what = f"{service.name} to feel it: {name}"
                wait_until(lambda: self.metric(service, name) > least, 30, what)
        self.check()
        self.memory.check()

    def minute_since(self, began):
        after = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began + 2))
        return any(row["timestamp"] > after for row in self.system.snapshots("honest"))

    def metric(self, service, name):
        return service.metric(name if name.startswith("headcount") else f"headcount_{service.kind}_{name}")


@contextlib.contextmanager
def house(system):
    try:
        yield House(system)
    finally:
        with contextlib.suppress(FileNotFoundError):
            logs = {service.name: len(service.log().splitlines()) for service in system.services}
            assert max(logs.values()) < 150, f"a log was flooded: {logs}"
        system.stop()


def test_strangers_at_every_door():
    """Without keys, with foreign ones, with noise: nothing is read, nothing written."""
    system = KeyedSystem(Database("sqlite"))
    with house(system) as attacked:
        doors = [system.gateway, system.sampler, system.store]
        floods = [
            ("unkeyed", system.endpoint(door.kind), read_key(system.keys, f"{door.kind}.pub")) for door in doors
        ]
        attacked.attacked(*floods, felt=[(door, REFUSED % "key", 20) for door in doors])
        for door in doors:
            others = (REFUSED % "mechanism", REFUSED % "handshake")
            wait_until(lambda: sum(map(door.metric, others)) > 20, what=f"{door.name} to feel the others")
        assert attacked.metric(system.store, "requests_refused_total") == 0


def test_silent_strangers_leave_descriptors_to_others():
    """More of them than the gateway may have files, at the door of its bus."""
    system = KeyedSystem(Database("sqlite"), gateway={"MAX_CONNECTIONS": 100, "HANDSHAKES_MAX": 50})
    system.gateway.wrapper = ["prlimit", "--nofile=512:512"]
    with house(system) as attacked, flood("silent", system.endpoint("gateway")) as process:
        assert process.stdout.readline() == "flooding\n"
        refused = REFUSED % "handshake"
        wait_until(lambda: system.gateway.metric(refused) > 500, 30, "them to be let go")
        began, most = time.monotonic(), 0
        while time.monotonic() - began < 3:
            most = max(most, len(os.listdir(f"/proc/{system.gateway.pid}/fd")))
            attacked.check()
        assert most < 300, most


@pytest.fixture
def open_system():
    """No keys; the sampler, the gateway and the api listen to a hostile neighbour, too."""
    system = System(Database("sqlite"))
    for service in system.services:
        if service.kind == "sampler":
            service.settings["GATEWAY_ENDPOINTS"] += f",ipc://{system.directory}/events.ipc"
        if service.kind in ("gateway", "api"):
            service.settings["SAMPLER_ENDPOINTS"] += f",ipc://{system.directory}/{service.kind}-counts.ipc"
    return system


def test_nonsense_at_full_speed(open_system):
    system = open_system
    with house(system) as attacked:
        attacked.attacked(
            ("events", f"ipc://{system.directory}/events.ipc"),
            ("counts", f"ipc://{system.directory}/api-counts.ipc"),
            ("counts", f"ipc://{system.directory}/gateway-counts.ipc"),
            ("request", system.endpoint("store")),
            ("subscribe", system.endpoint("gateway")),
            ("subscribe", system.endpoint("sampler")),
            felt=[
                (system.sampler, "junk_messages_total", 1000),
                (system.api, "bus_dropped_total", 1000),
                (system.store, "requests_refused_total", 100),
                (system.gateway, "subscriptions_foreign_total", 100),
            ],
        )


def test_a_hoard_of_prefixes(open_system):
    """Who subscribes to ever more is cut before it has taken much, and others stay."""
    system = open_system
    for service in (system.gateway, system.sampler):
        service.settings["SUBSCRIPTION_BYTES"] = 65536
    with house(system) as attacked:
        for door in (system.gateway, system.sampler):
            with flood("hoard", system.endpoint(door.kind)):
                wait_until(lambda: attacked.metric(door, "subscribers_cut_total") > 0, 20, "the cut")
                attacked.memory.check()
            attacked.check()
        assert system.gateway.log_lines("bus.subscriber_cut", "warn")
