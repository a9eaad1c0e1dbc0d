#!/usr/bin/python3
"""What a sampler costs: CPU per event, memory per auction, and how long a new count takes while
events stream in and windows close.

    bench/sampler_intake.py [--auctions 100000] [--gateways 4] [--rate 20000] [--seconds 20]

Rate 0 sends as fast as the publisher can. The events are made before the clock starts. The
publisher, the store and the probes are processes of their own; HEADCOUNT_BUILD names the build.
"""

import argparse
import multiprocessing
import pathlib
import random
import shutil
import sys
import tempfile
import time

import zmq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
import headcount_wire as wire
from machine import release_port
from service import Service

WINDOW_MS = 5000
PROBE_SHARD = 0


def now_ms():
    return int(time.time() * 1000)


class Crowd:
    """The gateways' pairs and sequences, and their messages ready to send."""

    def __init__(self, options):
        self.nodes = [f"gateway-{number}" for number in range(options.gateways)]
        self.epoch = now_ms()
        self.pairs = {}
        self.sequences = {node: {} for node in self.nodes}
        self.auctions = [f"auction-{number:06}" for number in range(options.auctions)]
        self.random = random.Random(1)

    def event(self, node, auction):
        pair = self.pairs.setdefault((node, auction), [0, 0])
        leave = pair[0] > pair[1] and self.random.random() < 0.5
        pair[1 if leave else 0] += 1
        shard = wire.shard(auction)
        sequence = self.sequences[node].get(shard, 0) + 1
        self.sequences[node][shard] = sequence
        message = {"kind": "event", "node": node, "epoch": self.epoch, "sequence": sequence}
        message |= {"time": now_ms(), "change": "leave" if leave else "join"}
        message |= {"auction": auction, "joins": pair[0], "leaves": pair[1]}
        return wire.encode(message)

    def heartbeats(self):
        for node in self.nodes:
            message = {"kind": "heartbeat", "role": "gateway", "node": node, "total": 0}
            message |= {"epoch": self.epoch, "time": now_ms(), "state": "ready"}
            yield wire.encode(message | {"sequences": {}})

    @property
    def viewers(self):
        return sum(joins - leaves for joins, leaves in self.pairs.values())


def publish(options, endpoint, pipe):
    """First one viewer in every auction, then, when told, the events at the rate."""
    crowd = Crowd(options)
    socket = zmq.Context().socket(zmq.XPUB)
    socket.sndhwm = 0
    socket.bind(endpoint)
    choose = crowd.random.choice
    filling = [crowd.event(choose(crowd.nodes), auction) for auction in crowd.auctions]
    events = [
        crowd.event(choose(crowd.nodes), choose(crowd.auctions)) for _ in range(options.count)
    ]
    pipe.send("made")
    pipe.recv()
    for frames in filling:
        socket.send_multipart(frames)
    beat = 0
    while not pipe.poll(0.5):
        for frames in crowd.heartbeats():
            socket.send_multipart(frames)
    pipe.recv()
    began = time.perf_counter()
    for number, frames in enumerate(events):
        socket.send_multipart(frames)
        if number % 100:
            continue
        if options.rate:
            time.sleep(max(0, began + number / options.rate - time.perf_counter()))
        if time.perf_counter() > beat + 1:
            beat = time.perf_counter()
            for frames in crowd.heartbeats():
                socket.send_multipart(frames)
    pipe.send((time.perf_counter() - began, crowd.viewers))
    while not pipe.poll(0.2):
        for frames in crowd.heartbeats():
            socket.send_multipart(frames)


def acknowledge(endpoint, pipe):
    """A store that takes everything; tells how many rows it got."""
    socket = zmq.Context().socket(zmq.ROUTER)
    socket.bind(endpoint)
    rows = 0
    while not pipe.poll(0):
        if not socket.poll(20):
            continue
        peer, topic, body = socket.recv_multipart()
        request = wire.decode_request(topic, body)
        rows += len(request["rows"])
        ack = {"id": request["id"], "code": "ok", "message": "", "refusals": []}
        ack |= {"saved": len(request["rows"]), "kept": 0, "ignored": 0, "refused": 0}
        socket.send_multipart([peer, *wire.encode_ack(ack)])
    pipe.send(rows)


