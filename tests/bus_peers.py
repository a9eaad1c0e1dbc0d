"""Stand-ins for a sampler and a store, for tests of one service alone and of peers that misbehave.
Each runs in a thread of its own and speaks by headcount_wire."""

import collections
import contextlib
import threading
import time

import zmq

import headcount_wire as wire

HEARTBEAT_SECONDS = 0.2
POLL_MS = 10


class Peer:
    """A thread around one bound socket; what tests change is changed under the lock."""

    def __init__(self, kind, endpoint):
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.linger = 0
        self.prepare()
        self.socket.bind(endpoint)
        self.lock = threading.RLock()
        self.running = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def prepare(self):
        pass

    def _run(self):
        while self.running:
            ready = self.socket.poll(POLL_MS)
            with self.lock:
                if ready:
                    self.read()
                self.tick()

    def stop(self):
        if self.running:
            self.running = False
            self.thread.join(10)
            self.socket.close()
            self.context.term()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Sampler(Peer):
    """Publishes counts as proto/README.md says, and can leave things out. shards: those that it
    serves; None: all."""

    def __init__(self, endpoint, node="sampler-test", state="ready", shards=None):
        self.node = node
        self.shards = shards
        self.epoch = int(time.time() * 1000)
        self.state = state
        self.counts = {}
        self.sequences = collections.Counter()
        self.subscriptions = []  # every prefix asked for, renewals too
        self.silent = False  # no heartbeat
        self.next_heartbeat = 0
        super().__init__(zmq.XPUB, endpoint)

    def prepare(self):
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.socket.setsockopt(zmq.SNDHWM, 100000)

    def send(self, **message):
        message = {"node": self.node, "epoch": self.epoch, "time": int(time.time() * 1000)} | message
        with self.lock:
            self.socket.send_multipart(wire.encode(message))

    def send_raw(self, *frames):
        with self.lock:
            self.socket.send_multipart(frames)

    def set(self, auction, count, lost=False):
        """An auction's count changes; lost: and nobody is told."""
        with self.lock:
            number = wire.shard(auction)
            self.counts[auction] = count
            self.sequences[number] += 1
            if not lost:
                self.say("change", number, auction)

    def say(self, change, number, auction=None, count=0, **more):
        message = {"kind": "count", "change": change, "sequence": self.sequences[number], **more}
        if auction:
            message |= {"auction": auction, "count": self.counts[auction]}
        else:
            message |= {"shard": number, "count": count}
        self.send(**message)

    def tell_shard(self, number):
        held = [auction for auction in self.counts if wire.shard(auction) == number]
        begun = int(time.time() * 1000)
        self.say("begin", number, time=begun)
        for auction in held:
            self.say("state", number, auction)
        self.say("end", number, count=wire.auction_check(*held), time=begun)

    def read(self):
        frame = self.socket.recv()
        if frame[:1] != b"\x01":
            return
        prefix = frame[1:]
        self.subscriptions.append(prefix)
        asked = wire.read_renewal(prefix)
        if asked and asked[:2] == ("sampler", self.node):
            self.tell_shard(asked[2])
        for number in range(wire.SHARDS):
            if wire.topic_shard("count", number).startswith(prefix):
                self.tell_shard(number)
        for auction in self.counts:
            if prefix == wire.topic_auction("count", auction):
                self.say("state", wire.shard(auction), auction)

    def tick(self):
        if self.silent or time.monotonic() < self.next_heartbeat:
            return
        self.next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
        sequences = {str(number): last for number, last in self.sequences.items() if last}
        served = {} if self.shards is None else {"shards": self.shards}
        self.send(
            kind="heartbeat", role="sampler", state=self.state,
            total=sum(self.counts.values()), sequences=sequences, **served,
        )  # fmt: skip

    def bye(self):
        with self.lock:
            self.silent = True
            self.send(kind="bye", role="sampler")


class Store(Peer):
    """Answers as it is told: answer(request) gives an acknowledgement's members, or None."""

    def __init__(self, endpoint, answer=None):
        self.answer = answer or (lambda request: {"saved": 1})
        self.requests = []
        super().__init__(zmq.ROUTER, endpoint)

    @property
    def asked(self):
        """Each request once: one that is not answered soon is repeated with its id."""
        return list({request["id"]: request for request in self.requests}.values())

    def read(self):
        peer, *frames = self.socket.recv_multipart()
        request = wire.decode_request(*frames)
        self.requests.append(request)
        members = self.answer(request)
        if members is None:
            return
        ack = {"id": request["id"], "code": "ok", "message": "", "refusals": []}
        ack |= dict.fromkeys(("saved", "kept", "ignored", "refused"), 0) | members
        with contextlib.suppress(zmq.ZMQError):
            self.socket.send_multipart([peer, *wire.encode_ack(ack)])

    def tick(self):
        pass
