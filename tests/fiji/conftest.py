"""Fresh processes (scripts, a real ImageJ), for what a process can do only once; doubles of plugins."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from dlsim_ij.fiji import locate
from dlsim_ij.fiji.display import VirtualDisplay
from dlsim_ij.fiji.install import install_macros

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


# Runs "VERB ARGUMENT" lines, or "open PATH", and says what came of each.
DRIVER = """
lines = split(getArgument(), "\\n");
for (i = 0; i < lines.length; i++) {
    space = indexOf(lines[i] + " ", " ");
    verb = substring(lines[i], 0, space);
    rest = substring(lines[i] + " ", space + 1);
    rest = substring(rest, 0, lengthOf(rest) - 1);
    if (verb == "open")
        open(rest);
    else {
        print("<case " + verb);
        answer = runMacro("@MACROS/DLSIM/dlsim_" + verb + ".ijm", rest);
        print("<answer " + answer);
        for (n = 1; n <= nImages; n++) {
            selectImage(n);
            getPixelSize(unit, width, height);
            getMinAndMax(low, high);
            print("<image " + getTitle + "|" + getWidth + "|" + nSlices + "|" + d2s(width, 5) + "|"
                + (high > low));
        }
        headings = split(String.getResultsHeadings, "\\t");
        for (row = 0; row < nResults; row++)
            for (k = 1; k < headings.length; k++)
                print("<cell " + row + "|" + headings[k] + "|" + getResultString(headings[k], row));
        run("Close All");
        run("Clear Results");
    }
}
"""


@pytest.fixture
def display() -> Iterator[str]:
    """Return the name of a screen; it ends with its last window, so each test has its own."""
    screen = VirtualDisplay()
    yield screen.start()
    screen.stop()


@pytest.fixture(scope="module")
def imagej(tmp_path_factory) -> ImageJ:
    """Return a real ImageJ with our macros installed, as a user installs them."""
    return ImageJ(tmp_path_factory.mktemp("imagej"))


class ImageJ:
    """An ImageJ folder with our macros, its own home and its own temporary folder."""

    def __init__(self, folder: Path, *, command: list[str] | None = None) -> None:
        self.folder = folder / "ImageJ"
        self.temporary = folder / "temp ü"
        self.home = folder / "home"
        for place in (self.folder / "macros", self.folder / "plugins", self.temporary, self.home):
            place.mkdir(parents=True)
        self.installed = install_macros(self.folder, command=command)
        self.driver = folder / "driver.ijm"
        self.driver.write_text(DRIVER.replace("@MACROS", str(self.folder / "macros")))

    def java(self, *words: str, display: str | None = None) -> tuple[list[str], dict[str, str]]:
        """Return the command line of this ImageJ, and its environment."""
        installation = locate.find(engine="imagej")
        assert installation is not None
        java = shutil.which("java")
        assert java is not None
        line = [
            java, "-Xmx256m", "-XX:TieredStopAtLevel=1", f"-Duser.home={self.home}",
            f"-Djava.io.tmpdir={self.temporary}", f"-Dplugins.dir={self.folder}",
            "-cp", str(installation.jars[0]), "ij.ImageJ", "-ijpath", str(self.folder), *words,
        ]  # fmt: skip
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"}
        if display is not None:
            environment["DISPLAY"] = display
        return line, environment

    def batch(self, *lines: str, display: str | None, timeout: int = 280) -> list[Case]:
        """Run the lines in one ImageJ without window, as ``-batch`` does; return what came of them."""
        words, environment = self.java("-batch", str(self.driver), "\n".join(lines), display=display)
        done = subprocess.run(
            words, env=environment, capture_output=True, encoding="utf-8", timeout=timeout, check=False
        )
        sys.stdout.write(done.stdout + done.stderr)  # for the one who reads a failure
        assert done.returncode == 0, done.stderr
        return [Case(text) for text in done.stdout.split("<case ")[1:]]


class Case:
    """What one macro printed, returned, opened and wrote into the results table."""

    def __init__(self, text: str) -> None:
        lines = text.splitlines()
        self.verb = lines[0]
        self.answer = ""
        self.said: list[str] = []
        self.images: dict[str, tuple[str, ...]] = {}
        self.rows: list[dict[str, str]] = []
        for line in lines[1:]:
            kind, _, rest = line.partition(" ")
            if kind == "<answer":
                self.answer = rest
            elif kind == "<image":
                title, *facts = rest.split("|")
                self.images[title] = tuple(facts)
            elif kind == "<cell":
                row, column, value = rest.split("|")
                while len(self.rows) <= int(row):
                    self.rows.append({})
                self.rows[int(row)][column] = value
            else:
                self.said.append(line)
