"""The services as deploy/systemd runs them: no root, no capability, and nothing writable but their data folder."""

import os
import shutil
import subprocess

import pytest

from databases import Database
from harness import System
from service import ROOT
from waiting import wait_until

NOBODY = 65534
# A mount namespace in which all is read-only but the folder, then a user who may do nothing.
CONFINE = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
touch "$1/$2.program"
mount --bind "$3" "$1/$2.program"
while read -r _ place _; do
    place=$(printf '%b' "$place")
    case $place in "$1" | /proc/* | /sys/* | /dev/*) continue ;; esac
    mount -o remount,bind,ro "$place"
done </proc/self/mounts
mount -t proc -o subset=pid,hidepid=invisible proc /proc
program=$1/$2.program
cd "$1"
shift 3
exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --ambient-caps=-all \
    --bounding-set=-all --no-new-privs "$program" "$@"
"""
KEPT = ("Uid:\t65534\t65534\t65534\t65534", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1")


def confine(directory, name):
    """What the path of a program and its arguments are put behind."""
    return ["unshare", "--mount", "sh", "-c", CONFINE, "sh", str(directory), name]


def may_confine(tmp_path):
    done = subprocess.run([*confine(tmp_path, "true"), "/bin/true"], capture_output=True)
    return done.returncode == 0


@pytest.fixture
def system(tmp_path):
    if not may_confine(tmp_path):
        pytest.skip("only root may make such a place")
    system = System(Database("sqlite"))
    os.chown(system.directory, NOBODY, NOBODY)
    for service in system.services:
        service.wrapper = confine(system.directory, service.name)
    yield system
    system.stop()


def test_the_place_is_confined(system):
    """What the journey below proves nothing without."""
    folder = system.directory
    for script, status in (
        (f"touch {folder}/x", 0), ("touch /tmp/x", 1), ("touch /x", 1), ("touch /var/tmp/x", 1), (f"touch {ROOT}/x", 1),
    ):  # fmt: skip
        done = subprocess.run([*confine(folder, "sh"), "/bin/sh", "-c", script], capture_output=True)
        assert (done.returncode != 0) == bool(status), (script, done.stderr)


def test_the_whole_journey_confined(system):
    for service in system.services:
        service.start()
    for service in system.services:
        service.wait_ready()
        about = open(f"/proc/{service.pid}/status").read()
        assert all(line in about for line in KEPT), service.name
    system.set_tracking("lot-1")
    viewers = system.join("lot-1", 3)
    wait_until(lambda: system.live("lot-1")["viewers"] == 3, what="the count")
    wait_until(lambda: system.snapshots("lot-1"), what="a snapshot")
    system.store.kill9()
    system.store.start().wait_ready()
    count = len(system.snapshots("lot-1"))
    wait_until(lambda: len(system.snapshots("lot-1")) > count, what="the next one, after a kill")
    system.leave(*viewers)
    owners = {file.stat().st_uid for file in system.directory.glob("*.db")}
    assert owners == {NOBODY}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_units_are_understood():
    units = sorted((ROOT / "deploy/systemd").glob("*.service")) + [ROOT / "deploy/systemd/headcount.target"]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    lines = [line for line in done.stderr.splitlines() if "headcount" in line]
    assert not [line for line in lines if "is not executable" not in line], done.stderr
