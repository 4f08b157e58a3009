"""Tiny fields of view with known content, in every layout that `dlsim prepare` reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage


def make_field(number: int, *, frames: int = 15, side: int = 32, ratio: int = 2) -> dict[str, np.ndarray]:
    """Return normal and low frames (frames, side, side) and truths (ratio * side) of some spots."""
    rng = np.random.default_rng(number)
    spots = np.zeros((side * ratio, side * ratio))
    spots[rng.integers(0, side * ratio, 12), rng.integers(0, side * ratio, 12)] = rng.uniform(0.5, 1, 12)
    objects = ndimage.gaussian_filter(spots, 1.5)
    objects /= objects.max()
    wide = ndimage.gaussian_filter(objects, 2).reshape(side, ratio, side, ratio).mean(axis=(1, 3))
    wide /= wide.max()
    light = rng.uniform(0.5, 1, (frames, 1, 1))
    stack = 100 + 4000 * light * wide + rng.normal(0, 5, (frames, side, side))
    dim = 100 + 60 * light * wide + rng.normal(0, 3, (frames, side, side))
    truth = np.clip(9000 * objects + rng.normal(20, 15, objects.shape), 0, None)
    return {
        "normal": stack.round().astype(np.uint16),
        "low": dim.round().astype(np.uint16),
        "truth": truth.round().astype(np.uint16),
        "low_truth": (truth / 10).round().astype(np.uint16),
    }


def write_single(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, image)


@pytest.fixture
def seed_sim(tmp_path: Path) -> Callable[..., Path]:
    """Write HE, LE, HER, LER folders of `count` fields; 1-based names unless `base=0`."""

    def write(
        count: int = 3, *, base: int = 1, summaries: bool = False, low: bool = True, **options: int
    ) -> Path:
        raw = tmp_path / "raw fields"
        for number in range(1, count + 1):
            field = make_field(number, **options)
            sample = f"Sample_{number}"
            for kind, name in (("normal", "HE"), ("low", "LE")):
                if kind == "low" and not low:
                    continue
                stack = list(field[kind])
                if summaries:
                    stack += [
                        np.floor(field[kind].mean(axis=0)).astype(np.uint16), field[kind].max(axis=0)
                    ]  # fmt: skip
                for i, frame in enumerate(stack, start=base):
                    written = f"{i:02d}" if base == 0 else str(i)
                    write_single(raw / name / sample / f"{name}_{written}.tif", frame)
                truth = "truth" if kind == "normal" else "low_truth"
                write_single(raw / f"{name}R" / f"{sample}.tif", field[truth])
        return raw

    return write


@pytest.fixture
def seed_srrf(tmp_path: Path) -> Callable[..., Path]:
    """Write the SRRF layout: 20 frames a stack, on the grid of the truth."""

    def write(count: int = 2) -> Path:
        raw = tmp_path / "srrf"
        for number in range(1, count + 1):
            field = make_field(number, frames=20, side=64, ratio=1)
            sample = raw / f"cell{number}"
            for kind, name, folder in (("normal", "HE", "100ms"), ("low", "LE", "1ms")):
                for i, frame in enumerate(field[kind]):
                    write_single(sample / folder / f"{name}_{i:02d}.tif", frame)
                truth = field["truth" if kind == "normal" else "low_truth"].astype(np.float32) / 3
                write_single(sample / f"SRRF_{folder}.tif", truth)
        return raw

    return write


@pytest.fixture
def stacks(tmp_path: Path) -> Callable[..., Path]:
    """Write raw/*.tif stacks and truth/*.tif."""

    def write(count: int = 3, *, raw_name: str = "raw", truth_name: str = "truth", **options: int) -> Path:
        folder = tmp_path / "plain"
        for number in range(1, count + 1):
            field = make_field(number, **options)
            write_single(folder / raw_name / f"cell {number}.tif", field["normal"])
            write_single(folder / truth_name / f"cell {number}.tif", field["truth"])
        return folder

    return write
