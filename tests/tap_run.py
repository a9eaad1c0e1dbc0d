"""headcount-tap as tests run it, and the played peers it is run before."""

import contextlib
import json
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest

from sampler_peers import Peers
from service import SANITIZER, environment, program


class Tap:
    """A running headcount-tap whose stdout is read, or not, line by line."""

    def __init__(self, *arguments, read=True, settings=None):
        self.process = subprocess.Popen(
            [program("tap"), *arguments], env=environment(settings or {}), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lines = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        if read:
            self.thread.start()

    def _read(self):
        with contextlib.suppress(ValueError):
            for line in self.process.stdout:
                self.lines.append(line)

    @property
    def messages(self):
        return [json.loads(line) for line in self.lines]

    def of(self, kind):
        return [message for message in self.messages if message["kind"] == kind]

    def resident_kb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1))

    def end(self, number=signal.SIGTERM):
        """(exit status, stderr) after a signal; 0 waits only."""
        if number and self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("headcount-tap did not end") from None
        errors = self.process.stderr.read()
        assert not SANITIZER.search(errors), errors
        return status, errors


@pytest.fixture
def directory():
    path = pathlib.Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def peers(directory):
    peers = Peers(directory, 200)
    yield peers
    peers.close()


@pytest.fixture
def taps():
    """taps(arguments…) starts one; all have to leave with status 0 and nothing on stderr."""
    started = []

    def start(*arguments, **options):
        started.append(Tap(*arguments, **options))
        return started[-1]

    yield start
    for tap in started:
        assert tap.end() == (0, "")
