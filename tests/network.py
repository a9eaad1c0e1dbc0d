"""A network of its own for a test: hosts on a bridge, and a DNS server.

    way_in()  the command that runs a program in a new world, or why there is none
    Network   made within a world: the bridge, Hosts, the files that name the DNS server
    Host      a network namespace with one address; its link can be cut and mended
    Dns       dnsmasq, an A record for each address behind a name
    Instance  a running service, with a host of its own

A world is a user, mount, network and process namespace at once: nothing of the machine's own
network, names or files changes, and all that lives in it (processes, links, mounts) is gone
when its first process ends, however that comes about.
"""

import http.client
import os
import pathlib
import signal
import subprocess

from http_client import http_request
from service import Service, environment, program

DOMAIN = "hc"
NETWORK = "10.77"
ADMIN_PORT = 9080  # of every instance
# Root within, without being it outside; where users may make no namespaces, root can do without.
WAYS = (["--user", "--map-root-user"], [])
WORLD = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
PROBE = """
mount -t tmpfs tmpfs /run && ip link add hc0 type veth peer name hc1 &&
ip link add bridge type bridge && dnsmasq --version
"""


def way_in():
    """(command, None), or (None, why there is none)."""
    reason = ""
    for way in WAYS:
        command = ["unshare", *way, *WORLD]
        probe = subprocess.run([*command, "sh", "-c", PROBE], capture_output=True, text=True)
        if probe.returncode == 0:
            return command, None
        reason = (probe.stderr.strip().splitlines() or ["unshare failed"])[-1]
    return None, f"no network namespaces can be made here: {reason}"


def run(*command):
    command = [str(part) for part in command]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}")


class Network:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.hosts = 0
        self.address = f"{NETWORK}.0.1"  # of whoever made it
        run("mount", "-t", "tmpfs", "tmpfs", "/run")  # no name service of the machine's
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "bridge", "type", "bridge")
        run("ip", "address", "add", f"{self.address}/16", "dev", "bridge")
        run("ip", "link", "set", "bridge", "up")

    def host(self, name):
        self.hosts += 1
        return Host(self.directory, name, self.hosts)

    def use_dns(self, dns):
        """Every name that is asked for from now on is asked of dns."""
        self._replace("/etc/resolv.conf", f"nameserver {dns.host.address}\n")
        self._replace("/etc/nsswitch.conf", "hosts: files dns\n")

    def _replace(self, path, text):
        target = pathlib.Path(os.path.realpath(path))
        if target.is_relative_to("/run"):  # ours, and empty
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        else:
            own = self.directory / target.name
            own.write_text(text)
            run("mount", "--bind", own, target)


class Host:
    def __init__(self, directory, name, number):
        self.name = name
        self.namespace = directory / f"{name}.net"
        self.address = f"{NETWORK}.{number // 200 + 1}.{number % 200 + 1}"
        self.link = f"hc{number}"  # the bridge's end
        self.namespace.touch()
        run("unshare", f"--net={self.namespace}", "true")
        peer = ["type", "veth", "peer", "name", "eth0", "netns", self.namespace]
        run("ip", "link", "add", self.link, *peer)
        run("ip", "link", "set", self.link, "master", "bridge", "up")
        run(*self.inside("ip", "link", "set", "lo", "up"))
        run(*self.inside("ip", "address", "add", f"{self.address}/16", "dev", "eth0"))
        run(*self.inside("ip", "link", "set", "eth0", "up"))

    def inside(self, *command):
        """command as one that runs here; the process started is the command's own."""
        return ["nsenter", f"--net={self.namespace}", *command]

    def cut(self):
        run("ip", "link", "set", self.link, "down")

    def mend(self):
        run("ip", "link", "set", self.link, "up")

    def remove(self):
        run("ip", "link", "delete", self.link)


class Dns:
    """The names of a headless service: all addresses at once, none of them remembered (ttl 0)."""

    def __init__(self, host, directory):
        self.host = host
        self.records = {}  # name -> addresses
        self.path = pathlib.Path(directory) / "names"
        self.log = pathlib.Path(directory) / "dns.log"
        self._write()
        options = ["--no-daemon", "--conf-file=/dev/null"]
        options += ["--no-resolv", "--no-hosts", f"--local=/{DOMAIN}/", "--log-facility=-"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                host.inside("dnsmasq", *options, f"--addn-hosts={self.path}"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def name(self, service):
        return f"{service}.{DOMAIN}"

    def set(self, service, addresses):
        self.records[self.name(service)] = list(addresses)
        self._write()
        self.process.send_signal(signal.SIGHUP)

    def _write(self):
        lines = [f"{ip} {name}\n" for name, ips in self.records.items() for ip in ips]
        draft = self.path.with_suffix(".new")
        draft.write_text("".join(lines))
        draft.rename(self.path)


class Instance(Service):
    def __init__(self, kind, host, settings, directory):
        settings = {**settings, "ADMIN_ADDRESS": "0.0.0.0", "ADMIN_PORT": ADMIN_PORT}
        super().__init__(kind, host.name, settings, directory)
        self.host = host

    def start(self):
        assert not self.running(), f"{self.name} is running already"
        self.killed = False
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.host.inside(program(self.kind)),
                env=environment(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )
        return self

    def admin(self, path):
        try:
            return http_request(
                ADMIN_PORT, "GET", path, address=self.host.address, timeout=5
            )
        except (OSError, http.client.HTTPException):
            return None
