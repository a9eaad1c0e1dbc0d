"""A row of real samplers that share the auctions: each is counted by two of three. Any one of them
may be killed, and a fourth may come, while viewers and the api see no wrong number and no minute
is missing."""

import subprocess

import pytest
import zmq

import headcount_wire as wire
from live_poller import LivePoller
from sampler_peers import Reader, now_ms
from service import environment, program, run_program
from waiting import wait_until

LOTS = [f"lot-{number}" for number in range(24)]
SAMPLE_MS, WINDOW_MS = 300, 1200  # a sample is missed by a process that stands still longer
UNOBSERVED = "headcount_sampler_unobserved_milliseconds_total"
SAMPLES = WINDOW_MS // SAMPLE_MS
WITHIN_SECONDS = 5
KEY = "a-key-of-the-tests"


class Spies:
    """A subscriber of each sampler, and for each a publisher that it takes for a gateway."""

    def __init__(self, system):
        self.context = zmq.Context()
        self.readers, self.publishers, self.prefixes = {}, {}, {}
        for index, sampler in enumerate(system.of("sampler")):
            endpoint = system.endpoint("spy", index)
            sampler.settings["GATEWAY_ENDPOINTS"] += "," + endpoint
            self.readers[index] = Reader(self.context, system.endpoint("sampler", index))
            self.publishers[index] = self.context.socket(zmq.XPUB)
            self.publishers[index].linger = 0
            self.publishers[index].bind(endpoint)
            self.prefixes[index] = set()

    def pump(self):
        for index, publisher in self.publishers.items():
            self.readers[index].pump()
            while publisher.poll(0):
                frame = publisher.recv()
                change = set.add if frame[:1] == b"\1" else set.discard
                change(self.prefixes[index], frame[1:])

    def until(self, condition, what):
        def look():
            self.pump()
            return condition()

        return wait_until(look, 10, what)

    def shards(self, index):
        """Those that a sampler says it serves; empty before it has said."""
        self.pump()
        beats = self.readers[index].of("heartbeat")
        return set(beats[-1].get("shards", range(wire.SHARDS))) if beats else set()

    def told(self, kind, auction):
        """The samplers that have told such of an auction."""
        return {i for i, reader in self.readers.items() if reader.of(kind, auction=auction)}

    def close(self):
        for socket in (*self.readers.values(), *self.publishers.values()):
            socket.close()
        self.context.term()


