"""What the machine has: ports, IPv6."""

import random
import socket

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


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False
