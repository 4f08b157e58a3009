"""RSE and RSP as the published plugin computes them, step by step and quirk by quirk.

Where it differs from the method: a shift is invented above a magnification of 2
(:mod:`dlsim_ij.quality.squirrel_alignment`), the blur of the fit is cut off at three whole sigmas
(:mod:`dlsim_ij.quality.squirrel_moments`), the swarm may stop short
(:mod:`dlsim_ij.quality.squirrel_swarm`), the scores are taken after another blur than the fit's, and on the
top left pixel of each block of the blurred image instead of its mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.images.resize import bicubic_enlarge
from dlsim_ij.quality.imagej_gaussian import GaussianRows
from dlsim_ij.quality.squirrel_moments import FitError
from dlsim_ij.quality.squirrel_swarm import SwarmMinimum, swarm_minimum

Image = NDArray[np.float32]
BoolImage = NDArray[np.bool_]

_STRIP_PX = 64  # rows of the reference at a time


@dataclass(frozen=True)
class CompatFit:
    """What the plugin prints and shows of one image."""

    alpha: float
    beta: float
    sigma_px: float  # reference pixels
    rsp: float
    rse: float
    fit_rms: float  # what the swarm minimised
    iterations: int
    stops_short: bool  # the box of the search was inside out
    signed_map: Image  # (factor Y, factor X)


def compat_fit(
    reference: Image,
    image: Image,
    factor: int,
    *,
    sigma_px: float | None,
    mask: BoolImage | None,
    max_magnification: int,
) -> CompatFit:
    """Fit and score two images that are aligned already.

    Parameters
    ----------
    reference : (Y, X) ndarray of float32
    image : (factor Y, factor X) ndarray of float32
    factor : int
    sigma_px : float or None
        Known blur in reference pixels.
    mask : (Y, X) ndarray of bool or None
        Reference pixels that count; the plugin knows no mask.
    max_magnification : int
        A larger image is shrunk to that for the fit.
    """
    gain, offset = _straight_line(reference, image[::factor, ::factor], mask)
    found = _search(reference, image, factor, gain, offset, sigma_px, mask, max_magnification)
    blurred = GaussianRows(image, found.sigma_px * factor)
    enlarged = np.asarray(bicubic_enlarge(reference, factor), np.float32)
    signed = np.empty(image.shape, np.float32)
    scores = _Scores(reference if mask is None else reference[mask])
    for begin in range(0, len(reference), _STRIP_PX):
        end = min(begin + _STRIP_PX, len(reference))
        fine = slice(begin * factor, end * factor)
        convolved = found.alpha * blurred.rows(range(fine.start, fine.stop)) + found.beta
        np.subtract(enlarged[fine], convolved, out=signed[fine], casting="same_kind")
        corners, target = convolved[::factor, ::factor], reference[begin:end]
        if mask is None:
            scores.add(corners.ravel(), target.ravel())
        else:
            scores.add(corners[mask[begin:end]], target[mask[begin:end]])
    return CompatFit(
        found.alpha,
        found.beta,
        found.sigma_px,
        scores.correlation(),
        scores.error(),
        found.error,
        found.iterations,
        gain < 0 or offset < 0,
        signed,
    )


class _Scores:
    """Correlation and root mean square difference of pixels that come in parts."""

    def __init__(self, reference: Image) -> None:
        self._origin = float(reference.mean(dtype=np.float64))  # sums about it keep their digits
        self._count = 0
        self._sums, self._products, self._squares = np.zeros(2), np.zeros((2, 2)), 0.0

    def add(self, image: NDArray[np.float64], reference: Image) -> None:
        both = np.stack([image, reference.astype(np.float64)]) - self._origin
        self._count += image.size
        self._sums += both.sum(axis=1)
        self._products += np.einsum("ip,jp->ij", both, both)
        self._squares += float(np.square(both[0] - both[1]).sum())

    def error(self) -> float:
        return float(np.sqrt(self._squares / self._count))

    def correlation(self) -> float:
        """Return 0 where an image is constant, as the plugin does."""
        spread = self._products - np.outer(self._sums, self._sums) / self._count
        power = float(spread[0, 0] * spread[1, 1])
        return float(spread[0, 1]) / float(np.sqrt(power)) if power > 0 else 0.0


def _straight_line(reference: Image, small: Image, mask: BoolImage | None) -> tuple[float, float]:
    """Return gain and offset that bring the shrunk image closest to the reference."""
    x, y = (
        part.astype(np.float64) if mask is None else part[mask].astype(np.float64)
        for part in (small, reference)
    )
    mean_x, mean_y = x.mean(), y.mean()
    x -= mean_x
    power = float(np.vdot(x, x))
    gain = float(np.vdot(x, y)) / power if power > 0 else 0.0
    return gain, float(mean_y - gain * mean_x)


def _search(
    reference: Image, image: Image, factor: int, gain: float, offset: float,
    sigma_px: float | None, mask: BoolImage | None, max_magnification: int,
) -> SwarmMinimum:  # fmt: skip
    if factor > max_magnification:
        factor = max_magnification
        height, width = (factor * side for side in reference.shape)
        image = np.asarray(bicubic_enlarge(image, width=width, height=height), np.float32)
    return swarm_minimum(FitError(reference, image, factor, mask), gain, offset, sigma_px)
