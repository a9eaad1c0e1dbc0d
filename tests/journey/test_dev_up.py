"""What `./dev up` runs after the build: the whole system, here with three gateways on one port,
one of which is killed; then `./dev demo` against it."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

from http_client import http_request
from machine import free_port, release_port
from service import BUILD, ROOT, STOP_SECONDS, Service, environment
from viewers import Viewers
from waiting import wait_until

UP = ROOT / "tools/dev/up.py"
DEMO = ROOT / "tools/dev/demo.py"


def run_python(script, *arguments, **options):
    """Runs it to its end."""
    return subprocess.run(
        [sys.executable, script, *arguments], capture_output=True, text=True, timeout=120, **options
    )


def children(pid, program):
    """The processes of a program that pid has started."""
    found = []
    for child in map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        with contextlib.suppress(FileNotFoundError):  # it has ended
            if os.readlink(f"/proc/{child}/exe").endswith(program):
                found.append(child)
    return found


class Up:
    """up.py in a folder of its own."""

    def __init__(self, directory, *arguments):
        self.directory = directory
        self.settings = {"API_PORT": free_port(), "GATEWAY_PORT": free_port(), "DRAIN_SECONDS": 0}
        self.environment = environment(self.settings)
        self.viewers = Viewers()
        with open(directory / "out", "wb") as out, open(directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, UP, BUILD, *arguments],
                cwd=directory, env=self.environment, stdout=out, stderr=log,
            )  # fmt: skip

    @property
    def out(self):
        return (self.directory / "out").read_text()

    @property
    def log(self):
        return (self.directory / "log").read_text()

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, self.log
            return "Headcount is up" in self.out

        wait_until(ready, 60, "the links")

    def join(self, auction, count):
        url = f"ws://127.0.0.1:{self.settings['GATEWAY_PORT']}/ws"
        return self.viewers.join(url, auction, count)

    def gateway_viewers(self):
        """What each gateway says it holds, found by what was printed."""
        ports = re.findall(r"gateway-\d+ :(\d+)", self.out)
        gateways = [Service("gateway", "", {"ADMIN_PORT": int(p)}, self.directory) for p in ports]
        return [gateway.metric("headcount_gateway_viewers") for gateway in gateways]

    def live(self, auction):
        path = f"/api/v1/auctions/{auction}/viewers"
        return http_request(self.settings["API_PORT"], "GET", path).data()["viewers"]

    def stop(self):
        """Its status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)

    def close(self):
        try:
            self.stop()
        finally:
            self.viewers.stop()
            release_port(self.settings["API_PORT"])
            release_port(self.settings["GATEWAY_PORT"])


@pytest.fixture
def three(tmp_path):
    up = Up(tmp_path, "--gateways", "3")
    with contextlib.closing(up):
        up.wait_ready()
        yield up


def test_three_gateways_are_one_system(three, tmp_path_factory):
    viewers = three.join("lot-1", 60)
    for viewer in viewers:
        viewer.wait_count(60)
    keys = [file.read_text().strip() for file in (three.directory / "data").glob("*key")]
    started = children(three.process.pid, "")
    assert len(keys) == 2 and len(started) >= 6
    for pid in started:  # keys are in files, never among arguments that anybody can read
        told = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
        assert not any(key in told for key in keys), told
    held = three.gateway_viewers()
    assert len(held) == 3 and sum(held) == 60 and min(held) > 0, held

    os.kill(children(three.process.pid, "headcount-gateway")[1], signal.SIGKILL)
    wait_until(lambda: sum(bool(v.closed) for v in viewers) == held[1], what="its viewers to see it")
    viewers = [viewer for viewer in viewers if not viewer.closed] + three.join("lot-1", int(held[1]))
    for viewer in viewers:
        viewer.wait_count(60)
    wait_until(lambda: three.live("lot-1") == 60, what="the api to say so")
    wait_until(lambda: len(children(three.process.pid, "headcount-gateway")) == 3, what="three again")
    assert "up: headcount-gateway-2 was killed by SIGKILL; its last line: " in three.log
    assert "up: headcount-gateway-2 is started again" in three.log

    where = {"cwd": three.directory, "env": three.environment}
    demo = run_python(DEMO, "--viewers", "20", "--seconds", "1", **where)
    assert demo.returncode == 0, demo.stderr
    second = run_python(UP, BUILD, **where)
    assert second.returncode == 111 and "is up already" in second.stderr
    elsewhere = run_python(UP, BUILD, **{**where, "cwd": tmp_path_factory.mktemp("other")})
    assert elsewhere.returncode == 111
    assert f"port {three.settings['GATEWAY_PORT']} is in use" in elsewhere.stderr

    assert three.stop() == 0, three.log
    assert three.log.endswith("up: stopped\n")
    assert not list((three.directory / "data/run").glob("*.ipc"))


@pytest.mark.parametrize("arguments", [["--gateways", "0"], ["--gateways", "65"], ["more"]])
def test_wrong_arguments_are_refused(arguments):
    result = run_python(UP, BUILD, "--check", *arguments)
    assert result.returncode == 100
    assert "--help" in result.stderr and len(result.stderr.splitlines()) == 1
