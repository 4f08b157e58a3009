"""From a pattern that is nearly right to its exact frequency, phases and strength.

Band m moved back by m k, and band 0, show the same object through two parts of one transfer function:
``A(f) = c_m / 2 exp(i phase_m) H(f + m k) S(f)`` and ``B(f) = H(f) S(f)``. A weighted with H(f) and B with
H(f + m k) are the same picture up to the factor sought, wherever both pass (Gustafsson et al. 2008,
doi 10.1529/biophysj.107.120345). So the product of one with the conjugate of the other is positive
everywhere, times a slow wave: the error that is left in k. No structure of the object can pull at it.

How A / B depends on the distance of a frequency from the two centres tells how fast the true transfer falls;
without that measurement the strength would be wrong by up to 20 %.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.acquisition.pattern_fourier import (
    central,
    fourier_sum,
    moved_origin,
    refined_peak,
    taper,
    taper_px,
    waves,
)
from dlsim_ij.optics import Optics, Pattern, otf_profile, pixel_transfer, separate_bands
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]

CLEAR_PEAK = 5.0  # times the usual height of the spectrum: below, a phase is mostly noise
FIT_SIDE_PX = 512  # a larger field is fitted on its central part: the period is the same everywhere

_PASSED = 0.95  # of the cut-off: both frequencies of a pair lie below
_HAZE = 0.15  # of the cut-off: out-of-focus light sits below, around the centre of every band
_FARTHEST = 1.0  # samples: a correction beyond is a failure, and is not made
_USUAL_DAMPING = 0.5
_DAMPING_SPREAD = 0.7  # of its logarithm among microscopes: a dark stack stays near the usual value
_DAMPING_LIMITS = (0.02, 1.2)
_BINS = 8
_MODEL_ERROR = 0.03  # of a bin's ratio, however bright the stack


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinedPatterns(Result):
    """Patterns with the transfer that was measured on the way.

    Attributes
    ----------
    patterns : list of Pattern
        One per angle.
    otf_damping : float
        Of `otf_profile`, for the optics alone (the transfer of the square pixel comes on top).
    """

    patterns: list[Pattern]
    otf_damping: float


def refine_patterns(
    frames: NDArray[Any],
    patterns: Sequence[Pattern],
    optics: Optics,
    *,
    known: Sequence[Pattern] | None = None,
) -> RefinedPatterns:
    """Refine patterns whose frequencies are right to half a sample.

    Parameters
    ----------
    frames : (n_frames, Y, X) ndarray
        Native frames above the camera offset, of equal brightness, angle-major.
    patterns : sequence of Pattern
        One per angle. Frequencies are the start, steps and signal-to-noise ratios are kept, phases and
        modulation are measured.
    optics : Optics
        For the cut-off.
    known : sequence of Pattern, optional
        Calibration: frequencies are taken from it and kept, order 2 follows order 1 as it does there.

    Returns
    -------
    RefinedPatterns

    Notes
    -----
    Where order 2 is not `CLEAR_PEAK` above its surroundings, its phase is twice that of order 1: both come
    from the same beams. Light from out of focus that is blurred by less than about 3 pixels is not told from
    the object and makes the modulation come out low.
    """
    crop, origin = central(frames, FIT_SIDE_PX)
    angles = []
    start = 0
    for number, pattern in enumerate(patterns):
        stop = start + len(pattern.steps_rad)
        frequency = (known[number] if known else pattern).frequency_px
        angles.append(_Angle(crop[start:stop], dataclasses.replace(pattern, frequency_px=frequency), optics))
        start = stop
    damping = _USUAL_DAMPING
    for _ in range(2):
        for angle in angles:
            angle.correlate(damping, move=known is None)
        damping = _better_damping(damping, [ratio for angle in angles for ratio in angle.ratios(damping)])
    refined = []
    for number, angle in enumerate(angles):
        angle.correlate(damping, move=False)
        refined.append(moved_origin(angle.measured(known[number] if known else None), origin))
    return RefinedPatterns(patterns=refined, otf_damping=damping)


class _Angle:
    """The bands of one angle, and how well they agree under a given transfer."""

    def __init__(self, frames: NDArray[Any], pattern: Pattern, optics: Optics) -> None:
        self._pattern = pattern
        self.correction = (0.0, 0.0)
        height, width = frames.shape[1:]
        window, self._inner = _windows(height, width)
        still, *moving = separate_bands(frames, pattern.steps_rad, pattern.orders)
        spectrum = scipy.fft.fft2((still - still.mean()) * window)
        self._noise = _noise_power(spectrum, optics.cutoff_px)
        self._window_power = float((window**2).mean())
        self._orders = []
        for order, band in enumerate(moving, start=1):
            column, row = waves(window.shape, pattern.frequency_px, -order)
            shift = (order * pattern.frequency_px[0], order * pattern.frequency_px[1])
            moved = scipy.fft.fft2(band * column * (row * window))
            self._orders.append(_Pair(moved, spectrum, shift, optics.cutoff_px))

    def correlate(self, damping: float, *, move: bool) -> None:
        """Compare the bands; `move` looks for what is missing in the frequency."""
        products, levels, self._powers = [], [], []
        for pair in self._orders:
            a, b, noise = pair.filtered(damping, self._noise)
            product = a * np.conj(b) * self._inner
            products.append(product)
            levels.append(_usual_height(product) if move else 1.0)
            noise_power = noise / self._window_power * float(self._inner.sum()) / self._inner.size
            self._powers.append(float((self._inner * np.abs(b) ** 2).sum()) - noise_power)
        if move and min(levels) > 0:
            found = refined_peak(products, levels, self.correction)
            sides = self._inner.shape
            if max(abs(f) * n for f, n in zip(found, sides, strict=True)) <= _FARTHEST:
                self.correction = found
        self._peaks = [fourier_sum(p, self.correction, m) for m, p in enumerate(products, start=1)]

    def ratios(self, damping: float) -> list[FloatArray]:
        """Return the rows of `_Pair.ratios`, one array per order."""
        rows = []
        for pair, peak, power in zip(self._orders, self._peaks, self._powers, strict=True):
            if power > 0 and abs(peak) > 0:
                rows.append(pair.ratios(damping, peak / abs(peak), self._noise))
        return [row for row in rows if len(row)]

    def measured(self, known: Pattern | None) -> Pattern:
        """Return the pattern as it was measured, for the corner of the crop."""
        pattern = self._pattern
        phases = [float(np.angle(peak)) for peak in self._peaks]
        if len(phases) == 2 and (known is not None or pattern.snr[1] < CLEAR_PEAK):
            offset = known.phases_rad[1] - 2 * known.phases_rad[0] if known is not None else 0.0
            phases[1] = float(np.angle(np.exp(1j * (2 * phases[0] + offset))))
        modulation = tuple(
            max(0.0, 2 * float((peak * np.exp(-1j * phase)).real) / power) if power > 0 else 0.0
            for peak, phase, power in zip(self._peaks, phases, self._powers, strict=True)
        )
        y, x = pattern.frequency_px
        return dataclasses.replace(
            pattern,
            frequency_px=(y + self.correction[0], x + self.correction[1]),
            phases_rad=tuple(phases),
            modulation=modulation,
        )


def _windows(height: int, width: int) -> tuple[FloatArray, FloatArray]:
    """Return the window of the bands, and the narrower one of their products.

    Near the border the filters mix in what the first window took away, from the two bands differently, and
    that would pull at k.
    """
    edges = [(n, max(1, taper_px(n) // 2)) for n in (height, width)]
    whole = np.outer(*(taper(n, edge=edge) for n, edge in edges))
    inner = np.outer(*(taper(n, edge=edge, zeros=edge) for n, edge in edges))
    return whole.astype(np.float32), inner.astype(np.float32)


class _Pair:
    """Band m moved back and band 0, at the frequencies where the optics pass both."""

    def __init__(
        self, moved: ComplexArray, still: ComplexArray, shift: tuple[float, float], cutoff_px: float
    ) -> None:
        self._shape = moved.shape
        fy, fx = scipy.fft.fftfreq(self._shape[0])[:, None], scipy.fft.fftfreq(self._shape[1])[None, :]
        here, there = np.hypot(fy, fx), np.hypot(fy + shift[0], fx + shift[1])
        self._where = np.flatnonzero(np.maximum(here, there) < _PASSED * cutoff_px)
        here, there = here.flat[self._where], there.flat[self._where]
        fy, fx = (np.broadcast_to(f, self._shape).flat[self._where] for f in (fy, fx))
        self._a, self._b = moved.flat[self._where], still.flat[self._where]
        self._ideal_here = otf_profile(here, cutoff_px) * pixel_transfer(fy, fx)
        self._ideal_there = otf_profile(there, cutoff_px) * pixel_transfer(fy + shift[0], fx + shift[1])
        self._distances = here / cutoff_px, there / cutoff_px
        # a soft limit: a hard one would spread every edge over the whole picture
        near, far = (1 - np.exp(-((d / _HAZE) ** 2)) for d in self._distances)
        self._trust = near * far

    def _transfers(self, damping: float) -> tuple[FloatArray, FloatArray]:
        here, there = self._distances
        return self._ideal_here * damping**here, self._ideal_there * damping**there

    def filtered(self, damping: float, noise: float) -> tuple[ComplexArray, ComplexArray, float]:
        """Return both bands as pictures under a common transfer, and the noise power in that of band 0."""
        here, there = self._transfers(damping)
        pictures = []
        for band, weight in ((self._a, here * self._trust), (self._b, there * self._trust)):
            spectrum = np.zeros(self._shape, dtype=np.complex64)
            spectrum.flat[self._where] = band * weight
            pictures.append(scipy.fft.ifft2(spectrum))
        return pictures[0], pictures[1], noise * float(((there * self._trust) ** 2).sum()) / spectrum.size

    def ratios(self, damping: float, direction: complex, noise: float) -> FloatArray:
        """Compare the bands in bins of u, the distance from band m's centre less that from band 0's.

        Returns
        -------
        (n, 3) ndarray
            u in units of the cut-off, the logarithm of A / B over what the transfer of `damping` makes it
            (up to a constant), and its variance.
        """
        here, there = self._transfers(damping)
        u = self._distances[1] - self._distances[0]
        cross = (self._a * np.conj(self._b)).real * direction.real
        cross += (self._a * np.conj(self._b)).imag * direction.imag
        power = np.abs(self._b) ** 2
        limit = float(np.abs(u).max()) if u.size else 0.0
        if limit == 0:
            return np.empty((0, 3))
        bins = np.minimum(((u + limit) / (2 * limit) * _BINS).astype(np.intp), _BINS - 1)

        def binned(values: FloatArray) -> FloatArray:
            return np.bincount(bins, values, _BINS).astype(np.float64)

        both, own = here * there * self._trust**2, (there * self._trust) ** 2
        x, y = binned(cross * both), binned((power - noise) * own)
        variance = binned(0.5 * noise * power * both**2) / np.maximum(x, 1e-30) ** 2 + _MODEL_ERROR**2
        count = np.maximum(binned(np.ones_like(u)), 1)
        good = (x > 0) & (y > 0) & (count > 20) & (variance < 1)
        rows = np.stack(
            [binned(u) / count, np.log(np.where(good, x / np.where(good, y, 1), 1)), variance], axis=1
        )
        return rows[good]


def _better_damping(damping: float, ratios: list[FloatArray]) -> float:
    """Turn the slope of the logarithms over u, common to all orders and angles, into a damping."""
    information = 1 / _DAMPING_SPREAD**2
    total = information * np.log(_USUAL_DAMPING / damping)
    for rows in ratios:
        u, value, variance = rows.T
        weight = 1 / variance
        u = u - np.average(u, weights=weight)
        total += float((weight * u * value).sum())
        information += float((weight * u * u).sum())
    return float(np.clip(damping * np.exp(total / information), *_DAMPING_LIMITS))


def _noise_power(spectrum: ComplexArray, cutoff_px: float) -> float:
    """Return the usual power of a frequency that the optics do not pass; 0 where the camera sees none."""
    height, width = spectrum.shape
    radius = np.hypot(scipy.fft.fftfreq(height)[:, None], scipy.fft.fftfreq(width)[None, :])
    beyond = radius > 1.1 * cutoff_px
    if beyond.mean() < 0.01:
        return 0.0
    return float(np.median(np.abs(spectrum[beyond]) ** 2) / np.log(2))


def _usual_height(product: ComplexArray) -> float:
    """Return the usual height of a product's spectrum: what a wave has to stand above."""
    return float(np.sqrt(np.median(np.abs(scipy.fft.fft2(product)) ** 2) / np.log(2)))
