"""The curves of a whole image, filtered and summed as the plugin does."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.quality.decorrelation_curve import (
    Curve,
    Kind,
    Sampling,
    discs,
    find_peak,
    rings,
    within_nyquist,
)
from dlsim_ij.quality.decorrelation_passes import Version
from dlsim_ij.quality.imagej_blur import gaussian_blur

_KEPT_SIDE_PX = 512  # what is kept for the next image of this size stays below 1 MB


def _sample(old: bool, side: int, rmin: float, rmax: float, n_radii: int) -> Sampling:
    return (discs if old else rings)(side, rmin, rmax, n_radii)


_kept_sampling = lru_cache(maxsize=2)(_sample)
_kept_weights = lru_cache(maxsize=2)(within_nyquist)


class PlaneCurves:
    """Curves over all directions of one padded image.

    Parameters
    ----------
    square : (side, side) ndarray of float32
        Tapered and padded.
    version : str
        Whose sums.
    n_radii : int
        Points of a curve.
    workers : int
        Threads.
    """

    def __init__(self, square: NDArray[np.float32], version: Version, n_radii: int, workers: int) -> None:
        self.square, self.side = square, len(square)
        self.n_radii, self.workers = n_radii, workers
        self._old = version == "1.1.7-2019"
        self._within = _kept_weights(self.side) if self.side <= _KEPT_SIDE_PX else within_nyquist(self.side)
        self._last: tuple[tuple[float, float], Sampling] | None = None

    def unfiltered(self, rmin: float, rmax: float) -> tuple[Curve, int]:
        """Return the curve of the image without its mean, and the index of its peak."""
        # double precision: the height of this peak is reported
        spectrum = scipy.fft.rfft2(self.square.astype(np.float64), workers=self.workers, overwrite_x=True)
        spectrum[0, 0] = 0
        return self._curve("unfiltered", None, self._sampling(rmin, rmax), spectrum)

    def filtered(
        self, kind: Literal["coarse", "refined"], sigmas: Sequence[float | None], rmin: float, rmax: float
    ) -> list[Curve]:
        """Return the curve of the image minus its blur, for each blur."""
        sampling = self._sampling(rmin, rmax)

        def one(sigma_px: float | None) -> Curve:
            if sigma_px is None:
                spectrum = np.zeros((self.side, self.side // 2 + 1), np.complex64)
            else:
                rest = gaussian_blur(self.square, sigma_px)
                np.subtract(self.square, rest, out=rest)
                spectrum = scipy.fft.rfft2(rest, overwrite_x=True)
            return self._curve(kind, sigma_px, sampling, spectrum)[0]

        if self.workers == 1:  # beside other tiles or planes, threads of its own only cost time
            return [one(sigma_px) for sigma_px in sigmas]
        # the widest filters take longest: first, so that no thread ends up alone with one
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(one, reversed(sigmas)))[::-1]

    def _sampling(self, rmin: float, rmax: float) -> Sampling:
        if self._last is None or self._last[0] != (rmin, rmax):
            # the range of the first pass is the same for all planes and tiles
            kept = (rmin, rmax) == (0.0, 1.0) and self.side <= _KEPT_SIDE_PX
            sample = _kept_sampling if kept else _sample
            self._last = (rmin, rmax), sample(self._old, self.side, rmin, rmax, self.n_radii)
        return self._last[1]

    def _curve(
        self, kind: Kind, sigma_px: float | None, sampling: Sampling, spectrum: NDArray[np.complexfloating]
    ) -> tuple[Curve, int]:
        return find_peak(kind, sigma_px, sampling.radii, sampling.curve(spectrum, self._within))
