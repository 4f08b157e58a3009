"""What can be wrong with raw frames besides their order: light, drift, evenness, saturation, hot pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from dlsim_ij.acquisition.pattern_fourier import central_part, taper
from dlsim_ij.optics import otf_profile
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]
Notice = tuple[str, str]

_UNEVEN_ANGLES = 0.10
_BLEACHED = 0.15
_DRIFT_PX = 0.5
_DRIFT_ERRORS = 4.0
_FARTHEST_PX = 8.0
_ALIKE = 0.3  # of the first angle's image: what the others must share with it
_UNEVEN_FIELD = 0.25
_SATURATED = 1e-3
_HOT = 8.0  # times the usual difference between a pixel and its neighbours, in the mean frame
_HOT_SHARE = 1e-4
_FULL_WELLS = tuple(2**bits - 1 for bits in (8, 10, 11, 12, 14, 15, 16))
_LARGEST_SIDE_PX = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameChecks(Result):
    """Measured on the frames in the order of the file, so that a trend in time stays one.

    Attributes
    ----------
    bleaching : float
        Share of the light that is lost from the first frame to the last, from a line through the frames'
        means; negative if it grows.
    flicker : float
        Scatter of the frames' means about that line, relative to their mean.
    angle_spread : float
        Brightest over darkest angle, less 1, over all phases.
    drift_px : tuple of (float, float)
        Shift (y, x) of the mean of each angle against that of the first; empty with one angle, NaN where
        the means are too unlike, or too dark, to tell.
    drift_error_px : float
        Standard error of these shifts, from the noise.
    unevenness : float
        How much the illumination of the angles differs across the field: 5 % to 95 % range of the
        smoothed ratio of an angle's mean to that of all, the largest of the angles.
    saturated : float
        Share of pixels at the largest value of the camera.
    hot_pixels : int
        Pixels that stand out from their neighbours more than the optics allow, in all frames alike.
    """

    bleaching: float
    flicker: float
    angle_spread: float
    drift_px: tuple[tuple[float, float], ...]
    drift_error_px: float
    unevenness: float
    saturated: float
    hot_pixels: int


def check_frames(
    frames: NDArray[Any],
    *,
    permutation: tuple[int, ...],
    n_angles: int,
    offset: float,
    cutoff_px: float,
    saturated: NDArray[np.bool_],
    hot: NDArray[np.bool_],
) -> FrameChecks:
    """Measure what a lamp, a stage and a camera can do to a raw stack.

    Parameters
    ----------
    frames : (N, Y, X) ndarray
        Native counts, in the order of the file.
    permutation : tuple of int
        Sorts them into angle-major order.
    n_angles : int
    offset : float
        Counts without light.
    cutoff_px : float
        Highest frequency that the optics pass, in cycles per pixel.
    saturated, hot : (N, Y, X) and (Y, X) ndarray of bool
        From `saturated_pixels` and `hot_pixels`.

    Returns
    -------
    FrameChecks
    """
    means = frames.mean(axis=(1, 2), dtype=np.float64) - offset
    bleaching, flicker = bleaching_and_flicker(means)
    grouped = frames[list(permutation)].reshape(n_angles, -1, *frames.shape[1:])
    angles = grouped.mean(axis=1, dtype=np.float32) - np.float32(offset)
    levels = angles.mean(axis=(1, 2), dtype=np.float64)
    lit = float(means.mean()) > 0
    drift, error = _drift(grouped, angles, cutoff_px)
    return FrameChecks(
        bleaching=bleaching,
        flicker=flicker,
        angle_spread=float(np.ptp(levels) / levels.mean()) if lit and n_angles > 1 else 0.0,
        drift_px=drift,
        drift_error_px=error,
        unevenness=_unevenness(angles),
        saturated=float(saturated.mean()),
        hot_pixels=int(hot.sum()),
    )


def bleaching_and_flicker(means: FloatArray) -> tuple[float, float]:
    """Return both as `FrameChecks` states them, from the means of the frames above the offset, in time."""
    overall = float(means.mean())
    time = np.linspace(-0.5, 0.5, len(means))
    trend = float((time * means).sum() / (time**2).sum())
    flicker = float((means - overall - trend * time).std())
    first = overall + trend * time[0]
    bleaching = float(-trend / first) if overall > 0 and first > 0 else 0.0
    return bleaching, flicker / overall if overall > 0 else 0.0


def notices(checks: FrameChecks, n_pixels: int) -> list[Notice]:
    """Put what is worth telling into words: what was seen, and what to do."""
    told: list[Notice] = []
    if abs(checks.bleaching) > _BLEACHED:
        change = "lost" if checks.bleaching > 0 else "gained"
        told.append((
            f"From the first frame to the last {100 * abs(checks.bleaching):.0f} % of the light is {change}.",
            "Bleaching or an unsteady lamp: use less light or shorter exposures.",
        ))  # fmt: skip
    if checks.angle_spread > _UNEVEN_ANGLES:
        told.append((
            f"The brightness of the angles varies by {100 * checks.angle_spread:.0f} %; it was evened out.",
            "Bleaching or an unsteady lamp: use less light or shorter exposures if it grows.",
        ))  # fmt: skip
    far = float(np.nanmax([0.0, *(np.hypot(*shift) for shift in checks.drift_px)]))
    if far > _DRIFT_PX and far > _DRIFT_ERRORS * checks.drift_error_px:
        told.append((
            f"The sample or the light moves by {far:.1f} pixels between the angles.",
            "Let the stage settle, or expose shorter: fine detail is smeared by such a drift.",
        ))  # fmt: skip
    if checks.unevenness > _UNEVEN_FIELD:
        told.append((
            f"The illumination of the angles differs by {100 * checks.unevenness:.0f} % across the field.",
            "Realign the illumination, or use the middle of the field only.",
        ))  # fmt: skip
    if checks.saturated > _SATURATED:
        told.append((
            f"{100 * checks.saturated:.1f} % of the pixels are saturated.",
            "Their detail is lost: expose shorter or lower the gain.",
        ))  # fmt: skip
    if checks.hot_pixels > max(3, _HOT_SHARE * n_pixels):
        told.append((
            f"{checks.hot_pixels} hot pixels stand out in all frames.",
            "Switch on the camera's correction, or take a dark stack: each becomes a star in the result.",
        ))  # fmt: skip
    return told


def saturated_pixels(frames: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pixels of (N, Y, X) frames are at the end of a camera's range, if more than a few are."""
    top = frames.max()
    if top in _FULL_WELLS:
        full: NDArray[np.bool_] = frames == top
        if is_full_well(float(top), int(full.sum()), frames.size):
            return full
    return np.zeros(frames.shape, dtype=bool)


