"""The whole system for a test: gateways, samplers, stores and apis wired together over ipc://.

Everything a System writes lies in one short private folder: a socket's path has room for 107
bytes. System.stop() ends every service with SIGTERM and raises unless each left with status 0, no
sanitizer said a word and no key stands in a log.
"""

import pathlib
import random
import secrets
import shutil
import tempfile

import zmq

import headcount_wire
from http_client import http_request
from machine import free_port, release_port
from service import Service
from viewers import Viewers
from waiting import WAIT_SECONDS, wait_until

SHORT_TEMPO = {
    "SAMPLE_INTERVAL_MS": 100,
    "SNAPSHOT_INTERVAL_MS": 1200,
    "HEARTBEAT_INTERVAL_MS": 250,
    "NODE_TIMEOUT_MS": 2000,
    "FLAG_CACHE_MS": 500,
    "STOP_TIMEOUT_MS": 6000,
}
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
        # A window that has ended waits for its verdict, for two time-outs of a gateway at most.
        most_ms = settings["SNAPSHOT_INTERVAL_MS"] + 2 * settings.get("NODE_TIMEOUT_MS", 3000)
        until_told = most_ms // settings["SAMPLE_INTERVAL_MS"]
        for service in [*self.of("gateway"), self.sampler]:  # a gateway that is silent has none either
            name = f"headcount_{service.kind}_viewers"
            wait_until(lambda s=service, n=name: s.metric(n) == 0, what="viewers to be gone")
        ended = metric(samples) + until_told + 1
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
