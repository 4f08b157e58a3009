"""The noise of raw frames, from the frequencies that the optics cannot reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.acquisition.thinning import PhotonScale
from dlsim_ij.errors import ImageError
from dlsim_ij.quality.physics_forward import FloatArray, RawPlane, faded
from dlsim_ij.quality.thinning import estimate_photon_scale

# times the nominal cut-off: real optics may pass a little more; a sharp edge would spread bright noise far
_BEYOND = (1.1, 1.35)
_LEAST_SHARE = 0.015  # of all frequencies: fewer do not tell enough
_BLOCK_PX, _LARGE_BLOCK_PX, _SMALL_SHARE = 8, 16, 0.1
_ENOUGH = 4  # frames
_TRIMMED = 4.0  # times the usual scatter: blocks further off hold a hot pixel


@dataclass(frozen=True, kw_only=True)
class NoiseLine:
    """Variance of a pixel's noise = base + slope * counts, in squared counts; never below `floor`."""

    base: float
    slope: float
    floor: float

    def of(self, counts: FloatArray) -> FloatArray:
        """Return the variance where the mean is `counts`."""
        line: FloatArray = np.maximum(self.base + self.slope * counts, self.floor)
        return line


def measure_noise(frames: NDArray[Any], cutoff_px: float, scale: PhotonScale | None = None) -> NoiseLine:
    """Find how the noise grows with the brightness.

    Parameters
    ----------
    frames : (n, Y, X) ndarray
        Native camera counts.
    cutoff_px : float
        Of the optics, in cycles per pixel. What lies beyond is noise; where the pixels are too coarse to
        show it, differences between neighbours tell instead, see `estimate_photon_scale`.
    scale : PhotonScale, optional
        Gain and offset of the camera, if known.

    Raises
    ------
    ImageError
        The frames hold no noise, or too little to measure.
    """
    if scale is None:
        fy, fx = scipy.fft.fftfreq(frames.shape[1])[:, None], scipy.fft.rfftfreq(frames.shape[2])[None, :]
        start, end = (factor * cutoff_px for factor in _BEYOND)
        beyond = np.sin(np.pi / 2 * np.clip((np.hypot(fy, fx) - start) / (end - start), 0, 1)) ** 2
        beyond = (beyond * (fy != 0) * (fx != 0)).astype(np.float32)
        share = float((beyond**2).mean())
        if share > _LEAST_SHARE:
            some = frames[:: -(-len(frames) // _ENOUGH)]
            block_px = _BLOCK_PX if share > _SMALL_SHARE else _LARGE_BLOCK_PX
            level, power = _level_and_power(some, beyond)
            return _fitted(_block_means(level, block_px), _block_means(power, block_px) / share)
        scale = estimate_photon_scale(frames[0])
    base = -scale.gain * scale.offset
    usual = base + scale.gain * float(np.median(frames))
    return NoiseLine(base=base, slope=scale.gain, floor=max(0.2 * usual, 1e-12))


def trust_axes(mean: FloatArray, plane: RawPlane, cutoff_px: float) -> NDArray[np.float32]:
    """Return the weight of each compared frequency: 1, less on the axes, where rows and columns show.

    An offset that is fixed to a row or a column is the same in all frames, so it does not average out. How
    strong it is stands on the same axis beyond the cut-off; where that is not seen, the axis does not count.

    Parameters
    ----------
    mean : (Y, X) ndarray
        Of all frames.
    plane : RawPlane
    cutoff_px : float
    """
    power = np.abs(scipy.fft.rfft2(faded(mean, plane.fade_px))) ** 2
    fy, fx = np.abs(scipy.fft.fftfreq(mean.shape[0])), scipy.fft.rfftfreq(mean.shape[1])
    start = _BEYOND[0] * cutoff_px
    beyond = np.hypot(fy[:, None], fx) > start
    weight = np.ones(len(plane), np.float32)
    for axis, on_axis in ((power[fy > start, 0], plane.fx == 0), (power[0, fx > start], plane.fy == 0)):
        excess = float(axis.mean() / np.median(power[beyond]) * np.log(2)) if axis.size else np.inf
        weight[on_axis] = 1 / max(excess, 1.0)
    return weight


def _block_means(image: FloatArray, block_px: int) -> FloatArray:
    height, width = (side // block_px for side in image.shape)
    cut = image[: height * block_px, : width * block_px]
    means: FloatArray = cut.reshape(height, block_px, width, block_px).mean(axis=(1, 3), dtype=np.float64)
    return means.ravel()


def _level_and_power(
    frames: NDArray[Any], beyond: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean counts, and the mean square of what is beyond, both from the same surroundings."""
    shape = frames.shape[1:]
    mean, power = np.zeros((2, *shape), np.float32)
    for frame in frames:
        pixels = frame.astype(np.float32)
        mean += pixels
        noise = scipy.fft.irfft2(scipy.fft.rfft2(pixels) * beyond, s=shape, overwrite_x=True)
        power += noise * noise
    # the square at a place gathers the variance around with the squared kernel of the filter
    kernel = scipy.fft.irfft2(beyond, s=shape) ** 2
    gathered = scipy.fft.rfft2(mean) * (scipy.fft.rfft2(kernel).real / kernel.sum())
    count = np.float32(len(frames))
    return scipy.fft.irfft2(gathered, s=shape) / count, power / count


def _fitted(level: FloatArray, measured: FloatArray) -> NoiseLine:
    usual = float(np.median(measured))
    # float frames without noise hold rounding errors only
    if not usual > 1e-9 * (float(np.ptp(level)) ** 2 + 1e-30):
        raise ImageError(
            "the raw frames hold no noise, so nothing can be told in units of it",
            "pass the frames as the camera wrote them, neither filtered nor simulated without noise",
        )
    floor = 0.3 * float(np.quantile(measured, 0.02))
    model, keep = np.full_like(measured, usual), measured > 0
    for _ in range(6):
        weight = keep / model**2
        total = weight.sum()
        centre, height = (weight * level).sum() / total, (weight * measured).sum() / total
        spread = (weight * (level - centre) ** 2).sum()
        rise = (weight * (level - centre) * (measured - height)).sum()
        slope = max(0.0, float(rise / spread)) if spread > 0 else 0.0
        model = np.maximum(height + slope * (level - centre), floor)
        off = np.abs(measured / model - 1)
        keep = off < _TRIMMED * max(1.4826 * float(np.median(off)), 0.02)
    return NoiseLine(base=float(height - slope * centre), slope=slope, floor=floor)
