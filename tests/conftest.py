"""Fixtures of every suite that runs the real programs, a time limit for each test, and the
services' logs beside a failure."""

import pathlib
import shutil
import signal
import tempfile

import pytest

from databases import Database, MongoServer
from harness import System

LIMIT_SECONDS = 300
LOG_BYTES = 6000  # of each service, shown with a failure


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): how long the test may take")
    config.addinivalue_line("markers", "beside: waits for minutes: begun first, others run beside")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("beside") is None)


def pytest_terminal_summary(terminalreporter):
    """What tests tell with record_property("told", …), those of several workers too."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    for report in reports:
        if report.when == "call":
            for name, value in report.user_properties:
                if name == "told":
                    terminalreporter.write_line(value)


def _limited(item):
    mark = item.get_closest_marker("limit")
    seconds = mark.args[0] if mark else LIMIT_SECONDS

    def expire(signum, frame):
        raise TimeoutError(f"the test took longer than its {seconds} s")

    signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    yield from _limited(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    yield from _limited(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield from _limited(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if not report.failed:
        return
    for system in getattr(item, "systems", []):
        logs = getattr(system, "logs", None)
        logs = logs or {service.name: service.log() for service in system.services}
        for name, log in logs.items():
            report.sections.append((f"log of {name}", log[-LOG_BYTES:]))


@pytest.fixture(scope="session")
def mongo_server():
    """One MongoDB-wire server for all tests, each with a database of its own."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="hc-mongo-", dir="/tmp"))
    server = MongoServer(directory)
    server.install()
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def database(request):
    """SQLite, or what the test is parametrized with (see both_databases)."""
    kind = getattr(request, "param", "sqlite")
    server = request.getfixturevalue("mongo_server") if kind == "mongodb" else None
    return Database(kind, server)


@pytest.fixture
def make_system(request, database):
    """make_system(settings={}, gateways=2, sampler={...}, ...) gives a started System."""
    systems = request.node.systems = []

    def make(**options):
        start = options.pop("start", True)
        system = System(options.pop("database", database), **options)
        systems.append(system)
        return system.start() if start else system

    yield make
    errors = []
    for system in systems:
        try:
            system.stop()
        except AssertionError as error:
            errors.append(str(error))
    if errors:
        pytest.fail("; ".join(errors))


@pytest.fixture
def system(make_system):
    """One of each service, at the short tempo."""
    return make_system()
