"""Gain, offset and read noise of a camera from the frames of one stack: photon transfer beyond the optics.

What lies beyond the optics' cut-off in a frame is noise and nothing else. A high-pass filter h with a small
kernel keeps it, and for independent pixels holds exactly, at every place,

    mean of (h * frame)^2 = sum h^2 (gain (level - offset) + gain^2 read^2)
    mean of (h * frame)^3 = sum h^3  skew gain^2 (level - offset)

where the level is the frame itself weighted with h^2 (or h^3): shot noise is skewed, read noise is not. The
first line is the photon transfer curve (Janesick 2007, doi 10.1117/3.725073); it gives the gain, but only the
sum of offset and read noise. The second tells them apart where there is little light. In bright stacks it
tells nothing, and the read noise is then what such cameras have. `skew` is 1 for shot noise alone and 1.5
behind an EMCCD's multiplication register, so the slope of the second line tells which the camera is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.results import Result
from dlsim_ij.simulation.camera import MULTIPLIED_SKEW

FloatArray = NDArray[np.floating]

_BINS = 24
_HALF_KERNEL = 12
_ROOM = 0.075  # cycles per pixel between the cut-off and the middle of the filter's edge
_USUAL_READ_VARIANCE = 0.8, 1.0  # electrons squared: of sCMOS and EMCCD cameras, and its spread
_LEAST_PASSED = 0.02
_PROFILE_SIGMA_PX = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFit(Result):
    """A camera as its noise shows it, each number with its standard error.

    Attributes
    ----------
    gain_adu_per_electron, gain_error : float
    offset_adu, offset_error : float
    read_noise_electrons, read_variance_error : float
        The error is that of the variance, in electrons squared.
    multiplication : bool
        The noise is skewed as an EMCCD's is.
    row_column_electrons : float
        Fixed offsets of rows and columns.
    noise_per_pixel_adu2 : float
        Mean variance of the noise.
    """

    gain_adu_per_electron: float
    gain_error: float
    offset_adu: float
    offset_error: float
    read_noise_electrons: float
    read_variance_error: float
    multiplication: bool
    row_column_electrons: float
    noise_per_pixel_adu2: float


def fit_noise(frames: NDArray[Any], cutoff_px: float) -> NoiseFit:
    """Fit gain, offset and read noise.

    Parameters
    ----------
    frames : (n_frames, Y, X) ndarray
        Native camera counts, never enlarged or filtered.
    cutoff_px : float
        Of the optics, in cycles per pixel.

    Returns
    -------
    NoiseFit

    Raises
    ------
    ImageError
        The frames are too small, the optics fill all that the pixels hold, or the noise does not grow with
        the light: the frames are no camera's counts.
    """
    if frames.ndim != 3 or len(frames) < 2 or not np.isfinite(frames).all():
        raise ImageError(
            f"an array of shape {frames.shape} is no stack of finite frames",
            "give (frame, Y, X), two or more",
        )
    if min(frames.shape[1:]) < 4 * _HALF_KERNEL:
        raise ImageError(
            f"frames of {frames.shape[1]} x {frames.shape[2]} pixels are too few to measure a camera's noise",
            f"give at least {4 * _HALF_KERNEL} x {4 * _HALF_KERNEL}",
        )
    kernel = _high_pass(cutoff_px)
    if float((kernel**2).sum()) < _LEAST_PASSED:
        raise ImageError(
            f"the optics pass up to {cutoff_px:.2f} cycles per pixel: no frequency holds noise alone",
            "give the camera's gain, offset and read noise instead",
        )
    signal = frames.astype(np.float64)
    mean = signal.mean(axis=0)
    lasting = scipy.signal.fftconvolve(mean - mean.mean(), kernel, mode="valid")
    rest = np.stack([scipy.signal.fftconvolve(f - f.mean(), kernel, mode="valid") for f in signal])
    edge = _HALF_KERNEL
    inner = signal[:, edge:-edge, edge:-edge]
    keep = _not_hot(rest)
    level2, level3 = (_weighted_level(signal, kernel, power) for power in (2, 3))
    # pixels are sorted by the other frames: sorted by their own noise, they would seem to differ in light,
    # and so would they by the fixed offsets of rows and columns
    others = (inner.sum(axis=0) - inner) / (len(inner) - 1)
    others -= _row_column_profile(mean)[edge:-edge, edge:-edge]
    order = scipy.ndimage.gaussian_filter(others, (0, 1.0, 1.0))[keep]
    y2 = rest[keep] ** 2 / (kernel**2).sum()
    y3 = rest[keep] ** 3 / (kernel**3).sum()
    gain, gain_error, dark_level, dark_error = _line(order, level2[keep], y2)
    offset_from_skew, skew_error, multiplied = _offset_from_skew(order, level3[keep], y3, y2, gain, kernel)

    # dark_level = offset - gain * variance, so the two say together how large the read variance is
    usual, spread = _USUAL_READ_VARIANCE
    seen = (offset_from_skew - dark_level) / gain
    seen_error = np.hypot(skew_error, dark_error) / gain
    unusual = seen - usual > 3 * np.hypot(seen_error, spread)  # a noisier kind of camera
    weight = 1.0 if unusual else spread**2 / (spread**2 + seen_error**2)
    variance = float(np.clip(weight * seen + (1 - weight) * usual, 0.0, None))
    variance_error = float(np.sqrt(weight) * seen_error)
    # light is never negative, nor is a camera's offset
    darkest = float(scipy.ndimage.gaussian_filter(signal.mean(axis=0), 2.0).min())
    offset = np.clip(dark_level + gain * variance, 0.0, max(darkest, 0.0))
    fixed = _row_column_variance(lasting, kernel, float(y2.mean()) / len(frames)) / gain**2
    return NoiseFit(
        gain_adu_per_electron=gain,
        gain_error=gain_error,
        offset_adu=float(offset),
        offset_error=float(np.hypot(dark_error, gain * variance_error)),
        read_noise_electrons=float(np.sqrt(variance)),
        read_variance_error=variance_error,
        multiplication=multiplied,
        row_column_electrons=float(np.sqrt(max(fixed, 0.0))),
        noise_per_pixel_adu2=float(y2.mean()),
    )


def _high_pass(cutoff_px: float) -> FloatArray:
    """Return a kernel that passes frequencies beyond the cut-off and no others (to 1/1000)."""
    size = 256
    radius = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    kernel = np.fft.fftshift(np.fft.ifft2(radius > cutoff_px + _ROOM).real)
    middle = np.s_[size // 2 - _HALF_KERNEL : size // 2 + _HALF_KERNEL + 1]
    away = np.hypot(*np.mgrid[-_HALF_KERNEL : _HALF_KERNEL + 1, -_HALF_KERNEL : _HALF_KERNEL + 1])
    window = np.i0(6.0 * np.sqrt(np.maximum(1 - (away / (_HALF_KERNEL + 0.5)) ** 2, 0))) / np.i0(6.0)
    window[away > _HALF_KERNEL + 0.5] = 0
    cut: FloatArray = kernel[middle, middle] * window
    return cut - window * (cut.sum() / window.sum())  # even light passes not at all


def _weighted_level(frames: FloatArray, kernel: FloatArray, power: int) -> FloatArray:
    weights = kernel**power / (kernel**power).sum()
    return np.stack([scipy.signal.fftconvolve(f, weights, mode="valid") for f in frames])


def _row_column_profile(mean: FloatArray) -> FloatArray:
    """Return what whole rows and columns have more than their neighbours, (Y, X)."""
    rest = mean - mean.mean()
    for _ in range(2):
        for axis in (0, 1):
            line = rest.mean(axis=axis, keepdims=True)
            rest = rest - (line - scipy.ndimage.gaussian_filter(line, _PROFILE_SIGMA_PX, axes=1 - axis))
    return mean - mean.mean() - rest


def _not_hot(rest: FloatArray) -> NDArray[np.bool_]:
    """Return where no pixel stands out in all frames, nor single ones do (cosmic rays)."""
    lasting = rest.mean(axis=0)
    spread = 1.4826 * np.median(np.abs(lasting))
    hot = scipy.ndimage.binary_dilation(np.abs(lasting) > 8 * max(spread, 1e-12), iterations=2)
    return np.broadcast_to(~hot, rest.shape)


def _line(order: FloatArray, level: FloatArray, variance: FloatArray) -> tuple[float, float, float, float]:
    """Return slope and place of the zero of variance over level, with their errors."""
    x, y, error = _binned(order, level, variance)
    for _ in range(3):
        weight = 1 / error**2
        mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
        spread = (weight * (x - mean_x) ** 2).sum()
        slope = float((weight * (x - mean_x) * (y - mean_y)).sum() / spread)
        if not slope > 0:
            break
        # a bin's own scatter is a poor weight: the error of a variance is a fraction of the variance
        fitted = np.maximum(mean_y + slope * (x - mean_x), 0.2 * mean_y)
        error = error * fitted / np.maximum(y, 0.2 * mean_y)
    slope_error = float(1 / np.sqrt(spread))
    if not slope > 3 * slope_error:
        raise ImageError(
            "the noise does not grow with the light, as a camera's does",
            "are these native camera frames? Enlarged, averaged or filtered ones tell nothing of a camera",
        )
    zero = mean_x - mean_y / slope
    away = mean_x - zero
    zero_error = float(np.hypot(1 / np.sqrt(weight.sum()) / slope, away * slope_error / slope))
    return slope, slope_error, float(zero), zero_error


def _offset_from_skew(
    order: FloatArray,
    level: FloatArray,
    skew: FloatArray,
    variance: FloatArray,
    gain: float,
    kernel: FloatArray,
) -> tuple[float, float, bool]:
    """Return the offset at which the third moment would be zero, its error, and whether this is an EMCCD."""
    bins = _bin_numbers(order)
    count = np.bincount(bins, minlength=_BINS).astype(float)
    x = np.bincount(bins, level, _BINS) / count
    y = np.bincount(bins, skew, _BINS) / count / gain**2
    v = np.bincount(bins, variance, _BINS) / count
    # of a nearly normal residual: 15 sigma^6; neighbours share pixels, about 1 / sum h^2 of them
    sixth = 15 * (v * (kernel**2).sum()) ** 3 / (kernel**3).sum() ** 2
    error = np.sqrt(sixth / count) / gain**2
    weight = 1 / error**2
    mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
    spread = (weight * (x - mean_x) ** 2).sum()
    slope = (weight * (x - mean_x) * (y - mean_y)).sum() / spread
    slope_error = 1 / np.sqrt(spread)
    middle = (1 + MULTIPLIED_SKEW) / 2
    multiplied = bool(slope > middle + 1.5 * slope_error and slope_error < 0.2)
    factor = MULTIPLIED_SKEW if multiplied else 1.0
    return float(mean_x - mean_y / factor), float(1 / np.sqrt(weight.sum()) / factor), multiplied


def _bin_numbers(order: FloatArray) -> NDArray[np.intp]:
    edges = np.quantile(order[:: max(1, order.size // 100_000)], np.linspace(0, 1, _BINS + 1)[1:-1])
    return np.searchsorted(edges, order)


def _binned(order: FloatArray, level: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    bins = _bin_numbers(order)
    count = np.maximum(np.bincount(bins, minlength=_BINS), 2).astype(float)
    mean_x = np.bincount(bins, level, _BINS) / count
    mean_y = np.bincount(bins, y, _BINS) / count
    scatter = np.bincount(bins, y**2, _BINS) / count - mean_y**2
    return mean_x, mean_y, np.sqrt(np.maximum(scatter, 1e-30) / count)


def _row_column_variance(lasting: FloatArray, kernel: FloatArray, noise: float) -> float:
    """Return the mean variance of the fixed offsets of rows and of columns, in counts squared.

    `lasting` is the filtered mean of all frames, `noise` the variance of a pixel in that mean. Means along
    rows that scatter beyond what the noise explains are fixed offsets; what is not clearly there counts as 0.
    """
    found = []
    for axis in (0, 1):
        line = lasting.mean(axis=axis)
        passed = float((kernel.sum(axis=axis) ** 2).sum())  # of a profile along the other axis
        chance = noise * passed / lasting.shape[axis]
        excess = float(line.var()) - chance
        clear = excess > 3 * chance * np.sqrt(2 / len(line))
        found.append(excess / passed if clear and passed > 1e-6 else 0.0)
    return float(np.mean(found))
