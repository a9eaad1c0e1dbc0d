"""Starts the real programs for a test and takes them apart again.

    Service   one running program: its settings, log, health port, signals
    Database  SQLite in a file, or a database of its own on a MongoDB-wire server
    System    gateways, samplers, stores and apis wired together over ipc://
    Viewers   real WebSocket viewers in the background, read from ordinary test code

HEADCOUNT_BUILD names the build folder (default: build). Everything a System writes lies in one
short private folder: a socket's path has room for 107 bytes. System.stop() ends every service
with SIGTERM and raises unless each left with status 0, no sanitizer said a word and no key
stands in a log.
"""

import asyncio
import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import random
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time

import msgpack  # noqa: F401  (a clear error here beats one inside a test)
import websockets
import zmq

import headcount_wire

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("HEADCOUNT_BUILD", ROOT / "build")).resolve()
FOLDERS = {name: f"services/{name}" for name in ("gateway", "sampler", "store", "api")}
FOLDERS["tap"] = FOLDERS["keys"] = "tools"
SANITIZER = re.compile(
    r"ERROR: (Address|Leak|Undefined|Thread|Memory)Sanitizer|WARNING: ThreadSanitizer"
    r"|runtime error:|DEADLYSIGNAL"
)
STOP_SECONDS = 60
READY_SECONDS = 60
WAIT_SECONDS = 30  # also where a machine is busy or stands still for a while

SHORT_TEMPO = {
    "SAMPLE_INTERVAL_MS": 100,
    "SNAPSHOT_INTERVAL_MS": 1200,
    "HEARTBEAT_INTERVAL_MS": 250,
    "NODE_TIMEOUT_MS": 2000,
    "FLAG_CACHE_MS": 500,
    "STOP_TIMEOUT_MS": 6000,
}


def wait_until(condition, timeout=WAIT_SECONDS, what="a condition", every=0.02):
    """Returns condition()'s first true value; fails, naming what, after timeout seconds: with a
    look that began after them, however long this process stood still."""
    deadline = time.monotonic() + timeout
    while True:
        late = time.monotonic() > deadline
        value = condition()
        if value:
            return value
        if late:
            raise AssertionError(f"waited {timeout} s for {what}; last seen: {value!r}")
        time.sleep(every)


_ports = {}  # port -> the socket that keeps other test runs from choosing it too


