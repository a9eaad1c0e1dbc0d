"""sum_up.py FAILED REPORTS: counts the tests in a folder of JUnit files and ends with 1 if one of
them, or a whole suite (FAILED is 1), failed. The last line is for people and machines alike."""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def count(path):
    """(passed, failed, skipped) of one file, failures printed by name."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            print(f"failed: {path.stem}: {case.get('classname') or ''} {case.get('name')}")
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main():
    suite_failed = sys.argv[1] == "1"
    counts = [count(path) for path in sorted(pathlib.Path(sys.argv[2]).glob("*.xml"))]
    passed, failed, skipped = (sum(column) for column in zip(*counts)) if counts else (0, 0, 0)
    failed = failed or int(suite_failed)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


sys.exit(main())
