"""Runs the whole story in a world of its own (see network.py): the cluster starts, the referee's
viewers come, one fault after the other is done and measured, at the end the database is judged.

    scene.py DIRECTORY VIEWERS AUCTIONS CHURN ROUNDS SEED

Each result is printed as a line of JSON, as soon as it is known. It ends when its standard input
does, at the latest: then whoever asked for it is gone.
"""

import json
import os
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import cluster  # noqa: E402  (needs the path above)
import faults  # noqa: E402
import truth  # noqa: E402
import windows  # noqa: E402

WATCH_SECONDS = 3.5  # after a fault, before the churn is halted
LIMIT_SECONDS = 5  # within which everything must be exact; known to the tests
GIVE_UP_SECONDS = 25
STORED_SECONDS = 20  # for the last windows to be stored


def wall_ms():
    return int(time.time() * 1000)


class Scene:
    def __init__(self, directory, viewers, auctions, churn, seed):
        self.viewers, self.auctions, self.churn = viewers, auctions, churn
        self.draw = random.Random(seed)
        self.cluster = cluster.Cluster(directory)
        self.killed = None  # the instance that waits for its restart

    def pick(self, kind):
        return self.draw.choice(self.cluster.running(kind))

    def start(self):
        with self.cluster.open_database() as client:
            names = [f"lot-{number:03d}" for number in range(self.auctions)]
            rows = [{"_id": name, "enableViewerAnalytics": True} for name in names]
            client[cluster.DATABASE]["auctions"].insert_many(rows)
        self.cluster.start_all()
        referee = self.cluster.referee
        referee.fill(self.auctions, self.viewers)
        exact, inexact = referee.settle(time.monotonic() + GIVE_UP_SECONDS)
        assert exact, f"never exact at the start: {inexact}"
        self.began_ms = wall_ms()
        referee.churn(self.churn)

    def measure(self, fault):
        """Does one fault; what was seen, and how long after its end everything was exact."""
        referee = self.cluster.referee
        time.sleep(0.5)
        referee.mark()
        victim, over = fault(self)
        time.sleep(max(0, over + WATCH_SECONDS - time.monotonic()))
        referee.churn(0)
        halted = time.monotonic()
        exact, inexact = referee.settle(over + GIVE_UP_SECONDS)
        largest, last = referee.errors()
        referee.churn(self.churn)
        after = None
        if exact:
            late = exact if exact > halted + truth.LAG else over
            after = round(max(0, late - over, *(moment - over for moment in last.values())), 2)
        return {
            "victim": victim,
            "largest": largest,
            "exact_after": after,
            "inexact": inexact,
        }

    def _rows(self):
        with self.cluster.open_database() as client:
            rows = list(client[cluster.DATABASE]["vieweranalytics"].find())
        for row in rows:
            row["timestamp"] = int(row["timestamp"].timestamp() * 1000)
        return windows.by_auction(rows)

    def judge_windows(self):
        """What the database holds of all whole windows from the start until now."""
        time.sleep(cluster.WINDOW_MS / 1000)  # at least one whole window after the last fault
        width = cluster.WINDOW_MS
        times = windows.expected(self.began_ms, wall_ms(), width)
        history, halts = self.cluster.referee.history()
        watched = [
            (name, at)
            for name, shares in history.items()
            for at in times
            if windows.always_watched(shares, at - width, at)
        ]
        deadline = time.monotonic() + STORED_SECONDS
        while True:
            found = self._rows()
            absent = windows.missing_or_doubled(found, watched)
            if not absent or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        pairs, unbalanced = windows.unbalanced(found, history, halts, times, width)
        complete = sum(
            row[0]["complete"] for of in found.values() for at, row in of.items() if at in times
        )
        return {
            "windows": len(times),
            "watched": len(watched),
            "complete": complete,
            "pairs": pairs,
            "missing": absent,
            "unbalanced": unbalanced,
            "untrue": windows.untrue(found, history, halts, times),
        }


def say(**result):
    print(json.dumps(result), flush=True)


def end_with_input():
    while os.read(0, 100):
        pass
    os._exit(1)


def main():
    directory, *numbers = sys.argv[1:]
    viewers, auctions, churn, rounds, seed = map(int, numbers)
    threading.Thread(target=end_with_input, daemon=True).start()
    scene = Scene(directory, viewers, auctions, churn, seed)
    try:
        scene.start()
        say(name="start")
        for round in range(1, rounds + 1):
            for name, fault in faults.STORY.items():
                say(name=f"{name}, round {round}", **scene.measure(fault))
        say(name="windows", **scene.judge_windows())
    finally:
        scene.cluster.referee.process.kill()
        say(name="end", faults=scene.cluster.stop_all())


main()
