"""Every program is linked and compiled as meson.build means it to be: what would make a bug in it
easier to use is off. Read from the build under test, whose flags are those of `./dev build` but
for -O2 in place of -O3."""

import re
import subprocess

import pytest

from service import FOLDERS, program


def readelf(name, option):
    return subprocess.run(
        ["readelf", "-W", option, program(name)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture(params=sorted(FOLDERS))
def name(request):
    return request.param


def segment(name, kind):
    """The flags of the program's segment of that kind, or None."""
    found = re.search(rf"^\s+{kind}\s+(?:0x\S+\s+){{5}}(\S[\sRWE]*?)\s+0x", readelf(name, "-l"), re.M)
    return found and found.group(1)


def test_it_lies_at_any_address(name):
    assert re.search(r"Type:\s+DYN ", readelf(name, "-h"))
    assert re.search(r"FLAGS_1.*\bPIE\b", readelf(name, "-d"))


def test_its_tables_of_functions_are_read_only(name):
    assert segment(name, "GNU_RELRO") == "R"
    assert re.search(r"FLAGS_1.*\bNOW\b", readelf(name, "-d"))


def test_its_stack_runs_no_code(name):
    assert segment(name, "GNU_STACK") == "RW"
    assert "TEXTREL" not in readelf(name, "-d")


def test_its_stack_and_buffers_are_watched(name):
    symbols = readelf(name, "--dyn-syms")
    assert "__stack_chk_fail" in symbols
    assert re.search(r"\b__\w+_chk\b", symbols)  # _FORTIFY_SOURCE
