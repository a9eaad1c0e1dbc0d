"""What test_discovery.py runs within a world: gateways, a sampler, a store and an api, each on a
host of its own, found by name."""

import pathlib
import shutil
import signal
import tempfile
import time

import pytest

import network
from waiting import WAIT_SECONDS, wait_until

BUS_PORT = 5559
KEY = "a key for this test"
STOP_SECONDS = 5  # also while no name server answers
MEND_SECONDS = 5  # until a mended link carries messages
QUERY_SECONDS = 1  # less than a query takes that nobody answers
ANSWERS = 20
UNKNOWN = "10.77.99.99"  # nobody is there


class World:
    """The network, its DNS server and the services of the test that runs."""

    def __init__(self, directory):
        self.directory = directory
        self.network = network.Network(directory)
        self.dns = network.Dns(self.network.host("dns"), directory)
        self.network.use_dns(self.dns)
        self.services = []
        self.started = 0

    def endpoint(self, name):
        return f"tcp://{self.dns.name(name)}:{BUS_PORT}"

    def start(self, kind, **settings):
        self.started += 1
        name = f"{kind}-{self.started}"
        bind = {"gateway": "EVENT_BIND", "sampler": "COUNT_BIND", "store": "STORE_BIND"}
        common = {
            "NODE_ID": name,
            "LISTEN_ADDRESS": "0.0.0.0",
            "DISCOVERY_INTERVAL_MS": 200,
            "BUS_INSECURE": "true",
            "DRAIN_SECONDS": 0,
            "INTERNAL_API_KEY": KEY,
            "ADMIN_API_KEY": KEY,
            "SQLITE_PATH": self.directory / "headcount.db",
            bind.get(kind): f"tcp://*:{BUS_PORT}",
        }
        common.pop(None, None)
        lists = ("GATEWAY_ENDPOINTS", "SAMPLER_ENDPOINTS", "STORE_ENDPOINTS")
        nobody = {each: f"tcp://127.0.0.1:{BUS_PORT + 1}" for each in lists}
        host = self.network.host(name)
        settings = {**common, **nobody, **settings}
        service = network.Instance(kind, host, settings, self.directory).start()
        self.services.append(service)
        wait_until(lambda: service.admin("/healthz"), what=f"{name} to start")
        return service

    def name(self, name, *services):
        """Puts services (or addresses) behind a name."""
        addresses = [getattr(each, "host", None) or each for each in services]
        self.dns.set(name, [getattr(each, "address", each) for each in addresses])

    def stop_services(self):
        self.dns.process.send_signal(signal.SIGCONT)
        faults = []
        for service in self.services:
            service.signal_term()
        for service in self.services:
            service.wait_exit()
            faults += service.faults()
        self.services = []
        self.dns.records = {}
        return faults


