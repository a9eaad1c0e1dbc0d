"""Runs the four services on this machine until Ctrl-C: `up.py BUILD-FOLDER`, from ./dev up.

In: settings from the environment. Out: links on the terminal, the services' log lines on stderr,
everything on disk in ./data (mode 0700): keys, SQLite's file, the bus's sockets in data/run.
One process, a thread for each service's log lines.
"""

import collections
import errno
import fcntl
import http.client
import ctypes
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

READY_SECONDS = 45
STOP_SECONDS = 15
EXIT_CONFIGURATION = 102
EXIT_SYSTEM = 111
DATA = pathlib.Path("data")
RUN = DATA / "run"
ADMIN_PORTS = {"store": 9083, "sampler": 9082, "gateway": 9081, "api": 9084}
START_ORDER = ["store", "sampler", "gateway", "api"]
STOP_ORDER = ["api", "gateway", "sampler", "store"]  # readers before what they read
KEYS = ["INTERNAL_API_KEY", "ADMIN_API_KEY"]
PR_SET_PDEATHSIG = 1
ALL_ADDRESSES = ("0.0.0.0", "::", "[::]")


class Refusal(Exception):
    """Why we cannot run, in one line, and the status to end with."""

    def __init__(self, text, status=EXIT_SYSTEM):
        super().__init__(text)
        self.status = status


def say(text):
    print(f"up: {text}", file=sys.stderr, flush=True)


def read_port(name, default):
    text = os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise Refusal(f"{name}: '{text}' is no port; allowed: 1 to 65535", EXIT_CONFIGURATION)
    return int(text)


