"""One pattern for a whole field: frequencies good for 16,000 pixels do not come from 512 of them.

A window of 512 px tells a frequency to some 1e-5 cycles per pixel; 16,000 px on that is a sixth of a period.
So phases are measured in windows all over the field, under the frequencies of the best one, and a plane is
laid through them for each angle: its slope is what was missing in the frequency, its height what was missing
in the phase. What is left over tells whether the field has one pattern at all; where it has not (a mosaic of
stitched fields, a bent pattern), every block gets the phases that are measured in it, or next to it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dlsim_ij.acquisition.fitted import SNR_LOST
from dlsim_ij.acquisition.pattern_fit import fit_patterns
from dlsim_ij.acquisition.pattern_fourier import moved_origin
from dlsim_ij.acquisition.single_frames import fit_single_frames
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]
Read = Callable[[tuple[int, int]], FloatArray]

# Standard deviation of what a window leaves open in a frequency, in cycles per pixel; the plane is drawn
# towards no slope with it, so that two windows beside each other cannot turn it by much.
_OPEN_FREQUENCY = 1e-4
_SMALLEST_ERROR_RAD = 0.05
_OUTLIER_RAD = 0.3
_ROUNDS = 10
# With more left over than this (rms), one pattern does not hold for all blocks; order 2 is off by twice that.
LIMIT_RAD = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPattern(Result):
    """The illumination of a field.

    Attributes
    ----------
    patterns : tuple of Pattern
        One per angle, phases at pixel (0, 0) of the field.
    left_over_rad : float
        Root mean square of what one pattern leaves of the measured phases, the worst angle.
    windows : int
        Where phases could be measured.
    """

    patterns: tuple[Pattern, ...]
    left_over_rad: float
    windows: int

    @property
    def is_one(self) -> bool:
        """Whether one pattern holds for the whole field."""
        return self.left_over_rad <= LIMIT_RAD

    def at(
        self, corner: tuple[int, int], turns_rad: Sequence[float] | FloatArray | None = None
    ) -> tuple[Pattern, ...]:
        """Return the patterns for a part of the field that begins at `corner`.

        Parameters
        ----------
        corner : (int, int)
            Row and column.
        turns_rad : sequence of float, optional
            What is added to the phase of order 1 of each angle.
        """
        turns = turns_rad if turns_rad is not None else [0.0] * len(self.patterns)
        return tuple(
            _turned(moved_origin(pattern, (-corner[0], -corner[1])), float(turn))
            for pattern, turn in zip(self.patterns, turns, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPhases:
    """Phases against a pattern, at many places.

    Attributes
    ----------
    turns_rad : (n, n_angles) ndarray
        Of order 1: measured less predicted.
    snr : (n, n_angles) ndarray
    places : (n, 2) ndarray
        Row and column of the windows' centres.
    """

    turns_rad: FloatArray = field(repr=False)
    snr: FloatArray = field(repr=False)
    places: FloatArray = field(repr=False)


def measure_phases(
    read: Read, corners: Sequence[tuple[int, int]], patterns: Sequence[Pattern], optics: Optics
) -> MeasuredPhases:
    """Measure phases under known frequencies.

    Parameters
    ----------
    read : callable
        Gives the frames of the window at a corner, angle-major, above the offset and of equal brightness.
    corners : sequence of (int, int)
    patterns : sequence of Pattern
        Of the field, phases at its pixel (0, 0).
    optics : Optics
    """
    turns, snr, places = [], [], []
    for corner in corners:
        frames = read(corner)
        known = [moved_origin(pattern, (-corner[0], -corner[1])) for pattern in patterns]
        if len(frames) == len(known):
            found = fit_single_frames(frames, optics, known=known)
        else:
            found = fit_patterns(frames, len(known), len(known[0].steps_rad), optics, known=known)
        turns.append([a.phases_rad[0] - b.phases_rad[0] for a, b in zip(found, known, strict=True)])
        snr.append([pattern.snr[0] for pattern in found])
        places.append([(corner[i] + frames.shape[1 + i] / 2) for i in range(2)])
    return MeasuredPhases(
        turns_rad=_wrapped(np.array(turns)), snr=np.array(snr), places=np.array(places, dtype=np.float64)
    )


def one_pattern(start: Sequence[Pattern], measured: MeasuredPhases) -> FieldPattern:
    """Lay a plane through the phases of each angle.

    Parameters
    ----------
    start : sequence of Pattern
        Of the field, phases at its pixel (0, 0).
    measured : MeasuredPhases
        Against `start`.

    Returns
    -------
    FieldPattern
        Where phases were clear in fewer than two windows, `start` as it is.
    """
    patterns, left_over, fewest = [], 0.0, len(measured.places)
    for number, pattern in enumerate(start):
        clear = measured.snr[:, number] >= SNR_LOST
        fewest = min(fewest, int(clear.sum()))
        if clear.sum() < 2:
            patterns.append(pattern)
            continue
        error = np.maximum(_SMALLEST_ERROR_RAD, 1 / measured.snr[clear, number])
        slope, height, left = _plane(measured.turns_rad[clear, number], measured.places[clear], error**-2.0)
        moved = dataclasses.replace(
            pattern,
            frequency_px=(pattern.frequency_px[0] + slope[0], pattern.frequency_px[1] + slope[1]),
        )
        patterns.append(_turned(moved, height))
        left_over = max(left_over, float(np.sqrt(np.average(left**2, weights=error**-2.0))))
    return FieldPattern(patterns=tuple(patterns), left_over_rad=left_over, windows=fewest)


def phases_of_blocks(measured: MeasuredPhases, n_down: int, n_across: int) -> FloatArray:
    """Return the turn of every block: its own where it is clear, that of the nearest clear block elsewhere.

    Parameters
    ----------
    measured : MeasuredPhases
        In the blocks, row by row.

    Returns
    -------
    (n_down, n_across, n_angles) ndarray
    """
    turns = measured.turns_rad.reshape(n_down, n_across, -1).copy()
    for number in range(turns.shape[2]):
        dark = measured.snr[:, number].reshape(n_down, n_across) < SNR_LOST
        if dark.all():
            turns[..., number] = 0
        elif dark.any():
            y, x = ndimage.distance_transform_edt(dark, return_distances=False, return_indices=True)
            turns[..., number] = turns[y, x, number]
    return turns


def _plane(
    turns: FloatArray, places: FloatArray, weights: FloatArray
) -> tuple[tuple[float, float], float, FloatArray]:
    """Return slope (cycles per pixel), height at (0, 0) and what is left (radians).

    Phases are known up to whole turns, so the slope is looked for where the phases add up in step.
    """
    middle = np.average(places, axis=0, weights=weights)
    away = places - middle
    reach = max(1.0, float(np.abs(away).max()))
    side = np.arange(-(n := min(80, int(np.ceil(16 * reach * _OPEN_FREQUENCY)))), n + 1) / (4 * reach)
    trials = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    in_step = np.abs(np.exp(1j * (turns - 2 * np.pi * trials @ away.T)) @ weights)
    value = in_step - (trials**2).sum(axis=1) / (2 * _OPEN_FREQUENCY**2)
    slope = trials[int(value.argmax())]
    height = float(np.angle((weights * np.exp(1j * (turns - 2 * np.pi * away @ slope))).sum()))
    basis = np.column_stack([2 * np.pi * away, np.ones(len(away))])
    prior = np.diag([_OPEN_FREQUENCY**-2.0, _OPEN_FREQUENCY**-2.0, 0.0])
    found = np.array([*slope, height])
    for _ in range(_ROUNDS):
        left = _wrapped(turns - basis @ found)
        trust = weights / (1 + (left / _OUTLIER_RAD) ** 2) ** 2
        normal = basis.T @ (trust[:, None] * basis) + prior
        found = found + np.linalg.solve(normal, basis.T @ (trust * left) - prior @ found)
    slope, height = found[:2], found[2] - 2 * np.pi * float(middle @ found[:2])
    return (float(slope[0]), float(slope[1])), float(height), _wrapped(turns - basis @ found)


def _turned(pattern: Pattern, turn_rad: float) -> Pattern:
    """Turn the phase of order 1; higher orders go with it."""
    phases = tuple(
        float(np.angle(np.exp(1j * (phase + order * turn_rad))))
        for order, phase in enumerate(pattern.phases_rad, start=1)
    )
    return dataclasses.replace(pattern, phases_rad=phases)


def _wrapped(angle: FloatArray) -> FloatArray:
    wrapped: FloatArray = np.angle(np.exp(1j * np.asarray(angle)))
    return wrapped
