"""Places where writing or reading fails: disks that are too small, files nobody may read, other times."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from disturbed import environment


class NotHere(Exception):
    """A fault cannot be made on this machine."""


class Disk:
    """A file system of its own, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def change(self, options: str) -> None:
        """Give it another size, or make it read-only."""
        _mount("-o", f"remount,{options}", str(self.folder))

    def fill(self) -> None:
        """Use what is left."""
        with open(self.folder / "filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(512))
            except OSError:
                return


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Disk]:
    """Mount one, such as of ``size=300k`` or ``nr_inodes=20``; needs root."""
    folder.mkdir(parents=True)
    _mount("-t", "tmpfs", "-o", options, "dlsim-faults", str(folder))
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHere(f"no file system can be mounted: {done.stderr.strip()}")


def like_everybody() -> tuple[str, ...]:
    """Return what to put before a command so that permissions hold for it, even for root's."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        raise NotHere("setpriv is missing, and root may read everything")
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


_CLOCK = """
import os, time
_real, _file = time.time, os.environ["DLSIM_FAULTS_CLOCK"]
def _off():
    with open(_file) as file:
        return float(file.read() or 0)
time.time = lambda: _real() + _off()
time.time_ns = lambda: int(1e9 * time.time())
"""


def other_time(folder: Path) -> tuple[Path, dict[str, str]]:
    """Return a file of seconds by which Python's clock is off at any moment, and variables that make it so.

    libfaketime, which would do so for all libraries, hangs Dask with or without us.
    """
    code, clock = folder / "code", folder / "clock"
    code.mkdir()
    (code / "sitecustomize.py").write_text(_CLOCK)
    clock.write_text("0")
    path = os.pathsep.join([str(code), environment()["PYTHONPATH"]])
    return clock, environment(PYTHONPATH=path, DLSIM_FAULTS_CLOCK=str(clock))
