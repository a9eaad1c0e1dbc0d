"""Real programs under a low limit of open files."""

import contextlib
import pathlib
import resource
import shutil
import subprocess
import tempfile

import pytest

from machine import release_port
from sampler_peers import Peers
from service import Service, environment, program

KEYS = {"INTERNAL_API_KEY": "a-key-of-the-tests", "ADMIN_API_KEY": "another-key-of-the-tests"}
SOFT, GATEWAYS = 64, 80


@contextlib.contextmanager
def soft_limit(count):
    """Of what is started meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("kind", ["gateway", "sampler", "store", "api", "tap"])
@pytest.mark.parametrize("limit", [8, 16, 63])
def test_too_few_files_are_refused_in_words(kind, limit, tmp_path):
    operands = ["ipc://none"] if kind == "tap" else []
    result = subprocess.run(
        ["sh", "-c", f'ulimit -n {limit}; exec "$0" "$@"', program(kind), *operands],
        env=environment(KEYS), cwd=tmp_path, capture_output=True, text=True, timeout=20,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert result.returncode == 111
    assert f"allowed={limit} needed=64" in result.stderr and result.stderr.count("\n") == 1


def test_a_sampler_hears_more_gateways_than_the_soft_limit():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    peers = Peers(directory, 500)
    names = [f"g{i}" for i in range(GATEWAYS)]
    sampler = Service("sampler", "sampler", {
        "GATEWAY_ENDPOINTS": ",".join(peers.endpoint(name) for name in names),
        "COUNT_BIND": peers.endpoint("sampler"), **KEYS,
    }, directory)  # fmt: skip
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory)
        stack.callback(release_port, sampler.settings["ADMIN_PORT"])
        stack.callback(peers.close)
        with soft_limit(SOFT):
            sampler.start("--store-endpoints=")
        stack.callback(sampler.term)
        peers.until(lambda: sampler.admin("/healthz"), "the sampler")
        for name in names:
            peers.gateway(name)
        peers.until(
            lambda: sampler.metric("headcount_sampler_gateways") == GATEWAYS, "all gateways", 20
        )
    assert not sampler.faults()
