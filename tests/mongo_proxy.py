"""A server that speaks MongoDB's wire protocol by passing all on to a real one, until it is told otherwise.

    MongoProxy   rule(command) is asked about each command (a dict, its first key the command's name)
                 and returns None to pass it on, or one of what follows
    Answer       this document instead, or error(code, …); the server never hears of the command
    Change       the command as edited, or the reply as edited; writes_refused(…) makes one
    Close        the connection ends: before the command is passed on, in the midst of the reply, or after
                 the server did it

cut() stops all bytes, also of new connections, as a cut link does; mend() lets them flow again.
"""

import contextlib
import dataclasses
import socket
import struct
import threading

import bson

from machine import free_port, release_port

OP_MSG, OP_QUERY, OP_REPLY = 2013, 2004, 1
HEADER = struct.Struct("<iiii")  # length, id, id of what it answers, kind


@dataclasses.dataclass
class Answer:
    document: dict


@dataclasses.dataclass
class Change:
    command: object = None  # a function of the command, which it edits
    reply: object = None  # of the reply


@dataclasses.dataclass
class Close:
    when: str  # before, midst, after


def error(code, name, message="as the test wants it"):
    return Answer({"ok": 0.0, "code": code, "codeName": name, "errmsg": message})


def concern_failed(code=64):
    """The write is done, but not on as many servers as was asked for."""

    def edit(reply):
        reply["writeConcernError"] = {"code": code, "errmsg": "waiting for replication timed out"}

    return Change(reply=edit)


def writes_refused(command, refuses, code, message="as the test wants it"):
    """Those updates of a command that refuses(update) picks are not done, each with an error of its own."""
    wanted = [index for index, update in enumerate(command["updates"]) if not refuses(update)]
    refused = [index for index, update in enumerate(command["updates"]) if refuses(update)]

    def take_out(command):
        command["updates"] = [command["updates"][index] for index in wanted]

    def put_in(reply):
        for entry in reply.get("upserted", []) + reply.get("writeErrors", []):
            entry["index"] = wanted[entry["index"]]
        errors = [{"index": index, "code": code, "errmsg": message} for index in refused]
        reply.setdefault("writeErrors", []).extend(errors)

    if not refused:
        return None
    if not wanted:
        reply = {"ok": 1.0, "n": 0, "nModified": 0}
        put_in(reply)
        return Answer(reply)
    return Change(take_out, put_in)


def read_exactly(connection, count):
    parts = b""
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            raise OSError("closed")
        parts += part
    return parts


def read_message(connection):
    """(header's fields, the bytes behind it)."""
    header = HEADER.unpack(read_exactly(connection, HEADER.size))
    return header, read_exactly(connection, header[0] - HEADER.size)


def decode_command(kind, body):
    """The command of an OP_MSG or of the old handshake, its documents in place."""
    if kind == OP_QUERY:
        return bson.decode(body[body.index(b"\0", 4) + 9 :])
    at, command = 4, {}
    while at < len(body):
        section, size = body[at], struct.unpack_from("<i", body, at + 1)[0]
        if section == 0:
            command.update(bson.decode(body[at + 1 : at + 1 + size]))
        else:
            name, documents = body[at + 5 : at + 1 + size].split(b"\0", 1)
            command[name.decode()] = bson.decode_all(documents)
        at += 1 + size
    return command


def encode(number, answers, document):
    body = struct.pack("<iB", 0, 0) + bson.encode(document)
    return HEADER.pack(HEADER.size + len(body), number, answers, OP_MSG) + body


class MongoProxy:
    def __init__(self, server):
        self.server = server  # a MongoServer
        self.port = free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}/"
        self.rule = lambda command: None
        self.seen = {}  # command's name: how many came
        self.flowing = threading.Event()
        self.flowing.set()
        self.open = True
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=50)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        self.flowing.clear()

    def mend(self):
        self.flowing.set()

    def count(self, name):
        return self.seen.get(name, 0)

    def stop(self):
        self.open = False
        self.flowing.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        release_port(self.port)

    def _accept(self):
        while self.open:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client):
        with client, contextlib.suppress(OSError, ConnectionError):
            self.flowing.wait()
            with socket.create_connection(("127.0.0.1", self.server.port)) as server:
                while self._exchange(client, server):
                    pass

    def _exchange(self, client, server):
        """One command and its reply; False when the connection is to end."""
        header, body = read_message(client)
        self.flowing.wait()
        command = decode_command(header[3], body)
        name = next(iter(command))
        self.seen[name] = self.seen.get(name, 0) + 1
        action = self.rule(command)
        if isinstance(action, Answer):
            client.sendall(encode(0, header[1], action.document))
            return True
        if isinstance(action, Close) and action.when == "before":
            return False
        if isinstance(action, Change) and action.command:
            action.command(command)
            server.sendall(encode(header[1], 0, command))
        else:
            server.sendall(HEADER.pack(*header) + body)
        answered, reply = read_message(server)
        self.flowing.wait()
        if isinstance(action, Change) and action.reply:
            document = bson.decode(reply[5:] if answered[3] == OP_MSG else reply[20:])
            action.reply(document)
            return self._send_changed(client, answered, reply, document)
        whole = HEADER.pack(*answered) + reply
        if isinstance(action, Close):
            client.sendall(whole[: len(whole) // 2] if action.when == "midst" else b"")
            return False
        client.sendall(whole)
        return True

    def _send_changed(self, client, answered, reply, document):
        if answered[3] == OP_MSG:
            client.sendall(encode(answered[1], answered[2], document))
        else:
            body = reply[:20] + bson.encode(document)
            client.sendall(HEADER.pack(HEADER.size + len(body), *answered[1:]) + body)
        return True
