"""A sampler played by the test itself, beside the peers of sampler_peers: nothing runs in the
background, Peers.until() lets all of them read, answer and send heartbeats."""

import zmq

import headcount_wire as wire
import sampler_peers
from sampler_peers import now_ms


class Sampler:
    """A sampler's bus side: counts that the test sets, heartbeats, state on subscription."""

    def __init__(self, context, endpoint, node, beat_ms):
        self.context, self.endpoint, self.node = context, endpoint, node
        self.beat_ms = beat_ms
        self.shards = None  # those that it serves, ascending; None: all
        self.epoch = now_ms()
        self.socket = None
        self.start()

    def start(self, state="ready"):
        """Starts, or starts again with a new epoch and nobody watching."""
        self.close()
        self.epoch = max(self.epoch + 1, now_ms())
        self.counts, self.sequences = {}, {}
        self.subscriptions = []  # all that came, repeats included
        self.watched = set()  # what is subscribed to now
        self.state, self.silent, self.next_beat = state, False, 0
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
            message = {"node": self.node, "epoch": self.epoch, "time": now_ms(), **message}
            self.socket.send_multipart(wire.encode(message))

    def _say(self, change, shard, count, **more):
        message = {"kind": "count", "change": change, "shard": shard, "count": count}
        self.send(message | {"sequence": self.sequences.get(shard, 0)} | more)

    def count(self, auction, count):
        """The auction's live count is now this."""
        shard = wire.shard(auction)
        self.counts[auction] = count
        self.sequences[shard] = self.sequences.get(shard, 0) + 1
        self._say("change", shard, count, auction=auction)

    def heartbeat(self):
        message = {"kind": "heartbeat", "role": "sampler", "state": self.state}
        message |= {"total": sum(self.counts.values()), "sequences": self.sequences}
        self.send(message if self.shards is None else message | {"shards": self.shards})

    def bye(self):
        self.send({"kind": "bye", "role": "sampler"})
        self.silent = True

    def answer(self, prefix):
        """The state of the one auction that a gateway asks for."""
        parts = prefix.decode().split("/")
        if parts[0] == "count" and len(parts) == 4:
            auction = parts[2]
            self._say(
                "state", wire.shard(auction), self.counts.get(auction, 0), auction=auction
            )

    def pump(self):
        while self.socket and self.socket.poll(0):
            request = self.socket.recv()
            if request[:1] == b"\1":
                self.subscriptions.append(request[1:])
                self.watched.add(request[1:])
                self.answer(request[1:])
            else:
                self.watched.discard(request[1:])
        if self.socket and now_ms() >= self.next_beat:
            self.next_beat = now_ms() + self.beat_ms
            self.heartbeat()


class Peers(sampler_peers.Peers):
    """All of a test's peers, samplers among them."""

    def sampler(self, name):
        return self._keep(Sampler(self.context, self.endpoint(name), name, self.beat_ms))
