"""Runs the whole system on this machine until Ctrl-C, from ./dev up: `up.py BUILD-FOLDER`.

In: arguments, settings from the environment. Out: links on the terminal, the services' log lines
on stderr, everything on disk in ./data (mode 0700): keys, SQLite's file, the bus's sockets in
data/run. One process, a thread for each service's log lines.

A service that ends takes everything with it, but for one of several gateways: what it said last
is told, and it is started again.
"""

import argparse
import collections
import ctypes
import errno
import fcntl
import http.client
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.parse

from up_plan import DATA, EXIT_SYSTEM, RUN, Plan, Refusal, read_key, say, split_name

READY_SECONDS = 45
STOP_SECONDS = 15
EXIT_USAGE = 100
GATEWAYS_MAX = 64
STOP_ORDER = ["api", "gateway", "sampler", "store"]  # readers before what they read
PR_SET_PDEATHSIG = 1


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


def become_child():
    """In the new process: away from the terminal's Ctrl-C, and gone when we are."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Service:
    """One running program and the lines it says."""

    def __init__(self, name, build, settings):
        kind, _ = split_name(name)
        self.kind = kind
        self.name = f"headcount-{name}"
        self.settings = settings
        self.was_ready = False
        self.admin_address = settings["ADMIN_ADDRESS"]
        self.admin_port = int(settings["ADMIN_PORT"])
        self.last_lines = collections.deque(maxlen=20)
        self.process = subprocess.Popen(
            [build / "services" / kind / f"headcount-{kind}"],
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
        """Why it is not ready; None when it is, or was."""
        if self.was_ready:
            return None
        if not self.admin_port:
            return "starting"
        connection = http.client.HTTPConnection(self.admin_address, self.admin_port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            text = response.read().decode(errors="replace").strip()
            self.was_ready = response.status == 200
            return None if self.was_ready else text
        except (OSError, http.client.HTTPException):
            return "its health port does not answer"
        finally:
            connection.close()

    def ask_to_stop(self):
        if not self.ended():
            self.process.terminate()

    def wait_stopped(self):
        """Waits; killed when it takes too long. True: it left cleanly."""
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"{self.name} did not stop within {STOP_SECONDS} s and is killed")
            self.process.kill()
            self.process.wait()
        self.reader.join(2)
        # Told to end before it could listen for that, it has nothing to leave behind.
        return self.process.returncode in (0, -signal.SIGTERM)


def describe_end(status):
    if status >= 0:
        return f"ended with status {status}"
    return f"was killed by {signal.Signals(-status).name}; its last line"


class Supervisor:
    def __init__(self, build, plan):
        self.build = build
        self.plan = plan
        self.services = {}
        self.stopping = threading.Event()

    def start(self):
        for name in self.plan.names():
            if self.stopping.is_set():
                return
            self.services[name] = Service(name, self.build, self.plan.settings(name))

    def look_for_deaths(self):
        for name, service in self.services.items():
            if not service.ended():
                continue
            status = service.process.returncode
            text = f"{service.name} {describe_end(status)}: {service.last_words()}"
            if service.kind != "gateway" or self.plan.gateways == 1 or not service.was_ready:
                raise Refusal(text, status if status > 0 else 1)
            say(text)
            say(f"{service.name} is started again")
            settings = {**service.settings, "ADMIN_PORT": str(service.admin_port)}
            self.services[name] = Service(name, self.build, settings)

    def not_ready(self):
        """{name: why} of the services that have not been ready yet."""
        reasons = {name: service.not_ready() for name, service in self.services.items()}
        return {name: reason for name, reason in reasons.items() if reason}

    def wait_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while not self.stopping.is_set() and (reasons := self.not_ready()):
            self.look_for_deaths()
            if time.monotonic() > deadline:
                name, reason = next(iter(reasons.items()))
                raise Refusal(
                    f"headcount-{name} is not ready after {READY_SECONDS} s: {reason}"
                )
            self.stopping.wait(0.05)

    def watch(self):
        while not self.stopping.is_set():
            self.look_for_deaths()
            self.not_ready()
            self.stopping.wait(0.2)

    def stop(self):
        """Stops everything, kind by kind; True when every service left cleanly."""
        clean = []
        for kind in STOP_ORDER:
            services = [service for service in self.services.values() if service.kind == kind]
            for service in services:
                service.ask_to_stop()
            clean += [service.wait_stopped() for service in services]
        return all(clean)


def describe_gateways(plan):
    """What to say of their number, and their endpoints as a shell takes them."""
    if plan.gateways == 1:
        return "", f"ipc://{RUN}/gateway.ipc"
    share = f"   ({plan.gateways} gateways share the port)"
    return share, f"ipc://{RUN}/gateway-{{1..{plan.gateways}}}.ipc"


def print_links(plan, services):
    base = f"http://{plan.host}:{plan.api_port}"
    key = urllib.parse.quote(read_key(plan.keys, "ADMIN_API_KEY"), safe="")
    share, gateways = describe_gateways(plan)
    ports = "  ".join(f"{name}\N{NO-BREAK SPACE}:{s.admin_port}" for name, s in services.items())
    ports = textwrap.fill(f"{ports}  at\N{NO-BREAK SPACE}/metrics", 78)
    ports = ports.replace("\n", "\n" + " " * 19).replace("\N{NO-BREAK SPACE}", " ")
    # The one place that shows the key: standard output, for whoever started this. Log lines go
    # to standard error and never hold it.
    print(f"""
