"""Statistics of a plane as ImageJ's Measure gives them; the same numbers without Java."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Result):
    """Statistics of one plane, in the image's own intensity unit."""

    mean: float
    std: float  # with n - 1 under the root, as ImageJ does
    min: float
    max: float
    area_px: int
    area_um2: float | None  # None: the pixel size is not known


def measure_with_imagej(processor: Any, pixel_size_um: float | None) -> Measurement:
    """Measure a ``ij.process.ImageProcessor``."""
    statistics = processor.getStatistics()
    return _measurement(
        float(statistics.mean), float(statistics.stdDev), float(statistics.min), float(statistics.max),
        int(statistics.pixelCount), pixel_size_um,
    )  # fmt: skip


def measure_with_numpy(plane: NDArray[Any], pixel_size_um: float | None) -> Measurement:
    """Measure a (Y, X) array."""
    values = plane.astype(np.float64)
    std = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return _measurement(
        float(values.mean()), std, float(values.min()), float(values.max()), values.size, pixel_size_um
    )


def _measurement(
    mean: float, std: float, low: float, high: float, area_px: int, pixel_size_um: float | None
) -> Measurement:
    return Measurement(
        mean=mean, std=std, min=low, max=high, area_px=area_px,
        area_um2=None if pixel_size_um is None else area_px * pixel_size_um**2,
    )  # fmt: skip
