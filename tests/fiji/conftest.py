"""Scripts in a fresh process, for what a process can do only once: start and end Java."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

HEAD = """
import sys, time
import numpy as np
from dlsim_ij.errors import FijiError, MacroError
from dlsim_ij.fiji import Fiji, launch
IMAGE = np.random.default_rng(0).random((64, 64)).astype("float32")
"""
START = """
if __name__ == "__main__":
    fiji = Fiji(engine="imagej").start()
"""


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., tuple[list[str], dict[str, str]]]:
    """Return a function that writes a script and returns its command and its environment."""

    def write(code: str, *, start: bool = True, **environ: str) -> tuple[list[str], dict[str, str]]:
        file = tmp_path / "script.py"
        file.write_text(HEAD + (START if start else "") + textwrap.dedent(code))
        words = [sys.executable, str(file)]
        return words, {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path), **environ}

    return write


@pytest.fixture
def run_script(script, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a script and returns exit code, output and errors."""

    def run(code: str, *, start: bool = True, timeout: int = 60, **environ: str) -> tuple[int, str, str]:
        words, environment = script(code, start=start, **environ)
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=timeout, check=False, cwd=tmp_path
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def path_without_xvfb(tmp_path: Path) -> str:
    """Return a PATH that has java and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "java").symlink_to(os.path.realpath(shutil.which("java")))
    return str(folder)
