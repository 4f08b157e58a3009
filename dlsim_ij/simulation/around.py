"""Conditions near those of a stack: what a microscope does on another day, on another field."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np
from pydantic import Field, FiniteFloat

from dlsim_ij.config import Settings
from dlsim_ij.optics import Pattern
from dlsim_ij.optics.pattern import equal_steps
from dlsim_ij.simulation.conditions import Conditions
from dlsim_ij.simulation.like import StackFit

NotNegative = Annotated[FiniteFloat, Field(ge=0)]

# What a fit cannot know: how stacks of one microscope differ. Directions and periods of a session agree to
# about a tenth of this; light out of focus differs from cell to cell.
_TURN_DEG, _ANGLE_DEG, _PERIOD, _STEP_RAD, _SECOND_RAD = 1.0, 0.3, 0.004, 0.04, 0.05
_CUTOFF = 0.95, 1.04  # of the nominal one; trades places with the damping
_LOG_HAZE, _LOG_HAZE_SIGMA = 0.4, 0.3
_LEAST_MODULATION, _LEAST_LOG_DAMPING, _LEAST_GAIN = 0.05, 0.3, 0.02  # relative
_FLICKER = 0.01
_HAZE_SIGMA_PX = 3.0, 60.0
_DAMPING = 0.02, 1.0
_READ_NOISE_LEAST = 0.1


class Spread(Settings):
    """How sure fitted conditions are: one standard deviation each.

    Attributes
    ----------
    modulation : tuple of tuple of float
        Per angle, one per order.
    log_damping, log_gain : float
        Of the natural logarithm.
    offset_adu : float
    read_variance : float
        In electrons squared.
    """

    modulation: tuple[tuple[NotNegative, ...], ...]
    log_damping: NotNegative
    log_gain: NotNegative = 0.0
    offset_adu: NotNegative = 0.0
    read_variance: NotNegative = 0.0


def spread_of(fit: StackFit) -> Spread:
    """Return the standard errors of a fit."""
    errors = tuple(
        tuple(min(float(e), 0.3) for e in angle[: pattern.orders])
        for angle, pattern in zip(fit.bands.modulation_error, fit.conditions.patterns, strict=True)
    )
    noise = fit.noise
    if noise is None:
        return Spread(modulation=errors, log_damping=min(fit.bands.log_damping_error, 1.0))
    return Spread(
        modulation=errors,
        log_damping=min(fit.bands.log_damping_error, 1.0),
        log_gain=min(noise.gain_error / noise.gain_adu_per_electron, 0.3),
        offset_adu=noise.offset_error,
        read_variance=noise.read_variance_error,
    )


def draw_around(conditions: Conditions, spread: Spread, rng: np.random.Generator) -> Conditions:
    """Draw an acquisition of the same microscope.

    Parameters
    ----------
    conditions : Conditions
        As fitted to a stack.
    spread : Spread
        How sure they are.
    rng : numpy.random.Generator

    Returns
    -------
    Conditions
        Phases are free. Direction, period, modulation, transfer, haze and camera lie around the fitted ones:
        as far as the fit is unsure, and at least as far as stacks of one microscope differ. The light level
        is the fitted one.
    """
    turn_deg, stretch = rng.normal(0, _TURN_DEG), 1 + rng.normal(0, _PERIOD)
    strength = 1 + rng.normal(0, _LEAST_MODULATION)
    patterns = tuple(
        _drawn_pattern(pattern, errors, turn_deg, stretch, strength, rng)
        for pattern, errors in zip(conditions.patterns, spread.modulation, strict=True)
    )
    log_damping = np.log(conditions.otf_damping) + rng.normal(0, max(spread.log_damping, _LEAST_LOG_DAMPING))
    background = float(np.exp(rng.normal(0, _LOG_HAZE)))
    haze_sigma = conditions.haze_sigma_px * np.exp(rng.normal(0, _LOG_HAZE_SIGMA))
    camera = conditions.camera
    read_variance = camera.read_noise_electrons**2 + rng.normal(0, spread.read_variance)
    gain = camera.gain_adu_per_electron * np.exp(rng.normal(0, max(spread.log_gain, _LEAST_GAIN)))
    flicker = max(_FLICKER, float(np.std(conditions.intensity)))
    return dataclasses.replace(
        conditions,
        cutoff_factor=float(conditions.cutoff_factor * rng.uniform(*_CUTOFF)),
        otf_damping=float(np.clip(np.exp(log_damping), *_DAMPING)),
        patterns=patterns,
        haze=conditions.haze * background,
        haze_sigma_px=float(np.clip(haze_sigma, *_HAZE_SIGMA_PX)),
        flat=conditions.flat * background,
        intensity=tuple(float(max(v, 0.1)) for v in 1 + rng.normal(0, flicker, conditions.n_frames)),
        camera=dataclasses.replace(
            camera,
            gain_adu_per_electron=float(gain),
            offset_adu=float(max(0.0, camera.offset_adu + rng.normal(0, spread.offset_adu))),
            read_noise_electrons=float(np.sqrt(max(read_variance, _READ_NOISE_LEAST**2))),
            row_column_electrons=float(camera.row_column_electrons * rng.uniform(0.5, 1.5)),
        ),
    )


def _drawn_pattern(
    pattern: Pattern,
    errors: tuple[float, ...],
    turn_deg: float,
    stretch: float,
    strength: float,
    rng: np.random.Generator,
) -> Pattern:
    turn = np.radians(turn_deg + rng.normal(0, _ANGLE_DEG))
    longer = stretch * (1 + rng.normal(0, _PERIOD / 4))
    y, x = pattern.frequency_px
    frequency = (y * np.cos(turn) + x * np.sin(turn)) / longer, (x * np.cos(turn) - y * np.sin(turn)) / longer
    first = rng.uniform(0, 2 * np.pi)
    # order 2 stands where three beams of one source put it, at twice the phase of order 1
    phases = (first, 2 * first + rng.normal(0, _SECOND_RAD))[: pattern.orders]
    n_phases = len(pattern.steps_rad)
    steps = np.array(equal_steps(n_phases)) + rng.normal(0, _STEP_RAD, n_phases)
    modulation = [
        float(np.clip(strength * (c + rng.normal(0, error)), 0.02, 1.0))
        for c, error in zip(pattern.modulation, errors, strict=True)
    ]
    return Pattern(
        frequency_px=(float(frequency[0]), float(frequency[1])),
        phases_rad=tuple(float(p) for p in phases),
        steps_rad=tuple(float(s) for s in steps),
        modulation=tuple(modulation),
    )