def free_port():
    """A port below the ephemeral ones that nothing uses, reserved among all test runs."""
    while True:
        port = random.randrange(20000, 32000)
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with socket.socket() as probe:
            try:
                mark.bind(f"\0headcount-test-port-{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                mark.close()
                continue
        _ports[port] = mark
        return port


def release_port(port):
    mark = _ports.pop(port, None)
    if mark:
        mark.close()


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


@dataclasses.dataclass
class Response:
    status: int
    headers: dict  # names in lower case
    body: bytes

    def json(self):
        return json.loads(self.body)

    def data(self):
        """The data of an answer that must be a success."""
        answer = self.json()
        assert self.status < 300 and answer["success"] is True, (self.status, answer)
        return answer["data"]


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def http_request(port, method, path, body=None, headers=None, address="127.0.0.1", timeout=30):
    """One request. body: bytes and str as they are, anything else as JSON."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, names, response.read())


@dataclasses.dataclass
class LogLine:
    level: str
    id: str
    text: str
    fields: dict


_LINE = re.compile(r"^\S+Z (debug|info|warn|error) +(\S+) (\S+): (.*)$")
_FIELD = re.compile(r' (\w+)=("(?:[^"\\]|\\.)*"|\S*)')


def parse_log_line(line):
    """A LogLine, or None when the line is not one of the log's (a sanitizer's, say)."""
    if line.startswith("{"):
        fields = json.loads(line)
        level, name, text = (fields.pop(key) for key in ("level", "id", "text"))
        return LogLine(level, name, text, fields)
    match = _LINE.match(line)
    if not match:
        return None
    level, _, name, rest = match.groups()
    fields = {key: value.strip('"') for key, value in _FIELD.findall(rest)}
    return LogLine(level, name, _FIELD.sub("", rest), fields)


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


class MongoServer:
    """The MongoDB-wire server that tests/mongo_server.sh chooses, on a port of its own."""

    script = ROOT / "tests" / "mongo_server.sh"

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.foreign = os.environ.get("MONGODB_URI")  # somebody else's: used, never stopped
        self.port = None if self.foreign else free_port()
        self.process = None

    @property
    def uri(self):
        return self.foreign or f"mongodb://127.0.0.1:{self.port}/?serverSelectionTimeoutMS=5000"

    def install(self):
        subprocess.run([self.script, "install"], check=True, stdin=subprocess.DEVNULL)

    def start(self, timeout=60):
        if not self.foreign:
            with open(self.directory / "mongo.log", "ab") as log:
                self.process = subprocess.Popen(
                    [self.script, "run", "--port", str(self.port)]
                    + ["--data", self.directory / "mongo"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
        wait_until(self.answers, timeout, "the MongoDB server to answer")
        return self

    def answers(self):
        import pymongo

        log = self.directory / "mongo.log"
        if self.process and self.process.poll() is not None:
            raise AssertionError(f"the MongoDB server ended\n{log.read_text(errors='replace')}")
        try:
            with self.client(1000) as client:
                return client.admin.command("ping")["ok"] == 1
        except pymongo.errors.PyMongoError:
            return False

    def client(self, timeout_ms=5000):
        import pymongo

        return pymongo.MongoClient(
            self.uri, serverSelectionTimeoutMS=timeout_ms, tz_aware=True, connect=True
        )

    def kill9(self):
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill9()
        if self.port:
            release_port(self.port)


class Database:
    """Where a System's services keep their rows. kind: sqlite or mongodb."""

    def __init__(self, kind, server=None):
        self.kind = kind
        self.server = server
        self.name = f"headcount_test_{secrets.token_hex(6)}"
        self.path = None  # SQLite's file, set by the System

    def settings(self, directory):
        if self.kind == "mongodb":
            return {"MONGODB_URI": self.server.uri, "MONGODB_DATABASE": self.name}
        self.path = pathlib.Path(directory) / "headcount.db"
        return {"SQLITE_PATH": self.path}

    @contextlib.contextmanager
    def open(self):
        """A pymongo Database, or a read-only sqlite3 connection with rows by name."""
        if self.kind == "mongodb":
            with self.server.client() as client:
                yield client[self.name]
        else:
            connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)
            connection.row_factory = sqlite3.Row
            with contextlib.closing(connection):
                yield connection

    def drop(self):
        if self.kind == "mongodb":
            with self.server.client() as client:
                client.drop_database(self.name)


class Viewer:
    """One WebSocket viewer; its members may be read from any thread."""

    def __init__(self, auction):
        self.auction = auction
        self.frames = []  # every message, as JSON
        self.socket = None
        self.closed = None  # close code, once closed

    @property
    def counts(self):
        return [
            frame["count"] for frame in self.frames if frame.get("event") == "viewerCountUpdate"
        ]

    @property
    def count(self):
        """The newest count told, or None before the first."""
        return next(reversed(self.counts), None)

    def wait_count(self, count, timeout=WAIT_SECONDS):
        try:
            wait_until(lambda: self.count == count, timeout, f"{self.auction} to show {count}")
        except AssertionError as error:
            raise AssertionError(f"{error}; shown so far: {self.counts[-20:]}") from None