def lock_data():
    """Makes ./data and holds it for this process alone; the lock ends with the process."""
    DATA.mkdir(mode=0o700, exist_ok=True)
    DATA.chmod(0o700)
    lock = os.open(DATA / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
        raise Refusal(
            f"Headcount is up already in this folder (process {owner}); stop it there with Ctrl-C"
        ) from None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def make_key(path):
    """A new key in a file of its own, complete or not there at all."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def find_keys():
    """The keys' settings: what the environment gives, else files in ./data, made when missing."""
    settings = {}
    for name in KEYS:
        given = [n for n in (name, f"{name}_FILE") if os.environ.get(n)]
        if given:
            settings.update({n: os.environ[n] for n in given})
            continue
        path = DATA / name.lower()
        if not path.exists():
            make_key(path)
            say(f"made a new {name} in {path}")
        path.chmod(0o600)
        settings[f"{name}_FILE"] = str(path.absolute())
    return settings


def read_key(settings, name):
    if settings.get(f"{name}_FILE"):
        return pathlib.Path(settings[f"{name}_FILE"]).read_text().splitlines()[0]
    return settings[name]


def choose_admin_port(kind):
    """The service's usual health port, or 0 (a free one) when another program has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", ADMIN_PORTS[kind]))
        except OSError:
            return 0
    return ADMIN_PORTS[kind]


class Plan:
    """What each service is told, from our own environment."""

    def __init__(self):
        self.api_port = read_port("API_PORT", 8080)
        self.gateway_port = read_port("GATEWAY_PORT", 8081)
        self.address = os.environ.get("LISTEN_ADDRESS") or "127.0.0.1"
        local = self.address in ALL_ADDRESSES or self.address.startswith("127.")
        self.host = "localhost" if local else self.address
        if ":" in self.host:
            self.host = f"[{self.host.strip('[]')}]"
        self.keys = find_keys()

    def socket_url(self):
        """Where pages find the gateway; empty when that is where they look anyway."""
        given = os.environ.get("VIEWER_SOCKET_URL", "")
        if given or self.gateway_port == 8081:
            return given
        host = socket.gethostname() if self.address in ALL_ADDRESSES else self.host
        return f"ws://{host}:{self.gateway_port}/ws"

    def database(self):
        names = ("MONGODB_URI", "MONGODB_URI_FILE", "MONGODB_DATABASE")
        settings = {name: os.environ[name] for name in names if os.environ.get(name)}
        settings["SQLITE_PATH"] = os.environ.get("SQLITE_PATH") or str(DATA / "headcount.db")
        return settings

    def settings(self, kind):
        """The environment of one service: ours, without the secrets it has no use for."""
        result = dict(os.environ)
        secret = [*KEYS, "MONGODB_URI"]
        for name in [*secret, *(f"{name}_FILE" for name in secret), "PORT", "NODE_ID"]:
            result.pop(name, None)
        internal = {name: text for name, text in self.keys.items() if name.startswith("INTERNAL")}
        sockets = {
            "EVENT_BIND": f"ipc://{RUN}/gateway.ipc",
            "GATEWAY_ENDPOINTS": f"ipc://{RUN}/gateway.ipc",
            "COUNT_BIND": f"ipc://{RUN}/sampler.ipc",
            "SAMPLER_ENDPOINTS": f"ipc://{RUN}/sampler.ipc",
            "STORE_BIND": f"ipc://{RUN}/store.ipc",
            "STORE_ENDPOINTS": f"ipc://{RUN}/store.ipc",
        }
        own = {
            "gateway": {"PORT": str(self.gateway_port)},
            "sampler": internal,
            "store": {**internal, **self.database()},
            "api": {**self.keys, **self.database(), "PORT": str(self.api_port)},
        }[kind]
        result.update(sockets)
        result.update(own)
        result["LISTEN_ADDRESS"] = self.address
        result["ADMIN_ADDRESS"] = os.environ.get("ADMIN_ADDRESS") or "127.0.0.1"
        result["ADMIN_PORT"] = str(choose_admin_port(kind))
        if kind == "api":
            result["VIEWER_SOCKET_URL"] = self.socket_url()
        return result


def become_child():
    """In the new process: away from the terminal's Ctrl-C, and gone when we are."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Service:
    """One running program and the lines it says."""

    def __init__(self, kind, build, settings):
        self.name = f"headcount-{kind}"
        self.admin_address = settings["ADMIN_ADDRESS"]
        self.admin_port = int(settings["ADMIN_PORT"])
        self.last_lines = collections.deque(maxlen=20)
        self.process = subprocess.Popen(
            [build / "services" / kind / self.name],
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            preexec_fn=become_child,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.last_lines.append(line.rstrip())
            if not self.admin_port and "admin.listening" in line:
                # The line ends with port=N as text and "port":N} as JSON.
                digits = "".join(filter(str.isdigit, line.rsplit("port", 1)[-1]))
                self.admin_port = int(digits or 0)
            sys.stderr.write(line)
            sys.stderr.flush()

    def ended(self):
        return self.process.poll() is not None

    def last_words(self):
        """Its last error line, or its last line."""
        self.reader.join(2)
        errors = [line for line in self.last_lines if "error" in line]
        return (errors or list(self.last_lines) or ["it said nothing"])[-1]

    def not_ready(self):
        """Why it is not ready; None when it is."""
        if not self.admin_port:
            return "starting"
        connection = http.client.HTTPConnection(self.admin_address, self.admin_port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            text = response.read().decode(errors="replace").strip()
            return None if response.status == 200 else text
        except (OSError, http.client.HTTPException):
            return "its health port does not answer"
        finally:
            connection.close()

    def stop(self):
        """Asks it to end, and waits; killed when it takes too long. True: it left cleanly."""
        if not self.ended():
            self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"{self.name} did not stop within {STOP_SECONDS} s and is killed")
            self.process.kill()
            self.process.wait()
        self.reader.join(2)
        # Told to end before it could listen for that, it has nothing to leave behind.
        return self.process.returncode in (0, -signal.SIGTERM)


class Supervisor:
    def __init__(self, build, plan):
        self.build = build
        self.plan = plan
        self.services = {}
        self.stopping = threading.Event()

    def start(self):
        for kind in START_ORDER:
            if self.stopping.is_set():
                return
            self.services[kind] = Service(kind, self.build, self.plan.settings(kind))

    def look_for_deaths(self):
        for service in self.services.values():
            if service.ended():
                status = service.process.returncode
                raise Refusal(
                    f"{service.name} ended ({status}): {service.last_words()}",
                    status if status > 0 else 1,
                )

    def wait_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        waiting = dict(self.services)
        while waiting and not self.stopping.is_set():
            self.look_for_deaths()
            reasons = {kind: service.not_ready() for kind, service in waiting.items()}
            waiting = {kind: waiting[kind] for kind, reason in reasons.items() if reason}
            if waiting and time.monotonic() > deadline:
                kind = next(iter(waiting))
                raise Refusal(
                    f"headcount-{kind} is not ready after {READY_SECONDS} s: {reasons[kind]}"
                )
            self.stopping.wait(0.05)

    def watch(self):
        while not self.stopping.is_set():
            self.look_for_deaths()
            self.stopping.wait(0.2)

    def stop(self):
        """Stops everything in order; True when every service left cleanly."""
        clean = [self.services[kind].stop() for kind in STOP_ORDER if kind in self.services]
        return all(clean)


def print_links(plan, services):
    base = f"http://{plan.host}:{plan.api_port}"
    key = urllib.parse.quote(read_key(plan.keys, "ADMIN_API_KEY"), safe="")
    # The one place that shows the key: standard output, for whoever started this. Log lines go
    # to standard error and never hold it.
    print(f"""
Headcount is up.

  auctions         {base}/
  live view        {base}/auctions/lot-1/live   (open it twice)
  as an admin      {base}/#key={key}
  settings         {base}/auctions/lot-1/setup#key={key}
  dashboard        {base}/auctions/lot-1#key={key}

  viewers connect  ws://{plan.host}:{plan.gateway_port}/ws?auction=lot-1
  the bus          build/release/tools/headcount-tap ipc://{RUN}/gateway.ipc ipc://{RUN}/sampler.ipc
  metrics          {"  ".join(f"{kind} :{s.admin_port}" for kind, s in services.items())}  at /metrics

Any auction id will do; a crowd to look at: ./dev demo. Ctrl-C stops everything.
""", flush=True)  # fmt: skip


def run(build):
    lock_data()  # held until this process ends
    plan = Plan()
    RUN.mkdir(mode=0o700, exist_ok=True)
    RUN.chmod(0o700)
    supervisor = Supervisor(build, plan)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.stopping.set())
    try:
        supervisor.start()
        supervisor.wait_ready()
        if not supervisor.stopping.is_set():
            print_links(plan, supervisor.services)
        supervisor.watch()
    finally:
        say("stopping")
        clean = supervisor.stop()
        for path in RUN.glob("*.ipc"):
            path.unlink(missing_ok=True)
    say("stopped" if clean else "stopped, but not every service left cleanly")
    return 0 if clean else 1


def main():
    os.umask(0o077)
    try:
        return run(pathlib.Path(sys.argv[1]).absolute())
    except Refusal as refusal:
        say(str(refusal))
        return refusal.status
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        hint = "; free some space and try again" if error.errno == errno.ENOSPC else ""
        say(f"{place}{error.strerror}{hint}")
        return EXIT_SYSTEM


if __name__ == "__main__":
    sys.exit(main())
