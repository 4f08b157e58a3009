"""A correlation curve: smooth form, noise, and where it crosses its threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.quality.frc_rings import FloatArray, Rings, RingSums

Status = Literal["ok", "no-crossing", "no-signal", "identical"]

LEAST_SIGNIFICANCE = 5.0  # standard deviations by which all rings up to the crossing must correlate
_IDENTICAL = 1e-9
_FLOOR_BAND = 0.15  # highest frequencies, where optics pass nothing, as a share of the rings
_FEWEST_SMOOTHED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One correlation curve with its threshold; every array is ``(rings,)``."""

    frequency: FloatArray  # cycles/px
    raw: FloatArray
    smoothed: FloatArray
    read: FloatArray  # the one of both that the crossing is read from
    threshold: FloatArray
    n_independent: FloatArray
    variance: FloatArray  # of `read`

    @classmethod
    def of(cls, sums: RingSums, rings: Rings, threshold: FloatArray, smoothed: bool) -> Curve:
        """Return the curve of one pair."""
        raw = sums.correlation()[0]
        start, rows = smoothing(rings.count, rings.n_independent, smoothing_span(min(rings.shape)))
        smooth_curve = smooth(raw, start, rows)
        read = smooth_curve if smoothed else raw
        # of a correlation coefficient of complex samples, of which only the real part is kept
        variance = (1 - np.clip(read, -1, 1) ** 2) ** 2 / (2 * rings.n_independent)
        if smoothed:
            members = start[:, None] + np.arange(rows.shape[1])
            variance = (rows**2 * variance[members]).sum(axis=1)
        return cls(
            frequency=rings.frequency,
            raw=raw,
            smoothed=smooth_curve,
            read=read,
            threshold=threshold,
            n_independent=rings.n_independent,
            variance=variance,
        )

    def crossing(self) -> tuple[Status, float | None, float | None]:
        """Return the status, the frequency of the crossing and its standard deviation (cycles/px)."""
        if float(self.raw.min()) > 1 - _IDENTICAL:
            return "identical", None, None
        cutoff, sharp = crossings(self.raw[None], self.read[None], self.threshold, self)
        if np.isnan(cutoff[0]):
            return ("no-crossing" if sharp[0] else "no-signal"), None, None
        return "ok", float(cutoff[0]), self._spread(float(cutoff[0]))

    def floor(self, cutoff: float | None) -> tuple[float, float]:
        """Return the mean correlation at the highest frequencies and its standard error."""
        band = self.frequency > (1 - _FLOOR_BAND) * self.frequency[-1]
        if cutoff is not None:
            band &= self.frequency > 1.2 * cutoff
        weights = self.n_independent[band]
        if weights.sum() == 0:
            return 0.0, 1.0
        return float(np.average(self.raw[band], weights=weights)), float(1 / np.sqrt(2 * weights.sum()))

    def _spread(self, cutoff: float) -> float | None:
        """Return the standard deviation of the crossing: of the curve there, over its mean slope."""
        k = int(np.searchsorted(self.frequency, cutoff)) - 1
        reach = max(2, smoothing_span(2 * len(self.frequency)) // 2)
        near = slice(max(0, k - reach), k + reach + 2)
        slope = np.polyfit(self.frequency[near], self.smoothed[near] - self.threshold[near], 1)[0]
        if slope >= 0:
            return None
        return float(np.sqrt(np.interp(cutoff, self.frequency, self.variance)) / -slope)


def crossings(
    raw: FloatArray, read: FloatArray, threshold: FloatArray, rings: Rings | Curve
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Find where curves ``(curves, rings)`` fall below the threshold for the first time.

    Only where all rings up to there together correlate significantly: otherwise noise would cross it in the
    first rings, which hold few samples.

    Returns
    -------
    cutoff : (curves,) ndarray
        In cycles/px, by straight line between two rings; NaN: there is no crossing.
    sharp : (curves,) ndarray of bool
        The curve is significant and stays above the threshold up to the last ring.
    """
    samples, frequency = rings.n_independent, rings.frequency
    # the sum of n F over rings of noise has the variance sum n / 2
    evidence = np.cumsum(samples * raw, axis=1) / np.sqrt(np.cumsum(samples) / 2)
    significant = evidence > LEAST_SIGNIFICANCE
    above = read >= threshold
    down = above[:, :-1] & ~above[:, 1:] & significant[:, :-1]
    k = down.argmax(axis=1)
    crossed = down.any(axis=1)
    before, after = (read[np.arange(len(read)), k + i] - threshold[k + i] for i in (0, 1))
    fall = np.where(crossed, before - after, 1.0)
    cutoff = frequency[k] + (frequency[k + 1] - frequency[k]) * before / fall
    return np.where(crossed, cutoff, np.nan), ~crossed & above[:, -1] & significant[:, -1]


def smoothing(count: int, weights: FloatArray, span: int) -> tuple[NDArray[np.intp], FloatArray]:
    """Return the weights of LOESS smoothing: local quadratic fits under tricube weights.

    Parameters
    ----------
    count : int
        Number of rings.
    weights : (count,) ndarray
        Of each ring in the fits, on top of the tricube: its number of samples.
    span : int
        Rings in each fit, odd.

    Returns
    -------
    start : (count,) ndarray
        First ring of each fit.
    rows : (count, span) ndarray
        ``smoothed[k] = sum(rows[k] * raw[start[k] : start[k] + span])``.
    """
    span = min(span, count - (1 - count % 2))
    centre = np.arange(count)
    start = np.clip(centre - span // 2, 0, count - span)
    distance = start[:, None] + np.arange(span) - centre[:, None]
    reach = np.abs(distance).max(axis=1, keepdims=True) + 1.0
    x = distance / reach
    weight = (1 - np.abs(x) ** 3) ** 3 * weights[start[:, None] + np.arange(span)]
    powers = np.stack([np.ones_like(x), x, x * x], axis=-1)
    normal = np.einsum("ks,ksi,ksj->kij", weight, powers, powers)
    unit = np.linalg.solve(normal, np.broadcast_to([[1.0], [0.0], [0.0]], (count, 3, 1)))[..., 0]
    return start.astype(np.intp), np.einsum("ki,ksi,ks->ks", unit, powers, weight)


def smooth(curves: FloatArray, start: NDArray[np.intp], rows: FloatArray) -> FloatArray:
    """Smooth curves ``(..., rings)`` by what :func:`smoothing` returned."""
    members = start[:, None] + np.arange(rows.shape[1])
    return np.asarray(np.einsum("...ks,ks->...k", curves[..., members], rows))


def smoothing_span(shorter_side_px: int) -> int:
    """Return the rings that FIRE smooths over: a twentieth of the side in px, odd, at least 5."""
    span = max(_FEWEST_SMOOTHED, -(-shorter_side_px // 20))
    return span + 1 - span % 2
