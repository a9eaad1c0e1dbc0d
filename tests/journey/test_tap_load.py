"""Taps that come, stop and are killed on a loaded bus: no service may notice."""

import signal
import socket
import subprocess

from log_lines import parse_log_line
from service import environment, program
from waiting import wait_until

ROUNDS, EVENTS = 4, 3000  # of a round, at least
BUS_HWM = 4000  # messages: more than a service ever falls behind here, less than a stopped tap
GROWN_MAX = 10 * 1024 * 1024  # bytes of a service: what is held for the stopped taps
HANDSHAKE = (
    "GET /ws?auction=lot-{} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SUBCOMMANDS = {"live": [], "top": ["top", "--plain"], "record": ["record", "--force", "{file}"]}
MEMORY = "process_resident_memory_bytes"


class Taps:
    """One of each subcommand, whose output nobody reads."""

    def __init__(self, directory, endpoints, number):
        self.processes = {}
        for name, arguments in SUBCOMMANDS.items():
            file = directory / f"{number}.record"
            arguments = [argument.format(file=file) for argument in arguments]
            self.processes[name] = subprocess.Popen(
                [program("tap"), *arguments, *endpoints], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment({}),
            )  # fmt: skip

    def signal(self, number):
        for process in self.processes.values():
            process.send_signal(number)

    def close(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()


def come_and_go(port, count):
    """count viewers that join and leave again."""
    for first in range(0, count, 100):
        sockets = []
        for number in range(first, first + 100):
            sockets.append(socket.create_connection(("127.0.0.1", port)))
            sockets[-1].sendall(HANDSHAKE.format(number % 50).encode())
        for viewer in sockets:
            assert viewer.recv(12) == b"HTTP/1.1 101"
            viewer.close()


def total(service, name):
    return service.metric(f"headcount_{service.kind}_{name}_total")


def settle(gateway, sampler):
    """Until all have left, and heartbeats after that told what the last event was."""
    wait_until(lambda: total(gateway, "joins") - total(gateway, "leaves") < ROUNDS + 2, what="the leaves")
    beats = total(sampler, "heartbeats")
    wait_until(lambda: total(sampler, "heartbeats") > beats + 1, what="heartbeats")


def test_taps_on_a_loaded_bus(make_system):
    system = make_system(settings={"BUS_HWM": BUS_HWM})
    gateway, sampler = system.gateway, system.sampler
    endpoints = [system.endpoint("gateway"), system.endpoint("sampler")]
    witness = system.viewer("witness")
    come_and_go(gateway.port, EVENTS // 2)
    settle(gateway, sampler)
    followings = total(gateway, "followings")
    memory = {service: service.metric(MEMORY) for service in (gateway, sampler)}
    stopped = []
    try:
        for number in range(ROUNDS):
            asked = total(gateway, "subscriptions"), total(sampler, "subscriptions")
            taps = Taps(system.directory, endpoints, number)
            stopped.append(taps)
            wait_until(lambda asked=asked: total(gateway, "subscriptions") >= asked[0] + 9
                       and total(sampler, "subscriptions") >= asked[1] + 9, what="the taps")  # fmt: skip
            come_and_go(gateway.port, 100)
            taps.signal(signal.SIGSTOP)
            come_and_go(gateway.port, EVENTS // 2)
            more = system.viewer("witness")
            witness.wait_count(number + 2, timeout=5)
            more.wait_count(number + 2, timeout=5)
            if number % 2:
                taps.signal(signal.SIGKILL)
        come_and_go(gateway.port, EVENTS // 2)
        settle(gateway, sampler)
        grown = {service.name: service.metric(MEMORY) - before for service, before in memory.items()}
        assert total(sampler, "gaps") == 0 and total(sampler, "gateways_lost") == 0
        assert total(gateway, "followings") == followings
        if b"__asan_init" not in program("gateway").read_bytes():  # which keeps what was freed
            assert max(grown.values()) < GROWN_MAX, grown
        # The stopped ones did miss something, which harmed nobody; they go on and say so.
        recorder = stopped[0].processes["record"]
        recorder.send_signal(signal.SIGCONT)
        path = system.directory / "0.record"
        size = path.stat().st_size
        wait_until(lambda: path.stat().st_size > size, what="the recorder to go on")
        settle(gateway, sampler)
        recorder.send_signal(signal.SIGTERM)
        summary = parse_log_line(recorder.stderr.read().decode().splitlines()[-1])
        assert recorder.wait(10) == 0
        assert int(summary.fields["missed"]) > EVENTS
    finally:
        for taps in stopped:
            taps.close()
