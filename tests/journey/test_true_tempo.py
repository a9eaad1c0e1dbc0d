"""One run at the real tempo: samples every 5 s, a snapshot a minute, 12 samples in it.

Begun before all others: one worker waits for it while the others go on.
"""

import datetime

import pytest

from databases import Database
from harness import System
from waiting import wait_until


@pytest.fixture
def true_tempo():
    """A System with nothing set but its wiring, and three viewers."""
    system = System(Database("sqlite"), tempo={})
    try:
        system.start()
        system.set_tracking("lot-slow")
        system.viewers_there = system.join("lot-slow", 3)
        yield system
    finally:
        system.stop()


@pytest.mark.beside
@pytest.mark.limit(170)
def test_a_minute_at_the_true_tempo(true_tempo):
    def full():
        found = true_tempo.snapshots("lot-slow")
        whole = [snapshot for snapshot in found if snapshot["coverageMs"] == 60000]
        return [snapshot for snapshot in whole if not snapshot["joins"]]  # they had come before

    snapshot = wait_until(full, 150, "a minute seen whole", every=0.5)[0]
    assert snapshot["sampleCount"] == 12
    when = datetime.datetime.fromisoformat(snapshot["timestamp"].replace("Z", "+00:00"))
    assert (when.second, when.microsecond) == (0, 0)
    assert snapshot["viewerCount"] == snapshot["minViewers"] == snapshot["peakViewers"] == 3
    assert snapshot["avgViewers"] == 3 and snapshot["exactAvg"] == 3
    assert snapshot["complete"] is True
    assert snapshot["joins"] == snapshot["leaves"] == 0
    assert {viewer.count for viewer in true_tempo.viewers_there} == {3}
