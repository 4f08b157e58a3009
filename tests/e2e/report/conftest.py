"""A results folder as ``dlsim run`` leaves it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from dlsim_ij.quality import frc_resolution
from dlsim_ij.quality.resolution import image_resolution
from dlsim_ij.report import Notice, RunImage, RunRecord, save_curves, save_record
from dlsim_ij.report.curves import curve_set

LEVELS = ("caution", "good", "poor")


def fill_folder(folder: Path, *names: str) -> Path:
    """Fill a folder as ``dlsim run`` does, with generated filaments."""
    folder.mkdir(parents=True)
    y, x = np.mgrid[:160, :160].astype(float)
    object_ = sum(
        np.exp(-((y - 80 - 50 * np.sin(x / 25 + phase)) ** 2) / 4) for phase in np.arange(0.0, 6.0, 0.9)
    )
    noise = np.random.default_rng(0).normal(0, 0.02, object_.shape)
    images = {
        "sr": ("sr", object_ + noise),
        "widefield": ("wf", ndimage.gaussian_filter(object_, 4)),
        "wiener": ("wiener", ndimage.gaussian_filter(object_, 1.5) + 3 * noise),
        "uncertainty": ("sd", np.abs(noise) + 0.01),
        "error": ("error", np.abs(ndimage.gaussian_filter(noise, 2))),
    }
    curves = curve_set(
        {role: image_resolution(images[role][1], 0.03) for role in ("sr", "wiener", "widefield")},
        {"sr": frc_resolution(object_ + noise, object_ + noise.T, pixel_size_um=0.03)},
        widefield_pixel_px=1,
    )
    for index, name in enumerate(names):
        files = {}
        for role, (ending, pixels) in images.items():
            files[role] = RunImage(file=f"{name}_{ending}.tif", pixel_size_um=0.03)
            tifffile.imwrite(folder / files[role].file, (1000 * pixels).astype(np.float32))
        record = RunRecord(
            name=name,
            input=f"raw/{name}.tif",
            model="sim15",
            images=files,
            verdict="Detail beyond the widefield limit, supported by the raw frames.",
            verdict_level=LEVELS[index % 3],
            metrics={
                "resolution_nm": 120.0 + 7 * (index * 5 % 9), "resolution_px": 4.0, "resolution_status": "ok",
                "rsp": 0.9 - 0.01 * index, "rse": 3.5 * 10**index, "frc_status": "ok",
                "wiener": {"rsp": 0.91, "rse": 3.4, "resolution_nm": 150.0, "resolution_status": "ok"},
                "widefield": {"resolution_nm": 260.0, "resolution_status": "ok"},
                "psnr_db": 25.512, "ssim": 0.81, "seconds": 1.5,
            },
            acquisition=(("Layout", "15 frames: 3 angles × 5 phases"), ("Period", "246 nm")),
            parameters={"model_sha256": "9f2c" * 16, "tile_px": 256},
            engine={"name": "imagej", "version": "1.53t"},
            warnings=(Notice(message=f"{name}: the third angle is weak.", hint="Check its polarisation."),),
            curves=f"{name}_curves.json",
            dlsim_version="0.1.0",
        )  # fmt: skip
        save_curves(curves, folder / record.curves)
        save_record(record, folder)
    return folder


@pytest.fixture(scope="session")
def results_folder() -> Callable[..., Path]:
    """Return :func:`fill_folder`."""
    return fill_folder