def is_full_well(top: float, count: int, size: int) -> bool:
    """Tell whether `count` of `size` pixels at the largest value `top` are saturated ones."""
    # one pixel that happens to reach 4095 is no saturated camera
    return top in _FULL_WELLS and count > max(3, 1e-6 * size)


def hot_pixels(mean: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pixels of a mean frame (Y, X) stand above all neighbours by more than blur can make."""
    mean = mean.astype(np.float32)
    around = np.ones((3, 3), dtype=bool)
    around[1, 1] = False
    highest = scipy.ndimage.maximum_filter(mean, footprint=around, mode="nearest")
    ring = (9 * scipy.ndimage.uniform_filter(mean, 3, mode="nearest") - mean) / 8
    detail = np.abs(mean - ring)
    overall = float(np.median(detail))
    # the usual detail nearby; a hot pixel must not raise its own bar
    usual = scipy.ndimage.uniform_filter(np.minimum(detail, 20 * overall), 9, mode="nearest")
    found: NDArray[np.bool_] = (mean - highest > _HOT * np.maximum(usual, overall)) & (overall > 0)
    return found


def _drift(
    grouped: NDArray[Any], angles: FloatArray, cutoff_px: float
) -> tuple[tuple[tuple[float, float], ...], float]:
    """Register the mean of every angle, in which the pattern has gone, with that of the first."""
    if len(angles) < 2:
        return (), 0.0
    angles = central_part(angles, _LARGEST_SIDE_PX)
    height, width = angles.shape[1:]
    fy = np.fft.fftfreq(height)[:, None].astype(np.float32)
    fx = np.fft.rfftfreq(width)[None, :].astype(np.float32)
    radius = np.hypot(fy, fx)
    keep = (1 - np.exp(-((radius / (0.08 * cutoff_px)) ** 2))) * otf_profile(radius, cutoff_px, 0.5)
    keep = keep.astype(np.float32)
    window = np.outer(taper(height), taper(width)).astype(np.float32)
    spectra = [scipy.fft.rfft2((image - image.mean()) * window) * keep for image in angles]
    turned = spectra[0] * np.complex64(2j * np.pi)
    slopes = np.stack([scipy.fft.irfft2(turned * f, s=(height, width)).ravel() for f in (fy, fx)])
    first = scipy.fft.irfft2(spectra[0], s=(height, width)).ravel()
    basis = np.vstack([slopes, first])
    normal = basis @ basis.T
    if np.linalg.matrix_rank(normal) < 3:
        return tuple((0.0, 0.0) for _ in angles), 0.0
    inverse = np.linalg.inv(normal)
    shifts, errors = [(0.0, 0.0)], []
    for spectrum in spectra[1:]:
        shift = np.zeros(2)
        for _ in range(8):  # a shift by more than a part of a pixel takes some rounds
            back = np.exp(2j * np.pi * fy * shift[0]) * np.exp(2j * np.pi * fx * shift[1])
            moved = scipy.fft.irfft2(spectrum * back, s=(height, width)).ravel()
            parts = inverse @ (basis @ moved)
            change = parts[:2] / max(parts[2], 1e-3)
            shift = shift - change
            if np.hypot(*change) < 1e-3 or np.hypot(*shift) > _FARTHEST_PX:
                break
        left = moved - parts @ basis
        errors.append(float(np.sqrt(left.var() * np.trace(inverse[:2, :2]) * 2)))
        alike = parts[2] > _ALIKE and np.hypot(*shift) <= _FARTHEST_PX
        shifts.append((float(shift[0]), float(shift[1])) if alike else (float("nan"), float("nan")))
    return tuple(shifts), max(errors)


def _unevenness(angles: FloatArray) -> float:
    if len(angles) < 2:
        return 0.0
    small = np.stack([_binned(image) for image in angles])
    sigma = max(small.shape[1:]) / 8
    smooth = np.stack([scipy.ndimage.gaussian_filter(image, sigma, mode="reflect") for image in small])
    mean = smooth.mean(axis=0)
    lit = mean > 0.2 * mean.max()
    if mean.max() <= 0 or not lit.any():
        return 0.0
    spans = []
    for image in smooth:
        ratio = image[lit] / mean[lit] / max(float(image[lit].sum() / mean[lit].sum()), 1e-9)
        spans.append(float(np.subtract(*np.percentile(ratio, [95, 5]))))
    return max(spans)


def _binned(image: FloatArray) -> FloatArray:
    """Return block means, at most some 64 along a side: enough for what varies across the field."""
    block = max(1, min(image.shape) // 64)
    height, width = (side // block * block for side in image.shape)
    cut = image[:height, :width].reshape(height // block, block, width // block, block)
    binned: FloatArray = cut.mean(axis=(1, 3), dtype=np.float64)
    return binned
