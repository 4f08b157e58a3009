"""The grid of raw pixels in an enlarged image, and how to remove it.

Interpolation makes the m x m sub-pixels of a raw pixel differ in contrast, which shows as a fine grid. Over
a whole image each sub-pixel sees the same objects, so their statistics should agree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
Float64 = NDArray[np.float64]

_MOST_ROUNDS = 10
_SMALL = 1e-6  # relative: no pattern left


def minimise_phase_pattern(image: FloatImage, magnification: int) -> FloatImage:
    """Give the pixels of every sub-pixel position the mean and spread of the weakest position.

    Zeros (blank edges, no signal) stay out of the statistics and stay 0. Positions that mirror each other
    share theirs, since they can differ by chance only. As what becomes negative is set to 0, the correction
    is repeated until it is small, or stops getting smaller.

    Parameters
    ----------
    image : (m Y, m X) float32 ndarray
        Not negative.
    magnification : int
        m, the sub-pixels along each axis.

    Returns
    -------
    (m Y, m X) float32 ndarray
    """
    mean, spread = _statistics(image, magnification)
    for _ in range(_MOST_ROUNDS):
        pattern = _mean_offset(mean)
        if pattern <= _SMALL:
            break
        corrected = _with_statistics_of_the_weakest(image, mean, spread)
        mean, spread = _statistics(corrected, magnification)
        if _mean_offset(mean) >= pattern:
            break
        image = corrected
    return image


def divide_phase_means(image: FloatImage, magnification: int) -> FloatImage:
    """Give all sub-pixel positions the same mean modulus, by a factor; that of the image stays."""
    mean, _ = _statistics(np.abs(image), magnification)
    factor = np.where(mean > 0, mean.mean() / np.where(mean > 0, mean, 1), 1)
    return image * _spread_out(factor, image.shape)


def _statistics(image: FloatImage, m: int) -> tuple[Float64, Float64]:
    """Return mean and standard deviation, (m, m), of the pixels that are not 0."""
    height, width = image.shape
    phases = image.reshape(height // m, m, width // m, m).astype(np.float64)
    used = phases != 0
    count = np.maximum(used.sum(axis=(0, 2)), 1)
    mean = phases.sum(axis=(0, 2)) / count
    spread = np.sqrt((np.square(phases - mean[None, :, None, :]) * used).sum(axis=(0, 2)) / count)
    return _mirror_mean(mean), _mirror_mean(spread)


def _mirror_mean(values: Float64) -> Float64:
    values = (values + values[::-1]) / 2
    return (values + values[:, ::-1]) / 2


def _mean_offset(mean: Float64) -> float:
    """Return by how much the positions exceed the weakest one, relative to it, on average."""
    return float(mean.mean() / mean.min()) - 1 if mean.min() > 0 else 0.0


def _with_statistics_of_the_weakest(image: FloatImage, mean: Float64, spread: Float64) -> FloatImage:
    gain = np.where(spread > 0, spread.min() / np.where(spread > 0, spread, 1), 1)
    moved = (image - _spread_out(mean, image.shape)) * _spread_out(gain, image.shape)
    return np.where(image != 0, np.maximum(moved + np.float32(mean.min()), 0), 0)


def _spread_out(values: Float64, shape: tuple[int, ...]) -> FloatImage:
    """Repeat (m, m) values over the image."""
    m = len(values)
    return np.tile(values.astype(np.float32), (shape[0] // m, shape[1] // m))
