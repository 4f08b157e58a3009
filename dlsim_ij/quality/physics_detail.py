"""Up to which frequency an image shows what the frames show, and whether it is displaced."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.quality.physics_forward import FloatArray
from dlsim_ij.quality.physics_scan import Evidence, ImagePlane

# of the cut-off: coarser differences are background, which images treat as they like
HIGH_PASS = 0.3
_RINGS = 16  # along the cut-off
_SURE = 4.0  # standard errors by which a ring must stand out of the noise
_LEAST_SIGNAL = 0.5  # of the noise: an inexact model leaves a little more than noise in every ring
_SHOWN = (0.1, 0.4)  # of the frames' power in a ring: from missing in the image to shown by it
_ALWAYS = 0.5  # of the cut-off: coarser than this every image of the sample must show what the frames show
_WEAKEST = 1e-4  # of the largest response: beyond, frames tell nothing
_STEPS = 6
_SHIFT_RESPONSE = 0.02  # of the largest: beyond, little is told about a shift


@dataclass(frozen=True, kw_only=True)
class Detail:
    """Where frames and image both have something to say."""

    window: NDArray[np.float32]  # weight of the image frequencies
    frames_limit: float  # finest frequency that stands out in the frames, cycles per native pixel
    image_limit: float  # up to which the image shows it


def compare_detail(found: Evidence, plane: ImagePlane, cutoff_px: float) -> Detail:
    """Compare the power of frames and image, ring by ring.

    A fine ring that the image does not show is not compared: a blurred image misses detail, but invents
    none. One that only the image shows is.
    """
    ring = (plane.radius * (_RINGS / cutoff_px)).astype(np.int32)
    n_rings = int(ring.max()) + 1
    told = found.response > _WEAKEST * found.response.max()
    weight = np.where(told, 1 / np.maximum(found.noise, 1e-30 + _WEAKEST**2 * found.noise.max()), 0)

    def summed(values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(ring.ravel(), (values * weight).ravel(), n_rings), np.float64)

    both = found.left + found.shown
    count = summed(found.noise)
    excess = summed(both.real**2 + both.imag**2) - count
    image = summed(found.shown.real**2 + found.shown.imag**2)
    agreeing = summed(both.real * found.shown.real + both.imag * found.shown.imag)
    sure = excess > np.maximum(_SURE * np.sqrt(np.maximum(count, 1)), _LEAST_SIGNAL * count)
    share = np.where(sure, image / np.where(sure, excess, 1), 1.0)
    shown = np.clip((share - _SHOWN[0]) / (_SHOWN[1] - _SHOWN[0]), 0, 1)
    like = agreeing > 0.5 * np.where(sure, excess, 0)
    centres = (np.arange(n_rings) + 0.5) * cutoff_px / _RINGS
    shown[centres < _ALWAYS * cutoff_px] = 1
    first = int(np.ceil(HIGH_PASS * _RINGS))
    frames_limit = _last(sure, first, centres)
    image_limit = min(frames_limit, _last(like & sure | ~sure, first, centres))
    window = np.interp(plane.radius, centres, shown).astype(np.float32)
    window *= told * (1 - np.exp(-((plane.radius / np.float32(HIGH_PASS * cutoff_px)) ** 4)))
    return Detail(window=window, frames_limit=frames_limit, image_limit=image_limit)


def find_shift(found: Evidence, window: FloatArray, plane: ImagePlane) -> tuple[float, float]:
    """Return the shift (y, x) of the whole image that brings it closest to the frames, in native pixels."""
    told = found.response > _SHIFT_RESPONSE * found.response.max()
    both, shown = (found.left + found.shown)[told], found.shown[told]
    weight = window[told] ** 2 / found.noise[told]
    rows, columns = np.nonzero(told)
    y, x = (np.float32(-2 * pi) * f.astype(np.float32) for f in (plane.fy[rows], plane.fx[columns]))
    shift = np.zeros(2)
    for _ in range(_STEPS):
        moved = shown * np.exp(1j * (y * np.float32(shift[0]) + x * np.float32(shift[1])))
        turn = weight * (both.imag * moved.real - both.real * moved.imag)
        power = weight * (moved.real**2 + moved.imag**2)
        slant = float(power @ (y * x))
        matrix = np.array([[power @ (y * y), slant], [slant, power @ (x * x)]], float)
        if not np.linalg.det(matrix) > 0:
            break
        step = np.linalg.solve(matrix, np.array([turn @ y, turn @ x], float))
        shift += step
        if np.abs(step).max() < 1e-3:
            break
    return float(shift[0]), float(shift[1])


def _last(good: NDArray[np.bool_], first: int, centres: FloatArray) -> float:
    """Return the frequency of the last ring, from the first on, before two in a row are not good."""
    for ring in range(first, len(good)):
        if not good[ring : ring + 2].any():
            return float(centres[max(ring - 1, 0)])
    return float(centres[-1])
