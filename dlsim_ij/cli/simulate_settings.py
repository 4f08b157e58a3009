"""The options of ``dlsim simulate`` that describe a microscope, and what they make of the conditions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from dlsim_ij.optics import Optics
    from dlsim_ij.simulation import Conditions

Given = dict[str, Any]  # options as typed; those not given are None

# (option, key, type, help); the key of a camera or aberration option is the field it sets
_ZERO_UP = click.FloatRange(0)
_PATTERN: list[tuple[str, str, Any, str]] = [
    ("--layout", "layout", str, "Angles x phases; with --like, how RAW is to be read.  [default: 3x5]"),
    ("--beams", "beams", click.IntRange(2, 3), "2 or 3; 3 from five phases on."),
    ("--period-nm", "period_nm", click.FloatRange(50, 1e4), "Finest period of the pattern.  [default: 246]"),
    ("--angle", "first_angle_deg", float, "Direction of the first angle in degrees.  [default: 13.9]"),
    ("--modulation", "modulation", str, "Of each order: 0.6,0.35.  [two beams: 0.8]"),
]
_OPTICS: list[tuple[str, str, Any, str]] = [
    ("--pixel-size", "pixel_size_um", click.FloatRange(0.005, 2), "Camera pixel in um.  [default: 0.06]"),
    ("--na", "na", click.FloatRange(0.05, 1.7), "Numerical aperture.  [default: 1.49]"),
    ("--emission-nm", "emission_nm", click.FloatRange(300, 1200), "Wavelength.  [default: 525]"),
]
_TRANSFER: list[tuple[str, str, Any, str]] = [
    ("--otf-damping", "otf_damping", click.FloatRange(0, 1, min_open=True),
     "Extra loss at the cut-off, 1 is none.  [default: 0.4]"),
    ("--psf", "psf", click.Path(path_type=Path), "Measured point spread function, a calibrated TIFF."),
]  # fmt: skip
_ABERRATION: list[tuple[str, str, Any, str]] = [
    ("--spherical-waves", "spherical_waves", click.FloatRange(-2, 2), "Spherical aberration, RMS waves."),
    ("--immersion-index", "immersion_index", click.FloatRange(1, 2.5), "Of the objective.  [default: 1.515]"),
    ("--sample-index", "sample_index", click.FloatRange(1, 2.5), "Of the sample, for --depth-um."),
    ("--depth-um", "depth_um", click.FloatRange(0, 200), "Depth of the object in the sample."),
]
_LIGHT: list[tuple[str, str, Any, str]] = [
    ("--haze", "haze", click.FloatRange(0, 100), "Out-of-focus over in-focus light.  [default: 0.5]"),
    (
        "--haze-blur",
        "haze_sigma_px",
        click.FloatRange(0.5, 1000),
        "Its blur (sigma) in pixels.  [default: 12]",
    ),
    (
        "--background",
        "flat",
        click.FloatRange(0, 100),
        "Even background over in-focus light.  [default: 0.1]",
    ),
]
_UNSTEADY: list[tuple[str, str, Any, str]] = [
    ("--angle-jitter", "angle_jitter", _ZERO_UP, "Spread of the directions in degrees."),
    ("--period-jitter", "period_jitter", click.FloatRange(0, 50), "Spread of the periods in percent."),
    ("--phase-error", "phase_error", _ZERO_UP, "Spread of the phase steps in degrees."),
    ("--flicker", "flicker", click.FloatRange(0, 50), "Spread of the frames' brightness in percent."),
    ("--bleaching", "bleaching", click.FloatRange(0, 99.9), "Light lost from first to last frame, percent."),
    ("--drift", "drift", click.FloatRange(0, 50), "Drift of the sample over the stack in pixels."),
]
_CAMERA: list[tuple[str, str, Any, str]] = [
    ("--gain", "gain_adu_per_electron", click.FloatRange(0, min_open=True),
     "Counts per photo-electron.  [default: 6.85]"),
    ("--offset", "offset_adu", _ZERO_UP, "Counts without light.  [default: 100]"),
    ("--read-noise", "read_noise_electrons", _ZERO_UP, "Electrons.  [default: 0.7]"),
    ("--row-column", "row_column_electrons", _ZERO_UP, "Fixed offsets of rows and columns.  [default: 0.14]"),
    ("--hot-pixels", "hot_pixel_fraction", click.FloatRange(0, 1), "Fraction of hot pixels."),
    ("--quantum-yield", "quantum_yield", click.FloatRange(0, 1, min_open=True),
     "Photo-electrons per photon.  [default: 1, photons are photo-electrons]"),
    ("--dark-current", "dark_electrons_per_s", _ZERO_UP, "Electrons per second."),
    ("--exposure-s", "exposure_s", _ZERO_UP, "Of a frame, for the dark current.  [default: 0.1]"),
    ("--bits", "bits", click.IntRange(8, 16), "Counts end at 2^bits - 1.  [default: 16]"),
    ("--full-well", "full_well_electrons", click.FloatRange(0, min_open=True), "Where a pixel is full."),
    ("--camera-maps", "maps", click.Path(path_type=Path),
     "sCMOS calibration: a stack of three planes, offset, variance (counts squared), gain."),
]  # fmt: skip
_SCMOS = {"gain_spread": 0.02, "offset_spread_adu": 2.0, "read_noise_spread": 0.4}


def microscope(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add all options that describe pattern, optics, light and camera."""
    command = click.option(
        "--emccd", "multiplication", is_flag=True, default=None,
        help="The camera multiplies electrons: noise is skewed.",
    )(command)  # fmt: skip
    command = click.option(
        "--scmos", is_flag=True, default=None,
        help="Pixels differ in gain (2 %), offset (2 counts) and read noise.",
    )(command)  # fmt: skip
    for flag, key, kind, text in reversed(
        [*_PATTERN, *_UNSTEADY, *_LIGHT, *_OPTICS, *_TRANSFER, *_ABERRATION, *_CAMERA]
    ):
        command = click.option(flag, key, type=kind, default=None, help=text)(command)
    return command


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Draws the conditions of a stack: a base, then what the options say; sent to worker processes.

    Attributes
    ----------
    base : {"paper", "random"} or Conditions
    given : dict
        Options; files already read.
    photons : float or None
        None keeps those of the base.
    """

    base: str | Conditions
    given: Given
    photons: float | None

    def __call__(self, rng: np.random.Generator) -> Conditions:
        """Return the conditions; the generator is used for what is random, and for nothing else."""
        from dlsim_ij.simulation import bleached, drifting, jittered

        conditions = self._base(rng)
        given = {key: value for key, value in self.given.items() if value is not None}
        changes = {key: given[key] for _, key, _, _ in (*_TRANSFER, *_LIGHT) if key in given}
        if self.photons is not None:
            changes["photons"] = self.photons
        aberration = {key: given[key] for _, key, _, _ in _ABERRATION if key in given}
        if aberration:
            changes["aberration"] = dataclasses.replace(conditions.aberration, **aberration)
        camera = {key: given[key] for _, key, _, _ in _CAMERA if key in given}
        camera |= _SCMOS if given.get("scmos") else {}
        camera |= {"multiplication": True} if given.get("multiplication") else {}
        if camera:
            changes["camera"] = dataclasses.replace(conditions.camera, **camera)
        conditions = dataclasses.replace(conditions, **changes)
        spreads = [given.get(key, 0.0) for key in ("angle_jitter", "period_jitter", "phase_error", "flicker")]
        if any(spreads):
            conditions = jittered(
                conditions, rng, angle_deg=spreads[0], period=spreads[1] / 100, phase_deg=spreads[2],
                intensity=spreads[3] / 100,
            )  # fmt: skip
        if given.get("bleaching"):
            conditions = bleached(conditions, given["bleaching"] / 100)
        if given.get("drift"):
            conditions = drifting(conditions, given["drift"], rng)
        return conditions

    def _base(self, rng: np.random.Generator) -> Conditions:
        from dlsim_ij.acquisition.layout import parse_layout
        from dlsim_ij.simulation import Conditions, illumination, paper_conditions, random_conditions

        if isinstance(self.base, Conditions):
            return self.base
        level = (self.photons or 300.0,) * 2
        optics = optics_of(self.given)
        n_angles, n_phases = parse_layout(self.given["layout"] or "3x5")
        if self.base == "random":
            return random_conditions(rng, optics=optics, photons=level, n_angles=n_angles, n_phases=n_phases)
        described = (*_PATTERN, *_OPTICS)
        if all(self.given[key] is None for _, key, _, _ in described):
            return paper_conditions(rng, photons=level)
        words = self.given["modulation"]
        known = {key: self.given[key] for key in ("beams", "period_nm", "first_angle_deg")}
        patterns = illumination(
            rng, optics, n_angles=n_angles, n_phases=n_phases,
            modulation=None if words is None else _numbers(words),
            **{key: value for key, value in known.items() if value is not None},
        )  # fmt: skip
        flicker = 1 + rng.normal(0, 0.01, n_angles * n_phases)
        return Conditions(
            optics=optics, patterns=patterns, photons=level[0], intensity=tuple(float(v) for v in flicker)
        )


def optics_of(given: Given) -> Optics:
    """Return the nominal optics that the options describe."""
    from dlsim_ij.optics import Optics

    return Optics(**{key: given[key] for _, key, _, _ in _OPTICS if given[key] is not None})


def refuse_pattern_options(given: Given, source: str, *, but: tuple[str, ...] = ()) -> None:
    """Refuse options that describe what a file describes already."""
    for flag, key, _, _ in (*_PATTERN, *_OPTICS):
        if given[key] is not None and key not in but:
            raise ConfigError(f"{flag} contradicts {source}, which brings its own", f"leave out {flag}")


def _numbers(words: str) -> list[float]:
    try:
        return [float(word) for word in words.split(",")]
    except ValueError:
        raise ConfigError(
            f"the modulation '{words}' is not numbers with commas", "for example --modulation 0.6,0.35"
        ) from None
