"""Made-up auctions through the whole system: whoever can connect can name them. Nothing of them is stored, nobody
keeps them for long, and honest viewers keep their counts. ATTACK_AUCTIONS=1000000 makes it longer.
"""

import os
import socket
import struct

import pytest

from harness import SHORT_TEMPO
from memory import Memory
from waiting import wait_until

AUCTIONS = int(os.environ.get("ATTACK_AUCTIONS", 4000))
AT_ONCE = 1000  # AUCTIONS_MAX
MEMORY_MIB = 48  # more than before the attack, at most, of each service
PART = 1000
STAYING = 100  # of them, at a time
KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
HEAD = "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"


def join(port, auction):
    """A connection that is cut when it is closed, and its status."""
    peer = socket.create_connection(("127.0.0.1", port), 10)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sendall(f"GET /ws?auction={auction} HTTP/1.1\r\n{HEAD}Sec-WebSocket-Key: {KEY}\r\n\r\n".encode())
    return peer, peer.recv(4096).split()[1]


@pytest.fixture
def system(make_system, database):
    settings = {**SHORT_TEMPO, "AUCTIONS_MAX": AT_ONCE, "CONNECTIONS_PER_ADDRESS": 0, "OUTBOX_ROWS": 20000}
    return make_system(settings=settings)


def check(system, honest):
    honest += system.join("honest")
    for viewer in honest:
        viewer.wait_count(len(honest), 20)
    system.leave(honest.pop())
    for viewer in honest:
        viewer.wait_count(len(honest), 20)


def stored(database):
    """Every auction that the database knows of."""
    with database.open() as rows:
        query = "SELECT auction FROM vieweranalytics UNION SELECT id FROM auctions"
        return {row[0] for row in rows.execute(query)}


@pytest.mark.limit(120 + AUCTIONS // 500)
def test_nothing_is_kept_of_them(system, database):
    system.set_tracking("honest")
    honest = system.join("honest", 10)
    wait_until(lambda: system.snapshots("honest"), what="a snapshot")
    check(system, honest)
    memory = Memory(system.services, MEMORY_MIB)
    statuses, staying = {}, []
    for first in range(0, AUCTIONS, PART):
        for number in range(first, first + PART):
            peer, status = join(system.gateway.port, f"made-up-{number}")
            staying.append(peer)
            if len(staying) > STAYING:
                staying.pop(0).close()
            statuses[status] = statuses.get(status, 0) + 1
        check(system, honest)
        memory.check()
    assert set(statuses) == {b"101", b"503"} and statuses[b"101"] >= AT_ONCE - 10
    ignored = 'headcount_store_snapshots_total{outcome="ignored"}'
    wait_until(lambda: system.store.metric(ignored) > STAYING / 2, 20, "their minutes to come so far")
    for peer in staying:
        peer.close()
    assert system.gateway.metric("headcount_gateway_auctions") <= AT_ONCE
    count = len(system.snapshots("honest"))
    wait_until(lambda: len(system.snapshots("honest")) > count + 1, 20, "honest minutes to be stored")
    wait_until(lambda: system.sampler.metric("headcount_sampler_viewers") == 10, what="them to be gone")

    def listed():
        page = system.http("GET", "/api/v1/auctions?limit=1000").data()
        return {row["id"] for row in page["auctions"]}

    wait_until(lambda: listed() == {"honest"}, what="the api to list no other")
    assert stored(database) == {"honest"}
    memory.report()
