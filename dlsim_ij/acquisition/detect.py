"""What a raw stack is, judged from its pixels: layout and order, illumination, light, and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.acquisition.checks import check_frames, hot_pixels, notices, saturated_pixels
from dlsim_ij.acquisition.fitted import (
    SNR_LOST,
    SNR_WEAK,
    FittedReading,
    beams_guessed,
    beams_seen,
    fit_reading,
    second_order_share,
)
from dlsim_ij.acquisition.layout import Acquisition
from dlsim_ij.acquisition.light import Light, measure_light
from dlsim_ij.acquisition.order import (
    Reading,
    Scatter,
    clearness,
    evidence,
    explained,
    frame_scatter,
    possible_readings,
    rank_readings,
)
from dlsim_ij.acquisition.shuffled import canonical, every_second, improve, sort_frames
from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics, Pattern

Notice = tuple[str, str]

# A reading that few bootstrap samples support is not worth a fit.
_WORTH_A_FIT = 0.02
_MOST_FITS = 3
_CLEAR = 0.95  # support from which the runner-up need not be tried
_WELL_EXPLAINED = 0.8
_TOLD = 0.5  # confidence from which an order is named
_BETTER = 3.0  # standard deviations by which a free order must explain the frames better than a named one


def detect_acquisition(
    frames: NDArray[Any],
    pixel_size_um: float,
    *,
    optics: Optics | None = None,
    n_angles: int | None = None,
    n_phases: int | None = None,
    known: Sequence[Pattern] | None = None,
) -> Acquisition:
    """Find out what a raw stack is, and say whether it can be reconstructed.

    Parameters
    ----------
    frames : (N, Y, X) ndarray
        Native (never enlarged) camera counts.
    pixel_size_um : float
        Of a camera pixel in the sample.
    optics : Optics, optional
        Numerical aperture and emission; the paper's microscope with this pixel by default.
    n_angles, n_phases : int, optional
        How the frames are to be read, if that is known: then any other reading is not fit. Found from
        the pixels by default.
    known : sequence of Pattern, optional
        Calibration, see `fit_patterns`; the frames are taken as angle-major.

    Returns
    -------
    Acquisition
        `patterns` belong to ``frames[list(permutation)]``, which is angle-major. `fit` is False, and the
        reason stands first in `warnings`, when the frames are in another order, when the patterns were
        not found, or when they do not look like those of one microscope.

    Raises
    ------
    LayoutError
        The frame count is not angles times phases, a frame is empty, or frames are copies of each other.

    Notes
    -----
    A stack read backwards is as good as one read forwards: the angles come in another sequence and the
    phases step the other way. Pixels cannot tell them apart, and need not.
    """
    if optics is None:
        optics = Optics(pixel_size_um=pixel_size_um)
    given = _given(frames, n_angles, n_phases, known)
    _refuse_unusable(frames)
    signal = equalise_frames(frames, estimate_offset(frames))
    if known is not None and given is not None:
        chosen, confidence = fit_reading(signal, given, optics, known=known), 0.0
        beams = beams_seen(chosen.patterns)
    else:
        chosen, confidence, beams = _choose(signal, given, n_angles, n_phases, optics)
    return _described(frames, chosen, given, confidence, beams, optics)


def _given(
    frames: NDArray[Any], n_angles: int | None, n_phases: int | None, known: Sequence[Pattern] | None
) -> Reading | None:
    if frames.ndim != 3:
        raise LayoutError(f"frames have {frames.ndim} axes, not (frame, Y, X)", "give one stack")
    if known is not None:
        n_angles = n_angles or len(known)
        n_phases = n_phases or len(known[0].steps_rad)
    if n_angles is None or n_phases is None:
        return None
    if n_phases < 3 or n_angles * n_phases != len(frames):
        raise LayoutError(
            f"{len(frames)} frames are not {n_angles} angles x {n_phases} phases (at least 3)",
            "check the number of frames in the stack",
        )
    return Reading(
        n_angles=n_angles, n_phases=n_phases, order="angle-major", permutation=tuple(range(len(frames)))
    )


def _choose(
    signal: NDArray[Any], given: Reading | None, n_angles: int | None, n_phases: int | None, optics: Optics
) -> tuple[FittedReading, float, tuple[int, float]]:
    """Return the reading that the frames support and whose patterns stand the test.

    With the confidence, and the number of beams with its own.
    """
    asked = n_phases if given is None else None
    allowed = [
        reading
        for reading in possible_readings(len(signal), n_phases=asked)
        if given is not None or n_angles in (None, reading.n_angles)
    ]
    if not allowed and given is None:
        raise LayoutError(
            f"{len(signal)} frames are not {n_angles or 'any'} angles x {n_phases or 'any'} phases",
            "a raw stack has 1 to 6 angles and 3 to 5 phases, such as 3 x 5 or 3 x 3; is a frame missing?",
        )
    scatter = frame_scatter(signal, optics.cutoff_px)
    matrix = scatter.total()
    ranked = _ranked(signal, scatter, allowed, optics.cutoff_px) if allowed else []
    queue = [r for r in ranked[:_MOST_FITS] if r.support >= _WORTH_A_FIT] or ranked[:1]
    if given is not None:
        same = [r for r in ranked if _same(r, given)] or [given]
        others = [r for r in queue if not _same(r, given)]
        # chance makes a regular set of patterns in a wrong order now and then; the scatter has the first word
        refuted = others[:1] if same[0].support < _WORTH_A_FIT and others and others[0].support > 0.99 else []
        queue = [*refuted, *same, *others[len(refuted) :]]
    tried: list[FittedReading] = []
    for reading in queue:
        share = second_order_share(matrix, reading)
        tried.append(fit_reading(signal, reading, optics, second_order=share))
        if not tried[-1].fit and reading.n_phases == 5:
            exchanged = fit_reading(
                signal, canonical(every_second(reading)), optics, second_order=1 / max(share, 1e-9)
            )
            tried += [exchanged] if exchanged.fit else []
        passing = [one for one in tried if one.fit]
        if passing if given is not None else reading.support >= _CLEAR:
            break
    # where nothing stands the test, what was asked for, or what the scatter says, is told with its problems
    chosen = next(
        iter(passing), next((one for one in tried if given and _same(one.reading, given)), tried[0])
    )
    explains = explained(matrix, chosen.reading)
    confidence = _confidence(chosen, ranked, explains, rivals=max(0, len(passing) - 1))
    beams = (
        beams_seen(chosen.patterns)
        if chosen.fit
        else beams_guessed(chosen.reading.n_phases, second_order_share(matrix, chosen.reading))
    )
    return chosen, confidence, beams


def _ranked(
    signal: NDArray[Any], scatter: Scatter, allowed: Sequence[Reading], cutoff_px: float
) -> list[Reading]:
    """Return the named readings, and freely sorted ones if those explain the frames clearly better."""
    matrix = scatter.total()
    ranked = rank_readings(scatter, allowed)
    best = ranked[0]
    swapped = improve(scatter, best)
    gain = float(evidence(matrix[None], swapped)[0] - evidence(matrix[None], best)[0])
    if explained(matrix, best) > _WELL_EXPLAINED and gain < 1e-6:
        return ranked
    layouts = dict.fromkeys((r.n_angles, r.n_phases) for r in ranked if r.n_angles > 1 or r.n_phases > 3)
    drawn = scatter.bootstrap()
    named = np.array([evidence(drawn, reading) for reading in ranked]).max(axis=0)
    free = [
        reading
        for reading in sort_frames(signal, scatter, cutoff_px, layouts)
        if clearness(evidence(drawn, reading), named) > _BETTER and explained(matrix, reading) > 0.5
    ]
    return rank_readings(scatter, [*free, *allowed]) if free else ranked


def _confidence(chosen: FittedReading, ranked: Sequence[Reading], explains: float, *, rivals: int) -> float:
    """Return the probability that a reading is right.

    Two witnesses: the scatter of the frames, and patterns that form a regular set. Without the second
    (too little overlap of the bands, too few structures) it stays at 0.9 at most. Checked by
    benchmarks/order_table.py.
    """
    support = chosen.reading.support
    if not ranked:
        return 0.5 if chosen.fit else 0.0
    if chosen.fit and rivals:  # both cannot be right
        return 0.5 * support
    if chosen.fit:
        return 1 - 0.5 * (1 - support) if support > 0.5 else 0.35 + 0.6 * support
    if chosen.reading.order == "other" and chosen.reading.n_phases > 3:
        # the scatter cannot tell order 1 from 2, nor which sine goes with which cosine: the period would
        support *= 0.5
    return 0.9 * support * min(1.0, explains / 0.5)


def _same(a: Reading, b: Reading) -> bool:
    return (a.n_angles, a.n_phases, a.order) == (b.n_angles, b.n_phases, b.order)


def _described(
    frames: NDArray[Any],
    chosen: FittedReading,
    given: Reading | None,
    confidence: float,
    beams: tuple[int, float],
    optics: Optics,
) -> Acquisition:
    reading = chosen.reading
    serious = list(chosen.problems)
    if confidence > _TOLD or not serious:
        serious = [*_order_problem(reading, given), *serious]
    saturated, hot = saturated_pixels(frames), hot_pixels(frames.mean(axis=0, dtype=np.float32))
    light = measure_light(frames, optics.cutoff_px, ignore=hot | saturated.any(axis=0))
    checks = check_frames(
        frames,
        permutation=reading.permutation,
        n_angles=reading.n_angles,
        offset=_offset(light, frames),
        cutoff_px=optics.cutoff_px,
        saturated=saturated,
        hot=hot,
    )
    told = [*serious, *_weak_patterns(chosen.patterns), *notices(checks, frames[0].size)]
    return Acquisition(
        n_angles=reading.n_angles,
        n_phases=reading.n_phases,
        order=reading.order if confidence > _TOLD or not chosen.problems else "unknown",
        patterns=chosen.patterns,
        optics=optics,
        warnings=tuple(told),
        fit=not serious,
        permutation=reading.permutation,
        confidence=confidence,
        beams=beams[0],
        beams_confidence=beams[1],
        light=light,
        checks=checks,
    )


def _offset(light: Light, frames: NDArray[Any]) -> float:
    """Return the measured offset if it is one, else the darkest pixels."""
    darkest = estimate_offset(frames)
    if light.offset_adu is None or light.offset_error is None or light.offset_error > 5:
        return darkest
    return light.offset_adu


def _order_problem(reading: Reading, given: Reading | None) -> list[Notice]:
    """Name the order in which the frames make sense, if it is not the one that is needed."""
    layout = f"{reading.n_angles} angles x {reading.n_phases} phases"
    found = {
        "phase-major": "read phase by phase (first phase of every angle first)",
        "other": "sorted as " + ", ".join(str(i + 1) for i in reading.permutation),
        "angle-major": "read as they are",
    }[reading.order]
    sort = (
        "Sort them (dlsim check --fix-order): all phases of the first angle, then of the second, and so on."
    )
    if given is not None and (reading.n_angles, reading.n_phases) != (given.n_angles, given.n_phases):
        return [(
            f"The frames are not {given.n_angles} angles x {given.n_phases} phases: {found}, as {layout}, "
            f"they show {reading.n_angles} regular patterns.",
            f"Give --layout {reading.n_angles}x{reading.n_phases}"
            + ("." if reading.order == "angle-major" else ", and sort them (dlsim check --fix-order)."),
        )]  # fmt: skip
    if reading.order == "angle-major":
        return []
    return [(
        f"The frames are not in angle-major order: {found} they show {reading.n_angles} regular patterns.",
        sort,
    )]  # fmt: skip


def _refuse_unusable(frames: NDArray[Any]) -> None:
    flat = frames.reshape(len(frames), -1)
    for number, frame in enumerate(flat):
        if frames.dtype.kind == "f" and not np.isfinite(frame).all():
            raise LayoutError(
                f"frame {number + 1} of {len(frames)} has NaN or infinite pixels",
                "replace them in ImageJ: Process > Noise > Remove NaNs",
            )
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


def _weak_patterns(patterns: Sequence[Pattern]) -> list[Notice]:
    weakest = min(p.snr[0] for p in patterns)
    if not SNR_LOST <= weakest < SNR_WEAK:
        return []
    return [(
        f"The illumination pattern is barely above the noise (signal-to-noise ratio {weakest:.1f}).",
        "Compare fine detail with the widefield image; more light or a calibration stack would help.",
    )]  # fmt: skip
