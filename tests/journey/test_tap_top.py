"""headcount-tap top: its screen in a terminal, and its plain frames."""

import re
import signal

import pytest

from bus_peers import Sampler
from service import program, run_program
from tap_run import Tap, directory, peers, taps  # noqa: F401 (fixtures)
from terminal import Terminal
from waiting import wait_until

NODE = re.compile(r"^(\S+) +(gateway|sampler) +(\w+) +(\d+|-) +(\S+) +(\S+) +(\d+|-)$")
AUCTION = re.compile(r"^(\S+) +(\d+) +([\d.]+|-) +([\d.]+|-)$")


class Frame:
    """A frame's lines, understood."""

    def __init__(self, lines):
        self.lines = list(lines)
        found = [match for match in map(NODE.match, self.lines) if match]
        self.nodes = {match[1]: match.groups()[1:] for match in found}
        found = [match for match in map(AUCTION.match, self.lines) if match]
        self.auctions = {match[1]: int(match[2]) for match in found}
        self.rates = {match[1]: match.groups()[2:] for match in found}

    def number(self, name):
        return float(re.search(rf"\b{name} ([\d.]+)", "\n".join(self.lines)).group(1))


def frames(tap):
    """The plain frames printed so far, but for the last one of a tap that may be at it yet."""
    running = tap.process.poll() is None
    parts = "".join(tap.lines).split("\n\nheadcount top")
    return [Frame(part.split("\n")) for part in (parts[:-1] if running else parts)]


def newest(tap):
    return (frames(tap) or [Frame([])])[-1]


@pytest.fixture
def terminals():
    started = []

    def start(*arguments, **options):
        started.append(Terminal([program("tap"), "top", *arguments], **options))
        return started[-1]

    yield start
    for terminal in started:
        terminal.close()


def test_the_screen(peers, directory, terminals):
    gateway = peers.gateway("gw-1")
    gateway.join("lot-1", 3)
    gateway.join("lot-2", 7)
    terminal = terminals("--interval-ms", "100", gateway.endpoint)

    def until(condition, what):
        peers.until(lambda: condition(Frame(terminal.read().lines)), what)

    until(lambda frame: frame.auctions == {"lot-2": 7, "lot-1": 3}, "both lots")
    assert terminal.screen.alternate and not terminal.screen.cursor_shown
    assert list(Frame(terminal.screen.lines).auctions) == ["lot-2", "lot-1"]
    until(lambda frame: frame.nodes.get("gw-1", ())[1:3] == ("ready", "10"), "the gateway")
    gateway.leave("lot-2", 5)
    until(lambda frame: list(frame.auctions.items()) == [("lot-1", 3), ("lot-2", 2)], "the leaves")
    terminal.press("s")
    until(lambda frame: "by joins" in frame.lines[0], "another order")
    gateway.join("lot-3", 2, lost=True)
    gateway.join("lot-3", 1)
    until(lambda frame: frame.auctions.get("lot-3") == 3, "the join")
    until(lambda frame: (frame.number("gaps"), frame.number("missed")) == (1, 2), "the gap")
    gateway.join("lot-4", 2, lost=True)  # seen by a heartbeat, and asked for
    until(lambda frame: frame.auctions.get("lot-4") == 2, "what was missed")
    assert any(prefix.startswith(b"renew/gateway/gw-1/") for prefix in gateway.subscriptions)
    terminal.press("p")
    until(lambda frame: "PAUSED" in frame.lines[0], "the pause")
    gateway.join("lot-1", 10)
    peers.during(0.4)
    assert Frame(terminal.read().lines).auctions["lot-1"] == 3
    terminal.press("p")
    until(lambda frame: frame.auctions.get("lot-1") == 13, "the end of the pause")
    terminal.resize(60, 15)
    until(lambda frame: frame.auctions.get("lot-1") == 13 and len(frame.lines) == 15, "less room")
    terminal.resize(132, 50)
    until(lambda frame: frame.auctions.get("lot-1") == 13 and len(frame.lines) == 50, "more room")
    gateway.bye()
    until(lambda frame: frame.nodes.get("gw-1", "  ")[1] == "left" and not frame.auctions, "the bye")
    terminal.press("q")
    assert terminal.end(0) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_give_the_terminal_back(peers, terminals, number):
    gateway = peers.gateway("gw-1")
    terminal = terminals(gateway.endpoint)
    peers.until(lambda: "AUCTION" in terminal.read().text, "the screen")
    assert terminal.end(number) == (0, "")


def test_a_terminal_that_is_not_read_harms_nobody(peers, terminals, taps):
    gateway = peers.gateway("gw-1")
    terminal = terminals("--interval-ms", "100", gateway.endpoint)
    live = taps("--json", "--kind", "event", gateway.endpoint)
    peers.until(lambda: "gw-1" in terminal.read().text and live.lines, "both")
    for _ in range(20):
        gateway.join("lot-1", 50)
        peers.during(0.05)
    peers.until(lambda: live.lines and live.messages[-1]["joins"] == 1000, "all of it")
    peers.until(lambda: Frame(terminal.read().lines).auctions.get("lot-1") == 1000, "it again")
    assert terminal.end() == (0, "")