Headcount is up.

  auctions         {base}/
  live view        {base}/auctions/lot-1/live   (open it twice)
  as an admin      {base}/#key={key}
  settings         {base}/auctions/lot-1/setup#key={key}
  dashboard        {base}/auctions/lot-1#key={key}

  viewers connect  ws://{plan.host}:{plan.gateway_port}/ws?auction=lot-1{share}
  the bus          build/release/tools/headcount-tap {gateways} ipc://{RUN}/sampler.ipc
  metrics          {ports}

Any auction id will do; a crowd to look at: ./dev demo. Ctrl-C stops everything.
""", flush=True)  # fmt: skip


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="dev up",
        description="Runs the whole system on this machine until Ctrl-C.",
        allow_abbrev=False,
    )
    parser.error = lambda text: (say(f"{text}; see ./dev up --help"), sys.exit(EXIT_USAGE))
    parser.add_argument("build", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument(
        "--gateways", type=int, default=1, metavar="N", help=f"how many, 1 to {GATEWAYS_MAX}; "
        "they share GATEWAY_PORT. Default 1",
    )  # fmt: skip
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not 1 <= arguments.gateways <= GATEWAYS_MAX:
        parser.error(f"--gateways takes 1 to {GATEWAYS_MAX}")
    return arguments


def run(build, gateways):
    lock_data()  # held until this process ends
    plan = Plan(gateways)
    RUN.mkdir(mode=0o700, exist_ok=True)
    RUN.chmod(0o700)
    supervisor = Supervisor(build, plan)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.stopping.set())
    why = ""
    try:
        supervisor.start()
        supervisor.wait_ready()
        if not supervisor.stopping.is_set():
            print_links(plan, supervisor.services)
        supervisor.watch()
    except Refusal as refusal:
        why = f", since {refusal}"
        raise
    finally:
        say(f"stopping{why}")
        clean = supervisor.stop()
        for path in RUN.glob("*.ipc"):
            path.unlink(missing_ok=True)
    say("stopped" if clean else "stopped, but not every service left cleanly")
    return 0 if clean else 1


def main():
    arguments = parse_arguments()
    if arguments.check:  # of the arguments, before anything is built for them
        return 0
    os.umask(0o077)
    try:
        return run(arguments.build.absolute(), arguments.gateways)
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
