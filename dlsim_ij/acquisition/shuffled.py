"""Sorting frames of an unknown order: frames that answer to the same pattern belong to one angle.

The product of a frame's deviation with the mean frame holds the wave of that frame's own pattern only.
Frames are grouped by the wave to which they answer most strongly, and sorted by its phase.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.acquisition.order import Reading, Scatter, central_part, evidence, taper
from dlsim_ij.optics import otf_profile

FloatArray = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]

_LARGEST_SIDE_PX = 512
_RING = (0.15, 1.0)  # of the cut-off: where a first or second order can lie
_MOST_SWAPS = 40


def sort_frames(
    signal: NDArray[Any], scatter: Scatter, cutoff_px: float, n_angles: int, n_phases: int
) -> Reading:
    """Find the order of shuffled frames, supposing a layout.

    Parameters
    ----------
    signal : (N, Y, X) ndarray
        As for `frame_scatter`.
    scatter : Scatter
        Of the same frames: the first guess is improved by swaps of two frames as long as they help.
    cutoff_px : float
        In cycles per pixel.
    n_angles, n_phases : int

    Returns
    -------
    Reading
        With the order "other"; its support is not measured here.
    """
    waves, ring = _pattern_spectra(signal, cutoff_px)
    left = list(range(len(signal)))
    sorted_frames: list[int] = []
    for _ in range(n_angles):
        strength = np.where(ring, (np.abs(waves[left]) ** 2).sum(axis=0), 0)
        peak = np.unravel_index(int(np.argmax(strength)), ring.shape)
        answers = waves[:, peak[0], peak[1]]
        own = sorted(left, key=lambda j: -abs(answers[j]))[:n_phases]
        own.sort(key=lambda j: float(np.angle(answers[j])))
        sorted_frames += _as_first_order(waves, own, peak)
        left = [j for j in left if j not in own]
    start = Reading(n_angles=n_angles, n_phases=n_phases, order="other", permutation=tuple(sorted_frames))
    return improve(scatter, start)


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
        permutation=tuple(int(i) for i in np.concatenate(sorted_groups)),
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


def _pattern_spectra(signal: NDArray[Any], cutoff_px: float) -> tuple[ComplexArray, NDArray[np.bool_]]:
    """Return the spectra of deviation times mean, and where a pattern can lie."""
    signal = central_part(signal, _LARGEST_SIDE_PX)
    height, width = signal.shape[1:]
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    keep = (1 - np.exp(-((radius / (0.12 * cutoff_px)) ** 2))) * np.sqrt(otf_profile(radius, cutoff_px, 0.5))
    window = np.outer(taper(height), taper(width))
    mean = signal.mean(axis=0)

    def sharp(image: FloatArray) -> FloatArray:
        return scipy.fft.irfft2(scipy.fft.rfft2(image * window) * keep, s=(height, width))

    still = sharp(mean - mean.mean())
    waves = np.stack([scipy.fft.rfft2(sharp(frame - mean) * still) for frame in signal]).astype(np.complex64)
    ring = (radius > _RING[0] * cutoff_px) & (radius < _RING[1] * cutoff_px)
    ring[:, 0] &= np.fft.fftfreq(height) > 0  # each wave once
    return waves, ring


def _as_first_order(waves: ComplexArray, own: list[int], peak: tuple[Any, ...]) -> list[int]:
    """Sort by order 1 if the strongest wave was order 2: half the frequency, and twice the step."""
    n = len(own)
    if n < 5 or n % 2 == 0:
        return own
    height = waves.shape[1]
    y = int(peak[0]) if peak[0] <= height // 2 else int(peak[0]) - height
    x = int(peak[1])
    spectrum = waves[own]

    def height_near(y0: float, x0: float, harmonic: int) -> float:
        turn = np.exp(-2j * np.pi * harmonic * np.arange(n) / n)
        rows = np.round(y0 + np.arange(-1, 2)).astype(int) % height
        columns = np.clip(np.round(x0 + np.arange(-1, 2)).astype(int), 0, waves.shape[2] - 1)
        return float(np.abs(np.einsum("j,jyx->yx", turn, spectrum[:, rows[:, None], columns])).max())

    half_step = (n + 1) // 2  # 2 * half_step = 1 modulo n
    as_second = height_near(y / 2, x / 2, half_step)
    as_first = height_near(2 * y, 2 * x, 2) if 2 * x < waves.shape[2] and 2 * abs(y) < height // 2 else 0.0
    if as_second <= as_first:
        return own
    return [own[(2 * j) % n] for j in range(n)]