def probe(event_endpoint, count_endpoint, pipe):
    """A gateway of one viewer at a time in ever new auctions; the counts' delays in seconds."""
    context = zmq.Context()
    out, back = context.socket(zmq.XPUB), context.socket(zmq.SUB)
    out.bind(event_endpoint)
    back.subscribe(wire.topic_shard("count", PROBE_SHARD))
    back.connect(count_endpoint)
    message = {"kind": "event", "node": "probe", "epoch": now_ms(), "change": "join"}
    beat = {"kind": "heartbeat", "role": "gateway", "node": "probe", "state": "ready"}
    beat |= {"epoch": message["epoch"], "sequences": {}, "total": 0}
    delays, number, deaf_until = [], 0, time.perf_counter() + 3
    while not out.poll(10) and time.perf_counter() < deaf_until:
        pass  # until the sampler has come
    time.sleep(0.5)
    while not pipe.poll(0.01):
        number += 1
        while wire.shard(f"probe-{number}") != PROBE_SHARD:
            number += 1
        auction = f"probe-{number}"
        frames = wire.encode(
            message | {"auction": auction, "sequence": len(delays) + 1, "time": now_ms()}
            | {"joins": 1, "leaves": 0}
        )  # fmt: skip
        topic, seen = wire.topic_auction("count", auction), b""
        began = time.perf_counter()
        out.send_multipart(frames)
        while seen != topic:
            assert time.perf_counter() < began + 10, f"no count of {auction}"
            if back.poll(200):
                seen = back.recv_multipart()[0]
            else:
                out.send_multipart(wire.encode(beat | {"time": now_ms()}))
        delays.append(time.perf_counter() - began)
    pipe.send(delays)


def run_apart(target, *arguments):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=target, args=(*arguments, there), daemon=True)
    process.start()
    return here


def wait(sampler, name, value, seconds=60):
    deadline = time.monotonic() + seconds
    while sampler.metric(name) < value:
        assert time.monotonic() < deadline, (name, value, sampler.metrics())
        time.sleep(0.05)


def measure(options, directory):
    endpoints = {name: f"ipc://{directory}/{name}" for name in ("g", "p", "s", "st")}
    publisher = run_apart(publish, options, endpoints["g"])
    store = run_apart(acknowledge, endpoints["st"])
    settings = {
        "GATEWAY_ENDPOINTS": f"{endpoints['g']},{endpoints['p']}",
        "COUNT_BIND": endpoints["s"],
        "STORE_ENDPOINTS": endpoints["st"],
        "INTERNAL_API_KEY": "benchmark-key",
        "SAMPLE_INTERVAL_MS": 500,
        "SNAPSHOT_INTERVAL_MS": WINDOW_MS,
        "BUS_HWM": 10000000,
    }
    publisher.recv()  # the events are made
    sampler = Service("sampler", "sampler", settings, directory).start().wait_ready()
    empty = sampler.metric("process_resident_memory_bytes")
    publisher.send("fill")
    wait(sampler, "headcount_sampler_auctions", options.auctions)
    full = sampler.metric("process_resident_memory_bytes")
    time.sleep(2)
    before = sampler.metrics()
    time.sleep(2 * WINDOW_MS / 1000)
    rest = sampler.metric("process_cpu_seconds_total") - before["process_cpu_seconds_total"]
    prober = run_apart(probe, endpoints["p"], endpoints["s"])
    time.sleep(1)
    before = sampler.metrics()
    publisher.send("go")
    seconds, viewers = publisher.recv()
    wait(sampler, "headcount_sampler_events_total", options.auctions + options.count)
    after = sampler.metrics()
    prober.send("end")
    delays = sorted(prober.recv())
    wait(sampler, "headcount_sampler_viewers", viewers + len(delays), 2)
    truth = sampler.metric("headcount_sampler_viewers") - len(delays)
    store.send("end")
    cpu = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    print(f"auctions {options.auctions}, gateways {options.gateways}, events {options.count}")
    print(f"memory: {empty / 1e6:.1f} MB empty, {(full - empty) / options.auctions:.0f} B an auction")
    print(f"at rest: {rest / (2 * WINDOW_MS / 1000) * 100:.1f} % of a core")
    print(f"sent in {seconds:.1f} s: {options.count / seconds:.0f} events/s")
    print(f"cpu: {cpu:.2f} s, {cpu / options.count * 1e6:.2f} us an event, counts and windows included")
    print(f"a core's worth: {options.count / cpu:.0f} events/s")
    names = ((0.5, "p50"), (0.99, "p99"))
    shown = ", ".join(f"{name} {delays[int(len(delays) * at)] * 1e3:.2f}" for at, name in names)
    print(f"a new count: {shown}, max {delays[-1] * 1e3:.1f} ms ({len(delays)} probes)")
    print(f"snapshots: {after['headcount_sampler_snapshots_total']:.0f}; rows stored {store.recv()}")
    lost = after["headcount_sampler_gateways_lost_total"]
    print(f"gateways lost {lost:.0f}; gaps {after['headcount_sampler_gaps_total']:.0f}; viewers {truth:.0f}, truly {viewers}")
    sampler.term()
    release_port(sampler.settings["ADMIN_PORT"])
    assert truth == viewers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--auctions", type=int, default=100000)
    parser.add_argument("--gateways", type=int, default=4)
    parser.add_argument("--rate", type=int, default=20000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--events", type=int, help="instead of rate times seconds")
    options = parser.parse_args()
    options.count = options.events or options.rate * options.seconds
    directory = pathlib.Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    try:
        measure(options, directory)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
