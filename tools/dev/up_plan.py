"""What each service of ./dev up is told: ports, keys, endpoints, the database.

In: our own environment, keys in ./data. Out: an environment for each service. Runs nothing.
"""

import errno
import os
import pathlib
import secrets
import socket
import sys

EXIT_CONFIGURATION = 102
EXIT_SYSTEM = 111
DATA = pathlib.Path("data")
RUN = DATA / "run"
ADMIN_PORTS = {"store": 9083, "sampler": 9082, "gateway": 9081, "api": 9084}
KEYS = ["INTERNAL_API_KEY", "ADMIN_API_KEY"]
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


def split_name(name):
    """A service's kind and its number, 1 for an only one."""
    kind, _, number = name.partition("-")
    return kind, int(number or 1)


def is_free(address, port):
    """Whether nobody listens there, not even a gateway that would share the port."""
    try:
        family, _, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        return error.errno != errno.EADDRINUSE  # anything else is the service's to say
    return True


def choose_admin_port(kind, number):
    """The service's usual health port, or 0 (a free one) when another program has it."""
    port = ADMIN_PORTS[kind] + (0 if number == 1 else 99 + number)
    return port if is_free("127.0.0.1", port) else 0


class Plan:
    """What each service is told, from our own environment."""

    def __init__(self, gateways):
        self.gateways = gateways
        self.api_port = read_port("API_PORT", 8080)
        self.gateway_port = read_port("GATEWAY_PORT", 8081)
        self.address = os.environ.get("LISTEN_ADDRESS") or "127.0.0.1"
        if self.api_port == self.gateway_port:
            raise Refusal(f"API_PORT and GATEWAY_PORT are both {self.api_port}; allowed: two ports")
        # Gateways would share the port with those of another system of the same user.
        if not is_free(self.address, self.gateway_port):
            raise Refusal(f"port {self.gateway_port} is in use; GATEWAY_PORT chooses another")
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

    def gateway_names(self):
        if self.gateways == 1:
            return ["gateway"]
        return [f"gateway-{number}" for number in range(1, self.gateways + 1)]

    def names(self):
        """Every service, in the order of starting: its kind, and a number where it has fellows."""
        return ["store", "sampler", *self.gateway_names(), "api"]

    def settings(self, name):
        """The environment of one service: ours, without the secrets it has no use for."""
        kind, number = split_name(name)
        result = dict(os.environ)
        secret = [*KEYS, "MONGODB_URI"]
        for unwanted in [*secret, *(f"{key}_FILE" for key in secret), "PORT", "NODE_ID"]:
            result.pop(unwanted, None)
        internal = {key: text for key, text in self.keys.items() if key.startswith("INTERNAL")}
        sockets = {
            "EVENT_BIND": f"ipc://{RUN}/{name}.ipc",
            "GATEWAY_ENDPOINTS": ",".join(f"ipc://{RUN}/{n}.ipc" for n in self.gateway_names()),
            "COUNT_BIND": f"ipc://{RUN}/sampler.ipc",
            "SAMPLER_ENDPOINTS": f"ipc://{RUN}/sampler.ipc",
            "STORE_BIND": f"ipc://{RUN}/store.ipc",
            "STORE_ENDPOINTS": f"ipc://{RUN}/store.ipc",
        }
        own = {
            "gateway": {"PORT": str(self.gateway_port), "NODE_ID": name},
            "sampler": {**internal, "OUTBOX_PATH": str(DATA / "outbox.db")},
            "store": {**internal, **self.database(), "SPOOL_PATH": str(DATA / "spool.db")},
            "api": {**self.keys, **self.database(), "PORT": str(self.api_port)},
        }[kind]
        result.update(sockets)
        result.update(own)
        result["LISTEN_ADDRESS"] = self.address
        result["ADMIN_ADDRESS"] = os.environ.get("ADMIN_ADDRESS") or "127.0.0.1"
        result["ADMIN_PORT"] = str(choose_admin_port(kind, number))
        if kind == "api":
            result["VIEWER_SOCKET_URL"] = self.socket_url()
        return result
