#!/usr/bin/python3
"""The sums of docs/scale.md: from the rates below, each measured by the program named beside it, to
how many of what for 10,000 to 10 million viewers.

    bench/scale_sums.py [BROADCAST_INTERVAL_MS [GATEWAYS-AN-AUCTION]]

The interval is that of gateways and samplers (BROADCAST_INTERVAL_MS, COUNT_INTERVAL_MS; 50). The
other bounds over how many gateways the load balancer spreads a small auction; 0, and if not given:
over all.
"""

import math
import sys

from meter import wire, wire_bytes

# Measured, µs of the loop or bytes.
FRAME_US = 4.9  # counts.py: a frame of a room
TAKEN_US = 1.7  # counts.py: a count taken, a frame in a room of one less FRAME_US
JOIN_US = 29.0  # gateway_samplers.py
VIEWER_BYTES, SOCKET_BYTES = 2060, 4096  # gateway_fanout.py
FRAME_BYTES = 64 + 2 + 52 + 14  # text, WebSocket, TCP/IP, Ethernet
EVENT_US, HEARTBEAT_US = 9.2, 10.0  # sampler_intake.py (20,000/s); sampler_gateways.py
COUNT_US = 0.28  # counts.py: a count sent to one gateway
API_COUNT_US = 0.9  # counts.py
SUBSCRIPTION_BYTES, PAIR_BYTES = 110, 330  # counts.py; sampler_gateways.py
ROW_BYTES = {"SQLite": 154, "MongoDB": 284}  # store_rows.py

# Assumed.
STAY_SECONDS = 600  # a viewer's: as many leaves as joins
REPLICAS = 2
VIEWERS_A_GATEWAY = 50000
SHARE = 0.4  # of a core that is planned for: gateways' frames, samplers' loops
REPEAT_SECONDS = 5  # of counts, by the protocol

# On the bus, of an auction named as MongoDB does, with large numbers.
SAID = {"epoch": 1790000000000, "time": 1790000000000, "sequence": 10**6, "auction": "6" * 24}
EVENT = {"kind": "event", "node": "gateway-123", "change": "join", "joins": 10**5, "leaves": 10**5}
COUNT = {"kind": "count", "node": "sampler-12", "change": "change", "count": 10**5}
HEARTBEAT = {"kind": "heartbeat", "role": "gateway", "node": "gateway-123", "epoch": SAID["epoch"]}
HEARTBEAT |= {"time": SAID["time"], "state": "ready", "total": 50000}
HEARTBEAT |= {"sequences": {str(shard): 10**6 for shard in range(wire.SHARDS)}}
EVENT_BYTES = wire_bytes(*wire.encode(SAID | EVENT))
COUNT_BYTES = wire_bytes(*wire.encode(SAID | COUNT))
HEARTBEAT_BYTES = wire_bytes(*wire.encode(HEARTBEAT))