class Viewers:
    """A thread with an asyncio loop that holds viewers' sockets."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.all = []

    def run(self, coroutine, timeout=60):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    async def _read(self, viewer):
        try:
            async for message in viewer.socket:
                viewer.frames.append(json.loads(message))
        except websockets.ConnectionClosed:
            pass
        viewer.closed = viewer.socket.close_code

    async def _open(self, url, auction, options):
        viewer = Viewer(auction)
        viewer.socket = await websockets.connect(
            f"{url}?auction={auction}",
            **{"ping_interval": None, "compression": None, "close_timeout": 2, **options},
        )
        viewer.reader = self.loop.create_task(self._read(viewer))
        self.all.append(viewer)
        return viewer

    async def _open_many(self, url, auction, count, options):
        result = []
        while len(result) < count:
            part = min(50, count - len(result))
            opening = (self._open(url, auction, options) for _ in range(part))
            result += await asyncio.gather(*opening)
        return result

    def join(self, url, auction, count=1, **options):
        """A list of viewers that have connected."""
        return self.run(self._open_many(url, auction, count, options))

    async def _close(self, viewers):
        await asyncio.gather(*(viewer.socket.close() for viewer in viewers))

    def close(self, viewers):
        """Closes in the orderly way."""
        self.run(self._close(viewers))

    async def _abort(self, viewers):
        for viewer in viewers:
            viewer.socket.transport.abort()

    def abort(self, viewers):
        """Cuts the connections without a WebSocket close."""
        self.run(self._abort(viewers))

    async def _end(self):
        for viewer in self.all:
            if viewer.socket.transport:
                viewer.socket.transport.abort()
        await asyncio.gather(*(viewer.reader for viewer in self.all), return_exceptions=True)

    def stop(self):
        self.run(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


_request_ids = random.randrange(2**32)


def store_request(endpoint, request, timeout=WAIT_SECONDS):
    """Sends a request (see headcount_wire) to a store; the decoded acknowledgement."""
    global _request_ids
    _request_ids += 1
    request = {"id": _request_ids, **request}
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(endpoint)
        dealer.send_multipart(headcount_wire.encode_request(request))
        if not dealer.poll(timeout * 1000):
            raise AssertionError(f"no acknowledgement from {endpoint} in {timeout} s")
        ack = headcount_wire.decode_ack(*dealer.recv_multipart())
    assert ack["id"] == request["id"], (ack, request)
    return ack


class System:
    """The whole system on one machine.

    settings go to every service that starts (unknown ones do no harm); more for one kind are
    given as gateway={...}, sampler={...}, store={...}, api={...}; None takes one back. Counts of
    each kind may be given; one of each is the default, and zero leaves a kind out. tempo={} is
    the programs' own.
    """

    def __init__(
        self, database, settings=None, gateways=1, samplers=1, stores=1, apis=1,
        gateway=None, sampler=None, store=None, api=None, tempo=None,
    ):  # fmt: skip
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
        self.database = database
        self.internal_key = secrets.token_urlsafe(24)
        self.admin_key = secrets.token_urlsafe(24)
        self.viewers = Viewers()
        self.stopped = False
        counts = {"gateway": gateways, "sampler": samplers, "store": stores, "api": apis}
        own = {"gateway": gateway, "sampler": sampler, "store": store, "api": api}
        tempo = SHORT_TEMPO if tempo is None else tempo
        base = {**tempo, **database.settings(self.directory), **(settings or {})}
        self.services = []
        for kind in ("store", "sampler", "gateway", "api"):
            for index in range(counts[kind]):
                wired = self._wire(kind, index, counts)
                wired = {**base, **wired, **(own[kind] or {})}
                self.services.append(Service(kind, f"{kind}{index}", wired, self.directory))

    def endpoint(self, kind, index=0):
        return f"ipc://{self.directory}/{kind}{index}.ipc"

    def _wire(self, kind, index, counts):
        every = {
            name: ",".join(self.endpoint(name, i) for i in range(count)) or None
            for name, count in counts.items()
        }
        own = self.endpoint(kind, index)
        keys = {"INTERNAL_API_KEY": self.internal_key}
        if kind == "store":
            return {"STORE_BIND": own, **keys}
        if kind == "sampler":
            return {
                "NODE_ID": f"sampler{index}",
                "COUNT_BIND": own,
                "GATEWAY_ENDPOINTS": every["gateway"],
                "STORE_ENDPOINTS": every["store"],
                **keys,
            }
        if kind == "gateway":
            return {
                "PORT": free_port(),
                "NODE_ID": f"gateway{index}",
                "EVENT_BIND": own,
                "SAMPLER_ENDPOINTS": every["sampler"],
            }
        return {
            "PORT": free_port(),
            "SAMPLER_ENDPOINTS": every["sampler"],
            "STORE_ENDPOINTS": every["store"],
            "VIEWER_SOCKET_URL": self.viewer_url() if counts["gateway"] else None,
            "ADMIN_API_KEY": self.admin_key,
            **keys,
        }

    def of(self, kind):
        return [service for service in self.services if service.kind == kind]

    @property
    def gateway(self):
        return self.of("gateway")[0]

    @property
    def sampler(self):
        return self.of("sampler")[0]

    @property
    def store(self):
        return self.of("store")[0]

    @property
    def api(self):
        return self.of("api")[0]

    def start(self):
        for service in self.services:
            # What is empty on purpose is given by its flag.
            lists = ("SAMPLER_ENDPOINTS", "GATEWAY_ENDPOINTS", "STORE_ENDPOINTS", "SPOOL_PATH", "OUTBOX_PATH")
            empty = [name for name in lists if service.settings.get(name, "") is None]
            flags = ["--" + name.lower().replace("_", "-") + "=" for name in empty]
            service.start(*flags)
        for service in self.services:
            service.wait_ready()
        return self

    # What tests do with it

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.api.port}{path}"

    def http(self, method, path, body=None, key=None, headers=None):
        """A request to the api. key: "internal", "admin", or any other text as the admin's."""
        headers = dict(headers or {})
        if key == "internal":
            headers["x-internal-api-key"] = self.internal_key
        elif key is not None:
            headers["x-admin-api-key"] = self.admin_key if key == "admin" else key
        return http_request(self.api.port, method, path, body, headers)

    def set_tracking(self, auction, enabled=True):
        """Turns an auction's analytics on or off through the api."""
        body = {"enableViewerAnalytics": enabled}
        return self.http("PATCH", f"/api/v1/auctions/{auction}/settings", body, "admin").data()

    def snapshots(self, auction, time_range="all"):
        """The auction's snapshots as the api gives them, oldest first."""
        path = f"/api/v1/auctions/{auction}/analytics/viewers?timeRange={time_range}"
        return self.http("GET", path, key="admin").data()["snapshots"]

    def minutes_between(self, first, last):
        """How many windows of the short tempo lie between two datetimes."""
        return round((last - first).total_seconds() * 1000 / SHORT_TEMPO["SNAPSHOT_INTERVAL_MS"])

    def minutes_unseen(self, sampler):
        """Of how many windows a sampler may have seen no sample, since it stood still."""
        name = "headcount_sampler_unobserved_milliseconds_total"
        most = SHORT_TEMPO["SNAPSHOT_INTERVAL_MS"] - SHORT_TEMPO["SAMPLE_INTERVAL_MS"]
        return sampler.metric(name) // most

    def live(self, auction):
        """{auction, viewers, live} as the api gives it."""
        return self.http("GET", f"/api/v1/auctions/{auction}/viewers").data()

    def wait_last_window(self):
        """After all viewers were told to leave, until the sampler has made its last snapshots of
        them and a store has taken those; how many it has made."""
        metric, settings = self.sampler.metric, self.sampler.settings
        samples = "headcount_sampler_samples_total"
        a_window = settings["SNAPSHOT_INTERVAL_MS"] // settings["SAMPLE_INTERVAL_MS"]
        for service in [*self.of("gateway"), self.sampler]:  # a gateway that is silent has none either
            name = f"headcount_{service.kind}_viewers"
            wait_until(lambda s=service, n=name: s.metric(n) == 0, what="viewers to be gone")
        ended = metric(samples) + a_window + 1
        wait_until(lambda: metric(samples) >= ended, what="their window to end")
        wait_until(lambda: metric("headcount_sampler_outbox_rows") == 0, what="all to be taken")
        return metric("headcount_sampler_snapshots_total")

    def viewer_url(self, gateway=0):
        return f"ws://127.0.0.1:{self.of('gateway')[gateway].port}/ws"

    def join(self, auction, count=1, gateway=0, **options):
        """count viewers of the auction at a gateway, connected."""
        return self.viewers.join(self.viewer_url(gateway), auction, count, **options)

    def viewer(self, auction, gateway=0, **options):
        return self.join(auction, 1, gateway, **options)[0]

    def leave(self, *viewers):
        self.viewers.close(viewers)

    def store_request(self, request, index=0, timeout=WAIT_SECONDS):
        """A request to the store with the right key, unless it has one."""
        request = {"key": self.internal_key, **request}
        return store_request(self.endpoint("store", index), request, timeout)

    # The end

    def stop(self):
        """Ends everything; raises when a service did not leave as it should."""
        if self.stopped:
            return
        self.stopped = True
        faults = []
        self.viewers.stop()
        for kind in ("api", "gateway", "sampler", "store"):  # readers before what they read
            for service in self.of(kind):
                service.signal_term()
            for service in self.of(kind):
                faults += self._end(service)
        self.database.drop()
        self.logs = {service.name: service.log() for service in self.services}
        shutil.rmtree(self.directory, ignore_errors=True)
        for service in self.services:
            release_port(service.settings["ADMIN_PORT"])
            release_port(service.settings.get("PORT"))
        assert not faults, "; ".join(faults)

    def _end(self, service):
        faults = []
        if service.process:
            try:
                service.wait_exit()
            except AssertionError as error:
                faults.append(str(error))
        faults += service.faults()
        for name in ("internal", "admin"):
            if getattr(self, f"{name}_key") in service.log():
                faults.append(f"the {name} key stands in the log of {service.name}")
        return faults