def test_an_unknown_terminal(directory, terminals):
    terminal = terminals(f"ipc://{directory}/x", term="no-such-terminal")
    status, errors = terminal.end(0)
    assert status == 111 and errors.count("\n") == 1
    assert "the terminal's type is unknown; --plain needs none" in errors
    plain = terminals("--plain", "--interval-ms=100", "--count=1", f"ipc://{directory}/x", term="no-such-terminal")
    plain.until(lambda screen: "gaps 0" in screen.text, "a frame")
    assert plain.end(0) == (0, "")


def test_plain_frames(peers, directory, taps):
    gateway = peers.gateway("gw-1")
    gateway.join("a" * 64, 3)
    with Sampler(f"ipc://{directory}/sampler.ipc", node="s-1") as sampler:
        sampler.set("a" * 64, 9)
        sampler.set("b", 4)
        tap = taps("top", "--interval-ms", "250", gateway.endpoint, f"ipc://{directory}/sampler.ipc")
        whole = {"a" * 64: 9, "b": 4}

        def rates_of_b():
            rates = [frame.rates.get("b", ("-", "-")) for frame in frames(tap)]
            return [pair for pair in rates if "-" not in pair]

        peers.until(lambda: newest(tap).auctions == whole and len(newest(tap).nodes) == 2, "both")
        gateway.join("b", 2)
        peers.until(lambda: any(float(joins) for joins, _ in rates_of_b()), "the joins")
    shown = frames(tap)
    last = shown[-1]
    assert last.auctions == whole
    assert list(last.nodes) == ["gw-1", "s-1"]
    assert (last.number("gateways"), last.number("samplers")) == (1, 1)
    assert last.number("viewers") == 13 and last.number("heartbeat") > 0
    # 2 in what was a quarter of a second, or longer on a busy machine; exactly: tap_top_test.c
    rates = rates_of_b()
    assert any(0 < float(joins) < 20 and leaves == "0.0" for joins, leaves in rates), rates


def test_rows_and_order(peers, taps):
    gateway = peers.gateway("gw-1")
    for number in range(30):
        gateway.join(f"lot-{number}", number + 1)
    flags = ("--plain", "--interval-ms", "200", "--rows", "3", "--sort", "name")
    tap = taps("top", *flags, gateway.endpoint)
    peers.until(lambda: frames(tap) and newest(tap).number("viewers") == 465, "all of them")
    assert newest(tap).auctions == {"lot-0": 1, "lot-1": 2, "lot-10": 11}


def test_as_many_frames_as_asked_for(directory):
    tap = Tap("top", "--count", "3", "--interval-ms", "100", f"ipc://{directory}/x")
    assert tap.end(0) == (0, "")
    tap.thread.join(5)
    assert len(frames(tap)) == 3


def test_silent_nodes_are_lost(peers, taps):
    gateway = peers.gateway("gw-1")
    gateway.join("lot-1")
    tap = taps("top", "--interval-ms", "100", "--node-timeout-ms", "600", gateway.endpoint)
    peers.until(lambda: newest(tap).auctions == {"lot-1": 1}, "the lot")
    gateway.silent = True
    peers.until(lambda: newest(tap).nodes.get("gw-1", "  ")[1] == "lost", "the silence")
    assert newest(tap).auctions == {}


@pytest.mark.parametrize("arguments, status, text", [
    ([], 100, "headcount-tap top: no ENDPOINT; allowed: one or more of tcp://HOST:PORT"),
    (["x"], 100, "'x' is no endpoint"),
    (["--sort", "leaves", "ipc://x"], 102, "SORT: 'leaves' is no choice; allowed: viewers|joins|"),
    (["--interval-ms", "1", "ipc://x"], 102, "INTERVAL_MS: '1' is out of range"),
    (["--kind", "event", "ipc://x"], 100, "--kind: unknown flag"),
])  # fmt: skip
def test_wrong_arguments(arguments, status, text):
    result = run_program("tap", "top", *arguments)
    assert (result.returncode, result.stdout) == (status, "")
    assert text in result.stderr and result.stderr.count("\n") == 1


def test_before_the_real_system(system, taps):
    endpoints = (system.endpoint("gateway"), system.endpoint("sampler"))
    tap = taps("top", "--interval-ms", "200", *endpoints)
    viewers = system.join("lot-1", 3)
    wait_until(lambda: newest(tap).auctions == {"lot-1": 3}, what="the viewers")
    system.leave(viewers[0])
    wait_until(lambda: newest(tap).auctions == {"lot-1": 2}, what="the leave")
    ready = {"gateway0": ("ready", "2"), "sampler0": ("ready", "2")}

    def told():
        return {name: node[1:3] for name, node in newest(tap).nodes.items()}

    wait_until(lambda: told() == ready, what="both to say so")
    assert newest(tap).number("missed") == 0
