"""The sampler's neighbours, played by the test itself: gateways, stores and readers of counts.

Nothing runs in the background: Peers.until() lets all of them read, answer and send heartbeats
until a condition holds, so a test sees every message and says when a peer falls silent."""

import time

import zmq

import headcount_wire as wire
from waiting import WAIT_SECONDS, wait_until


def now_ms():
    return int(time.time() * 1000)


class Gateway:
    """A gateway's bus side: counter pairs, sequences, heartbeats, state on subscription."""

    def __init__(self, context, endpoint, node, beat_ms):
        self.context, self.endpoint, self.node = context, endpoint, node
        self.beat_ms = beat_ms
        self.skew_ms = 0  # how far its clock is ahead
        self.epoch = now_ms()
        self.socket = None
        self.start()

    def start(self):
        """Starts, or starts again with a new epoch and nobody watching."""
        self.close()
        self.epoch = max(self.epoch + 1, now_ms())
        self.pairs, self.sequences = {}, {}
        self.subscriptions = []
        self.silent = False
        self.beaten = 0  # when the last heartbeat was sent
        self.socket = self.context.socket(zmq.XPUB)
        self.socket.linger = 0
        self.socket.xpub_verbose = True
        self.socket.bind(self.endpoint)

    def close(self):
        """Gone, as if killed."""
        if self.socket:
            self.socket.close()
            self.socket = None

    def send(self, message):
        if not self.silent:
            clock = now_ms() + self.skew_ms
            message = {"node": self.node, "epoch": self.epoch, "time": clock, **message}
            self.socket.send_multipart(wire.encode(message))

    def _event(self, change, auction, lost=False):
        shard = wire.shard(auction)
        self.sequences[shard] = self.sequences.get(shard, 0) + 1
        if not lost:
            self._say(change, shard, *self.pairs[auction], auction=auction)

    def _say(self, change, shard, joins, leaves, **more):
        message = {"kind": "event", "change": change, "shard": shard}
        message |= {"sequence": self.sequences.get(shard, 0), "joins": joins, "leaves": leaves}
        self.send(message | more)

    def join(self, auction, viewers=1, lost=False):
        pair = self.pairs.setdefault(auction, [0, 0])
        for _ in range(viewers):
            pair[0] += 1
            self._event("join", auction, lost)

    def leave(self, auction, viewers=1, lost=False):
        for _ in range(viewers):
            self.pairs[auction][1] += 1
            self._event("leave", auction, lost)

    def bye(self):
        self.send({"kind": "bye", "role": "gateway"})
        self.silent = True

    def heartbeat(self):
        total = sum(joins - leaves for joins, leaves in self.pairs.values())
        message = {"kind": "heartbeat", "role": "gateway", "state": "ready", "total": total}
        self.send(message | {"sequences": self.sequences})

    def answer(self, prefix):
        """The state of the shards under a prefix."""
        for shard in range(wire.SHARDS):
            topic = wire.topic_shard("event", shard)
            if not topic.startswith(prefix) and not prefix.startswith(topic):
                continue
            auctions = [auction for auction in self.pairs if wire.shard(auction) == shard]
            begun = now_ms()
            self._say("begin", shard, 0, 0, time=begun)
            for auction in auctions:
                self._say("state", shard, *self.pairs[auction], auction=auction)
            self._say("end", shard, wire.auction_check(*auctions), 0, time=begun)

    def pump(self):
        while self.socket and self.socket.poll(0):
            request = self.socket.recv()
            if request[:1] == b"\1":
                self.subscriptions.append(request[1:])
                asked = wire.read_renewal(request[1:])
                if asked and asked[:2] == ("gateway", self.node):
                    self.answer(wire.topic_shard("event", asked[2]))
                if request.startswith(b"\1event/"):
                    self.answer(request[1:])
        if self.socket and now_ms() >= self.beaten + self.beat_ms and not self.silent:
            self.beaten = now_ms()
            self.heartbeat()


class Store:
    """A store's bus side. mode: an acknowledgement's code, "refuse" (every row) or "mute"."""

    def __init__(self, context, endpoint):
        self.requests = []  # as they came, repeats included
        self.mode = "ok"
        self.socket = context.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.bind(endpoint)

    @property
    def rows(self):
        """Every row received once, oldest first."""
        rows = {}
        for request in self.requests:
            for row in request["rows"]:
                rows.setdefault((row["timestamp"], row["auction"]), row)
        return [rows[key] for key in sorted(rows)]

    def of(self, auction):
        return [row for row in self.rows if row["auction"] == auction]

    def _ack(self, request):
        count = len(request["rows"])
        ack = {"id": request["id"], "code": "ok", "message": self.mode, "refusals": []}
        ack |= {"saved": 0, "kept": 0, "ignored": 0, "refused": 0}
        if self.mode == "ok":
            ack["saved"] = count
        elif self.mode == "refuse":
            ack["refused"] = count
            ack["refusals"] = [[index, "a good reason"] for index in range(count)]
        else:
            ack["code"] = self.mode
        return wire.encode_ack(ack)

    def pump(self):
        while self.socket.poll(0):
            peer, *frames = self.socket.recv_multipart()
            request = wire.decode_request(*frames)
            self.requests.append(request)
            if self.mode != "mute":
                self.socket.send_multipart([peer, *self._ack(request)])

    def close(self):
        self.socket.close()


class Reader:
    """A subscriber of a sampler: every message, and each auction's newest count."""

    def __init__(self, context, endpoint, *prefixes):
        self.messages = []
        self.counts = {}
        self.socket = context.socket(zmq.SUB)
        self.socket.linger = 0
        for prefix in prefixes or (b"",):
            self.socket.subscribe(prefix)
        self.socket.connect(endpoint)

    def of(self, kind, **members):
        return [
            message
            for message in self.messages
            if message["kind"] == kind
            and all(message.get(name) == value for name, value in members.items())
        ]

    def pump(self):
        while self.socket.poll(0):
            message = wire.decode(*self.socket.recv_multipart())
            self.messages.append(message | {"arrived": time.monotonic()})
            if message["kind"] == "count" and "auction" in message:
                self.counts[message["auction"]] = message["count"]

    def close(self):
        self.socket.close()


class Peers:
    """All of a test's peers around one folder of sockets."""

    def __init__(self, directory, beat_ms):
        self.directory, self.beat_ms = directory, beat_ms
        self.context = zmq.Context()
        self.all = []

    def endpoint(self, name):
        return f"ipc://{self.directory}/{name}.ipc"

    def _keep(self, peer):
        self.all.append(peer)
        return peer

    def gateway(self, name):
        return self._keep(Gateway(self.context, self.endpoint(name), name, self.beat_ms))

    def store(self, name="store"):
        return self._keep(Store(self.context, self.endpoint(name)))

    def reader(self, *prefixes, name="sampler"):
        return self._keep(Reader(self.context, self.endpoint(name), *prefixes))

    def pump(self):
        for peer in self.all:
            peer.pump()

    def until(self, condition, what, timeout=WAIT_SECONDS):
        def look():
            self.pump()
            return condition()

        return wait_until(look, timeout, what, every=0.005)

    def during(self, seconds):
        """Lets time pass for everybody."""
        deadline = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > deadline, "time to pass", seconds + 5)

    def close(self):
        for peer in self.all:
            peer.close()
        self.context.term()
