"""What befalls the ledger's system besides kills. Each lasts `seconds` at least, from begin() to end(), and names
the kinds of service that are `spared` from kills meanwhile, since two faults at once may cost a window.

    for_system(…)   the story's, in their order
    use_disk(…)     puts what the services keep where it can become full
"""

import os
import signal
import sqlite3
import time

import mongo_proxy

AWAY_SECONDS = int(os.environ.get("LEDGER_AWAY_SECONDS", 8))  # more than a driver takes to notice
LOCKED_SECONDS = 5  # several times what a store waits
SHORT_SECONDS = 3
DISK = "8m"  # two spools and two outboxes, and room that they keep free


class Trouble:
    seconds = SHORT_SECONDS
    spared = ()

    def __init__(self, system):
        self.system = system

    def begin(self):
        raise NotImplementedError

    def end(self):
        raise NotImplementedError


class FileLocked(Trouble):
    """The SQLite file is another process's."""

    seconds = LOCKED_SECONDS

    def begin(self):
        path = self.system.database.path
        self.lock = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.lock.execute("PRAGMA busy_timeout=10000")
        self.lock.execute("BEGIN EXCLUSIVE")

    def end(self):
        self.lock.execute("ROLLBACK")
        self.lock.close()


class ServerAway(Trouble):
    seconds = AWAY_SECONDS

    def begin(self):
        process = self.system.database.server.process
        process.terminate()  # a kill might cost this stand-in what it acknowledged
        process.wait(30)

    def end(self):
        self.system.database.server.start()


class ServerErrs(Trouble):
    """It answers, but as one that is not the primary any more; then as one that has too few copies."""

    def begin(self):
        began = time.monotonic()
        failed = mongo_proxy.concern_failed()
        deposed = mongo_proxy.error(10107, "NotWritablePrimary")

        def rule(command):
            if "update" not in command:
                return None
            return deposed if time.monotonic() < began + SHORT_SECONDS / 2 else failed

        self.system.proxy.rule = rule

    def end(self):
        self.system.proxy.rule = lambda command: None


class LinkCut(Trouble):
    """Between the stores and the server."""

    def begin(self):
        self.system.proxy.cut()

    def end(self):
        self.system.proxy.mend()


class Stopped(Trouble):
    """One of a kind, by SIGSTOP, for longer than the others wait for it; a store may be killed meanwhile."""

    def __init__(self, system, kind):
        super().__init__(system)
        self.kind = kind
        self.spared = (kind,) if kind != "store" else ()

    def begin(self):
        running = [service for service in self.system.of(self.kind) if service.running()]
        self.process = running[0].process
        running[0].pause()

    def end(self):
        self.process.send_signal(signal.SIGCONT)


class DisksFull(Trouble):
    """No spool and no outbox takes anything, while the database does not either: what a killed sampler alone
    has is lost then, and so none is killed."""

    spared = ("sampler",)

    def __init__(self, system, database_away):
        super().__init__(system)
        self.away = database_away

    def begin(self):
        self.away.begin()
        self.system.disk.fill()

    def end(self):
        self.system.disk.empty()
        self.away.end()


def use_disk(system, disk):
    """Puts the spools and outboxes of a system on a small disk, if there is one."""
    if not disk.mounted:
        return
    system.disk = disk
    for service in system.services:
        name = {"store": "SPOOL_PATH", "sampler": "OUTBOX_PATH"}.get(service.kind)
        if name:
            service.settings[name] = disk.path / f"{service.name}.db"


def for_system(system, way):
    """way: how samplers hand snapshots in. Over "http" the database's troubles are the api's, and enough."""
    if system.database.kind == "mongodb":
        away = [ServerAway(system), ServerErrs(system), LinkCut(system)]
        full = LinkCut(system)
    else:
        away = [FileLocked(system)]
        full = FileLocked(system)
    disks = [DisksFull(system, full)] if hasattr(system, "disk") else []
    if way == "http":
        return away + disks
    store, gateway, sampler = (Stopped(system, kind) for kind in ("store", "gateway", "sampler"))
    return [away[0], store, *away[1:], gateway, *disks, sampler]
