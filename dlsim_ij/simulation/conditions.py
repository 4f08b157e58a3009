"""Everything of one acquisition but the object and the noise: described, or drawn at random."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dlsim_ij.errors import ConfigError
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.optics.pattern import equal_steps
from dlsim_ij.results import Result
from dlsim_ij.simulation.camera import Camera
from dlsim_ij.simulation.transfer import Aberration, MeasuredPsf

MOST_PHOTONS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions(Result):
    """Everything of one acquisition but the object and the noise.

    Attributes
    ----------
    optics : Optics
        Nominal optics, as a user would state them.
    cutoff_factor, otf_damping : float
        How the real transfer departs from the nominal one.
    patterns : tuple of Pattern
        True illumination, one per angle; its steps include the phase errors.
    photons : float
        Photons per pixel and frame at the 99.5 % level of the wide-field image; photo-electrons, while the
        camera's quantum yield is 1.
    haze, haze_sigma_px : float
        Out-of-focus light relative to the mean in-focus light, and its blur in native pixels.
    flat : float
        Even background relative to the mean in-focus light.
    intensity : tuple of float
        Relative brightness of each frame: flicker and bleaching.
    camera : Camera
    aberration : Aberration
        Of the detection; none by default.
    psf : MeasuredPsf or None
        A measured point in place of the computed transfer.
    drift_px : tuple of (float, float)
        Where the sample lies in each frame, y and x in native pixels; empty: it does not move. The
        pattern stays where it is.
    """

    optics: Optics = field(default_factory=Optics)
    cutoff_factor: float = 1.0
    otf_damping: float = 0.4
    patterns: tuple[Pattern, ...]
    photons: float = 300.0
    haze: float = 0.5
    haze_sigma_px: float = 12.0
    flat: float = 0.1
    intensity: tuple[float, ...]
    camera: Camera = field(default_factory=Camera)
    aberration: Aberration = field(default_factory=Aberration)
    psf: MeasuredPsf | None = None
    drift_px: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if not self.patterns or any(not p.steps_rad for p in self.patterns):
            raise ConfigError("an acquisition has at least one angle and one phase", "give patterns")
        if not 0 < self.photons <= MOST_PHOTONS:
            raise ConfigError(
                f"{self.photons:g} photons per pixel are not possible",
                f"give more than 0, up to {MOST_PHOTONS:g}",
            )
        if self.haze < 0 or self.flat < 0 or self.haze_sigma_px <= 0:
            raise ConfigError("haze and background cannot be negative", "give 0 or more, and a blur above 0")
        if not 0.2 <= self.cutoff_factor <= 1.5 or not 0 < self.otf_damping <= 1:
            raise ConfigError(
                f"a cut-off of {self.cutoff_factor:g} times the nominal one with a damping of "
                f"{self.otf_damping:g} is no microscope",
                "cutoff_factor lies near 1, otf_damping above 0 and up to 1 (no loss)",
            )
        if self.aberration.any and self.optics.na >= self.aberration.immersion_index:
            raise ConfigError(
                f"an aperture of {self.optics.na:g} is not possible with an immersion of index "
                f"{self.aberration.immersion_index:g}",
                "give the index the objective is made for, or its own aperture",
            )
        for name, values in (("intensity", self.intensity), ("drift_px", self.drift_px)):
            if len(values) != self.n_frames and not (name == "drift_px" and not values):
                raise ConfigError(
                    f"{len(values)} values of {name} do not fit {self.n_frames} frames", "give one per frame"
                )
        if min(self.intensity) < 0:
            raise ConfigError("a frame cannot have negative light", "give every intensity from 0")

    @property
    def n_frames(self) -> int:
        """Number of frames: the phases of all angles."""
        return sum(len(p.steps_rad) for p in self.patterns)


def make_pattern(
    angle_deg: float,
    period_px: float,
    n_phases: int,
    phase: float,
    modulation: tuple[float, ...],
    *,
    steps: tuple[float, ...] | None = None,
    second_phase_error: float = 0.0,
) -> Pattern:
    """Return a pattern from its direction, the period of order 1, and the phase of frame 0."""
    angle = np.radians(angle_deg)
    phases = (float(phase), float(2 * phase + second_phase_error))
    return Pattern(
        frequency_px=(float(np.sin(angle) / period_px), float(np.cos(angle) / period_px)),
        phases_rad=phases[: len(modulation)],
        steps_rad=steps or equal_steps(n_phases),
        modulation=modulation,
    )


def paper_patterns(
    n_phases: int = 5, *, phases_rad: Sequence[float] = (0.0, 0.0, 0.0)
) -> tuple[Pattern, ...]:
    """Return the illumination of the paper's microscope: 13.9, 74.4 and -45.2 degrees, 493 and 246 nm.

    Measured on the public sample with 60 nm pixels; three-beam with 5 phases.
    """
    return tuple(
        make_pattern(angle, 493 / 60, n_phases, phase, (0.6, 0.35))
        for angle, phase in zip((13.9, 74.4, -45.2), phases_rad, strict=True)
    )


def paper_conditions(rng: np.random.Generator, *, photons: tuple[float, float]) -> Conditions:
    """Draw an acquisition of the paper's microscope: random phases and light level, all else as measured."""
    return Conditions(
        patterns=paper_patterns(phases_rad=tuple(rng.uniform(0, 2 * np.pi, 3))),
        photons=float(np.exp(rng.uniform(*np.log(photons)))),
        intensity=tuple(float(v) for v in 1 + rng.normal(0, 0.01, 15)),
    )


