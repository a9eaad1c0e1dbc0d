"""Keys and passwords: in no log line even at debug, no metric, no answer, no argument list, no core file; and
what is written is nobody else's to read."""

import contextlib
import os
import pathlib
import signal
import stat
import tempfile

import pytest

from databases import Database
from harness import System
from service import Service, run_program
from waiting import wait_until

PASSWORD = "pass-of-the-database"
URI = f"mongodb://headcount:{PASSWORD}@127.0.0.1:1/shop?serverSelectionTimeoutMS=200"
TEMPO = {"LOG_LEVEL": "debug", "DATABASE_TIMEOUT_MS": 200, "STORE_TIMEOUT_MS": 300}
PAGES = ("/healthz", "/readyz", "/metrics")


def arguments_of(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode()


def told(system):
    """All that anybody could see of a system but its environment."""
    texts = [service.log() + arguments_of(service.pid) for service in system.services]
    for service in system.services:
        texts += [service.admin(page).body.decode() for page in PAGES]
    for path in ("/", "/healthz", "/readyz", "/api/v1/config", "/api/v1/auctions", "/openapi.json"):
        for key in ("admin", "wrong-key-of-somebody", None):
            answer = system.http("GET", path, key=key)
            texts.append(f"{answer.headers} {answer.body.decode()}")
    return "\n".join(texts)


@pytest.fixture
def system(make_system):
    return make_system(settings=TEMPO)


def test_no_key_is_ever_told(system):
    system.set_tracking("lot-1")
    system.viewer("lot-1").wait_count(1)
    wait_until(lambda: system.snapshots("lot-1"), what="a snapshot")
    system.http("POST", "/api/v1/auctions/lot-1/analytics/snapshot", {"a": 1}, "internal")
    system.store_request({"kind": "setting", "auction": "a", "enabled": True, "key": "wrong-key-of-somebody"})
    everything = told(system)
    for secret in (system.internal_key, system.admin_key):
        assert secret not in everything
    assert "wrong-key-of-somebody" not in everything, "a guess may be a key of elsewhere"


def test_no_password_of_the_database_is_told():
    """Neither where it cannot be reached nor where it is not understood."""
    system = System(Database("sqlite"), settings={**TEMPO, "SQLITE_PATH": None, "MONGODB_URI": URI}, gateways=0)
    for service in system.services:
        service.start(*(["--gateway-endpoints="] if service.kind == "sampler" else []))
    try:
        for service in system.services:
            wait_until(lambda: service.admin("/healthz"), what=f"{service.name} to run")
        wait_until(lambda: system.store.log_lines("store.database_down"), what="the store to miss it")
        wait_until(lambda: system.http("GET", "/api/v1/auctions").status == 503, what="the api to miss it")
        everything = told(system)
        assert PASSWORD not in everything and "headcount:" not in everything
    finally:
        system.stop()


@pytest.mark.parametrize("uri", [
    f"mongodb://a:{PASSWORD}@[::1/x", f"mongo://a:{PASSWORD}@h/x", f"mongodb://a:{PASSWORD}@h:99999/x",
    f"mongodb://a:{PASSWORD}%@h/x", f"{PASSWORD}",
])  # fmt: skip
def test_no_password_of_a_bad_address_is_told(uri, tmp_path):
    keys = {"INTERNAL_API_KEY": "a-key-of-tests", "ADMIN_API_KEY": "another-of-tests"}
    for kind in ("store", "api"):
        place = {"STORE_BIND": f"ipc://{tmp_path}/s", "SPOOL_PATH": tmp_path / "spool.db", "ADMIN_PORT": 0, "PORT": 0}
        done = run_program(kind, settings={**keys, **place, "MONGODB_URI": uri, "LOG_LEVEL": "debug"})
        assert done.returncode in (102, 111), done.stderr
        assert PASSWORD not in done.stderr + done.stdout


def test_secrets_are_no_arguments():
    for kind, flag in (("store", "internal-api-key"), ("api", "admin-api-key"), ("store", "mongodb-uri")):
        done = run_program(kind, "--check", f"--{flag}=value-of-a-secret")
        assert done.returncode in (100, 102) and "value-of-a-secret" not in done.stderr


@pytest.fixture
def short():
    with tempfile.TemporaryDirectory(prefix="hc-", dir="/tmp") as folder:
        yield pathlib.Path(folder)


def core_limits(pid):
    line = next(l for l in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file" in l)
    return line.split()[4:6]


def test_a_crash_leaves_no_core(system, short):
    for service in system.services:
        assert core_limits(service.pid) == ["0", "0"], service.name
    wanted = {"CORE_FILES": "true", "PORT": 0, "EVENT_BIND": f"ipc://{short}/g.ipc"}
    service = Service("gateway", "gateway", wanted, short).start("--sampler-endpoints=").wait_ready()
    own = core_limits(os.getpid())
    assert core_limits(service.pid) == own
    service.process.send_signal(signal.SIGTERM)
    assert service.wait_exit() == 0


def test_files_are_nobody_elses(make_system):
    before = os.umask(0)
    try:
        system = make_system()
    finally:
        os.umask(before)
    system.set_tracking("lot-1")
    system.viewer("lot-1").wait_count(1)
    wait_until(lambda: system.snapshots("lot-1"), what="a snapshot")
    modes = {}
    for file in system.directory.iterdir():
        with contextlib.suppress(FileNotFoundError):  # a journal, gone again
            modes[file.name] = file.stat().st_mode
    assert len([name for name in modes if name.endswith(".ipc")]) == 3
    for name, mode in modes.items():
        if stat.S_ISSOCK(mode):
            assert stat.S_IMODE(mode) & 0o007 == 0, name
        elif not name.endswith(".log"):  # the test's own
            assert stat.S_IMODE(mode) == 0o600, name
