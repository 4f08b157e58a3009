"""The noise of raw frames, from the frequencies that the optics cannot reach."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.quality.physics_forward import FloatArray
from dlsim_ij.quality.thinning import PhotonScale, estimate_photon_scale

_BEYOND = 1.15  # times the nominal cut-off: real optics may pass a little more
_LEAST_SHARE = 0.1  # of all frequencies: fewer do not tell enough
BLOCK_PX = 8


def block_means(image: FloatArray, block_px: int) -> FloatArray:
    """Average over squares; what is left over at the far edges belongs to the last ones."""
    height, width = (max(1, side // block_px) for side in image.shape)
    rows = np.minimum(np.arange(image.shape[0]) // block_px, height - 1)
    cut = image[: height * block_px, : width * block_px]
    del rows
    means: FloatArray = cut.reshape(height, block_px, width, block_px).mean(axis=(1, 3))
    return means


def noise_variance(
    frames: NDArray[Any], cutoff_px: float, scale: PhotonScale | None = None
) -> tuple[FloatArray, FloatArray]:
    """Estimate the variance of the noise of one frame's pixel, block by block.

    Parameters
    ----------
    frames : (n, Y, X) ndarray
        Native camera counts.
    cutoff_px : float
        Of the optics, cycles per pixel.
    scale : PhotonScale, optional
        Gain and offset of the camera, if known.

    Returns
    -------
    (Y / 8, X / 8) ndarray
        Mean over the frames, in squared counts.
    """
    level = block_means(frames.mean(axis=0, dtype=np.float64), BLOCK_PX)
    if scale is None:
        fy, fx = scipy.fft.fftfreq(frames.shape[1])[:, None], scipy.fft.rfftfreq(frames.shape[2])[None, :]
        beyond = (np.hypot(fy, fx) > _BEYOND * cutoff_px) & (fy != 0) & (fx != 0)
        share = float(beyond.mean())
        if share < _LEAST_SHARE:
            scale = estimate_photon_scale(frames[0])
        else:
            return _fitted(level, _measured(frames, beyond) / share)
    variance = scale.gain * (level - scale.offset)
    return np.maximum(variance, 0.05 * np.median(variance))


def _measured(frames: NDArray[Any], beyond: NDArray[np.bool_]) -> FloatArray:
    total = np.zeros(frames.shape[1:], np.float32)
    for frame in frames:
        spectrum = scipy.fft.rfft2(frame.astype(np.float32))
        spectrum *= beyond
        total += scipy.fft.irfft2(spectrum, s=frame.shape, overwrite_x=True) ** 2
    return block_means(total, BLOCK_PX) / len(frames)


def _fitted(level: FloatArray, measured: FloatArray) -> FloatArray:
    """Fit variance = a + b level, without the blocks that a hot pixel or a border spoils."""
    x, y = level.ravel(), measured.ravel()
    keep = y > 0
    if not keep.any():
        raise ImageError("the raw frames hold no noise", "pass the camera's frames, not filtered or simulated ones")
    model = np.full_like(y, np.median(y))
    for _ in range(6):
        weight = keep / model**2
        centre_x, centre_y = (weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()
        spread = (weight * (x - centre_x) ** 2).sum()
        slope = max(0.0, float((weight * (x - centre_x) * (y - centre_y)).sum() / spread)) if spread > 0 else 0.0
        floor = 0.2 * float(np.quantile(y, 0.02)) + 1e-12
        model = np.maximum(centre_y + slope * (x - centre_x), floor)
        off = np.abs(y / model - 1)
        keep = off < 4 * max(1.4826 * float(np.median(off)), 0.02)
    return model.reshape(level.shape)
