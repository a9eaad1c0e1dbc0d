"""Hostile peers of the bus at full speed, as processes of their own:

    bus_floods.py FLOOD ENDPOINT [SERVER_KEY]     until it is ended

Prints "flooding" once it has begun; a flood is a row of FLOODS."""

import collections
import contextlib
import os
import pathlib
import random
import resource
import signal
import socket
import sys
import time

import zmq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import headcount_wire as wire  # noqa: E402

DICE = random.Random(6455)  # the same bytes each time
MANY = 64  # messages, made beforehand: making them is slower than sending
KEY = "not-the-key-of-anybody"


def noise(count):
    return DICE.randbytes(count)


def junk(kind, number):
    """A message that looks like one of a node, or like nothing."""
    auction = f"lot-{number}"
    topic = wire.topic_auction(kind, auction)
    event = {
        "kind": kind, "change": "state", "shard": wire.shard(auction), "auction": auction, "node": "x",
        "epoch": 1, "time": 1, "sequence": 1, "joins": 1, "leaves": 0, "count": 1,
    }  # fmt: skip
    body = wire.encode(event)[1]
    return DICE.choice([
        [noise(20), noise(50)],
        [topic, b"\x98" + noise(60)],
        [topic, b"\x91" * 60000],
        [topic, noise(100000)],
        [topic, b"\xdd\xff\xff\xff\xff"],
        [topic, b"\x98\x02" + body[2:]],
        [topic, body[:-1]],
        [topic, body + b"x"],
        [topic * 100, body],
        [topic[:-1], body],
        [topic, body, body],
        [topic],
        [b"%s/" % kind.encode(), b"", b"", b""],
        [b"heartbeat/gateway/x/", b"\xdd\xff\xff\xff\xff"],
        [b"heartbeat/sampler/x/", b"\x97" + noise(500)],
        [b"bye/gateway/../../x/", b"\x94\x01\xa1x\x01\x01"],
    ])  # fmt: skip


def publish(context, endpoint, kind):
    """Who is listened to says nothing that is right."""
    publisher = context.socket(zmq.XPUB)
    publisher.sndhwm = 1000
    publisher.bind(endpoint)
    publisher.recv()  # somebody listens
    messages = [junk(kind, number) for number in range(MANY)]
    yield
    while True:
        for message in messages:
            publisher.send_multipart(message)
        yield


def request(context, endpoint):
    """To a store: what does not decode, and what nobody with this key may."""
    dealer = context.socket(zmq.DEALER)
    dealer.sndhwm = 1000
    dealer.connect(endpoint)
    whole = wire.encode_request({"kind": "setting", "id": 1, "key": KEY, "auction": "lot-1", "enabled": True})
    messages = [
        whole, [whole[0], noise(1000)], [b"batch/", b"\x91" * 1000000], [b"batch/"], [noise(30), noise(30)],
        [b"batch/", b"\x94\x01\x02\xa3abc\xdd\x00\xff\xff\xff"], [b"x"] * 50, [whole[0], whole[1][:-1]],
        [b"batch/", noise(2000000)],
    ]  # fmt: skip
    yield
    while True:
        for message in messages:
            dealer.send_multipart(message)
        while dealer.poll(0):
            dealer.recv_multipart()
        yield


def subscribe(context, endpoint):
    """Subscriptions without an end: the same ones, made-up ones, noise."""
    reader = context.socket(zmq.XSUB)
    reader.connect(endpoint)
    yield
    number = 0
    while True:
        for _ in range(100):
            number += 1
            made_up = b"event/%02x/made-up-%d/" % (number % 256, number)
            for message in (
                b"\1event/%02x/" % (number % 256), b"\1", noise(40), b"\1renew/gateway/gateway0/%02x/" % (number % 256),
                b"\1" + made_up, b"\0" + made_up, b"\2" + made_up,
            ):  # fmt: skip
                reader.send(message)
        yield


def hoard(context, endpoint):
    """Ever more prefixes."""
    reader = context.socket(zmq.XSUB)
    reader.connect(endpoint)
    yield
    number = 0
    while True:
        for number in range(number + 1, number + 100):
            reader.send(b"\1count/%02x/made-up-%d/" % (number % 256, number))
        yield


def unkeyed(context, endpoint, server):
    """Peers without keys, with keys that nobody listed, and bytes that are no ZeroMQ at all."""
    host, port = endpoint.removeprefix("tcp://").split(":")
    yield
    while True:
        peers = []
        for number in range(12):
            peer = context.socket(DICE.choice([zmq.SUB, zmq.DEALER, zmq.XSUB]))
            peer.linger = 0
            if number % 2:
                peer.curve_serverkey = server.encode()
                peer.curve_publickey, peer.curve_secretkey = zmq.curve_keypair()
            peer.connect(endpoint)
            peers.append(peer)
        for _ in range(8):
            plain = socket.create_connection((host, int(port)))
            plain.sendall(DICE.choice([noise(200), b"\xff" + bytes(8) + b"\x7f", b"GET / HTTP/1.1\r\n\r\n"]))
            peers.append(plain)
        time.sleep(0.05)  # for their handshakes to be refused
        for peer in peers:
            peer.close()
        yield


def silent(context, endpoint):
    """Connections that never say a word, as many as there may be."""
    host, port = endpoint.removeprefix("tcp://").split(":")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    peers = collections.deque(maxlen=1500)
    yield
    while True:
        with contextlib.suppress(OSError):
            peers.append(socket.create_connection((host, int(port)), 1))
        yield


FLOODS = {
    "events": lambda *to: publish(*to, "event"),
    "counts": lambda *to: publish(*to, "count"),
    "request": request,
    "subscribe": subscribe,
    "hoard": hoard,
    "unkeyed": unkeyed,
    "silent": silent,
}


def main():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    flood = FLOODS[sys.argv[1]](zmq.Context(), *sys.argv[2:])
    next(flood)
    print("flooding", flush=True)
    for _ in flood:
        pass


if __name__ == "__main__":
    main()