def rooms(viewers):
    """(how many auctions, viewers of each): one of a tenth of all viewers, a hundredth of the
    auctions with three tenths, the rest alike; 100 viewers an auction on average."""
    auctions = viewers // 100
    many = max(1, auctions // 100 - 1)
    return [(1, viewers / 10), (many, viewers * 0.3 / many),
            (auctions - many - 1, viewers * 0.6 / (auctions - many - 1))]  # fmt: skip


def change_rate(viewers, interval):
    """Changes told a second: by chance, but none within an interval of the last."""
    return 1 / (interval + STAY_SECONDS / (2 * viewers))


def spread(viewers, gateways, most):
    """Gateways that hold some of an auction's viewers. An auction too large for the bound is
    spread over all."""
    over = gateways if not most or viewers > 1000 else min(most, gateways)
    return over * (1 - (1 - 1 / over) ** viewers)


def load(viewers, gateways, interval, most):
    """What all of it is a second, with that many gateways."""
    frames = frame_seconds = counts = sent = pairs = answers = 0
    for auctions, each in rooms(viewers):
        held = spread(each, gateways, most)
        sweep = each / held * FRAME_US / 1e6
        rate = change_rate(each, max(interval, 4 * sweep))
        frames += auctions * each * rate
        frame_seconds += auctions * each * rate * FRAME_US / 1e6
        told = change_rate(each, interval)
        told = told / (1 - math.exp(-REPEAT_SECONDS * told))
        counts += auctions * told
        sent += auctions * told * held * REPLICAS
        pairs += auctions * held
        answers += auctions * held**2
    return frames, frame_seconds, counts, sent, pairs, answers


def gateways_needed(viewers, interval, most):
    count = max(2, math.ceil(viewers / VIEWERS_A_GATEWAY))
    while load(viewers, count, interval, most)[1] / count > SHARE:
        count = math.ceil(count * 1.02)
    return count


def samplers_needed(events, sent, gateways):
    count = REPLICAS
    while (
        events * REPLICAS / count * EVENT_US + sent / count * COUNT_US + gateways * HEARTBEAT_US
    ) / 1e6 > SHARE:
        count += 1
    return count


def sums(viewers, interval, most):
    gateways = gateways_needed(viewers, interval, most)
    frames, seconds, counts, sent, pairs, answers = load(viewers, gateways, interval, most)
    events = 2 * viewers / STAY_SECONDS
    samplers = samplers_needed(events, sent, gateways)
    rows = viewers // 100 * REPLICAS / 60
    memory = pairs * (SUBSCRIPTION_BYTES + PAIR_BYTES * REPLICAS / samplers)
    stored = viewers // 100 * 1440
    bus = events * EVENT_BYTES * REPLICAS + sent * COUNT_BYTES + gateways * samplers * HEARTBEAT_BYTES
    return {
        "auctions": viewers // 100,
        "**gateways**": gateways,
        "each: MB, sockets included": viewers / gateways * (VIEWER_BYTES + SOCKET_BYTES) / 1e6,
        "each: % of a core for frames": 100 * seconds / gateways,
        "each: % of a core for counts": sent / gateways * TAKEN_US / 1e4,
        "each: % of a core for joins": events / 2 / gateways * JOIN_US / 1e4,
        "each: Mbit/s to viewers": frames / gateways * FRAME_BYTES * 8 / 1e6,
        "frames/s in all": frames,
        "joins and leaves/s in all": events,
        "**samplers** (r = 2)": samplers,
        "counts made/s": counts,
        "counts to gateways/s, both replicas": sent,
        "auctions held, summed over gateways": pairs,
        "each sampler: MB": memory / 1e6,
        "heartbeats of gateways/s": gateways * samplers,
        "bus: Mbit/s in all": bus * 8 / 1e6,
        "answers when all ask again": answers * REPLICAS,
        "**stores**": 2,
        "rows/s to the database, both replicas": rows,
        "**apis**": 2,
        "each api: % of a core for counts": counts * REPLICAS * API_COUNT_US / 1e4,
        "rows a day, million": stored / 1e6,
        "GB a day, SQLite": stored * ROW_BYTES["SQLite"] / 1e9,
        "GB in 90 days, SQLite": 90 * stored * ROW_BYTES["SQLite"] / 1e9,
        "GB in 90 days, MongoDB documents": 90 * stored * ROW_BYTES["MongoDB"] / 1e9,
    }


def rounded(value):
    if value < 10:
        return f"{value:.2g}"
    return f"{round(value, 2 - math.floor(math.log10(value))) if value >= 1000 else round(value):,.0f}"


def main():
    interval = (float(sys.argv[1]) if len(sys.argv) > 1 else 50) / 1000
    most = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    sizes = [10**4, 10**5, 10**6, 10**7]
    print(f"An event has {EVENT_BYTES} bytes, a count {COUNT_BYTES}, a heartbeat {HEARTBEAT_BYTES}.\n")
    columns = [sums(viewers, interval, most) for viewers in sizes]
    print("| viewers | " + " | ".join(f"{size:,}" for size in sizes) + " |")
    print("| --- " * 5 + "|")
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(rounded(column[name]) for column in columns) + " |")


if __name__ == "__main__":
    main()