@pytest.fixture(scope="module")
def place():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    try:
        yield World(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def world(place):
    yield place
    assert not place.stop_services()


def until(service, metric, value, timeout=WAIT_SECONDS):
    wait_until(lambda: service.metric(metric) == value, timeout, f"{metric} to be {value}")


def peers(service, of, state=""):
    return service.metric(f'headcount_{service.kind}_peers{state}{{of="{of}"}}')


def until_peers(service, of, count, state="_connected", timeout=WAIT_SECONDS):
    what = f"{count} {of} {state}"
    wait_until(lambda: peers(service, of, state) == count, timeout, what)


def failures(service, of="gateways"):
    return service.metric(f'headcount_{service.kind}_resolutions_failed_total{{of="{of}"}}')


def until_more_failures(service, more=2, timeout=WAIT_SECONDS):
    before = failures(service)
    wait_until(lambda: failures(service) >= before + more, timeout, "more failures")


def test_gateways_come_and_go(world):
    sampler = world.start("sampler", GATEWAY_ENDPOINTS=world.endpoint("gateway"))
    until_more_failures(sampler)  # nobody is behind the name yet
    first = world.start("gateway")
    world.name("gateway", first)
    until(sampler, "headcount_sampler_gateways", 1)
    second = world.start("gateway")
    world.name("gateway", first, second)
    until(sampler, "headcount_sampler_gateways", 2)

    world.name("gateway", second, UNKNOWN)  # the first one drains
    until_peers(sampler, "gateways", 3, "")
    world.name("gateway", second)
    until_peers(sampler, "gateways", 2, "")  # the unknown one, never connected, went at once
    assert peers(sampler, "gateways", "_connected") == 2
    assert sampler.metric("headcount_sampler_gateways") == 2
    first.term()
    until_peers(sampler, "gateways", 1, "")
    dropped = [line.fields["address"] for line in sampler.log_lines("discovery.dropped")]
    assert dropped == [
        f"tcp://{UNKNOWN}:{BUS_PORT}",
        f"tcp://{first.host.address}:{BUS_PORT}",
    ]
    assert peers(sampler, "gateways", "_connected") == 1
    until(sampler, "headcount_sampler_gateways", 1)


def test_without_a_name_server_all_goes_on(world):
    started = time.monotonic()
    gateway = world.start("gateway")
    world.name("gateway", gateway)
    lists = [world.endpoint("gateway")] + [world.endpoint(f"other-{i}") for i in range(5)]
    started = time.monotonic()
    sampler = world.start("sampler", GATEWAY_ENDPOINTS=",".join(lists))
    until(sampler, "headcount_sampler_gateways", 1)
    world.dns.process.send_signal(signal.SIGSTOP)

    other = world.start("sampler", GATEWAY_ENDPOINTS=",".join(lists))  # starts all the same
    began = time.monotonic()
    assert other.term() == 0  # in the middle of its queries
    assert time.monotonic() < began + STOP_SECONDS

    slow = world.start("gateway", SAMPLER_ENDPOINTS=",".join(lists), STOP_TIMEOUT_MS=100)
    assert slow.term() == 0
    assert "STOP_TIMEOUT_MS is over" in slow.log()

    until_more_failures(sampler, 6)
    began = time.monotonic()
    for _ in range(ANSWERS):  # the queries wait, the loop does not
        assert sampler.metric("headcount_sampler_gateways") == 1
    assert time.monotonic() < began + ANSWERS * QUERY_SECONDS
    assert peers(sampler, "gateways", "_connected") == 1
    failed = [line.fields["name"] for line in sampler.log_lines("discovery.failed")]
    assert len(set(failed)) == 6
    minutes = 1 + (time.monotonic() - started) // 60
    assert max(map(failed.count, failed)) <= minutes  # once a minute each, not each time

    world.dns.process.send_signal(signal.SIGCONT)
    world.name("gateway", gateway, world.start("gateway"))
    until(sampler, "headcount_sampler_gateways", 2)
    assert sampler.log_lines("discovery.resolved")


def test_every_service_finds_its_peers_by_name(world):
    sampler = world.start("sampler", STORE_ENDPOINTS=world.endpoint("store"))
    store = world.start("store")
    both = {"SAMPLER_ENDPOINTS": world.endpoint("sampler")}
    gateway = world.start("gateway", **both)
    api = world.start("api", STORE_ENDPOINTS=world.endpoint("store"), **both)
    world.name("sampler", sampler)
    world.name("store", store)
    until_peers(sampler, "stores", 1)
    until_peers(gateway, "samplers", 1)
    until_peers(api, "samplers", 1)
    until_peers(api, "stores", 1)
    until(api, "headcount_api_live_samplers", 1)


def test_a_cut_link_is_noticed_and_mended(world):
    gateway, store = world.start("gateway"), world.start("store")
    world.name("gateway", gateway)
    world.name("store", store)
    sampler = world.start(
        "sampler",
        GATEWAY_ENDPOINTS=world.endpoint("gateway"),
        STORE_ENDPOINTS=world.endpoint("store"),
    )
    until(sampler, "headcount_sampler_gateways", 1)
    until_peers(sampler, "stores", 1)
    gateway.host.cut()
    store.host.cut()
    until_peers(sampler, "gateways", 0)
    until_peers(sampler, "stores", 0)
    until(sampler, "headcount_sampler_gateways", 0)
    gateway.host.mend()
    store.host.mend()
    until(sampler, "headcount_sampler_gateways", 1, MEND_SECONDS)
    until_peers(sampler, "stores", 1, timeout=MEND_SECONDS)


def test_ipv6(world):
    gateway = world.start("gateway")
    sampler = world.start("sampler", GATEWAY_ENDPOINTS=world.endpoint("six"))
    for number, service in ((1, gateway), (2, sampler)):
        address = f"fd77::{number}/64"
        network.run(
            *service.host.inside("ip", "address", "add", address, "dev", "eth0", "nodad")
        )
    world.name("six", "fd77::1")
    until(sampler, "headcount_sampler_gateways", 1)
    assert sampler.log_lines("discovery.found")[0].fields["address"] == f"tcp://[fd77::1]:{BUS_PORT}"
