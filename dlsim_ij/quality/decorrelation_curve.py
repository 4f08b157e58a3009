"""One decorrelation curve: amplitudes of a spectrum summed over growing discs, and the peak.

Spectra are those of rfft2: column u = 0 .. side/2, row v = 0 .. side/2-1, -side/2 .. -1. The amplitude at
(u, v) also stands for (-u, -v). The plugin sums the rows above the centre and the centre row up to the
centre: of each such pair the one with v < 0, or with u <= 0 on the row v = 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil, floor
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Kind = Literal["unfiltered", "coarse", "refined"]

_LEAST_DROP = 0.001  # how far a curve must fall behind a maximum that is found by trimming its end
_BLOCK_PIXELS = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One decorrelation curve and its peak."""

    kind: Kind
    sigma_px: float | None  # of the Gaussian that was taken off; None: nothing was, or the plugin had NaN
    radii: FloatArray = field(repr=False, compare=False)  # 1 is the Nyquist frequency
    values: FloatArray = field(repr=False, compare=False)  # NaN where the disc holds nothing
    peak_radius: float  # the curve's first radius when it has no peak
    peak_height: float  # 0 when it has no peak


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which coefficients belong to which points of a curve; the same for all curves of a pass."""

    radii: FloatArray
    bins: NDArray[np.unsignedinteger]  # (side, side/2 + 1): the first point that holds it; len(radii): none
    cut_at: NDArray[np.intp]  # coefficients that a point, and only that point, leaves out
    cut_from: NDArray[np.intp]  # that point
    counts: NDArray[np.intp]  # of coefficients, by point

    def curve(self, spectrum: NDArray[np.complexfloating], within: NDArray[np.float32]) -> FloatArray:
        """Return sqrt(2) sum|F| / sqrt(sum|F|^2 n) by point, with n the coefficients that are not 0."""
        n_radii = len(self.radii)
        sums = np.zeros(n_radii + 1)
        zeros = np.zeros(n_radii + 1, np.intp)
        energy = 0.0
        for rows in _row_blocks(len(spectrum)):
            part, bins = spectrum[rows], self.bins[rows].astype(np.intp)
            amplitudes = np.square(part.real)
            amplitudes += np.square(part.imag)
            energy += float(np.vdot(amplitudes, within[rows]))
            if not amplitudes.all():
                zeros += np.bincount(bins[amplitudes == 0], minlength=n_radii + 1)
            np.sqrt(amplitudes, out=amplitudes)
            sums += np.bincount(bins.ravel(), amplitudes.ravel(), n_radii + 1)
        cut = np.abs(spectrum.reshape(-1)[self.cut_at])
        summed = sums[:n_radii].cumsum() - np.bincount(self.cut_from, cut, n_radii)
        counts = self.counts - zeros[:n_radii].cumsum()
        counts += np.bincount(self.cut_from[cut == 0], minlength=n_radii)
        summed[counts == 0] = 0  # the difference of two equal sums need not be exactly that
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sqrt(2) * summed / np.sqrt(energy * counts))


def curve_radii(rmin: float, rmax: float, n_radii: int) -> FloatArray:
    """Return the radii of a curve's points."""
    return rmin + np.arange(n_radii) * (rmax - rmin) / (n_radii - 1)


