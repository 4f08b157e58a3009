"""Images with known detail, and ``dlsim resolution`` called on them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from dlsim_ij.cli.main import run


def draw(seed: int = 0, size: int = 96, sigma_px: float = 1.5) -> np.ndarray:
    """Return blurred points with noise."""
    rng = np.random.default_rng(seed)
    points = (rng.random((size, size)) > 0.98).astype(float)
    return rng.poisson(2000 * ndimage.gaussian_filter(points, sigma_px) + 10).astype(np.float32)


def write_image(path: Path, data: np.ndarray, axes: str, pixel_size_um: float = 0.065) -> Path:
    tifffile.imwrite(
        path, data, imagej=True, resolution=(1 / pixel_size_um, 1 / pixel_size_um),
        metadata={"unit": "um", "axes": axes},
    )  # fmt: skip
    return path


@pytest.fixture(scope="session")
def picture() -> Callable[..., np.ndarray]:
    """Return :func:`draw`."""
    return draw


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    """Return :func:`write_image`."""
    return write_image


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_image(tmp_path / "image.tif", draw(), "YX")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    return write_image(tmp_path / "stack.tif", np.stack([draw(n) for n in range(4)]), "TYX")


@pytest.fixture
def noisy_pair(tmp_path: Path) -> tuple[Path, Path]:
    """Return two exposures of the same points."""
    rng = np.random.default_rng(5)
    light = 400 * ndimage.gaussian_filter((rng.random((128, 128)) > 0.95).astype(float), 1.5) + 5
    return tuple(
        write_image(tmp_path / f"{name}.tif", rng.poisson(light).astype(np.float32), "YX") for name in "ab"
    )


@pytest.fixture
def call(capfd) -> Callable[..., tuple[int, list[dict], str]]:
    """Return a function that runs the command with --json: exit code, rows, standard error."""

    def call_it(*words) -> tuple[int, list[dict], str]:
        code = run(["resolution", *map(str, words), "--json"])
        out, err = capfd.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return call_it


@pytest.fixture
def refusal(capfd) -> Callable[..., list[str]]:
    """Return a function that runs the command and gives its error and hint; nothing else may be said."""

    def refuse(*words) -> list[str]:
        assert run(["resolution", *map(str, words)]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        lines = [line for line in err.splitlines() if line.startswith(("error: ", "hint: "))]
        assert len(lines) == 2
        assert lines[0].startswith("error: ")
        assert "bug" not in lines[0]
        assert "Traceback" not in err
        return lines

    return refuse


@pytest.fixture(scope="session")
def table() -> Callable[[Path], list[dict]]:
    """Return a function that reads a CSV table."""

    def read(path: Path) -> list[dict]:
        with open(path, newline="") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture(scope="session")
def promised() -> set[str]:
    """Return the keys that every row has."""
    return {
        "file", "plane", "slice", "frame", "channel", "version", "status", "kc", "kc_gm", "a0",
        "resolution_px", "resolution_um", "warnings",
    }  # fmt: skip
