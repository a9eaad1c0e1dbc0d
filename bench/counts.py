#!/usr/bin/python3
"""What the counts cost on their way back to viewers.

    bench/counts.py

sampler: 2,000 auctions, each asked for by 1, 10 and 40 gateways: CPU a message sent, memory of a
gateway's subscription to one auction; and when all ask again, as they do when the sampler they
followed is gone, messages sent for each that asks. gateway: CPU a frame in a room of 5,000,
and with 5,000 viewers of as many auctions, told every 250 ms. api: CPU a count of 5,000 auctions.
Medians of five rounds.
"""

import time

import meter
from gateway_samplers import Crowd
from machine import free_port
from meter import wire
from waiting import wait_until

AUCTIONS, GATEWAYS, ROUNDS, VIEWERS, TELLINGS = 2000, (1, 10, 40), 5, 5000, 10


def event(auction, sequence, joins):
    message = {"kind": "event", "node": "gateway-0", "epoch": 1, "sequence": sequence}
    message |= {"time": meter.now_ms(), "change": "join", "joins": joins, "leaves": 0}
    return 0, *wire.encode(message | {"auction": auction})


def events(auctions, rounds):
    """Per round one more viewer in each auction."""
    sequences, parts = {}, {}
    for number in range(rounds):
        part = parts[f"round {number}"] = []
        for auction in auctions:
            sequence = sequences[wire.shard(auction)] = sequences.get(wire.shard(auction), 0) + 1
            part.append(event(auction, sequence, number + 1))
    beat = {"kind": "heartbeat", "role": "gateway", "node": "gateway-0", "epoch": 1}
    beat |= {"time": meter.now_ms(), "state": "ready", "total": 0, "sequences": {}}
    parts["hello"] = [(0, *wire.encode(beat))]
    return parts


def watch(endpoint, auctions, gateways, pipe):
    """As many readers of all those auctions, each a connection; tells how many counts came, and
    renews all subscriptions when told."""
    context = meter.zmq.Context()
    readers, poller = [], meter.zmq.Poller()
    for _ in range(gateways):
        reader = context.socket(meter.zmq.SUB)
        reader.rcvhwm = reader.sndhwm = 0
        reader.connect(endpoint)
        for auction in auctions:
            reader.subscribe(wire.topic_auction("count", auction))
        poller.register(reader, meter.zmq.POLLIN)
        readers.append(reader)
    pipe.send("asked")
    counts = 0
    while True:
        if pipe.poll(0):
            if pipe.recv() == "renew":
                for reader in readers:
                    for auction in auctions:
                        reader.subscribe(wire.topic_auction("count", auction))
                        reader.unsubscribe(wire.topic_auction("count", auction))
            pipe.send(counts)
        for reader, _ in poller.poll(20):
            while reader.poll(0):
                reader.recv_multipart()
                counts += 1


def ask(pipe, what="counts?"):
    pipe.send(what)
    return pipe.recv()


def renew(sampler, watchers, gateways):
    """Messages sent, and CPU, for each gateway's asking for each auction again. The counts that
    are repeated meanwhile are few."""
    asked = AUCTIONS * gateways
    wait_until(lambda: ask(watchers) == ask(watchers), 30, "quiet", 0.3)
    before, had = sampler.cpu()[1], ask(watchers)
    known = sampler.metric("headcount_sampler_subscriptions_total")
    ask(watchers, "renew")
    sampler.wait_metric("headcount_sampler_subscriptions_total", known + asked)
    last = -1
    while last != (last := ask(watchers)):
        time.sleep(0.3)
    return (last - had) / asked, (sampler.cpu()[1] - before) / asked * 1e6


