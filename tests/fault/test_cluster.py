"""Real processes on hosts of their own, real faults, thousands of viewers; see README.md here.

The story runs once, in a world of its own (scene.py); each test waits for its part of it. Longer
or bigger: FAULT_ROUNDS, FAULT_VIEWERS, FAULT_AUCTIONS, FAULT_CHURN; FAULT_SEED draws the same
victims again; FAULT_LOGS keeps the services' logs in that folder.
"""

import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile

import pytest

import faults
import network
from databases import MongoServer
from service import STOP_SECONDS

HERE = pathlib.Path(__file__).resolve().parent
EXACT_SECONDS = 5
LOG_LINES = 60
TABLE = "  {:<28} {:<22} {:>8} {:>6} {:>9}"


def number(name, default):
    return int(os.environ.get(name, default))


ROUNDS = number("FAULT_ROUNDS", 1)
UNNOTICED = ("no fault", "names unanswered", "gateways 4 to 2", "gateways 2 to 4")


class Story:
    def __init__(self, way_in):
        self.seed = number("FAULT_SEED", random.randrange(10**6))
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="hc-fault-", dir="/tmp"))
        self.results = {}
        sizes = [
            number("FAULT_VIEWERS", 2000),
            number("FAULT_AUCTIONS", 100),
            number("FAULT_CHURN", 100),
            ROUNDS,
            self.seed,
        ]
        environment = {name: text for name, text in os.environ.items() if name != "MONGODB_URI"}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        subprocess.run(
            [MongoServer.script, "install"], env=environment, stdout=subprocess.DEVNULL
        )
        with open(self.directory / "scene.log", "wb") as log:
            self.process = subprocess.Popen(
                [*way_in, "/usr/bin/python3", HERE / "scene.py", self.directory, *map(str, sizes)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def result(self, name):
        """The story's line of that name, as soon as it comes."""
        while name not in self.results:
            line = self.process.stdout.readline()
            if not line:
                log = (self.directory / "scene.log").read_text()[-3000:]
                (self.directory / "scene.log").write_text("")  # said once
                pytest.fail(f"the story ended before '{name}'\n{log}", pytrace=False)
            result = json.loads(line)
            self.results[result["name"]] = result
        return self.results[name]

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        kept = os.environ.get("FAULT_LOGS")
        if kept:
            logs = shutil.ignore_patterns("mongo", "*.net")
            shutil.copytree(self.directory, kept, ignore=logs, dirs_exist_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.fixture(scope="module")
def story():
    way_in, why_not = network.way_in()
    if why_not:
        pytest.skip(why_not)
    story = Story(way_in)
    try:
        yield story
    finally:
        story.end()


def show(capsys, *cells):
    with capsys.disabled():
        print(TABLE.format(*cells), flush=True)


def test_everything_is_exact_at_the_start(story, capsys):
    story.result("start")
    with capsys.disabled():
        print(f"\n  FAULT_SEED={story.seed}; greatest error at viewers and apis, seconds to exact")
    show(capsys, "fault", "whom", "viewers", "apis", "exact in")


@pytest.mark.parametrize("fault", faults.STORY)
@pytest.mark.parametrize("round", range(1, ROUNDS + 1))
def test_exact_soon_after(story, capsys, fault, round):
    result = story.result(f"{fault}, round {round}")
    viewers, apis = (result["largest"].get(kind, (0, "")) for kind in ("viewers", "apis"))
    after = result["exact_after"]
    exact_in = "never" if after is None else f"{after:.2f} s"
    show(capsys, fault, result["victim"], viewers[0], apis[0], exact_in)
    seen = f"greatest errors: {viewers[1] or 'none'}; {apis[1] or 'none'}; {result['inexact']}"
    assert after is not None and after <= EXACT_SECONDS, seen
    if fault in UNNOTICED:
        assert viewers[0] == apis[0] == 0, seen


def test_every_window_is_stored_once(story, capsys):
    result = story.result("windows")
    with capsys.disabled():
        print("  {windows} times, {watched} windows watched, {complete} complete".format(**result))
    assert result["windows"] > 0 and result["watched"] > 0
    assert not result["missing"]


def test_complete_windows_are_true(story):
    result = story.result("windows")
    assert result["complete"] > 0
    assert not result["untrue"]


def test_joins_and_leaves_make_the_change_of_the_count(story):
    result = story.result("windows")
    assert result["pairs"] > 0
    assert not result["unbalanced"]


def test_every_service_ends_well(story):
    assert not story.result("end")["faults"]
