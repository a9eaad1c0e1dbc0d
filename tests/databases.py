"""SQLite in a file, or a database of its own on a MongoDB-wire server."""

import contextlib
import os
import pathlib
import secrets
import sqlite3
import subprocess

import pytest

from machine import free_port, release_port
from service import ROOT, STOP_SECONDS
from waiting import wait_until

both_databases = pytest.mark.parametrize("database", ["sqlite", "mongodb"], indirect=True)


class MongoServer:
    """The MongoDB-wire server that tests/mongo_server.sh chooses, on a port of its own."""

    script = ROOT / "tests" / "mongo_server.sh"

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.foreign = os.environ.get("MONGODB_URI")  # somebody else's: used, never stopped
        self.port = None if self.foreign else free_port()
        self.process = None

    @property
    def uri(self):
        return self.foreign or f"mongodb://127.0.0.1:{self.port}/?serverSelectionTimeoutMS=5000"

    def install(self):
        subprocess.run([self.script, "install"], check=True, stdin=subprocess.DEVNULL)

    def start(self, timeout=60):
        if not self.foreign:
            with open(self.directory / "mongo.log", "ab") as log:
                self.process = subprocess.Popen(
                    [self.script, "run", "--port", str(self.port)]
                    + ["--data", self.directory / "mongo"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
        wait_until(self.answers, timeout, "the MongoDB server to answer")
        return self

    def answers(self):
        import pymongo

        log = self.directory / "mongo.log"
        if self.process and self.process.poll() is not None:
            raise AssertionError(f"the MongoDB server ended\n{log.read_text(errors='replace')}")
        try:
            with self.client(1000) as client:
                return client.admin.command("ping")["ok"] == 1
        except pymongo.errors.PyMongoError:
            return False

    def client(self, timeout_ms=5000):
        import pymongo

        return pymongo.MongoClient(
            self.uri, serverSelectionTimeoutMS=timeout_ms, tz_aware=True, connect=True
        )

    def kill9(self):
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill9()
        if self.port:
            release_port(self.port)


class Database:
    """Where a System's services keep their rows. kind: sqlite or mongodb."""

    def __init__(self, kind, server=None):
        self.kind = kind
        self.server = server
        self.name = f"headcount_test_{secrets.token_hex(6)}"
        self.path = None  # SQLite's file, set by the System

    def settings(self, directory):
        if self.kind == "mongodb":
            return {"MONGODB_URI": self.server.uri, "MONGODB_DATABASE": self.name}
        self.path = pathlib.Path(directory) / "headcount.db"
        return {"SQLITE_PATH": self.path}

    @contextlib.contextmanager
    def open(self):
        """A pymongo Database, or a read-only sqlite3 connection with rows by name."""
        if self.kind == "mongodb":
            with self.server.client() as client:
                yield client[self.name]
        else:
            connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)
            connection.row_factory = sqlite3.Row
            with contextlib.closing(connection):
                yield connection

    def drop(self):
        if self.kind == "mongodb":
            with self.server.client() as client:
                client.drop_database(self.name)