def measure_sampler(gateways):
    auctions = [f"auction-{number:06}" for number in range(AUCTIONS)]
    with meter.Folder() as directory:
        publisher = meter.run_apart(meter.publish, [f"ipc://{directory}/g"], events(auctions, ROUNDS + 1))
        publisher.recv()
        settings = {"GATEWAY_ENDPOINTS": f"ipc://{directory}/g", "NODE_TIMEOUT_MS": 600000}
        settings |= {"COUNT_BIND": f"ipc://{directory}/s", "BUS_HWM": 1000000}
        sampler = meter.Measured("sampler", "sampler", settings, directory)
        sampler.start("--store-endpoints=")
        wait_until(lambda: sampler.admin("/metrics"), 60, "the sampler to answer")
        memory = sampler.resident()
        watchers = meter.run_apart(watch, f"ipc://{directory}/s", auctions, gateways)
        watchers.recv()
        sampler.wait_metric("headcount_sampler_subscriptions_total", AUCTIONS * gateways)
        memory = (sampler.resident() - memory) / AUCTIONS / gateways
        meter.tell(publisher, "hello")
        sampler.wait_ready(60)
        meter.tell(publisher, "round 0")
        sampler.wait_metric("headcount_sampler_counts_total", AUCTIONS)
        rounds = []
        for number in range(1, ROUNDS + 1):
            wait_until(lambda: ask(watchers) == ask(watchers), 30, "quiet", 0.3)
            before, had = sampler.cpu(), ask(watchers)
            meter.tell(publisher, f"round {number}")
            wait_until(lambda: ask(watchers) - had >= AUCTIONS * gateways, 30, "all counts")
            after, sent = sampler.cpu(), ask(watchers) - had
            rounds.append([(after[i] - before[i]) / sent * 1e6 for i in (0, 1)])
        messages, cost = renew(sampler, watchers, gateways)
        sampler.end()
    loop, everything = zip(*rounds)
    print(f"sampler, {gateways} gateways ask for each auction: loop {meter.median(loop):.2f} µs, all "
          f"{meter.median(everything):.2f} µs a message sent (spread {meter.spread(everything):.0f} %); "
          f"{memory:.0f} B a gateway and auction; asked again: {messages:.1f} messages and "
          f"{cost:.1f} µs for each that asks")  # fmt: skip


def counts(auctions, rounds):
    """Of a sampler: states of nothing, then every auction's count each round, one greater."""
    sequences, parts = {}, {}
    base = {"node": "sampler-0", "epoch": 1, "time": meter.now_ms()}
    for number in range(rounds):
        part = parts[f"round {number}"] = []
        for auction in auctions:
            shard = wire.shard(auction)
            sequences[shard] = sequences.get(shard, 0) + 1
            message = {"kind": "count", "sequence": sequences[shard], "change": "change"}
            message |= {"auction": auction, "count": 100000 + number}
            part.append((0, *wire.encode(base | message)))
    beat = {"kind": "heartbeat", "role": "sampler", "state": "ready", "total": 0, "sequences": {}}
    parts["hello"] = [(0, *wire.encode(base | beat))]
    return parts


def measure_reader(kind, auctions, viewers, rooms, what):
    """A gateway or an api that hears one sampler."""
    with meter.Folder() as directory:
        parts = counts(auctions, ROUNDS * TELLINGS + 1)
        endpoint = f"ipc://{directory}/s"
        publisher = meter.run_apart(meter.publish, [endpoint], parts)
        publisher.recv()
        settings = {"PORT": free_port(), "SAMPLER_ENDPOINTS": endpoint}
        settings |= {"EVENT_BIND": f"ipc://{directory}/g", "NODE_TIMEOUT_MS": 600000}
        settings |= {"INTERNAL_API_KEY": "benchmark-key", "SQLITE_PATH": f"{directory}/d"}
        settings |= {"ADMIN_API_KEY": "benchmark-admin-key", "PING_INTERVAL_MS": 600000}
        service = meter.Measured(kind, kind, settings, directory).start()
        meter.tell(publisher, "hello")
        crowd = Crowd(directory, service.port, viewers, rooms) if viewers else None
        wait_until(lambda: service.admin("/metrics"), 30, f"the {kind} to answer")
        meter.tell(publisher, "round 0")
        time.sleep(1)
        rounds, number = [], 0
        name = "headcount_gateway_frames_total" if crowd else "headcount_api_bus_messages_total"
        for _ in range(ROUNDS):
            before, had = service.cpu(), service.metric(name)
            for _ in range(TELLINGS):
                number += 1
                meter.tell(publisher, f"round {number}")
                time.sleep(0.25)
            time.sleep(0.5)
            after, done = service.cpu(), service.metric(name) - had
            rounds.append([(after[i] - before[i]) / done * 1e6 for i in (0, 1)] + [done])
        if crowd:
            crowd.leave()
        service.end()
    loop, everything, done = zip(*rounds)
    size = meter.wire_bytes(*parts["round 1"][0][1:])
    print(f"{what}: {size} B a count; loop {meter.median(loop):.2f} µs, all {meter.median(everything):.2f} µs "
          f"each (spread {meter.spread(everything):.0f} %; {meter.median(done):.0f} a round)")  # fmt: skip


def main():
    for gateways in GATEWAYS:
        measure_sampler(gateways)
    rooms = [f"a{number}" for number in range(VIEWERS)]
    measure_reader("gateway", ["a0"], VIEWERS, "one", "gateway, frames, a room of 5,000")
    measure_reader("gateway", rooms, VIEWERS, "each", "gateway, frames, 5,000 rooms of one")
    measure_reader("api", rooms, 0, "", "api, counts of 5,000 auctions")


if __name__ == "__main__":
    main()