def random_conditions(
    rng: np.random.Generator,
    *,
    optics: Optics = Optics(),  # noqa: B008  (frozen)
    photons: tuple[float, float] = (1.2, 1000.0),
    n_angles: int = 3,
    n_phases: int = 5,
    like_paper: float = 0.5,
) -> Conditions:
    """Draw one acquisition.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    optics : Optics
        Nominal optics.
    photons : (float, float)
        Range of the light level, drawn evenly on a log scale.
    n_angles, n_phases : int
        Angles are spread evenly over 180 degrees from a random start.
    like_paper : float
        Fraction with the periods and camera of the paper's microscope; the others range over periods
        of 0.62 to 0.98 of what the optics pass, other gains and camera offsets.
    """
    near = rng.random() < like_paper
    if near:
        finest_px = rng.uniform(240, 256) / 1000 / optics.pixel_size_um
    else:
        finest_px = 1 / (optics.cutoff_px * rng.uniform(0.62, 0.95))
    start = rng.uniform(0, 180)
    orders = 2 if n_phases >= 5 else 1
    strength = (rng.uniform(0.3, 0.9), rng.uniform(0.2, 0.75))[:orders]
    patterns = []
    for angle in range(n_angles):
        period = orders * finest_px * (1 + rng.normal(0, 0.004))
        steps = np.array(equal_steps(n_phases)) + rng.normal(0, 0.04, n_phases)
        factor = rng.uniform(0.75, 1.1)
        patterns.append(
            make_pattern(
                start + 180 / n_angles * angle + rng.normal(0, 1.0),
                period,
                n_phases,
                rng.uniform(0, 2 * np.pi),
                tuple(min(1.0, c * factor) for c in strength),
                steps=tuple(float(s) for s in steps),
                second_phase_error=rng.normal(0, 0.05),
            )
        )
    camera = Camera(
        gain_adu_per_electron=6.85 if near else float(np.exp(rng.uniform(np.log(0.4), np.log(12)))),
        offset_adu=100.0 if near else rng.uniform(90, 400),
        read_noise_electrons=rng.uniform(0.3, 0.9) if near else rng.uniform(0.3, 2.0),
        row_column_electrons=rng.uniform(0, 0.2),
    )
    return Conditions(
        optics=optics,
        cutoff_factor=rng.uniform(0.9, 1.07),
        otf_damping=rng.uniform(0.2, 0.9),
        patterns=tuple(patterns),
        photons=float(np.exp(rng.uniform(*np.log(photons)))),
        haze=float(np.exp(rng.uniform(np.log(0.1), np.log(4)))) if rng.random() < 0.85 else 0.0,
        haze_sigma_px=float(np.exp(rng.uniform(np.log(6), np.log(40)))),
        flat=rng.uniform(0, 0.6) if rng.random() < 0.5 else 0.0,
        intensity=tuple(float(v) for v in 1 + rng.normal(0, 0.015, n_angles * n_phases)),
        camera=camera,
    )


