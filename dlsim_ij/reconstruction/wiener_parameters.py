"""What a reconstruction has to know of a stack: found in its frames, told as JSON, and read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, degrees, radians, sin
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.acquisition.detect import detect_acquisition
from dlsim_ij.acquisition.pattern_fit import fit_patterns, step_agreement
from dlsim_ij.acquisition.pattern_phases import measure_steps, step_errors_rad
from dlsim_ij.acquisition.pattern_refine import refine_patterns
from dlsim_ij.errors import ConfigError, LayoutError
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.optics.pattern import equal_steps
from dlsim_ij.results import Result

Phases = Literal["known", "estimated", "fixed"]
_SAME_PIXEL = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class SimParameters(Result):
    """Illumination and optics of one stack, and how good they are.

    Attributes
    ----------
    patterns : tuple of Pattern
        One per angle; lengths in native pixels.
    optics : Optics
        Nominal, with the native pixel.
    otf_damping : float or None
        Of the transfer as measured where bands overlap; None: not measured.
    step_agreement : tuple of float
        Per angle, pattern strength in the worst frame over that of the mean; empty if not measured.
    warnings : tuple of (str, str)
        What was seen, and what to do.
    fit : bool
        The verdict of `detect_acquisition`.
    """

    patterns: tuple[Pattern, ...]
    optics: Optics
    otf_damping: float | None = None
    step_agreement: tuple[float, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    fit: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return everything by name, ready for JSON; `parameters_from_dict` reads it back."""
        nm = 1000 * self.optics.pixel_size_um
        finest = max(p.orders / p.period_px for p in self.patterns)
        rows = []
        for number, pattern in enumerate(self.patterns):
            rows.append(
                {
                    "angle_deg": float(pattern.angle_deg),
                    "period_nm": float(pattern.period_px * nm),
                    **pattern.to_dict(),
                    "step_errors_deg": [round(degrees(error), 3) for error in step_errors_rad(pattern)],
                }
            )
            if self.step_agreement:
                rows[-1]["step_agreement"] = self.step_agreement[number]
        return {
            "optics": self.optics.to_dict(),
            "otf_damping": self.otf_damping,
            "finest_detail_nm": nm / (self.optics.cutoff_px + finest),
            "patterns": rows,
            "fit": self.fit,
            "warnings": [message for message, _ in self.warnings],
        }


def estimate_parameters(
    frames: NDArray[Any],
    optics: Optics,
    *,
    n_angles: int = 3,
    n_phases: int = 5,
    known: Sequence[Pattern] | None = None,
    phases: Phases = "known",
    force: bool = False,
) -> SimParameters:
    """Find the illumination of a stack; refuse one that makes no sense.

    Parameters
    ----------
    frames : (n_angles * n_phases, Y, X) ndarray
        Native camera counts, all phases of the first angle first.
    optics : Optics
        Numerical aperture, emission, native pixel.
    n_angles, n_phases : int
        How the frames are to be read.
    known : sequence of Pattern, optional
        Calibration: its frequencies and steps are kept, the phase of each angle is measured.
    phases : {"known", "estimated", "fixed"}
        Steps between frames: even or the calibration's; measured frame by frame; or nothing measured, all
        as in the calibration.
    force : bool
        Go on when `detect_acquisition` finds the stack unfit; its reasons are among the warnings.

    Returns
    -------
    SimParameters

    Raises
    ------
    LayoutError
        The stack is unfit, for example in a wrong order, and `force` is off.
    ConfigError
        `phases` is "fixed" without a calibration.
    """
    if phases == "fixed" and known is None:
        raise ConfigError("phases can be fixed only by a calibration", "give --parameters FILE")
    found = detect_acquisition(
        frames, optics.pixel_size_um, optics=optics, n_angles=n_angles, n_phases=n_phases, known=known
    )
    if not found.fit and not force:
        message, hint = found.warnings[0]
        raise LayoutError(message, f"{hint} (--force goes on nevertheless)")
    checked = SimParameters(patterns=found.patterns, optics=optics, warnings=found.warnings, fit=found.fit)
    signal = equalise_frames(frames, estimate_offset(frames))
    return _completed(signal, checked, known, phases)


def follow_parameters(
    frames: NDArray[Any], reference: SimParameters, *, phases: Phases = "known"
) -> SimParameters:
    """Take over the parameters of another stack of the series, and measure the phases of this one.

    Parameters
    ----------
    frames : (n_frames, Y, X) ndarray
        Native camera counts.
    reference : SimParameters
        Of a brighter stack, or the mean over time: frequencies, steps and modulation are kept.
    phases : {"known", "estimated", "fixed"}
        "estimated" keeps the reference's steps, measured there, too; "fixed" measures nothing.

    Returns
    -------
    SimParameters
        The modulation is the reference's: in the dark it cannot be measured.
    """
    if phases == "fixed":
        return reference
    signal = equalise_frames(frames, estimate_offset(frames))
    kept = reference.patterns
    patterns = fit_patterns(signal, len(kept), len(kept[0].steps_rad), reference.optics, known=kept)
    followed = tuple(
        dataclasses.replace(one, modulation=old.modulation) for one, old in zip(patterns, kept, strict=True)
    )
    return dataclasses.replace(reference, patterns=followed, warnings=())


