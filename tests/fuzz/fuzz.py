#!/usr/bin/python3
"""Runs fuzz targets: ./dev fuzz [TARGET…] [--seconds N]. An input that a target fails at is kept in
build/fuzz-crashes and shown with what was said; put it into tests/fuzz/regressions/TARGET."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import seeds

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build"
CORPUS, CRASHES = BUILD / "fuzz-corpus", BUILD / "fuzz-crashes"
MOST_BYTES = 8192  # of an input: more than any head, a few rows of every message
RSS_MB = 1024
INPUT_SECONDS = 10  # an input that takes longer is a finding, too
SAID_LINES = 40  # of a failure
MEMORY = "/dev/shm"


class Failure(Exception):
    pass


def targets():
    return sorted(path.name.removesuffix("_fuzz.c") for path in HERE.glob("*_fuzz.c"))


def program(target):
    return BUILD / "fuzz/tests/fuzz" / f"{target}_fuzz"


def environment(folder):
    symbolizer = "/usr/lib/llvm-14/bin/llvm-symbolizer"
    return {
        **os.environ,
        "TMPDIR": folder,
        "ASAN_OPTIONS": f"detect_leaks=1:allocator_may_return_null=0:external_symbolizer_path={symbolizer}",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }


def call(target, *arguments):
    """Runs a target in a folder of its own, in memory: the finished process."""
    parent = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="hc-fuzz-", dir=parent) as folder:
        return subprocess.run(
            [program(target), *map(str, arguments)],
            env=environment(folder),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )


def explain(target, said):
    """What a failed run came upon; the services' own words are there when it is run once more."""
    written = re.findall(r"Test unit written to (\S+)", said)
    if not written:
        return "\n".join(said.splitlines()[-SAID_LINES:])
    again = call(target, written[-1]).stdout
    again = again.split(written[-1], 1)[-1]  # what is before tells of libFuzzer
    lines = [line for line in again.splitlines() if " in fuzzer::" not in line]
    return "\n".join([f"the input is {written[-1]}", *lines[:SAID_LINES]])


def write_seeds(target, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for index, data in enumerate(seeds.seeds(target)):
        (folder / f"seed-{index}").write_bytes(data)


def fuzz(target, corpus, limits, regressions=True):
    """Runs a target over its inputs and new ones: how many, and how much code they reached."""
    CRASHES.mkdir(parents=True, exist_ok=True)
    write_seeds(target, corpus)
    folders = [corpus]
    if regressions and (HERE / "regressions" / target).is_dir():
        folders.append(HERE / "regressions" / target)
    result = call(
        target,
        *limits,
        f"-max_len={MOST_BYTES}",
        f"-rss_limit_mb={RSS_MB}",
        f"-timeout={INPUT_SECONDS}",
        f"-artifact_prefix={CRASHES / target}-",
        "-close_fd_mask=3",
        "-print_final_stats=1",
        *folders,
    )
    if result.returncode:
        raise Failure(f"{target}: " + explain(target, result.stdout))
    executions = int(re.search(r"stat::number_of_executed_units:\s*(\d+)", result.stdout)[1])
    covered = re.findall(r"cov: (\d+)", result.stdout)
    return executions, int(covered[-1]) if covered else 0


def main():
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(targets()))
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(targets())
    if unknown:
        parser.error(f"no such target: {' '.join(sorted(unknown))}; allowed: {' '.join(targets())}")
    failed = 0
    for target in arguments.targets or targets():
        try:
            executions, covered = fuzz(target, CORPUS / target, [f"-max_total_time={arguments.seconds}"])
            print(f"{target}: {executions} executions, {covered} edges", flush=True)
        except Failure as failure:
            failed += 1
            print(f"FAILED {failure}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