def within_nyquist(side: int) -> NDArray[np.float32]:
    """Return how often each entry counts in a sum over the full disc below the Nyquist frequency."""
    weight = np.empty((side, side // 2 + 1), np.float32)
    for rows in _row_blocks(side):
        u, v, repeats = _frequencies(side, rows)
        weight[rows] = np.where(4 * (u**2 + v**2) < side**2, np.float32(2), np.float32(0))
        weight[rows][repeats] = 0
    weight[0, 0] = 1
    return weight


def rings(side: int, rmin: float, rmax: float, n_radii: int) -> Sampling:
    """1.1.8: a ring about each radius, all cut to the box of the last."""
    low, high = _box(side, rmax)
    bins = _no_bins(side, n_radii)
    for rows in _row_blocks(side):
        u, v, repeats = _frequencies(side, rows)
        rho = 2 * np.sqrt(u**2 + v**2) / side
        summed_u, summed_v = np.where(v < 0, 1, -1) * u, -np.abs(v)
        held = (rho <= rmax) & ~repeats
        held &= (summed_u >= low) & (summed_u <= high) & (summed_v >= low) & (summed_v <= high)
        bins[rows] = np.where(held, ring_of(rho, rmin, rmax, n_radii), n_radii)
    return Sampling(curve_radii(rmin, rmax, n_radii), bins, *_NOTHING_CUT, _counts(bins, n_radii))


def ring_of(rho: FloatArray, rmin: float, rmax: float, n_radii: int) -> FloatArray:
    """Return the number of the nearest point, 0 for what lies below the first; not yet a whole number."""
    span = rmax - rmin
    # in this order: at the rings' edges the rounding decides
    return np.maximum((rho - rmin) / span * (n_radii - 1) + 0.5, 0) if span else np.zeros_like(rho)


def discs(side: int, rmin: float, rmax: float, n_radii: int) -> Sampling:
    """1.1.7: a disc for each radius, each cut to its own box."""
    radii = curve_radii(rmin, rmax, n_radii)
    bins = _no_bins(side, n_radii)
    for rows in _row_blocks(side):
        u, v, repeats = _frequencies(side, rows)
        squared = 4 * (u**2 + v**2) / side**2
        found = np.searchsorted(radii**2, squared.ravel(), side="right").reshape(squared.shape)
        bins[rows] = np.where(repeats, n_radii, found)
    cut = [_outside_box(side, radius) for radius in radii.tolist()]
    cut_from = np.repeat(np.arange(n_radii), [len(indices) for indices in cut])
    counts = _counts(bins, n_radii) - np.bincount(cut_from, minlength=n_radii)
    return Sampling(radii, bins, np.concatenate(cut), cut_from, counts)


_NOTHING_CUT = (np.zeros(0, np.intp), np.zeros(0, np.intp))


def _no_bins(side: int, n_radii: int) -> NDArray[np.unsignedinteger]:
    return np.empty((side, side // 2 + 1), np.min_scalar_type(n_radii))


def _counts(bins: NDArray[np.unsignedinteger], n_radii: int) -> NDArray[np.intp]:
    counts = np.zeros(n_radii + 1, np.intp)
    for rows in _row_blocks(len(bins)):
        counts += np.bincount(bins[rows].ravel(), minlength=n_radii + 1)
    return counts[:n_radii].cumsum()


def _row_blocks(side: int) -> Iterator[slice]:
    rows = max(1, 2 * _BLOCK_PIXELS // side)
    return (slice(top, min(top + rows, side)) for top in range(0, side, rows))


def _frequencies(side: int, rows: slice) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the columns u, the rows v (upright), and which entries repeat another one."""
    u = np.arange(side // 2 + 1)
    v = np.arange(rows.start, rows.stop)[:, None]
    v[v >= side // 2] -= side
    return u, v, (v > 0) & ((u == 0) | (u == side // 2))


def _box(side: int, radius: float) -> tuple[int, int]:
    """Return the lowest and the highest frequency index in the plugin's box around a disc."""
    first = floor(side * (1 - radius) / 2) - side // 2
    return first, first + floor(side * radius) - 1


def _outside_box(side: int, radius: float) -> NDArray[np.intp]:
    """Return the entries that a disc holds but its box does not: at most two columns, or tiny discs."""
    _, high = _box(side, radius)
    reach = min(ceil(side * radius / 2), side // 2 - 1)
    u = np.arange(high + 1 if high >= 0 else -reach, reach + 1)
    v = np.arange(-reach, 1)[:, None]
    lost = (4 * (u**2 + v**2) / side**2 < radius**2) & ((v < 0) | (u <= 0)) & ((u > high) | (v > high))
    row = np.where(u >= 0, v, -v) % side
    return np.asarray((row * (side // 2 + 1) + np.abs(u))[lost], dtype=np.intp)


def find_peak(kind: Kind, sigma_px: float | None, radii: FloatArray, values: FloatArray) -> tuple[Curve, int]:
    """Return a curve from its values, and the index of its peak. An empty first disc counts as 0."""
    if np.isnan(values[0]):
        values[0] = 0
    index, height = peak(values)
    curve = Curve(
        kind=kind,
        sigma_px=sigma_px,
        radii=radii,
        values=values,
        peak_radius=float(radii[index]),
        peak_height=height,
    )
    return curve, index


def peak(values: FloatArray) -> tuple[int, float]:
    """Return the index and the height of a curve's peak; height 0 when there is none.

    A maximum before the end is taken as it is. At the end the curve is trimmed until a maximum appears
    behind which it falls by more than 0.001.
    """
    curve = np.where(np.isnan(values), -np.inf, values)  # NaN wins no comparison
    best = int(np.argmax(curve))
    if best < len(curve) - 1:
        return best, max(float(curve[best]), 0.0)  # all NaN: nothing, at the first point
    for live in range(len(curve) - 1, 0, -1):
        curve[live] = 0  # the plugin looks for the maximum among these zeros too
        best = int(np.argmax(curve))
        behind = curve[best : live - 1]
        behind = behind[np.isfinite(behind)]
        lowest = behind.min() if behind.size else curve[best]
        if curve[best] - lowest > _LEAST_DROP:
            return best, float(curve[best])
        curve[best] = lowest
    return 0, 0.0