def illumination(
    rng: np.random.Generator,
    optics: Optics,
    *,
    n_angles: int = 3,
    n_phases: int = 5,
    beams: int | None = None,
    period_nm: float | None = None,
    first_angle_deg: float = 13.9,
    modulation: Sequence[float] | None = None,
) -> tuple[Pattern, ...]:
    """Return the patterns of a microscope that a user describes; only their phases are random.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    optics : Optics
        For lengths and the cut-off.
    n_angles, n_phases : int
        Angles are spread evenly over 180 degrees.
    beams : {2, 3}, optional
        Two beams make order 1, three orders 1 and 2. 3 from five phases on, if not given.
    period_nm : float, optional
        Finest period, that of the highest order; 246 nm, or 0.72 of what the optics pass if that is coarser.
    first_angle_deg : float
        Direction of the first angle, x towards y.
    modulation : sequence of float, optional
        One per order; 0.6 and 0.35 for three beams, 0.8 for two.

    Raises
    ------
    ConfigError
        More bands than phases, a period that the optics do not pass, or a modulation beyond 0 to 1.
    """
    beams = beams or (3 if n_phases >= 5 else 2)
    if beams not in (2, 3):
        raise ConfigError(f"{beams} beams make no pattern of this kind", "give 2 or 3")
    orders = beams - 1
    if n_phases < 2 * orders + 1 or n_angles < 1:
        raise ConfigError(
            f"{n_angles} angles x {n_phases} phases are too few for {beams} beams: {2 * orders + 1} phases "
            "are needed to tell the bands apart",
            "give more phases, or --beams 2",
        )
    strength = tuple(float(c) for c in (modulation or ((0.6, 0.35) if orders == 2 else (0.8,))))
    if len(strength) != orders or not all(0 <= c <= 1 for c in strength):
        raise ConfigError(
            f"a modulation of {', '.join(f'{c:g}' for c in strength)} does not fit {orders} "
            f"order{'s' * (orders > 1)}",
            f"give {orders} number{'s' * (orders > 1)} from 0 to 1",
        )
    pixel_nm = 1000 * optics.pixel_size_um
    limit_nm = pixel_nm / optics.cutoff_px
    finest_nm = period_nm if period_nm is not None else max(246.0, limit_nm / 0.72)
    if not limit_nm < finest_nm <= 10_000:
        raise ConfigError(
            f"a pattern of {finest_nm:g} nm does not pass these optics, which end at {limit_nm:.0f} nm",
            f"give a period above {limit_nm:.0f} nm, up to 10000, or another aperture or wavelength",
        )
    return tuple(
        make_pattern(
            first_angle_deg + 180 / n_angles * number,
            orders * finest_nm / pixel_nm,
            n_phases,
            rng.uniform(0, 2 * np.pi),
            strength,
        )
        for number in range(n_angles)
    )


def jittered(
    conditions: Conditions,
    rng: np.random.Generator,
    *,
    angle_deg: float = 0.0,
    period: float = 0.0,
    phase_deg: float = 0.0,
    intensity: float = 0.0,
) -> Conditions:
    """Return the conditions with an unsteady illumination.

    Parameters
    ----------
    conditions : Conditions
    rng : numpy.random.Generator
        Source of randomness.
    angle_deg, period : float
        Spread of each angle's direction, and of its period relative to it.
    phase_deg, intensity : float
        Spread of each frame's phase step (in terms of order 1), and of its brightness.
    """
    if min(angle_deg, period, phase_deg, intensity) < 0 or max(period, intensity) > 0.5:
        raise ConfigError("a spread lies between 0 and half of what it spreads", "give smaller jitter")
    patterns = []
    for pattern in conditions.patterns:
        turn = np.radians(rng.normal(0, angle_deg))
        longer = 1 + rng.normal(0, period)
        y, x = pattern.frequency_px
        turned = (
            (y * np.cos(turn) + x * np.sin(turn)) / longer,
            (x * np.cos(turn) - y * np.sin(turn)) / longer,
        )
        steps = np.array(pattern.steps_rad) + np.radians(rng.normal(0, phase_deg, len(pattern.steps_rad)))
        patterns.append(
            dataclasses.replace(
                pattern,
                frequency_px=(float(turned[0]), float(turned[1])),
                steps_rad=tuple(float(step) for step in steps),
            )
        )
    flicker = 1 + rng.normal(0, intensity, conditions.n_frames)
    brightness = np.maximum(np.array(conditions.intensity) * flicker, 0)
    return dataclasses.replace(
        conditions, patterns=tuple(patterns), intensity=tuple(float(v) for v in brightness)
    )


def bleached(conditions: Conditions, fraction: float) -> Conditions:
    """Return the conditions with dyes that fade evenly: the last frame has lost `fraction` of its light."""
    if not 0 <= fraction < 1:
        raise ConfigError(f"bleaching by {100 * fraction:g} % is impossible", "give 0 to less than 100 %")
    n = conditions.n_frames
    left = (1 - fraction) ** (np.arange(n) / max(n - 1, 1))
    faded = tuple(float(v) for v in np.array(conditions.intensity) * left)
    return dataclasses.replace(conditions, intensity=faded)


def drifting(conditions: Conditions, total_px: float, rng: np.random.Generator) -> Conditions:
    """Return the conditions with a sample that moves straight, in a random direction, by `total_px`."""
    n = conditions.n_frames
    direction = rng.uniform(0, 2 * np.pi)
    way = total_px * np.arange(n) / max(n - 1, 1)
    drift = tuple((float(d * np.sin(direction)), float(d * np.cos(direction))) for d in way)
    return dataclasses.replace(conditions, drift_px=drift)
