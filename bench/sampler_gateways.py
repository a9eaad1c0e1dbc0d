#!/usr/bin/python3
"""What a sampler takes in from 1, 10 and 100 gateways: CPU an event and a heartbeat, memory a
gateway and a pair of a gateway and an auction; the last row is a sampler with 2/10 of the shards.

    bench/sampler_gateways.py

1,000 auctions, each with viewers at every gateway; events as fast as they come; each heartbeat
names all shards. Medians of five rounds.
"""

import random

import meter
from meter import wire
from waiting import wait_until

AUCTIONS, EVENTS, BEATS, ROUNDS = 1000, 100000, 5000, 5
CHOICES = [(1, 1), (10, 1), (100, 1), (100, 10)]  # gateways, samplers


class Crowd:
    """What the gateways say of these shards, made before it is measured."""

    def __init__(self, gateways, shards):
        self.gateways, self.shards = gateways, shards
        self.epoch = meter.now_ms()
        self.pairs, self.sequences, self.random = {}, {}, random.Random(1)
        names = (f"auction-{number:06}" for number in range(10**6))
        self.auctions = []
        while len(self.auctions) < AUCTIONS:
            name = next(names)
            if wire.shard(name) in shards:
                self.auctions.append(name)

    def event(self, gateway, auction):
        pair = self.pairs.setdefault((gateway, auction), [0, 0])
        leave = pair[0] > pair[1] + 1 and self.random.random() < 0.5
        pair[leave] += 1
        shard = wire.shard(auction)
        sequence = self.sequences.get((gateway, shard), 0) + 1
        self.sequences[gateway, shard] = sequence
        message = {"kind": "event", "node": f"gateway-{gateway}", "epoch": self.epoch}
        message |= {"sequence": sequence, "time": meter.now_ms(), "auction": auction}
        message |= {"change": "leave" if leave else "join", "joins": pair[0], "leaves": pair[1]}
        return gateway, *wire.encode(message)

    def fill(self):
        return [self.event(g, auction) for auction in self.auctions for g in range(self.gateways)]

    def events(self, count):
        choose = self.random.choice
        return [
            self.event(self.random.randrange(self.gateways), choose(self.auctions))
            for _ in range(count)
        ]

    def beats(self, count, empty=False):
        """Shards of other samplers are named, too."""
        others = set(range(wire.SHARDS)) - self.shards
        last = {g: {str(shard): 1000 for shard in others} for g in range(self.gateways)}
        for (gateway, shard), sequence in self.sequences.items():
            last[gateway][str(shard)] = sequence
        beats = []
        for number in range(count):
            gateway = number % self.gateways
            message = {"kind": "heartbeat", "role": "gateway", "node": f"gateway-{gateway}"}
            message |= {"epoch": self.epoch, "time": meter.now_ms(), "state": "ready"}
            message |= {"total": 0, "sequences": {} if empty else last[gateway]}
            beats.append((gateway, *wire.encode(message)))
        return beats


def served_shards(samplers, directory):
    """Of sampler 0 with two replicas, as its heartbeat says; all when it is alone."""
    if samplers == 1:
        return set(range(wire.SHARDS))
    context = meter.zmq.Context()
    reader = context.socket(meter.zmq.SUB)
    reader.subscribe(b"heartbeat/")
    endpoint = f"ipc://{directory}/plan"
    settings = {"GATEWAY_ENDPOINTS": f"ipc://{directory}/none", "COUNT_BIND": endpoint}
    settings |= {"SAMPLERS": samplers, "SAMPLER_REPLICAS": 2, "SAMPLER_ORDINAL": 0}
    sampler = meter.Measured("sampler", "plan", settings, directory).start("--store-endpoints=")
    reader.connect(endpoint)
    shards = set(wire.decode(*reader.recv_multipart())["shards"])
    sampler.end()
    context.destroy(0)
    return shards


def start(directory, gateways, samplers, parts):
    endpoints = [f"ipc://{directory}/g{number}" for number in range(gateways)]
    publisher = meter.run_apart(meter.publish, endpoints, parts)
    publisher.recv()
    settings = {"GATEWAY_ENDPOINTS": ",".join(endpoints), "COUNT_BIND": f"ipc://{directory}/s"}
    settings |= {"SAMPLERS": samplers, "SAMPLER_ORDINAL": 0, "SAMPLER_REPLICAS": min(2, samplers)}
    settings |= {"NODE_TIMEOUT_MS": 600000, "BUS_HWM": 10000000}
    sampler = meter.Measured("sampler", "sampler", settings, directory)
    sampler.start("--store-endpoints=")
    wait_until(lambda: sampler.admin("/metrics"), 60, "the sampler to answer")
    sampler.wait_metric('headcount_sampler_peers_connected{of="gateways"}', gateways)
    empty = sampler.resident()
    meter.tell(publisher, "hello")
    sampler.wait_ready(120)
    return sampler, publisher, empty


def rounds(sampler, publisher, parts, metric, known):
    """CPU in µs a message of each round: of the loop, of all threads."""
    results = []
    for name in parts:
        before = sampler.cpu()
        count = meter.tell(publisher, name)
        known += count
        sampler.wait_metric(metric, known)
        after = sampler.cpu()
        results.append([(after[i] - before[i]) / count * 1e6 for i in (0, 1)])
    return list(zip(*results))


def measure(directory, gateways, samplers):
    crowd = Crowd(gateways, served_shards(samplers, directory))
    parts = {"hello": crowd.beats(gateways, empty=True), "fill": crowd.fill()}
    names = [f"events {number}" for number in range(ROUNDS)]
    parts |= {name: crowd.events(EVENTS) for name in names}
    parts["beats"] = crowd.beats(BEATS)
    sampler, publisher, empty = start(directory, gateways, samplers, parts)
    memory = [empty, sampler.resident()]
    filled = meter.tell(publisher, "fill", 0.01)
    sampler.wait_metric("headcount_sampler_events_total", filled)
    memory.append(sampler.resident())
    events = rounds(sampler, publisher, names, "headcount_sampler_events_total", filled)
    beats = rounds(
        sampler, publisher, ["beats"] * ROUNDS, "headcount_sampler_heartbeats_total", gateways
    )
    assert not sampler.metric("headcount_sampler_gaps_total")
    size = meter.wire_bytes(*parts["events 0"][0][1:]), meter.wire_bytes(*parts["beats"][0][1:])
    sampler.end()
    cells = [gateways, f"{samplers} ({min(2, samplers)})"]
    for one, bytes_ in ((events, size[0]), (beats, size[1])):
        cells += [f"{meter.median(one[0]):.2f}", f"{meter.median(one[1]):.2f}"]
        cells += [f"{meter.spread(one[1]):.0f} %", bytes_]
    cells += [(memory[1] - memory[0]) // gateways, (memory[2] - memory[1]) // filled]
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def main():
    print("| gateways | samplers (r) | event: loop µs | all µs | spread | bytes | heartbeat: "
          "loop µs | all µs | spread | bytes | B a gateway | B a pair |\n" + "| --- " * 12 + "|")
    for gateways, samplers in CHOICES:
        with meter.Folder() as directory:
            measure(directory, gateways, samplers)


if __name__ == "__main__":
    main()
