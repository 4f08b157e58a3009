"""Which frames belong to one angle, and in which order: read from how the frames vary together.

After the mean frame is taken off, a pixel's values over the N frames of a stack follow the illumination.
The phases of an angle add up to even light, so the sums over the frames of each angle do not vary, and
what varies are the harmonics of each angle's phases. So the right reading (angles x phases, and an order)
is the one whose harmonics diagonalise the N x N scatter matrix of the frames: by Hadamard's inequality no
other orthogonal basis gives a smaller product of variances. No search for the period is needed, and all
pixels contribute, so it works at light levels where no single frame shows its pattern.

How sure the answer is, is measured and not assumed: the field is cut into blocks, and the support of a
reading is the share of bootstrap samples of the blocks (Efron 1979, doi 10.1214/aos/1176344552) in
which it is best. A field whose light sits in one corner has few independent blocks and shows it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from dlsim_ij.acquisition.pattern_fourier import central_part, taper
from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import otf_profile
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]

PHASES = range(3, 6)
ANGLES = range(1, 7)
ORDERS = ("angle-major", "phase-major")
_BLOCKS = 6  # along a side
_BOOTSTRAPS = 200
_LARGEST_SIDE_PX = 512
_FLOOR = 0.5  # of the noise: a variance below it is an accident
_BEYOND = 1.12  # of the cut-off: there is only noise, even if the optics pass 7 % more than stated


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Result):
    """One way to read a stack.

    Attributes
    ----------
    n_angles, n_phases : int
    order : str
        "angle-major", "phase-major" (first phase of every angle first) or "other".
    permutation : tuple of int
        ``frames[list(permutation)]`` is angle-major.
    support : float
        Share of the bootstrap samples in which this reading explains the frames best.
    """

    n_angles: int
    n_phases: int
    order: str
    permutation: tuple[int, ...]
    support: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter(Result):
    """How the frames of a stack vary together, block by block of the field.

    Attributes
    ----------
    blocks : (n_blocks, N, N) ndarray
        Weighted sums of products of the frames' deviations from the mean frame.
    noise : (n_blocks,) ndarray
        What noise alone would give on the diagonal.
    """

    blocks: FloatArray = field(repr=False, compare=False)
    noise: FloatArray = field(repr=False, compare=False)

    def total(self) -> FloatArray:
        """Return the (N, N) matrix of the whole field in units of the noise."""
        total: FloatArray = self.blocks.sum(axis=0) / max(float(self.noise.sum()), 1e-30)
        return total

    def bootstrap(self, samples: int = _BOOTSTRAPS) -> FloatArray:
        """Return (samples, N, N) matrices of blocks drawn with replacement, always the same draws."""
        n = len(self.noise)
        counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=samples)
        sums = np.einsum("sb,bij->sij", counts, self.blocks, optimize=True)
        drawn: FloatArray = sums / np.maximum(counts @ self.noise, 1e-30)[:, None, None]
        return drawn


def order_permutation(order: str, n_angles: int, n_phases: int) -> tuple[int, ...]:
    """Return where each frame of the angle-major stack stands in a stack of a named order.

    Raises
    ------
    LayoutError
        No such order.

    Examples
    --------
    >>> order_permutation("phase-major", 2, 3)
    (0, 2, 4, 1, 3, 5)
    """
    numbers = np.arange(n_angles * n_phases)
    if order == "angle-major":
        return tuple(numbers.tolist())
    if order == "phase-major":
        return tuple(numbers.reshape(n_phases, n_angles).T.ravel().tolist())
    raise LayoutError(f"no order is called '{order}'", f"use one of {', '.join(ORDERS)}")


def possible_readings(n_frames: int, *, n_phases: int | None = None) -> list[Reading]:
    """List the layouts and named orders that a number of frames allows.

    Six phases and more are rare, explain whatever fewer phases explain, and make a layout of any number:
    they are considered only if `n_phases` asks for them.

    Examples
    --------
    >>> [(r.n_angles, r.n_phases, r.order) for r in possible_readings(6)]
    [(2, 3, 'angle-major'), (2, 3, 'phase-major')]
    """
    return [
        Reading(
            n_angles=n_frames // phases, n_phases=phases, order=order,
            permutation=order_permutation(order, n_frames // phases, phases),
        )
        for phases in (PHASES if n_phases is None else [n_phases])
        if n_frames % phases == 0 and n_frames // phases in ANGLES
        for order in (ORDERS if n_frames > phases else ORDERS[:1])
    ]  # fmt: skip


def frame_scatter(signal: NDArray[Any], cutoff_px: float) -> Scatter:
    """Measure how frames vary together, where the optics pass detail and the light stands above the noise.

    Parameters
    ----------
    signal : (N, Y, X) ndarray
        Native frames above the camera offset, of equal brightness (`equalise_frames`).
    cutoff_px : float
        Highest frequency that the optics pass, in cycles per pixel.

    Returns
    -------
    Scatter

    Notes
    -----
    What brightness and drift change (the mean frame and its slopes) is projected out of every frame.
    """
    signal = central_part(signal, _LARGEST_SIDE_PX)
    n, height, width = signal.shape
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    passed = (1 - np.exp(-((radius / (0.12 * cutoff_px)) ** 2))) * otf_profile(radius, cutoff_px, 0.5)
    passed = passed.astype(np.float32)
    beyond = noise_band(radius, cutoff_px)
    window = np.outer(taper(height), taper(width)).astype(np.float32)
    mean = signal.mean(axis=0, dtype=np.float32)
    still = scipy.fft.rfft2((mean - mean.mean()) * window) * passed
    slopes = [2j * np.pi * np.fft.fftfreq(height)[:, None], 2j * np.pi * np.fft.rfftfreq(width)[None, :]]
    nuisance = np.stack(
        [scipy.fft.irfft2(still * f, s=(height, width)).ravel() for f in (np.float32(1), *slopes)]
    ).astype(np.float32)
    deviations = np.empty((n, height * width), np.float32)
    residual = np.zeros((height, width))
    for number, frame in enumerate(signal):
        spectrum = scipy.fft.rfft2((frame - mean).astype(np.float32) * window)
        deviations[number] = scipy.fft.irfft2(spectrum * passed, s=(height, width)).ravel()
        residual += scipy.fft.irfft2(spectrum * beyond, s=(height, width)) ** 2
    overlap = nuisance @ nuisance.T
    shares = np.linalg.lstsq(overlap, nuisance @ deviations.T, rcond=None)[0].astype(np.float32)
    deviations -= shares.T @ nuisance

    passing = float(_both_halves(passed**2, width).sum() / _both_halves(beyond, width).sum())
    noise = scipy.ndimage.gaussian_filter(residual / (n - 1) * passing, 6, mode="nearest").ravel()
    noise = np.maximum(noise, 0.05 * noise.mean() + 1e-30)
    energy = (deviations**2).sum(axis=0).reshape(height, width) / (n - 1)
    near = scipy.ndimage.gaussian_filter(energy, 1.0, mode="nearest").ravel()
    # best weights for a signal of this local variance in noise; they depend on the energy of all frames
    # together, so they favour no reading
    weights = (np.maximum(near - noise, 0) / (np.maximum(near, noise) * noise)).astype(np.float32)
    deviations *= np.sqrt(weights)
    expected = weights * noise
    rows, columns = (np.array_split(np.arange(side), _BLOCKS) for side in (height, width))
    cube, expected = deviations.reshape(n, height, width), expected.reshape(height, width)
    blocks, levels = [], []
    for r in rows:
        for c in columns:
            part = cube[:, r[0] : r[-1] + 1, c[0] : c[-1] + 1].reshape(n, -1)
            blocks.append(part @ part.T)
            levels.append(float(expected[r[0] : r[-1] + 1, c[0] : c[-1] + 1].sum()))
    return Scatter(blocks=np.array(blocks, dtype=np.float64), noise=np.array(levels))


def evidence(matrices: FloatArray, reading: Reading) -> FloatArray:
    """Return minus half the log of the product of variances in the basis of a reading, one per matrix."""
    order = np.array(reading.permutation)
    sorted_ = matrices[:, order[:, None], order[None, :]]
    total = np.zeros(len(matrices))
    for _, vectors in phase_basis(reading.n_angles, reading.n_phases):
        variance = np.einsum("in,knm,im->k", vectors, sorted_, vectors, optimize=True) / len(vectors)
        total -= len(vectors) / 2 * np.log(np.maximum(variance, _FLOOR))
    return total


def phase_basis(n_angles: int, n_phases: int) -> list[tuple[tuple[int, int], FloatArray]]:
    """Return orthonormal vectors over angle-major frames, without the mean of all.

    Returns
    -------
    list of ((angle, harmonic), (n, N) ndarray)
        Harmonic m of the phases of an angle, a cosine and a sine (or one vector where they are one);
        first, as (-1, 0), what differs between the means of the angles.
    """
    n = n_angles * n_phases
    basis: list[tuple[tuple[int, int], FloatArray]] = []
    if n_angles > 1:
        contrasts = np.linalg.svd(np.eye(n_angles) - 1 / n_angles)[0][:, : n_angles - 1].T
        basis.append(((-1, 0), np.repeat(contrasts, n_phases, axis=1) / np.sqrt(n_phases)))
    turns = 2 * np.pi * np.arange(n_phases) / n_phases
    for angle in range(n_angles):
        own = slice(angle * n_phases, (angle + 1) * n_phases)
        for harmonic in range(1, n_phases // 2 + 1):
            waves = [np.cos(harmonic * turns), np.sin(harmonic * turns)]
            vectors = np.zeros((1 if 2 * harmonic == n_phases else 2, n))
            for vector, wave in zip(vectors, waves, strict=False):
                vector[own] = wave / np.linalg.norm(wave)
            basis.append(((angle, harmonic), vectors))
    return basis


def variances(matrix: FloatArray, reading: Reading) -> dict[tuple[int, int], float]:
    """Return the mean variance of each (angle, harmonic), and between the angles, (-1, 0)."""
    order = np.array(reading.permutation)
    sorted_ = matrix[np.ix_(order, order)]
    return {
        place: float(np.einsum("in,nm,im->", vectors, sorted_, vectors) / len(vectors))
        for place, vectors in phase_basis(reading.n_angles, reading.n_phases)
    }


def explained(matrix: FloatArray, reading: Reading) -> float:
    """Return how much of what varies are phases: 1 if the means of the angles are alike but for noise.

    A series that is no SIM stack, or one read wrongly, varies between the means as much as within angles.
    """
    found = variances(matrix, reading)
    between = found.pop((-1, 0), 1.0)
    within = float(np.mean(list(found.values())))
    return float(np.clip(1 - (between - 1) / (within - 1), 0, 1)) if within > 1 else 0.0


def rank_readings(scatter: Scatter, readings: Sequence[Reading]) -> list[Reading]:
    """Return the readings with their support, best first.

    The support is the share of the bootstrap samples in which a reading is best, or less if its margin
    over the closest rival is small against the scatter of that margin.
    """
    if len(readings) == 1:
        return [with_support(readings[0], 1.0)]
    drawn = np.array([evidence(scatter.bootstrap(), reading) for reading in readings])
    wins = np.bincount(drawn.argmax(axis=0), minlength=len(readings)) / drawn.shape[1]
    order = sorted(range(len(readings)), key=lambda i: (wins[i], drawn[i].mean()), reverse=True)
    best = order[0]
    closest = min(clearness(drawn[best], drawn[i]) for i in order[1:])
    sure = 0.5 * (1 + math.erf(0.7 * closest / math.sqrt(2)))  # of a normal margin, with some reserve
    supports = np.minimum(wins, sure) if wins[best] > 0 else wins
    return [with_support(readings[i], float(supports[i])) for i in order]


def clearness(one: FloatArray, other: FloatArray) -> float:
    """Return the mean margin of `one` over `other` in units of its standard deviation."""
    margin = one - other
    return float(margin.mean() / max(float(margin.std()), 1e-12))


def with_support(reading: Reading, support: float) -> Reading:
    """Return the reading with another support."""
    return Reading(
        n_angles=reading.n_angles, n_phases=reading.n_phases, order=reading.order,
        permutation=reading.permutation, support=support,
    )  # fmt: skip


def noise_band(radius: FloatArray, cutoff_px: float) -> NDArray[np.bool_]:
    """Return where only noise is: beyond the cut-off, or the outermost 5 % if the pixels are too large."""
    beyond = radius > _BEYOND * cutoff_px
    return beyond if beyond.mean() >= 0.03 else radius > np.quantile(radius, 0.95)


def _both_halves(half: NDArray[Any], width: int) -> FloatArray:
    """Weigh the columns of a half spectrum by how often they stand in the whole one."""
    times = np.full(half.shape[1], 2.0)
    times[0] = 1.0
    if width % 2 == 0:
        times[-1] = 1.0
    return half * times
