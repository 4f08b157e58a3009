"""Sorting frames of an unknown order: frames that answer to the same pattern belong to one angle.

The product of a frame's deviation with the mean frame holds the wave of that frame's own pattern only.
Frames are grouped by the wave to which they answer most strongly, and sorted by its phase.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from dlsim_ij.acquisition.order import (
    Reading,
    Scatter,
    evidence,
    order_permutation,
    variances,
)
from dlsim_ij.acquisition.pattern_fourier import central_part, taper
from dlsim_ij.optics import otf_profile

FloatArray = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]

_LARGEST_SIDE_PX = 512
_RING = (0.15, 1.0)  # of the cut-off: where a first or second order can lie
# Of the cut-off: light below it is haze, and hides fine two-beam patterns, whose bands overlap far out only.
_DETAIL = 0.3
_MOST_SWAPS = 40
_RANDOM_GUESSES = 4
_ALONE = 0.05  # of the other order's variance: as good as none


def sort_frames(
    signal: NDArray[Any], scatter: Scatter, cutoff_px: float, layouts: Iterable[tuple[int, int]]
) -> list[Reading]:
    """Find the order of shuffled frames for each of some layouts.

    Parameters
    ----------
    signal : (N, Y, X) ndarray
        As for `frame_scatter`.
    scatter : Scatter
        Of the same frames: first guesses are improved by swaps of two frames as long as they help.
    cutoff_px : float
        In cycles per pixel.
    layouts : iterable of (int, int)
        Angles and phases.

    Returns
    -------
    list of Reading
        One per layout, with the order "other"; their support is not measured here.
    """
    waves, ring = pattern_spectra(signal, cutoff_px)
    matrix = scatter.total()
    rng = np.random.default_rng(0)
    found = []
    for n_angles, n_phases in layouts:
        guesses = [
            _by_wave(waves, ring, n_angles, n_phases),
            _by_likeness(matrix, n_angles, n_phases),
            tuple(range(len(signal))),
            order_permutation("phase-major", n_angles, n_phases),
            *(tuple(rng.permutation(len(signal)).tolist()) for _ in range(_RANDOM_GUESSES)),
        ]
        readings = [improve(scatter, _free(n_angles, n_phases, guess)) for guess in guesses]
        best = max(readings, key=lambda r: float(evidence(matrix[None], r)[0]))
        found.append(canonical(_orders_told_apart(best, waves, ring, matrix)))
    return found


def _free(n_angles: int, n_phases: int, permutation: Iterable[int]) -> Reading:
    return Reading(
        n_angles=n_angles, n_phases=n_phases, order="other", permutation=tuple(int(i) for i in permutation)
    )


def _by_wave(waves: ComplexArray, ring: NDArray[np.bool_], n_angles: int, n_phases: int) -> tuple[int, ...]:
    """Group the frames by the wave to which they answer, and sort them by its phase."""
    left = list(range(len(waves)))
    found: list[int] = []
    for _ in range(n_angles):
        strength = np.where(ring, (np.abs(waves[left]) ** 2).sum(axis=0), 0)
        peak = np.unravel_index(int(np.argmax(strength)), ring.shape)
        answers = waves[:, peak[0], peak[1]]
        own = sorted(left, key=lambda j: -abs(answers[j]))[:n_phases]
        own.sort(key=lambda j: float(np.angle(answers[j])))
        found += own
        left = [j for j in left if j not in own]
    return tuple(found)


def _by_likeness(matrix: FloatArray, n_angles: int, n_phases: int) -> tuple[int, ...]:
    """Group the frames that vary together, one group after the other from its strongest frame."""
    power = np.maximum(np.diag(matrix) - 1, 1e-3 * np.diag(matrix).mean())
    likeness = matrix**2 / np.outer(power, power)
    left = list(range(len(matrix)))
    found: list[int] = []
    for _ in range(n_angles):
        own = [max(left, key=lambda j: float(power[j]))]
        while len(own) < n_phases:
            rest = [j for j in left if j not in own]
            own.append(max(rest, key=lambda j: float(likeness[j, own].sum())))
        found += own
        left = [j for j in left if j not in own]
    return tuple(found)


def every_second(reading: Reading) -> Reading:
    """Return the reading with order 1 and 2 exchanged: phases that step by two."""
    groups = np.array(reading.permutation).reshape(reading.n_angles, reading.n_phases)
    exchanged = groups[:, 2 * np.arange(reading.n_phases) % reading.n_phases]
    return Reading(
        n_angles=reading.n_angles, n_phases=reading.n_phases, order="other",
        permutation=tuple(int(i) for i in exchanged.ravel()), support=reading.support,
    )  # fmt: skip


def canonical(reading: Reading) -> Reading:
    """Return the same reading with the earliest frame of every angle first, and the angles by these.

    Where the phases start and which way they step is free.
    """
    groups = np.array(reading.permutation).reshape(reading.n_angles, reading.n_phases)
    sorted_groups = []
    for group in groups:
        own = np.roll(group, -int(group.argmin()))
        sorted_groups.append(own if own[1] < own[-1] else np.roll(own[::-1], 1))
    sorted_groups.sort(key=lambda own: int(own[0]))
    return Reading(
        n_angles=reading.n_angles, n_phases=reading.n_phases, order=reading.order,
        permutation=tuple(int(i) for i in np.concatenate(sorted_groups)), support=reading.support,
    )  # fmt: skip


def improve(scatter: Scatter, reading: Reading) -> Reading:
    """Swap pairs of frames as long as the frames are explained better."""
    matrix, n = scatter.total(), len(reading.permutation)
    pairs = [(i, j) for i in range(n) for j in range(i)]
    for _ in range(_MOST_SWAPS):
        now = np.array(reading.permutation)
        trials = np.repeat(now[None], len(pairs) + 1, axis=0)
        for row, (i, j) in zip(trials, pairs, strict=False):
            row[[i, j]] = row[[j, i]]
        identity = Reading(
            n_angles=reading.n_angles, n_phases=reading.n_phases, order="other", permutation=tuple(range(n))
        )
        gains = evidence(matrix[trials[:, :, None], trials[:, None, :]], identity)
        best = int(np.argmax(gains))
        if gains[best] <= gains[-1] + 1e-9:
            break
        reading = Reading(
            n_angles=reading.n_angles, n_phases=reading.n_phases, order="other",
            permutation=tuple(trials[best].tolist()),
        )  # fmt: skip
    return reading


def pattern_spectra(signal: NDArray[Any], cutoff_px: float) -> tuple[ComplexArray, NDArray[np.bool_]]:
    """Return the spectra of deviation times mean, and where a pattern can lie."""
    signal = central_part(signal, _LARGEST_SIDE_PX)
    height, width = signal.shape[1:]
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    keep = (1 - np.exp(-((radius / (_DETAIL * cutoff_px)) ** 2))) * otf_profile(
        radius, cutoff_px, 0.5
    ) ** 0.25
    window = np.outer(taper(height), taper(width))
    mean = signal.mean(axis=0)

    def sharp(image: FloatArray) -> FloatArray:
        return scipy.fft.irfft2(scipy.fft.rfft2(image * window) * keep, s=(height, width))

    still = sharp(mean - mean.mean())
    waves = np.stack([scipy.fft.rfft2(sharp(frame - mean) * still) for frame in signal]).astype(np.complex64)
    ring = (radius > _RING[0] * cutoff_px) & (radius < _RING[1] * cutoff_px)
    ring[:, 0] &= np.fft.fftfreq(height) > 0  # each wave once
    return waves, ring


def _orders_told_apart(
    reading: Reading, waves: ComplexArray, ring: NDArray[np.bool_], matrix: FloatArray
) -> Reading:
    """Exchange order 1 and 2 of an angle where their periods, or their strengths, ask for it.

    With an odd number of phases the frames vary in the same way if they step by one or by two phases, but
    order 2 has half the period of order 1, and never stands alone.
    """
    n = reading.n_phases
    if n % 2 == 0 or n < 5:
        return reading
    found = variances(matrix, reading)
    groups = np.array(reading.permutation).reshape(reading.n_angles, n)
    kept: list[int] = []
    for angle, own in enumerate(groups):
        first, second = (max(found[angle, order] - 1, 1e-6) for order in (1, 2))
        exchange = (
            second > first
            if min(first, second) < _ALONE * max(first, second)
            else _joint_height(waves[own], ring, 2) > _joint_height(waves[own], ring, 1)
        )
        kept += own[2 * np.arange(n) % n].tolist() if exchange else own.tolist()
    return _free(reading.n_angles, n, kept)


def _joint_height(waves: ComplexArray, ring: NDArray[np.bool_], step: int) -> float:
    """Return the highest sum of order 1 at a frequency and order 2 at its double, for phases of a step."""
    n, height, half = waves.shape
    # where twice a frequency still is on the grid
    rows = np.flatnonzero(np.abs(np.fft.fftfreq(height)) < 0.25)
    columns = np.arange((half - 1) // 2)
    best = 0.0
    for sign in (1, -1):
        one, two = (
            np.abs(np.tensordot(np.exp(-2j * np.pi * sign * order * step * np.arange(n) / n), waves, 1)) ** 2
            for order in (1, 2)
        )
        # a peak between the points of the grid has its twin on one of the neighbours
        two = scipy.ndimage.maximum_filter(two, 3, mode="wrap")
        total = one[np.ix_(rows, columns)] + two[np.ix_((2 * rows) % height, 2 * columns)]
        best = max(best, float(np.where(ring[np.ix_(rows, columns)], total, 0).max()))
    return best
