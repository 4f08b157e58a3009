"""A small run with all kinds of images, saved as the pipeline saves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from dlsim_ij.report import Notice, RunImage, RunRecord, save_record

ENDINGS = {"sr": "sr", "widefield": "wf", "wiener": "wiener", "uncertainty": "sd", "residual": "resid"}


def truth(size: int = 96) -> np.ndarray:
    """Draw a few thin curves, one bright crossing at (60, 30)."""
    y, x = np.mgrid[:size, :size].astype(float)
    image = np.zeros((size, size))
    for phase in (0.0, 1.1, 2.5):
        image += np.exp(-((y - size / 2 - size / 4 * np.sin(x / 12 + phase)) ** 2) / 3)
    image += 4 * np.exp(-((y - 60) ** 2 + (x - 30) ** 2) / 8)
    return 1000 * image


def run_record(name: str = "cell", **changes: Any) -> RunRecord:
    """Return a record with pixels."""
    result = truth()
    noise = np.random.default_rng(1).normal(0, 30, result.shape)
    pixels = {
        "sr": result + noise,
        "widefield": 0.2 * ndimage.gaussian_filter(result, 4) + 100,
        "wiener": ndimage.gaussian_filter(result, 1) + noise,
        "uncertainty": np.abs(noise) + 1,
        "residual": noise,
    }
    images = {
        role: RunImage(
            file=f"{name}_{ENDINGS[role]}.tif", pixel_size_um=0.03, pixels=image.astype(np.float32)
        )
        for role, image in pixels.items()
    }
    record = RunRecord(
        name=name,
        input=f"raw/{name}.tif",
        model="sim15",
        images=images,
        verdict="Detail beyond the widefield limit, supported by the raw frames.",
        verdict_level="good",
        metrics={"psnr_db": 25.5, "ssim": None, "registered": {"psnr_db": 26.0, "shift_px": [0.0, -0.5]}},
        acquisition=(("Layout", "3 angles × 5 phases"),),
        parameters={"scale": 2, "normalisation": {"low": 100.25}},
        engine={"name": "imagej", "version": "1.53t"},
        warnings=(Notice(message="The third angle is weak.", hint="Check its polarisation."),),
        command="dlsim run raw/cell.tif -o results",
        created="2026-11-24T12:00:00",
        dlsim_version="0.1.0",
    )
    return replace(record, **changes)


@pytest.fixture
def save() -> Callable[[RunRecord, Path], RunRecord]:
    """Return a function that puts a record and its images into a folder."""

    def put(record: RunRecord, folder: Path) -> RunRecord:
        folder.mkdir(parents=True, exist_ok=True)
        for image in record.images.values():
            tifffile.imwrite(folder / image.file, image.pixels)
        save_record(record, folder)
        return record

    return put


@pytest.fixture
def make_record() -> Callable[..., RunRecord]:
    """Return :func:`run_record`."""
    return run_record


@pytest.fixture(scope="module")
def truth_image() -> np.ndarray:
    """Return :func:`truth`, larger."""
    return truth(128)