class Row:
    """The system, samplers in a row of which the first `running` run, and viewers of every lot at
    both gateways."""

    def __init__(self, system, running):
        self.system, self.samplers = system, system.of("sampler")
        self.unobserved_ms = 0  # of runs that have ended
        self.viewers = {lot: [] for lot in LOTS}
        for index, sampler in enumerate(self.samplers):
            sampler.settings |= {"SAMPLER_ORDINAL": index, "SAMPLERS": running}
        self.spies = Spies(system)
        started = [s for s in system.services if s not in self.samplers[running:]]
        for service in started:
            service.start()
        for service in started:
            service.wait_ready()
        for lot in LOTS:
            system.set_tracking(lot)

    def join(self, gateway):
        """One more viewer of every lot."""
        for lot in LOTS:
            self.viewers[lot] += self.system.join(lot, 1, gateway)

    def wait_counts(self):
        """Everybody is told of everybody, in time."""
        lagging = [(lot, viewer) for lot in LOTS for viewer in self.viewers[lot]]

        def is_told():
            lagging[:] = [(lot, v) for lot, v in lagging if v.count != len(self.viewers[lot])]
            return not lagging

        wait_until(is_told, WITHIN_SECONDS, "every viewer to be told the new count")
        for lot in LOTS:
            count = {"auction": lot, "viewers": len(self.viewers[lot]), "live": True}
            wait_until(lambda lot=lot, count=count: self.system.live(lot) == count, WITHIN_SECONDS)

    def end(self, index, kill=False):
        """Ends a sampler that has told for how long it stood still."""
        sampler = self.samplers[index]
        self.unobserved_ms += sampler.metric(UNOBSERVED)
        if kill:
            sampler.kill9()
        else:
            assert sampler.term() == 0

    def most_missed(self):
        """How many samples may be missing, as the samplers say: none on a machine that goes on. A
        pause misses one more than it is long, and is longer than one."""
        running = sum(sampler.metric(UNOBSERVED) for sampler in self.samplers if sampler.running())
        return 2 * (self.unobserved_ms + running) // SAMPLE_MS

    def wait_hot(self, index):
        """A sampler that was started is ready, everybody has had time to hear so, and the minute
        that it has only a part of is stored: now another one may go."""
        self.samplers[index].wait_ready()
        minute = now_ms() // WINDOW_MS * WINDOW_MS + WINDOW_MS
        reader = self.spies.readers[index]
        self.spies.pump()  # what it said before its restart, too
        reader.messages.clear()
        self.spies.until(lambda: len(reader.of("heartbeat", state="ready")) >= 4, "heartbeats")
        self.wait_stored(minute)

    def stored(self, first, last):
        """(auction, minute, samples) of those minutes."""
        query = """SELECT auction, timestamp, sample_count FROM vieweranalytics
            WHERE timestamp BETWEEN ? AND ? ORDER BY timestamp, auction"""
        with self.system.database.open() as opened:
            return [tuple(row) for row in opened.execute(query, [first, last])]

    def wait_stored(self, minute):
        """Every lot has that minute, full, or else the next two."""
        full = [(lot, minute, SAMPLES) for lot in sorted(LOTS)]
        last = minute + 2 * WINDOW_MS

        def is_stored():
            later = len(self.stored(last, last)) == len(LOTS) and self.most_missed()
            return later or self.stored(minute, minute) == full

        wait_until(is_stored, 10, "a full minute of every lot")

    def check_numbers(self, poller):
        """No count ever went back, and none was unknown; they only grew here."""
        for lot in LOTS:
            told = [viewer.counts for viewer in self.viewers[lot]] + [poller.seen[lot]]
            for counts in told:
                assert None not in counts and counts == sorted(counts), (lot, counts)

    def check_minutes(self, since_ms):
        """Every minute of every lot that began since then is stored, full."""
        first = (since_ms // WINDOW_MS + 2) * WINDOW_MS
        last = now_ms() // WINDOW_MS * WINDOW_MS
        self.wait_stored(last)
        stored = self.stored(first, last)
        most = self.most_missed()
        short = {minute for _, minute, samples in stored if samples != SAMPLES}
        assert len(short) <= most, stored
        minutes = (last - first) // WINDOW_MS + 1
        assert 0 <= len(LOTS) * minutes - len(stored) <= len(LOTS) * (most // SAMPLES)


@pytest.fixture
def make_row(make_system):
    rows = []

    def make(samplers=3):
        settings = {
            "SAMPLER_REPLICAS": 2,
            "SAMPLE_INTERVAL_MS": SAMPLE_MS,
            "SNAPSHOT_INTERVAL_MS": WINDOW_MS,
        }
        system = make_system(gateways=2, samplers=samplers, sampler=settings, start=False)
        rows.append(Row(system, 3))
        for gateway in range(2):
            rows[-1].join(gateway)
        rows[-1].wait_counts()
        return rows[-1]

    yield make
    for row in rows:
        row.spies.close()


def check_served(shards):
    """Two samplers of these serve each shard, and none has more to do than the others."""
    for number in range(wire.SHARDS):
        assert sum(number in served for served in shards) == 2, number
    sizes = [len(served) for served in shards]
    assert max(sizes) - min(sizes) <= 1


def test_each_auction_is_counted_by_two_of_three(make_row):
    row = make_row()
    spies = row.spies
    spies.until(lambda: all(spies.shards(index) for index in range(3)), "what each serves")
    shards = [spies.shards(index) for index in range(3)]
    check_served(shards)
    owners = {
        lot: {index for index in range(3) if wire.shard(lot) in shards[index]} for lot in LOTS
    }
    assert {frozenset(pair) for pair in owners.values()} == {
        frozenset(pair) for pair in ((0, 1), (0, 2), (1, 2))
    }
    for kind in ("count", "snapshot"):
        spies.until(
            lambda kind=kind: {lot: spies.told(kind, lot) for lot in LOTS} == owners,
            f"each {kind} told by two",
        )
    for index in range(3):
        wanted = {wire.topic_shard("event", number) for number in shards[index]}
        wanted |= {b"heartbeat/gateway/", b"bye/gateway/"}
        assert spies.prefixes[index] == wanted, "nothing but what is told of its own shards"

    def counted():
        return sum(sampler.metric("headcount_sampler_viewers") for sampler in row.samplers)

    spies.until(lambda: counted() == 2 * 2 * len(LOTS), "each viewer to be counted twice")


def test_any_one_may_be_killed(make_row):
    row = make_row()
    since = now_ms()
    with LivePoller(row.system, *LOTS) as poller:
        for index, sampler in enumerate(row.samplers):
            row.end(index, kill=True)
            row.join(index % 2)
            row.wait_counts()
            poller.wait_round()
            sampler.start()
            row.wait_hot(index)
            poller.wait_round()
    row.check_numbers(poller)
    row.check_minutes(since)


def test_a_fourth_comes(make_row):
    """As an orchestrator rolls it: the newcomer, then the others from the last to the first."""
    row = make_row(samplers=4)
    before = [row.spies.shards(index) for index in range(3)]
    since = now_ms()
    with LivePoller(row.system, *LOTS) as poller:
        for index in (3, 2, 1, 0):
            sampler = row.samplers[index]
            sampler.settings["SAMPLERS"] = 4
            if index != 3:
                row.end(index)
                poller.wait_round()
            sampler.start()
            row.wait_hot(index)
            poller.wait_round()
        row.join(0)
        row.wait_counts()
    after = [row.spies.shards(index) for index in range(4)]
    check_served(after)
    taken = after[3]
    assert {wire.shard(lot) for lot in LOTS} & taken, "some of the lots have moved"
    for index in range(3):
        assert after[index] <= before[index] and before[index] - after[index] <= taken
    row.check_numbers(poller)
    row.check_minutes(since)


WRONG = [
    ({"SAMPLERS": 3, "SAMPLER_ORDINAL": 3}, "SAMPLER_ORDINAL: 3 is none of SAMPLERS 3"),
    ({"SAMPLER_ORDINAL": 1}, "SAMPLER_ORDINAL: 1 is none of SAMPLERS 1"),
    ({"SAMPLERS": 257}, "SAMPLERS"),
    ({"SAMPLERS": 3, "SAMPLER_ORDINAL": 0, "SAMPLER_REPLICAS": 0}, "SAMPLER_REPLICAS"),
]


@pytest.mark.parametrize("settings, said", WRONG)
def test_wrong_numbers_end_it_with_one_line(settings, said):
    ended = run_program("sampler", settings={"INTERNAL_API_KEY": KEY, **settings})
    assert ended.returncode == 102, ended.stderr
    assert len(ended.stderr.splitlines()) == 1 and said in ended.stderr


def run_on_host(host, *command, **settings):
    """Runs a command on a machine of that name."""
    rename = 'hostname "$0" && exec "$@"'
    return subprocess.run(
        ["unshare", "--map-root-user", "--uts", "sh", "-c", rename, host, *command],
        env=environment({"INTERNAL_API_KEY": KEY, **settings}),
        capture_output=True,
        text=True,
        timeout=10,
    )


@pytest.mark.parametrize(
    "host, said",
    [
        ("sampler-2", ""),
        ("sampler-3", "SAMPLER_ORDINAL: 3 is none of SAMPLERS 3"),
        ("sampler", "SAMPLER_ORDINAL: is missing, and the host's name 'sampler' does not end"),
        ("sampler-x2", "SAMPLER_ORDINAL: is missing"),
    ],
)
def test_the_host_name_tells_the_ordinal(host, said):
    if run_on_host(host, "true").returncode:
        pytest.skip("no machine name of our own may be made here")
    ended = run_on_host(host, program("sampler"), "--check", SAMPLERS=3)
    assert ended.returncode == (102 if said else 0), ended.stderr
    assert said in ended.stderr and len(ended.stderr.splitlines()) <= 1
