"""Scripts in a fresh process, for what a process can do only once: start and end Java; doubles of plugins."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from dlsim_ij.fiji import locate

STAND_INS = Path(__file__).parent / "stand_ins"
CONFIG = 'Plugins>NanoJ-SQUIRREL, "Calculate Error-Map, RSE and RSP", ErrorMap_\n'

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


@pytest.fixture(scope="module")
def imagej_jar():
    """Return the path of the plain ImageJ."""
    return locate.find(None, "imagej").path


@pytest.fixture(scope="module")
def plugin_jars(tmp_path_factory, imagej_jar):
    """Compile the doubles; return their two jars."""
    javac = shutil.which("javac")
    assert javac is not None, "no Java compiler: apt install default-jdk"
    built = tmp_path_factory.mktemp("built")
    sources = map(str, sorted(STAND_INS.glob("*.java")))
    subprocess.run([javac, "-cp", imagej_jar, "-d", built, *sources], check=True, timeout=120)
    jars = {}
    for stem, name in (
        ("ErrorMap_", "NanoJ_SQUIRREL_.jar"),
        ("ImageDecorrelationAnalysis_", "ImDecorr_.jar"),
    ):
        jars[stem] = built / name
        files = sorted(built.glob(f"{stem}*.class"))
        with zipfile.ZipFile(jars[stem], "w") as jar:
            for file in files:
                jar.write(file, file.name)
            if stem == "ErrorMap_":
                jar.writestr("plugins.config", CONFIG)
    return list(jars.values())


@pytest.fixture
def images(tmp_path):
    """Write a reference, its fine image and three planes for the resolution."""
    rng = np.random.default_rng(0)
    fine = rng.gamma(1, size=(64, 64)).astype(np.float32)
    tifffile.imwrite(tmp_path / "fine.tif", fine, imagej=True)
    coarse = 100 + 3 * fine.reshape(32, 2, 32, 2).mean(axis=(1, 3))
    tifffile.imwrite(tmp_path / "coarse.tif", coarse, imagej=True)
    planes = np.stack([fine / fine.mean() * mean for mean in (0.25, 2000)]).astype(np.float32)
    metadata = {"axes": "TYX", "unit": "um"}
    tifffile.imwrite(
        tmp_path / "planes.tif", planes, imagej=True, resolution=(1 / 0.05, 1 / 0.05), metadata=metadata
    )
    return tmp_path
