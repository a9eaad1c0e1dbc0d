"""One running program: its settings, log, health port, signals.

HEADCOUNT_BUILD names the build folder (default: build).
"""

import http.client
import os
import pathlib
import re
import signal
import subprocess

from http_client import http_request
from log_lines import parse_log_line
from machine import free_port
from waiting import wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("HEADCOUNT_BUILD", ROOT / "build")).resolve()
FOLDERS = {name: f"services/{name}" for name in ("gateway", "sampler", "store", "api")}
FOLDERS["tap"] = FOLDERS["keys"] = "tools"
SANITIZER = re.compile(
    r"ERROR: (Address|Leak|Undefined|Thread|Memory)Sanitizer|WARNING: ThreadSanitizer"
    r"|runtime error:|DEADLYSIGNAL"
)
# LeakSanitizer stops all threads by ptrace(2), and at times waits for good for one that gets a signal
# meanwhile: settings for a program that is signalled again while it ends.
NO_LEAK_CHECK = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0"}
STOP_SECONDS = 60
READY_SECONDS = 60


def program(name):
    """The path of headcount-NAME in the build folder."""
    path = BUILD / FOLDERS[name] / f"headcount-{name}"
    if not path.exists():
        raise AssertionError(f"{path} is not built")
    return path


def environment(settings):
    """What a program is started with: settings and nothing inherited that could be one."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR")
    result = {name: os.environ[name] for name in kept if name in os.environ}
    result["ASAN_OPTIONS"] = "detect_leaks=1:abort_on_error=0"
    result["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    result["TSAN_OPTIONS"] = f"halt_on_error=1:suppressions={ROOT}/tests/tsan.supp"
    # Or a killed program leaves its counters in /dev/shm, and a later one of the same id says so.
    result["MONGOC_DISABLE_SHM"] = "1"
    result.update({name: str(value) for name, value in settings.items() if value is not None})
    return result


def run_program(name, *arguments, settings=None, timeout=30):
    """Runs headcount-NAME to its end; for --help, --check and start-ups that must fail."""
    return subprocess.run(
        [program(name), *arguments],
        env=environment(settings or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


class Service:
    """One program and its settings; start() may be called again after it has ended."""

    def __init__(self, kind, name, settings, directory):
        self.kind = kind
        self.name = name
        self.settings = dict(settings)
        self.settings.setdefault("ADMIN_PORT", free_port())
        if kind == "store":
            self.settings.setdefault("SPOOL_PATH", f"{name}-spool.db")
        if kind == "sampler":
            self.settings.setdefault("OUTBOX_PATH", f"{name}-outbox.db")
        self.directory = pathlib.Path(directory)
        self.log_path = self.directory / f"{name}.log"
        self.process = None
        self.killed = False  # by the test, so that its status is not judged
        self.wrapper = []  # a command that runs the program

    @property
    def pid(self):
        return self.process.pid

    @property
    def port(self):
        return self.settings["PORT"]

    def start(self, *arguments):
        assert not self.running(), f"{self.name} is running already"
        self.killed = False
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, program(self.kind), *arguments],
                env=environment(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def admin(self, path):
        """A Response of the health port, or None while it does not answer."""
        try:
            return http_request(self.settings["ADMIN_PORT"], "GET", path, timeout=5)
        except (OSError, http.client.HTTPException):
            return None

    def ready(self):
        assert self.running(), f"{self.name} ended with {self.process.returncode}\n{self.log()}"
        response = self.admin("/readyz")
        return response is not None and response.status == 200

    def wait_ready(self, timeout=READY_SECONDS):
        wait_until(self.ready, timeout, f"{self.name} to be ready")
        return self

    def metrics(self):
        """{'name' or 'name{label="x"}': number} of the metrics page."""
        response = self.admin("/metrics")
        assert response is not None and response.status == 200, f"{self.name} has no metrics"
        lines = response.body.decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def metric(self, name, default=0.0):
        """One metric; a bare name is the sum over its labels."""
        values = [
            value for key, value in self.metrics().items() if name in (key, key.split("{")[0])
        ]
        return sum(values) if values else default

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_lines(self, id=None, level=None):
        """The log's LogLines so far, of one id and one level if given."""
        lines = filter(None, map(parse_log_line, self.log().splitlines()))
        return [
            line
            for line in lines
            if (id is None or line.id == id) and (level is None or line.level == level)
        ]

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def signal_term(self):
        if self.running():
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()

    def wait_exit(self, timeout=STOP_SECONDS):
        """The exit status; fails if the program goes on for longer."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(f"{self.name} did not end within {timeout} s") from None

    def term(self, timeout=STOP_SECONDS):
        """Asks it to stop; the exit status."""
        self.signal_term()
        return self.wait_exit(timeout)

    def kill9(self):
        self.killed = True
        if self.running():
            self.process.kill()
        return self.process.wait(STOP_SECONDS)

    def faults(self):
        """What is wrong with how it ended, as lines."""
        result = []
        if self.process and not self.killed and self.process.returncode != 0:
            result.append(f"{self.name} ended with {self.process.returncode}")
        found = SANITIZER.search(self.log())
        if found:
            result.append(f"{self.name}: a sanitizer reported: {found.group(0)}")
        return result
