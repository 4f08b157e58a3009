"""Frames of equal brightness: lamps flicker and dyes bleach, and both would leak into the pattern bands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


def estimate_offset(frames: NDArray[Any]) -> float:
    """Return a low estimate of the camera level without light: the 0.1 % level of all pixels.

    Too low an offset only weakens `equalise_frames` a little; too high a one would exaggerate it.
    """
    return float(np.percentile(frames, 0.1))


def equalise_frames(frames: NDArray[Any], offset: float) -> FloatArray:
    """Scale every frame to the same mean above `offset`, and take the offset off.

    Bleaching and lamp flicker would otherwise leak into the pattern bands.

    Parameters
    ----------
    frames : (n_frames, Y, X) ndarray
        Raw frames in counts.
    offset : float
        Camera level without light, in counts.

    Returns
    -------
    (n_frames, Y, X) float32 ndarray
        Counts above the offset. At low light, where the mean hardly stands above the noise of the
        offset, the gains are pulled towards 1.
    """
    signal = frames.astype(np.float32) - np.float32(offset)
    means = signal.mean(axis=(1, 2), dtype=np.float64)
    spread = float(signal.std(axis=(1, 2), dtype=np.float64).mean())
    signal *= brightness_gains(means, spread, signal[0].size)[:, None, None].astype(np.float32)
    return signal


def brightness_gains(means: NDArray[np.float64], spread: float, n_pixels: int) -> NDArray[np.float64]:
    """Return what brings every frame to the same mean.

    Parameters
    ----------
    means : (n_frames,) ndarray
        Of the frames, in counts above the offset.
    spread : float
        Standard deviation of a frame's pixels, mean of all frames.
    n_pixels : int
        Of a frame.
    """
    overall = means.mean()
    # how well a mean of so many pixels is known against how well the offset is known (half a count)
    trust = overall**2 / (overall**2 + 0.25 + spread**2 / n_pixels) if overall > 0 else 0.0
    gains = 1 + trust * (overall / np.where(means > 0, means, overall or 1.0) - 1)
    clipped: NDArray[np.float64] = np.clip(gains, 0.2, 5.0)
    return clipped
