"""A small file system that can become full.

    with SmallDisk(path, "4m") as disk:    mounted at a new folder; the test is skipped where none can be
        disk.fill()                        not a byte is left
        disk.empty()                       what fill() took is free again
"""

import pathlib
import subprocess

import pytest


class SmallDisk:
    def __init__(self, path, size):
        self.path = pathlib.Path(path)
        self.ballast = self.path / "ballast"
        self.path.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.path]
        self.mounted = subprocess.run(mount, capture_output=True).returncode == 0

    def __enter__(self):
        if not self.mounted:
            pytest.skip("a small file system can be mounted by root only")
        return self

    def fill(self):
        with open(self.ballast, "ab", buffering=0) as file:
            for size in (65536, 4096, 512, 1):
                try:
                    while file.write(b"x" * size) == size:
                        pass
                except OSError:
                    pass  # no room for so many

    def empty(self):
        self.ballast.unlink()

    def unmount(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.path], check=True)

    def __exit__(self, *_):
        self.unmount()
