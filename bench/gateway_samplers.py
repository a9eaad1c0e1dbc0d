#!/usr/bin/python3
"""What a gateway's viewers cost it with 1, 3 and 10 samplers (each shard served by two of them, by
all when there are fewer): its CPU a join and messages on the bus a join; then, with 10,000 viewers
of as many auctions, how long it takes to tell one reader everything, and its bytes.

    bench/gateway_samplers.py

2,000 viewers join: each an auction of its own, then all the same one. Medians of three rounds.
"""

import json
import subprocess
import time

import meter
from machine import free_port
from meter import wire
from waiting import wait_until

VIEWERS, ROUNDS, AUCTIONS = 2000, 3, 10000
LIMIT_SECONDS = 60


class Crowd:
    """Viewers held by bench/gateway_fanout.c."""

    def __init__(self, directory, port, count, rooms):
        tool = directory / "crowd"
        if not tool.exists():
            source = meter.HERE / "gateway_fanout.c"
            subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", tool, source], check=True)
        command = [tool, str(port), "/ws?auction=a%d", str(count), rooms, "plain"]
        self.process = subprocess.Popen(
            [*command, str(LIMIT_SECONDS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.seen = json.loads(self.process.stdout.readline())
        assert self.seen["in"] == count, self.seen

    def leave(self):
        self.process.communicate(b"")


def gateway_settings(directory, samplers):
    endpoints = ",".join(f"ipc://{directory}/s{number}" for number in range(samplers))
    settings = {"PORT": free_port(), "EVENT_BIND": f"ipc://{directory}/g"}
    settings |= {"NODE_ID": "gateway-0"}
    return settings | ({"SAMPLER_ENDPOINTS": endpoints} if endpoints else {})


def start_gateway(directory, samplers=0):
    settings = gateway_settings(directory, samplers)
    gateway = meter.Measured("gateway", "gateway", settings, directory)
    gateway.start(*([] if samplers else ["--sampler-endpoints="]))
    return gateway.wait_ready()


def start_sampler(directory, number, samplers):
    settings = {"GATEWAY_ENDPOINTS": f"ipc://{directory}/g", "NODE_ID": f"sampler-{number}"}
    settings |= {"COUNT_BIND": f"ipc://{directory}/s{number}", "SAMPLERS": samplers}
    settings |= {"SAMPLER_ORDINAL": number, "SAMPLER_REPLICAS": 2}
    service = meter.Measured("sampler", f"sampler{number}", settings, directory)
    return service.start("--store-endpoints=")


def totals(gateway, samplers):
    """What is counted so far: CPU of the gateway, messages by what they are."""
    loop, everything = gateway.cpu()
    own = gateway.metrics()
    of = [sampler.metrics() for sampler in samplers]
    added = lambda name: sum(one[f"headcount_sampler_{name}_total"] for one in of)
    return {
        "loop": loop * 1e6,
        "all": everything * 1e6,
        "said": own["headcount_gateway_events_total"],
        "taken": added("events"),
        "asked": added("subscriptions"),
        "counts": own["headcount_gateway_counts_total"],
        "frames": own["headcount_gateway_frames_total"],
    }


def round_of(directory, gateway, samplers, rooms):
    before = totals(gateway, samplers)
    crowd = Crowd(directory, gateway.port, VIEWERS, rooms)
    time.sleep(0.3)  # what is still on the way; well before counts are repeated
    after = totals(gateway, samplers)
    crowd.leave()
    wait_until(lambda: gateway.metric("headcount_gateway_viewers") == 0, 30, "all to leave")
    return {name: (after[name] - before[name]) / VIEWERS for name in after}


def measure(samplers):
    with meter.Folder() as directory:
        gateway = start_gateway(directory, samplers)
        group = [start_sampler(directory, number, samplers) for number in range(samplers)]
        for sampler in group:
            sampler.wait_ready()
        gateway.wait_metric("headcount_gateway_shards_followed", wire.SHARDS)
        for rooms in ("each", "one"):
            rounds = [round_of(directory, gateway, group, rooms) for _ in range(ROUNDS)]
            show(samplers, rooms, rounds)
        gateway.end()
        for sampler in group:
            sampler.end()


def show(samplers, rooms, rounds):
    cells = [samplers, "an auction each" if rooms == "each" else "one auction"]
    for name in rounds[0]:
        cells.append(f"{meter.median([one[name] for one in rounds]):.2f}")
    cells.append(f"{meter.spread([one['all'] for one in rounds]):.0f} %")
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def tell_everything(gateway, reader):
    """Seconds, messages, bytes and the gateway's CPU until the last shard's end."""
    before, began = gateway.cpu()[1], time.perf_counter()
    ends = messages = size = 0
    for shard in range(wire.SHARDS):
        reader.subscribe(wire.topic_renewal("gateway", "gateway-0", shard))
        reader.unsubscribe(wire.topic_renewal("gateway", "gateway-0", shard))
    while ends < wire.SHARDS:
        assert reader.poll(10000), "the answer did not end"
        frames = reader.recv_multipart()
        messages += 1
        size += meter.wire_bytes(*frames)
        ends += frames[0].count(b"/") == 2 and wire.decode(*frames)["change"] == "end"
    return time.perf_counter() - began, messages, size, gateway.cpu()[1] - before


def measure_renewal():
    with meter.Folder() as directory:
        gateway = start_gateway(directory)
        crowd = Crowd(directory, gateway.port, AUCTIONS, "each")
        context = meter.zmq.Context()
        reader = context.socket(meter.zmq.SUB)
        reader.rcvhwm = 0
        reader.connect(f"ipc://{directory}/g")
        reader.subscribe(b"event/")
        while reader.poll(1000):  # the answer to that
            reader.recv_multipart()
        rounds = [tell_everything(gateway, reader) for _ in range(ROUNDS)]
        seconds, messages, size, cpu = (meter.median(values) for values in zip(*rounds))
        print(f"\n{AUCTIONS} auctions told to one reader: {seconds * 1e3:.0f} ms, "
              f"{messages} messages, {size} bytes ({size / AUCTIONS:.0f} an auction), "
              f"{cpu * 1e3:.0f} ms of the gateway's CPU")  # fmt: skip
        crowd.leave()
        gateway.end()
        context.destroy(0)


def main():
    names = "samplers | viewers | loop µs a join | all µs | events said | events taken | "
    names += "subscriptions | counts | frames | spread"
    print(f"| {names} |\n" + "| --- " * 10 + "|")
    for samplers in (1, 3, 10):
        measure(samplers)
    measure_renewal()


if __name__ == "__main__":
    main()
