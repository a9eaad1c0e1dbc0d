"""What the documents say is what the programs say."""

import subprocess

from service import BUILD, ROOT


def test_settings_are_documented_as_they_are():
    made = subprocess.run(
        [ROOT / "tools/dev/settings.sh", BUILD], check=True, capture_output=True, text=True
    ).stdout
    assert (ROOT / "docs/settings.md").read_text() == made, "run tools/dev/settings.sh again"


def test_the_readme_names_every_package():
    rows = [
        line.split("|")[1:]
        for line in (ROOT / "tools/dev/packages.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    readme = (ROOT / "README.md").read_text()
    missing = [name for name, purpose in rows if f"| {name} | {purpose} |" not in readme]
    assert not missing
