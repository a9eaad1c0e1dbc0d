"""What services take more than before an attack, held against a bound."""

import resource


class Memory:
    """To be made before the attack; check() fails when one has grown by more than mib MiB. A build with the
    address sanitizer keeps what was freed, and is not judged."""

    def __init__(self, services, mib):
        self.mib = mib
        self.before = {service: resident(service) for service in services}
        self.most = dict(self.before)

    def check(self):
        for service, before in self.before.items():
            now = resident(service)
            self.most[service] = max(self.most[service], now)
            assert is_sanitized(service) or now - before < self.mib << 20, (service.name, before, now)

    def report(self):
        """For people who run the attacks at length, with -s."""
        for service, before in self.before.items():
            print(f"{service.name}: {before / 2**20:.1f} MiB, under attack {self.most[service] / 2**20:.1f}")


def resident(service):
    with open(f"/proc/{service.pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def is_sanitized(service):
    with open(f"/proc/{service.pid}/maps") as file:
        return "libasan" in file.read()
