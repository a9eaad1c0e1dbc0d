"""A ledger: clerks hand snapshots in over the bus and over HTTP, repeat each until it is acknowledged, and
write down what was; at the end the database must hold just that.

    Clerk    one auction of its own, a thread; each snapshot has a figure that no other has
    audit    what of a ledger is missing, wrong or invented in the database, as lines
"""

import contextlib
import datetime
import http.client
import random
import threading
import time

import zmq

import headcount_wire
from http_client import http_request

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
STEP_MS = 1000  # between two snapshots of a clerk
ROWS = 5  # in a batch
ANSWER_MS = 3000
SPOOLED_SECONDS = 0.1  # of rest after a batch that has to be written later: a test database is slow


def make_row(auction, timestamp, figure):
    return {
        "auction": auction, "timestamp": timestamp, "viewerCount": figure, "avgViewers": figure,
        "peakViewers": figure, "minViewers": figure, "sampleCount": 12,
    }  # fmt: skip


class Clerk(threading.Thread):
    def __init__(self, auction):
        super().__init__(daemon=True)
        self.auction = auction
        self.first_ms = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS - 20 * DAY_MS
        self.made = {}  # timestamp: figure
        self.acknowledged = {}
        self.outcomes = {}  # name: rows
        self.wrong = []  # answers that must not be
        self.ended = threading.Event()

    def run(self):
        figure = 0
        while not self.ended.is_set():
            rows = []
            for _ in range(ROWS):
                figure += 1
                rows.append(make_row(self.auction, self.first_ms + figure * STEP_MS, figure))
            self.made.update((row["timestamp"], row["viewerCount"]) for row in rows)
            while not self.hand_in(rows):
                if self.ended.wait(0.05):
                    return
            self.acknowledged.update((row["timestamp"], row["viewerCount"]) for row in rows)

    def note(self, outcome, rows):
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + rows
        if outcome == "spooled" and rows:
            self.ended.wait(SPOOLED_SECONDS)

    def end(self):
        self.ended.set()
        self.join(30)
        assert not self.is_alive()


class BusClerk(Clerk):
    """Speaks to all stores as a sampler does."""

    def __init__(self, auction, endpoints, key):
        super().__init__(auction)
        self.key = key
        self.context = zmq.Context()
        self.dealer = self.context.socket(zmq.DEALER)
        self.dealer.linger = 0
        self.dealer.immediate = 1
        for endpoint in endpoints:
            self.dealer.connect(endpoint)
        self.id = random.randrange(2**32)

    def hand_in(self, rows):
        self.id += 1
        request = {"id": self.id, "kind": "batch", "rows": rows, "key": self.key}
        try:
            self.dealer.send_multipart(headcount_wire.encode_request(request), zmq.NOBLOCK)
        except zmq.Again:
            return False
        deadline = time.monotonic() + ANSWER_MS / 1000
        while (left := deadline - time.monotonic()) > 0 and not self.ended.is_set():
            self.dealer.poll(min(left * 1000, 200))
            for ack in [ack for ack in self.read_acks() if ack["id"] == self.id]:
                return self.judge(ack, len(rows))
        return False

    def read_acks(self):
        """All that have come. Every hundredth part read without coming to an end, ZeroMQ looks for
        connections that broke; with `immediate`, between two parts of a message, that aborts."""
        acks = []
        with contextlib.suppress(zmq.Again):
            while True:
                acks.append(headcount_wire.decode_ack(*self.dealer.recv_multipart(zmq.NOBLOCK)))
        return acks

    def judge(self, ack, rows):
        if ack["code"] != "ok":
            if ack["code"] != "unavailable":
                self.wrong.append(str(ack))
            return False
        for name in ("saved", "kept", "spooled"):
            self.note(name, ack[name])
        if ack["saved"] + ack["kept"] + ack["spooled"] != rows:
            self.wrong.append(str(ack))
        return True

    def end(self):
        super().end()
        self.dealer.close()
        self.context.term()


class HttpClerk(Clerk):
    """Posts to the api as a socket server of one's own does, each row until it is taken."""

    def __init__(self, auction, port, key):
        super().__init__(auction)
        self.port = port
        self.key = key

    def hand_in(self, rows):
        return all(self.post(row) for row in rows)

    def post(self, row):
        moment = datetime.datetime.fromtimestamp(row["timestamp"] / 1000, datetime.timezone.utc)
        body = {name: value for name, value in row.items() if name != "auction"}
        body["timestamp"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        path = f"/api/v1/auctions/{self.auction}/analytics/snapshot"
        headers = {"x-internal-api-key": self.key}
        try:
            answer = http_request(self.port, "POST", path, body, headers, timeout=10)
        except (OSError, http.client.HTTPException):
            return False
        if answer.status == 503:
            return False
        outcome = answer.json().get("data", {}).get("outcome") if answer.status == 200 else None
        if outcome not in ("saved", "kept", "spooled"):
            self.wrong.append(f"{answer.status} {answer.body!r}")
            return False
        self.note(outcome, 1)
        return True


def read_rows(database, auction):
    """[(timestamp ms, viewerCount)] of an auction, from the database itself."""
    with database.open() as opened:
        if database.kind == "mongodb":
            found = opened.vieweranalytics.find({"auction": auction})
            return sorted(
                (int(row["timestamp"].timestamp() * 1000), row["viewerCount"]) for row in found
            )
        found = opened.execute(
            "SELECT timestamp, viewer_count FROM vieweranalytics WHERE auction=? ORDER BY 1",
            (auction,),
        )
        return [tuple(row) for row in found]


def audit(clerk, database):
    rows = read_rows(database, clerk.auction)
    stored = dict(rows)
    lines = [f"{clerk.auction}: {answer}" for answer in clerk.wrong]
    if len(stored) != len(rows):
        lines.append(f"{clerk.auction}: {len(rows) - len(stored)} rows are doubled")
    for timestamp, figure in clerk.acknowledged.items():
        if timestamp not in stored:
            lines.append(f"{clerk.auction}: {figure} was acknowledged and is missing")
    for timestamp, figure in rows:
        if clerk.made.get(timestamp) != figure:
            lines.append(f"{clerk.auction}: {figure} at {timestamp} is invented")
    return lines
