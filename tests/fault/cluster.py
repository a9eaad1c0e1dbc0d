"""The services, each instance on a host of its own, found by name: what an orchestrator does.

    Cluster    all of them, the database, the DNS server and the referee

A name has one address for each instance that runs; it is taken out as soon as the instance is
told to stop, or was killed.
"""

import json
import pathlib
import secrets
import subprocess

import bus_keys
import network
from databases import MongoServer
from service import READY_SECONDS
from waiting import wait_until

HERE = pathlib.Path(__file__).resolve().parent
COUNTS = {"store": 2, "sampler": 3, "gateway": 4, "api": 2}
REPLICAS = 2
SAMPLE_MS, WINDOW_MS = 500, 5000
DRAIN_SECONDS = 4
PORTS = {"gateway": 8081, "api": 8080}  # of viewers and browsers
BUS_PORTS = {"gateway": 5559, "sampler": 5560, "store": 5561}
DATABASE_PORT = 27017
DATABASE = "headcount"


class Referee:
    """The referee's process and a function for each of its commands."""

    def __init__(self, host, log):
        self.process = subprocess.Popen(
            host.inside("/usr/bin/python3", HERE / "referee.py"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    def __getattr__(self, name):
        def call(*arguments):
            print(json.dumps([name, *arguments]), file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
            assert answer, f"the referee ended at {name}{arguments}"
            return json.loads(answer)

        return call


class Cluster:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.network = network.Network(directory)
        self.dns = network.Dns(self.network.host("dns"), directory)
        self.network.use_dns(self.dns)
        self.keys = {"INTERNAL_API_KEY": secrets.token_urlsafe(24)}
        self.keys["ADMIN_API_KEY"] = secrets.token_urlsafe(24)
        self.bus_keys = bus_keys.make_keys(self.directory / "bus-keys")
        self.instances = []  # all there ever were
        self.next_number = dict.fromkeys(COUNTS, 0)
        self._start_database()
        self.referee_log = open(self.directory / "referee.log", "wb")
        self.referee = Referee(self.network.host("viewers"), self.referee_log)

    def _start_database(self):
        host = self.network.host("database")
        command = [MongoServer.script, "run", "--port", DATABASE_PORT]
        command += ["--data", self.directory / "mongo", "--address", host.address]
        with open(self.directory / "mongo.log", "ab") as log:
            self.database = subprocess.Popen(
                host.inside(*map(str, command)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.database_uri = f"mongodb://{host.address}:{DATABASE_PORT}/"
        wait_until(self._database_answers, 60, "the database to answer")

    def _database_answers(self):
        import pymongo

        assert self.database.poll() is None, (self.directory / "mongo.log").read_text()
        try:
            with self.open_database(1000) as client:
                return client.admin.command("ping")["ok"] == 1
        except pymongo.errors.PyMongoError:
            return False

    def open_database(self, timeout_ms=10000):
        import pymongo

        return pymongo.MongoClient(
            self.database_uri, serverSelectionTimeoutMS=timeout_ms, tz_aware=True
        )

    # Instances

    def _endpoint(self, kind):
        return f"tcp://{self.dns.name(kind)}:{BUS_PORTS[kind]}"

    def _settings(self, kind, name, number):
        bind = f"tcp://0.0.0.0:{BUS_PORTS.get(kind)}"
        common = {
            "NODE_ID": name,
            "PORT": PORTS.get(kind),
            "LISTEN_ADDRESS": "0.0.0.0",
            "DISCOVERY_INTERVAL_MS": 1000,
            "BUS_KEYS": self.bus_keys,
            "SAMPLE_INTERVAL_MS": SAMPLE_MS,
            "SNAPSHOT_INTERVAL_MS": WINDOW_MS,
            **self.keys,
        }
        samplers = {"SAMPLER_ENDPOINTS": self._endpoint("sampler")}
        stores = {"STORE_ENDPOINTS": self._endpoint("store")}
        database = {"MONGODB_URI": self.database_uri, "MONGODB_DATABASE": DATABASE}
        shards = {"SAMPLERS": COUNTS["sampler"], "SAMPLER_REPLICAS": REPLICAS}
        own = {
            "gateway": {"EVENT_BIND": bind, "DRAIN_SECONDS": DRAIN_SECONDS, **samplers},
            "sampler": {
                "COUNT_BIND": bind,
                "GATEWAY_ENDPOINTS": self._endpoint("gateway"),
                "SAMPLER_ORDINAL": number,
                **shards,
                **stores,
            },
            "store": {"STORE_BIND": bind, **database},
            "api": {**samplers, **stores, **shards, **database},
        }
        return {**common, **own[kind]}

    def add(self, kind):
        """A new instance, started."""
        number = self.next_number[kind]
        self.next_number[kind] += 1
        name = f"{kind}-{number}"
        settings = self._settings(kind, name, number)
        instance = network.Instance(kind, self.network.host(name), settings, self.directory)
        self.instances.append(instance)
        self.start(instance)
        return instance

    def start(self, instance):
        instance.start()
        self.publish(instance.kind)

    def publish(self, kind, but=()):
        """Puts the running instances behind the name."""
        running = [one.host.address for one in self.running(kind) if one not in but]
        self.dns.set(kind, running)

    def kill(self, instance):
        instance.kill9()
        self.publish(instance.kind)

    def running(self, kind):
        return [one for one in self.instances if one.kind == kind and one.running()]

    def wait_ready(self, instances, timeout=READY_SECONDS):
        for instance in instances:
            instance.wait_ready(timeout)

    def start_all(self):
        for kind, count in COUNTS.items():
            for _ in range(count):
                self.add(kind)
        self.wait_ready(self.instances)
        for gateway in self.running("gateway"):
            self.add_to_balancer(gateway)
        for api in self.running("api"):
            self.referee.add_api(api.name, api.host.address, PORTS["api"])

    def add_to_balancer(self, gateway):
        self.referee.add_gateway(gateway.name, gateway.host.address, PORTS["gateway"])

    def stop_all(self):
        """Ends everything that runs; what was wrong with how any instance ended, as lines."""
        faults = []
        for kind in ("api", "gateway", "sampler", "store"):  # readers before what they read
            running = self.running(kind)
            for instance in running:
                instance.signal_term()
            for instance in running:
                try:
                    instance.wait_exit()
                except AssertionError as error:
                    faults.append(str(error))
        for instance in self.instances:
            faults += instance.faults()
            log = instance.log()
            told = [name for name, key in self.keys.items() if key in log]
            faults += [f"{name} stands in the log of {instance.name}" for name in told]
        return faults