def _completed(
    signal: NDArray[Any], checked: SimParameters, known: Sequence[Pattern] | None, phases: Phases
) -> SimParameters:
    """Add what the check did not measure: steps, damping, agreement."""
    optics = checked.optics
    if phases == "estimated":
        refined = measure_steps(signal, checked.patterns, optics, known=known)
    else:
        refined = refine_patterns(signal, checked.patterns, optics, known=known)
    patterns = tuple(refined.patterns)
    if phases == "fixed" and known is not None:
        patterns = tuple(
            dataclasses.replace(one, snr=found.snr) for one, found in zip(known, patterns, strict=True)
        )
    agreement = step_agreement(signal, len(patterns), len(patterns[0].steps_rad), patterns, optics)
    return dataclasses.replace(
        checked, patterns=patterns, otf_damping=refined.otf_damping, step_agreement=tuple(agreement)
    )


_Phase = Annotated[float, Field(ge=-1000, le=1000)]  # no infinity, and sin and cos are still exact
_Strength = Annotated[float, Field(ge=0, le=10)]


class _PatternFile(pydantic.BaseModel):
    """One pattern as a file tells it; what `SimParameters.to_dict` adds for people is not read."""

    angle_deg: Annotated[float, Field(ge=-1000, le=1000)] | None = None
    period_nm: PositiveFloat | None = None
    frequency_px: tuple[float, float] | None = None
    phases_rad: Annotated[tuple[_Phase, ...], Field(max_length=2)] = ()
    steps_rad: tuple[_Phase, ...] = ()
    modulation: tuple[_Strength, ...] = ()
    snr: tuple[Annotated[float, Field(ge=0)], ...] = ()


class _OpticsFile(pydantic.BaseModel):
    na: float
    emission_nm: float
    pixel_size_um: float


class _StackFile(pydantic.BaseModel):
    patterns: Annotated[list[_PatternFile], Field(min_length=1)]
    optics: _OpticsFile
    otf_damping: Annotated[float, Field(gt=0, le=10)] | None = None
    position: dict[str, int] = Field(default_factory=dict)


def parameters_from_dict(
    data: Mapping[str, Any], *, n_phases: int, where: str = "the parameters", channel: int = 0
) -> SimParameters:
    """Read parameters back from JSON, or from what a user wrote.

    Parameters
    ----------
    data : mapping
        ``{"optics": {...}, "patterns": [...]}`` as `SimParameters.to_dict` makes it, or a list of such under
        "stacks". A pattern needs ``frequency_px``, or ``angle_deg`` and ``period_nm`` (of order 1); phases,
        steps and modulation may be left out.
    n_phases : int
        For patterns without steps.
    where : str
        Name of the file, for messages.
    channel : int
        Which channel's entry to take from "stacks".

    Returns
    -------
    SimParameters

    Raises
    ------
    ConfigError
        Something is missing or of the wrong kind.
    """
    stacks = data.get("stacks")
    if isinstance(stacks, list) and stacks:
        of_channel = [entry for entry in stacks if _channel_of(entry) == channel]
        data = (of_channel or stacks)[0]
    try:
        read = _StackFile.model_validate(data)
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"]) or "(the file)"
        raise ConfigError(
            f"{where}: '{key}': {problem['msg'][0].lower()}{problem['msg'][1:]}",
            "dlsim recon writes such a file beside every image, NAME_wiener.json",
        ) from error
    optics = Optics(**read.optics.model_dump())
    patterns = tuple(
        _pattern(one, number, n_phases, optics, where) for number, one in enumerate(read.patterns, start=1)
    )
    if len({(p.orders, len(p.steps_rad)) for p in patterns}) > 1:
        raise ConfigError(f"{where}: the angles differ in orders or phases", "give all angles alike")
    return SimParameters(patterns=patterns, optics=optics, otf_damping=read.otf_damping)


def _channel_of(entry: Any) -> Any:
    position = entry.get("position", {}) if isinstance(entry, dict) else None
    return position.get("C", 0) if isinstance(position, dict) else None


def check_same_pixel(parameters: SimParameters, pixel_size_um: float, where: str) -> None:
    """Refuse parameters that were measured with another pixel size.

    Raises
    ------
    ConfigError
        The sizes differ by more than a thousandth.
    """
    theirs = parameters.optics.pixel_size_um
    if abs(theirs / pixel_size_um - 1) > _SAME_PIXEL:
        raise ConfigError(
            f"{where} is for pixels of {theirs * 1000:g} nm, the stack has {pixel_size_um * 1000:g} nm",
            "give parameters of this microscope, or the right --pixel-size",
        )


def _pattern(one: _PatternFile, number: int, n_phases: int, optics: Optics, where: str) -> Pattern:
    frequency = one.frequency_px
    if frequency is None:
        if one.angle_deg is None or one.period_nm is None:
            raise ConfigError(
                f"{where}: pattern {number} has neither frequency_px nor angle_deg and period_nm",
                "give the direction of the modulation and the period of order 1",
            )
        size = 1000 * optics.pixel_size_um / one.period_nm
        angle = radians(one.angle_deg)
        frequency = (size * sin(angle), size * cos(angle))
    steps = one.steps_rad or equal_steps(n_phases)
    orders = len(one.phases_rad) or (2 if len(steps) >= 5 else 1)
    usual = (0.5,) * orders
    modulation = one.modulation or usual
    if len(modulation) != orders or not 0 < np.hypot(*frequency) * orders < 2 * optics.cutoff_px:
        raise ConfigError(
            f"{where}: pattern {number} has {len(modulation)} modulations for {orders} orders, or a period "
            "that the optics cannot make",
            "dlsim recon writes such a file beside every image, NAME_wiener.json",
        )
    if len(one.snr) not in (0, orders):
        raise ConfigError(
            f"{where}: pattern {number} has {len(one.snr)} values of snr for {orders} orders",
            "leave snr away, it is measured again",
        )
    return Pattern(
        frequency_px=frequency,
        phases_rad=one.phases_rad or (0.0,) * orders,
        steps_rad=steps,
        modulation=modulation,
        snr=one.snr,
    )
