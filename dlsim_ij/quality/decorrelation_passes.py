"""The two passes of decorrelation analysis: which filters and radii are tried, and which peak decides.

How a curve is measured does not matter here (see :class:`Curves`): over the whole plane, as the plugin does,
or over a sector of directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from dlsim_ij.quality.decorrelation_curve import Curve

Version = Literal["1.1.8-nocap", "1.1.8", "1.1.7-2019"]

_SMALLEST_SIGMA_PX = 0.14
_CAP_1_1_8 = 0.5


class Curves(Protocol):
    """What can be filtered and summed up to curves of `n_radii` points."""

    side: int
    n_radii: int

    def unfiltered(self, rmin: float, rmax: float) -> tuple[Curve, int]:
        """Return the curve without a filter, and the index of its peak."""

    def filtered(
        self, kind: Literal["coarse", "refined"], sigmas: Sequence[float | None], rmin: float, rmax: float
    ) -> list[Curve]:
        """Return a curve for each high-pass filter; None stands for one that leaves nothing."""


class Found(NamedTuple):
    """The answer of both passes."""

    kc: float | None  # None: the plugin crashed
    kc_gm: float | None
    kc0: float
    refined_from: float
    refined_to: float
    curves: list[Curve]


class _Candidate(NamedTuple):
    kc: float
    height: float
    number: int  # among the candidates


def analyse(measure: Curves, version: Version, n_gaussians: int, rmin: float, rmax: float) -> Found:
    """Find the largest radius at which any curve peaks."""
    old = version == "1.1.7-2019"
    first, index0 = measure.unfiltered(0.0, 1.0) if old else measure.unfiltered(rmin, rmax)
    kc0 = index0 / (measure.n_radii - 1)  # whatever the range: so does the plugin
    widest = 2 / kc0 if kc0 else measure.side / 2
    sigmas = [_spaced(_SMALLEST_SIGMA_PX, widest, n_gaussians, k) for k in range(-1, n_gaussians)]
    coarse = measure.filtered("coarse", sigmas[1:], rmin, rmax)
    peaks = [(curve.peak_radius, curve.peak_height) for curve in coarse]
    unfiltered_peak = (rmin + kc0 * (rmax - rmin), first.peak_height)
    by_both, by_kc = _winners([*peaks, unfiltered_peak])

    low, high = sorted((by_both.kc, by_kc.kc))
    refined_rmin = max(rmin, low - 0.05)
    refined_rmax = _CAP_1_1_8 if version == "1.1.8" else min(rmax, high + 0.3)
    if refined_rmin > refined_rmax:
        return Found(None, None, kc0, refined_rmin, refined_rmax, [first, *coarse])
    weakest, strongest = sorted((by_both.number, by_kc.number))
    refined_sigmas: list[float | None]
    if strongest == n_gaussians:  # the unfiltered curve won: the plugin's sigmas become NaN
        refined_sigmas = [None] * n_gaussians
    else:
        ends = sigmas[weakest], sigmas[strongest + 1]  # sigmas[0] is one step below the first filter
        refined_sigmas = [_spaced(*ends, n_gaussians, k) for k in range(n_gaussians)]
    refined = measure.filtered("refined", refined_sigmas, refined_rmin, refined_rmax)
    refined_peaks = [(curve.peak_radius, curve.peak_height) for curve in refined]
    by_both, by_kc = _winners(refined_peaks if old else peaks + refined_peaks)
    return Found(by_kc.kc, by_both.kc, kc0, refined_rmin, refined_rmax, [first, *coarse, *refined])


def _winners(candidates: Sequence[tuple[float, float]]) -> tuple[_Candidate, _Candidate]:
    """Return the candidate of the largest kc times height and that of the largest kc; the first of equals."""
    by_both = by_kc = _Candidate(0.0, 0.0, 0)
    for number, (kc, height) in enumerate(candidates):
        if kc * height > by_both.kc * by_both.height:
            by_both = _Candidate(kc, height, number)
        if kc > by_kc.kc:
            by_kc = _Candidate(kc, height, number)
    return by_both, by_kc


def _spaced(first: float, last: float, count: int, index: int) -> float:
    return float(first * (last / first) ** (index / (count - 1)))
