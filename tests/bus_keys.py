"""Keys of the bus for tests, and played peers that use them or do not."""

import contextlib
import pathlib
import shutil

import zmq

from harness import System
from machine import free_port, release_port
from service import run_program


def make_keys(folder, *names):
    done = run_program("keys", "new", str(folder), *names)
    assert done.returncode == 0, done.stderr
    return pathlib.Path(folder)


def read_key(folder, file):
    return (pathlib.Path(folder) / file).read_text().strip()


class KeyedSystem(System):
    """A System whose bus is tcp:// with keys, a folder for each role: its secret and no other's."""

    def __init__(self, *arguments, **options):
        self.ports = {}
        super().__init__(*arguments, **options)
        self.keys = make_keys(self.directory / "keys")
        for service in self.services:
            service.settings["BUS_KEYS"] = self.folder_of(service.kind)

    def folder_of(self, role, *more):
        """A folder as a program of that role has it, with the public keys named by more."""
        folder = self.directory / f"keys-{role}"
        if not folder.exists():
            folder.mkdir()
            shutil.copy(self.keys / f"{role}.key", folder)
            for public in self.keys.glob("*.pub"):
                shutil.copy(public, folder)
        return folder

    def endpoint(self, kind, index=0):
        port = self.ports.setdefault((kind, index), None) or free_port()
        self.ports[kind, index] = port
        return f"tcp://127.0.0.1:{port}"

    def stop(self):
        secrets = [read_key(self.keys, file.name) for file in self.keys.glob("*.key")]
        try:
            super().stop()
        finally:
            for port in self.ports.values():
                release_port(port)
        for name, log in self.logs.items():
            assert not any(key in log for key in secrets), f"a secret stands in the log of {name}"


@contextlib.contextmanager
def peer(kind, endpoint, server=None, own=None):
    """A socket connected with the server's public key and an own pair; None: without CURVE."""
    with zmq.Context() as context, context.socket(kind) as socket:
        socket.linger = 0
        socket.reconnect_ivl = 50
        if server:
            socket.curve_serverkey = server.encode()
            socket.curve_publickey, socket.curve_secretkey = own
        socket.connect(endpoint)
        yield socket


def pair(folder, role):
    return read_key(folder, f"{role}.pub").encode(), read_key(folder, f"{role}.key").encode()
