"""One reading of a stack, put to the test: its patterns, and what speaks against them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.acquisition.order import Reading, variances
from dlsim_ij.acquisition.pattern_fit import (
    CLEAR_PEAK,
    REGULAR_DEG,
    REGULAR_PERIOD,
    fit_patterns,
    irregularity,
    step_agreement,
)
from dlsim_ij.optics import Optics, Pattern, separate_bands
from dlsim_ij.optics.pattern import equal_steps
from dlsim_ij.results import Result

Notice = tuple[str, str]

# Measured on simulated stacks of 3 to 1000 photons. In the right order the worst frame has 0.4 and more of
# the mean's pattern strength (a little less where a field is a few spots), in wrong orders below 0.2; where
# the signal-to-noise ratio is below 8, chance does better.
SNR_LOST, SNR_WEAK = 8.0, 12.0
IN_STEP = 0.3
# of the variance of order 1: phase errors of 2 degrees make 0.002 of it
_SECOND_ORDER, _CLEAR_SECOND_ORDER = 0.02, 0.1
_ONLY_TWO_BEAMS = 0.52  # of the cut-off: its second order would not pass


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedReading(Result):
    """A reading, its patterns (angle-major), and what was found wrong; fit if nothing was."""

    reading: Reading
    patterns: tuple[Pattern, ...]
    problems: tuple[Notice, ...] = field(default=())

    @property
    def fit(self) -> bool:
        """Nothing speaks against this reading."""
        return not self.problems


def fit_reading(
    signal: NDArray[Any],
    reading: Reading,
    optics: Optics,
    *,
    known: Sequence[Pattern] | None = None,
    second_order: float = 0.0,
) -> FittedReading:
    """Fit the patterns of a reading; with 5 phases as three-beam or as two-beam, whichever they are.

    Parameters
    ----------
    signal : (N, Y, X) ndarray
        Above the offset, of equal brightness, in the order of the file.
    reading : Reading
    optics : Optics
    known : sequence of Pattern, optional
        See `fit_patterns`.
    second_order : float
        How much the frames vary with order 2, relative to order 1: see `second_order_share`. Where there
        is a second order, the patterns are not two-beam.

    Returns
    -------
    FittedReading
    """
    frames = signal
    if reading.permutation != tuple(range(len(signal))):
        frames = signal[list(reading.permutation)]
    n_angles, n_phases = reading.n_angles, reading.n_phases

    def two_beams() -> FittedReading | None:
        fine = two_beam_patterns(frames, n_angles, n_phases, optics)
        coarsest = max(p.period_px for p in fine)
        # a first order that is coarser may have a second one, too weak to be seen
        if coarsest > 1 / (_ONLY_TWO_BEAMS * optics.cutoff_px):
            return None
        if find_problems(frames, n_angles, n_phases, fine, optics):
            return None
        return FittedReading(reading=reading, patterns=fine)

    may_be_two = known is None and n_phases >= 5 and second_order < _CLEAR_SECOND_ORDER
    likely_two = may_be_two and second_order < _SECOND_ORDER
    found = two_beams() if likely_two else None
    if found is not None:
        return found
    patterns = tuple(fit_patterns(frames, n_angles, n_phases, optics, known=known))
    problems = find_problems(frames, n_angles, n_phases, patterns, optics)
    found = two_beams() if problems and may_be_two and not likely_two else None
    return found or FittedReading(reading=reading, patterns=patterns, problems=tuple(problems))


def two_beam_patterns(
    frames: NDArray[Any], n_angles: int, n_phases: int, optics: Optics
) -> tuple[Pattern, ...]:
    """Fit two-beam patterns to more phases than two beams need.

    The bands 0 and 1 of all phases are put together to three frames at a third of a period.
    """
    steps, three = equal_steps(n_phases), equal_steps(3)
    condensed = []
    for angle in range(n_angles):
        even, wave = separate_bands(frames[angle * n_phases : (angle + 1) * n_phases], steps, 1)
        condensed += [even + 2 * (wave * np.complex64(np.exp(1j * step))).real for step in three]
    fitted = fit_patterns(np.stack(condensed), n_angles, 3, optics)
    return tuple(dataclasses.replace(pattern, steps_rad=steps) for pattern in fitted)


def find_problems(
    frames: NDArray[Any], n_angles: int, n_phases: int, patterns: Sequence[Pattern], optics: Optics
) -> list[Notice]:
    """Say what is against patterns: not seen, not of one microscope, or frames that do not follow them."""
    lost = [number for number, p in enumerate(patterns, start=1) if p.snr[0] < SNR_LOST]
    if lost:
        return [(
            f"No illumination pattern stands out in angle {' and '.join(map(str, lost))} (signal-to-noise "
            f"ratio {min(p.snr[0] for p in patterns):.1f}, at least {SNR_LOST:g} is needed).",
            "Is this a raw SIM stack, in focus, with all phases of an angle in a row?",
        )]  # fmt: skip
    gap_deg, spread = irregularity([p.angle_deg for p in patterns], [p.period_px for p in patterns])
    if len(patterns) > 1 and (gap_deg > REGULAR_DEG or spread > REGULAR_PERIOD):
        listed = ", ".join(f"{p.angle_deg:.0f} degrees / {p.period_px:.2f} px" for p in patterns)
        return [(
            f"The patterns found do not belong to one microscope: {listed} (direction / period).",
            "Are the frames in the right order: all phases of the first angle first?",
        )]  # fmt: skip
    agreement = step_agreement(frames, n_angles, n_phases, patterns, optics)
    worst = min(agreement)
    if worst >= IN_STEP:
        return []
    return [(
        f"The frames of angle {agreement.index(worst) + 1} are not in step: the worst has {worst:.2f} of "
        f"the pattern that its place demands, at least {IN_STEP:g} is needed.",
        "Are the frames in the right order, and does each angle have its own frames only?",
    )]  # fmt: skip


def beams_seen(patterns: Sequence[Pattern]) -> tuple[int, float]:
    """Return 2 or 3 beams, and how sure that is.

    A second order that stands out shows three beams, a first order that is finer than half of what the
    optics pass shows two; so do three or four phases, which could not separate more.
    """
    if patterns[0].orders == 1:
        return 2, 0.99 if len(patterns[0].steps_rad) >= 5 else 0.9
    seen = float(np.mean([p.snr[1] >= CLEAR_PEAK for p in patterns]))
    return 3, 0.6 + 0.39 * seen


def second_order_share(matrix: NDArray[Any], reading: Reading) -> float:
    """Return the variance of the frames with order 2 over that with order 1; 0 where it cannot be told."""
    if reading.n_phases < 5:
        return 0.0
    found = variances(matrix, reading)
    first, second = (sum(found[angle, order] - 1 for angle in range(reading.n_angles)) for order in (1, 2))
    return float(max(second, 0.0) / max(first, 1e-9))


def beams_guessed(n_phases: int, second_order: float) -> tuple[int, float]:
    """Return the number of beams where no fit succeeded."""
    if n_phases < 5:
        return 2, 0.9
    return (2, 0.6) if second_order < _SECOND_ORDER else (3, 0.7)
