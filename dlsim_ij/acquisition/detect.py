"""What a raw stack is, judged from its pixels: illumination found or not, order plausible or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.acquisition.layout import Acquisition
from dlsim_ij.acquisition.pattern_fit import (
    REGULAR_DEG,
    REGULAR_PERIOD,
    fit_patterns,
    irregularity,
    step_agreement,
)
from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics, Pattern

# Measured by benchmarks/wrong_order.py on simulated stacks of 3 to 1000 photons. In the right order the worst
# frame has 0.4 and more of the mean's pattern strength (a little less where a field is a few spots), in wrong
# orders below 0.2; where the signal-to-noise ratio is below 8, chance does better.
_SNR_LOST, _SNR_WEAK = 8.0, 12.0
_IN_STEP = 0.3
_UNEVEN = 0.10
_SATURATED = 1e-3

Notice = tuple[str, str]


def detect_acquisition(
    frames: NDArray[Any],
    pixel_size_um: float,
    *,
    optics: Optics | None = None,
    n_angles: int = 3,
    n_phases: int = 5,
    known: Sequence[Pattern] | None = None,
) -> Acquisition:
    """Fit the illumination of a raw stack and say whether it can be reconstructed.

    Parameters
    ----------
    frames : (n_angles * n_phases, Y, X) ndarray
        Native (never enlarged) camera counts, all phases of the first angle first.
    pixel_size_um : float
        Of a camera pixel in the sample.
    optics : Optics, optional
        Numerical aperture and emission; the paper's microscope with this pixel by default.
    n_angles, n_phases : int
        How the frames are to be read.
    known : sequence of Pattern, optional
        Calibration, see `fit_patterns`.

    Returns
    -------
    Acquisition
        `fit` is False, and the reason stands in `warnings`, when the patterns were not found or do not
        look like those of one microscope.

    Raises
    ------
    LayoutError
        The frame count is not angles times phases, a frame is empty, or frames are copies of each other.
    """
    if optics is None:
        optics = Optics(pixel_size_um=pixel_size_um)
    _refuse_unusable(frames)
    signal = equalise_frames(frames, estimate_offset(frames))
    patterns = tuple(fit_patterns(signal, n_angles, n_phases, optics, known=known))
    serious = _pattern_problems(patterns) or _step_problems(signal, n_angles, n_phases, patterns, optics)
    if serious and known is None and n_angles > 1:
        serious = [*_other_order(signal, n_angles, n_phases, optics), *serious]
    return Acquisition(
        n_angles=n_angles,
        n_phases=n_phases,
        order="angle-major",
        patterns=patterns,
        optics=optics,
        warnings=(*serious, *_weak_patterns(patterns), *_camera_problems(frames, n_angles)),
        fit=not serious,
    )


def _refuse_unusable(frames: NDArray[Any]) -> None:
    flat = frames.reshape(len(frames), -1)
    for number, frame in enumerate(flat):
        if frame.size == 0 or frame.min() == frame.max():
            raise LayoutError(
                f"frame {number + 1} of {len(frames)} is constant", "was the stack saved completely?"
            )
    seen: dict[bytes, int] = {}
    for number, frame in enumerate(flat, start=1):
        first = seen.setdefault(frame.tobytes(), number)
        if first != number:
            raise LayoutError(
                f"frames {first} and {number} are identical: no camera gives the same noise twice",
                "was a frame copied? A raw stack has as many exposures as frames",
            )


def _pattern_problems(patterns: Sequence[Pattern]) -> list[Notice]:
    lost = [number for number, p in enumerate(patterns, start=1) if p.snr[0] < _SNR_LOST]
    if lost:
        which = " and ".join(map(str, lost))
        return [
            (
                f"No illumination pattern stands out in angle {which} (signal-to-noise ratio "
                f"{min(p.snr[0] for p in patterns):.1f}, at least {_SNR_LOST:g} is needed).",
                "Is this a raw SIM stack, in focus, with all phases of an angle in a row?",
            )
        ]
    if len(patterns) < 2:
        return []
    gap_deg, spread = irregularity([p.angle_deg for p in patterns], [p.period_px for p in patterns])
    if gap_deg > REGULAR_DEG or spread > REGULAR_PERIOD:
        listed = ", ".join(f"{p.angle_deg:.0f} degrees / {p.period_px:.2f} px" for p in patterns)
        return [
            (
                f"The patterns found do not belong to one microscope: {listed} (direction / period).",
                "Are the frames in the right order: all phases of the first angle first?",
            )
        ]
    return []


def _step_problems(
    signal: NDArray[Any], n_angles: int, n_phases: int, patterns: Sequence[Pattern], optics: Optics
) -> list[Notice]:
    agreement = step_agreement(signal, n_angles, n_phases, patterns, optics)
    worst = min(agreement)
    if worst >= _IN_STEP:
        return []
    return [
        (
            f"The frames of angle {agreement.index(worst) + 1} are not in step: the worst has {worst:.2f} of "
            f"the pattern that its place demands, at least {_IN_STEP:g} is needed.",
            "Are the frames in the right order, and does each angle have its own frames only?",
        )
    ]


def _other_order(signal: NDArray[Any], n_angles: int, n_phases: int, optics: Optics) -> list[Notice]:
    """Name the order in which the frames would make sense, if it is the other common one."""
    swapped = signal.reshape(n_phases, n_angles, *signal.shape[1:]).swapaxes(0, 1).reshape(signal.shape)
    others = fit_patterns(swapped, n_angles, n_phases, optics)
    if _pattern_problems(others) or _step_problems(swapped, n_angles, n_phases, others, optics):
        return []
    return [
        (
            "The frames are not in angle-major order: read phase by phase (first phase of every angle first) "
            "they show three regular patterns.",
            "Sort them: all phases of the first angle, then of the second, and so on.",
        )
    ]


def _weak_patterns(patterns: Sequence[Pattern]) -> list[Notice]:
    weakest = min(p.snr[0] for p in patterns)
    if not _SNR_LOST <= weakest < _SNR_WEAK:
        return []
    return [
        (
            f"The illumination pattern is barely above the noise (signal-to-noise ratio {weakest:.1f}).",
            "Compare fine detail with the widefield image; more light or a calibration stack would help.",
        )
    ]


def _camera_problems(frames: NDArray[Any], n_angles: int) -> list[Notice]:
    notices = []
    # over all phases the pattern adds up to even light; one frame may be brighter where the structure lies
    means = frames.reshape(n_angles, -1).mean(axis=1, dtype=np.float64) - estimate_offset(frames)
    if means.mean() > 0 and np.ptp(means) > _UNEVEN * means.mean():
        change = 100 * np.ptp(means) / means.mean()
        notices.append(
            (
                f"The brightness of the angles varies by {change:.0f} %; it was evened out.",
                "Bleaching or an unsteady lamp: use less light or shorter exposures if it grows.",
            )
        )
    if np.issubdtype(frames.dtype, np.integer):
        share = float((frames == np.iinfo(frames.dtype).max).mean())
        if share > _SATURATED:
            notices.append(
                (
                    f"{100 * share:.1f} % of the pixels are saturated.",
                    "Their detail is lost: expose shorter or lower the gain.",
                )
            )
    return notices
