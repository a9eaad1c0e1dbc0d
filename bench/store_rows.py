#!/usr/bin/python3
"""What a store writes: rows a second, its CPU a row, and what a row takes in the database, on SQLite
and on the MongoDB server that tests/mongo_server.sh chooses (MONGODB_URI, mongod or the stand-in).

    bench/store_rows.py [--rows 20000] [--slow-rows 2000] [sqlite|mongodb ...]

On MongoDB fewer rows are written, since the stand-in is slow, and a document's bytes are BSON,
without indexes and not compressed; of SQLite it is what the file grows by, indexes included.

A minute of as many auctions after the other, in batches of 1,000 rows with 16 on the way, as
samplers send them; each minute is sent twice, as by two replicas. Medians of three rounds.
"""

import argparse
import os
import sqlite3
import time

import meter
from databases import Database, MongoServer
from meter import wire

MINUTE, ROUNDS, UNDER_WAY = 60000, 3, 16
AUCTIONS = 10000


def row(number, timestamp):
    figures = {"timestamp": timestamp, "viewerCount": 100, "avgViewers": 99.75, "peakViewers": 110}
    figures |= {"minViewers": 90, "sampleCount": 12, "exactPeak": 112, "exactMin": 89}
    figures |= {"exactAvg": 99.8125, "joins": 40, "leaves": 38, "coverageMs": 60000}
    return {"auction": f"{number:024x}", "complete": True, **figures}


def batches(rows, first_minute, key):
    """Encoded requests by id: minutes of AUCTIONS rows."""
    requests = {}
    for start in range(0, rows, 1000):
        timestamp = first_minute + start // AUCTIONS * MINUTE
        part = [row((start + i) % AUCTIONS, timestamp) for i in range(1000)]
        number = first_minute + start
        request = {"kind": "batch", "id": number, "key": key, "rows": part}
        requests[number] = wire.encode_request(request)
    return requests


def send(dealer, requests, outcome):
    """Seconds until all were acknowledged, each with this outcome alone."""
    waiting, began, under_way = list(requests.values()), time.perf_counter(), 0
    while waiting or under_way:
        while waiting and under_way < UNDER_WAY:
            dealer.send_multipart(waiting.pop(0))
            under_way += 1
        assert dealer.poll(60000), "no acknowledgement in a minute"
        ack = wire.decode_ack(*dealer.recv_multipart())
        assert ack["code"] == "ok" and ack[outcome] == 1000, ack
        under_way -= 1
    return time.perf_counter() - began


def enable(database):
    """Every auction's analytics, before the store reads the flags."""
    ids = [f"{number:024x}" for number in range(AUCTIONS)]
    with database.open() as opened:
        if database.kind == "mongodb":
            from bson import ObjectId

            flags = [{"_id": ObjectId(id_), "enableViewerAnalytics": True} for id_ in ids]
            opened["auctions"].insert_many(flags)
            return
    with sqlite3.connect(database.path, timeout=10) as writer:
        writer.executemany("INSERT INTO auctions VALUES (?, 1)", [(id_,) for id_ in ids])


def bytes_a_row(database):
    with database.open() as opened:
        if database.kind == "mongodb":
            import bson

            return len(bson.encode(opened["vieweranalytics"].find_one()))
    with sqlite3.connect(database.path, timeout=10) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        rows = opened.execute("SELECT COUNT(*) FROM vieweranalytics").fetchone()[0]
    return os.path.getsize(database.path) / rows


def measure(kind, rows, directory):
    server = MongoServer(directory) if kind == "mongodb" else None
    if server:
        server.install()
        server.start()
    database = Database(kind, server)
    endpoint = f"ipc://{directory}/store"
    key = "benchmark-key"
    settings = {"STORE_BIND": endpoint, "INTERNAL_API_KEY": key, "DATABASE_TIMEOUT_MS": 60000}
    settings |= database.settings(directory)
    store = meter.Measured("store", "store", settings, directory).start().wait_ready()
    enable(database)
    context = meter.zmq.Context()
    dealer = context.socket(meter.zmq.DEALER)
    dealer.connect(endpoint)
    now = int(time.time() * 1000) // MINUTE * MINUTE
    saved, cpus, kept = [], [], []
    for number in range(ROUNDS):
        requests = batches(rows, now - (number + 1) * 1000 * MINUTE, key)
        before = store.cpu()[1]
        saved.append(rows / send(dealer, requests, "saved"))
        cpus.append((store.cpu()[1] - before) / rows * 1e6)
        kept.append(rows / send(dealer, requests, "kept"))
    stored = bytes_a_row(database)
    sent = sum(meter.wire_bytes(*request) for request in requests.values()) / rows
    store.end()
    context.destroy(0)
    if server:
        server.stop()
    cells = [kind, f"{meter.median(saved):.0f}", f"{meter.spread(saved):.0f} %"]
    cells += [f"{meter.median(kept):.0f}", f"{meter.median(cpus):.1f}", f"{sent:.0f}"]
    cells += [f"{stored:.0f}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--slow-rows", type=int, default=2000)
    parser.add_argument("kinds", nargs="*", default=["sqlite", "mongodb"])
    options = parser.parse_args()
    print("| database | new rows/s | spread | repeated rows/s | store µs a row | "
          "bytes a row on the bus | in the database |\n" + "| --- " * 7 + "|")  # fmt: skip
    for kind in options.kinds:
        with meter.Folder() as directory:
            measure(kind, options.slow_rows if kind == "mongodb" else options.rows, directory)


if __name__ == "__main__":
    main()
