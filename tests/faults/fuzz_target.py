"""What a reader is to the fuzzer, and what the readers share: good images, and the command line."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

ROOT = Path(__file__).resolve().parents[2]
Mutate = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Target:
    """A reader: `seeds` makes good inputs in a folder, `feed` reads a damaged one there."""

    name: str
    seeds: Callable[[Path], list[bytes]]
    mutate: Mutate
    feed: Callable[[Path, bytes, bytes], None]
    refusals: tuple[type[Exception], ...] = ()


class WrongSuccess(AssertionError):
    """A damaged input was taken for something that it cannot be."""


class Refused(Exception):
    """A command ended with exit code 2, an error and a hint."""


def require(condition: bool, what: str) -> None:
    if not condition:
        raise WrongSuccess(what)


def saved(folder: Path, write: Callable[[Path], object], name: str = "x.tif") -> bytes:
    path = folder / name
    write(path)
    data = path.read_bytes()
    path.unlink()
    return data


def a_stack() -> np.ndarray:
    y, x = np.mgrid[:24, :32]
    return np.stack([100 + 50 * np.sin(0.3 * x + n) + 3 * y for n in range(15)]).astype(np.uint16)


def raw_stack(folder: Path) -> Path:
    path = folder / "raw.tif"
    if not path.exists():
        tifffile.imwrite(path, demo())
    return path


def demo() -> np.ndarray:
    return tifffile.imread(ROOT / "examples" / "demo_raw.tif")[:, :64, :64]


def command(folder: Path) -> Callable[..., int]:
    from dlsim_ij.cli.main import run

    def call(*words: object) -> int:
        with (
            open(folder / "said.txt", "w+") as said,
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            code = run([str(word) for word in words])
            said.seek(0)
            text = said.read()
        require("Traceback" not in text and "this is a bug" not in text, text[-400:])
        if code == 2:
            require(text.count("error: ") == 1 and text.count("hint: ") == 1, f"said: {text[-400:]}")
            raise Refused(text)
        return code

    return call


def made_by(folder: Path, *words: str) -> Path:
    out = folder / "made"
    shutil.rmtree(out, ignore_errors=True)
    require(command(folder)(*words, "-o", out, "-q") == 0, f"dlsim {' '.join(words)} failed")
    return out
