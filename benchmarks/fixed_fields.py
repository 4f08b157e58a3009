"""The fixed simulated test sets of the benchmarks: seeds that no training and no choice ever used.

Every field is exposed at each light level under the same pattern. The pattern is fitted as users do it:
freely at the brightest level, and with that as calibration below.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dlsim_ij.acquisition import fit_patterns
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.datasets.normalise import Scaling
from dlsim_ij.datasets.simulated_field import draw_object, object_target, wiener_target
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.simulation import SimulatedStack, random_conditions, simulate_sim
from dlsim_ij.simulation.conditions import Conditions, illumination

STRUCTURES = ("microtubules", "mitochondria", "adhesions", "actin")
TEST_SEED = 20_261_128
SIDE_PX = 160
INNER = np.s_[32:-32, 32:-32]  # output pixels that are scored


@dataclass(frozen=True)
class Field:
    """One exposure of a test field."""

    structure: str
    number: int
    photons: float
    stack: SimulatedStack
    patterns: list[Pattern]
    object: np.ndarray  # truth, in counts above the background
    wiener: np.ndarray  # what a well set filter makes of the frames without noise


def fixed_fields(
    structure: str,
    levels: Sequence[float],
    fields: int = 32,
    *,
    geometry: str = "sample",
    side_px: int = SIDE_PX,
) -> Iterator[Field]:
    """Yield `fields` fields of a structure at every level, brightest first.

    `geometry`: "sample" is the paper's microscope at any angle, with its periods and camera; "two-beam" is
    3 x 3 with periods of 200 to 300 nm; "any" is 3 x 5 with other periods and cameras.
    """
    for number in range(fields):
        yield from one_field(structure, number, levels, geometry=geometry, side_px=side_px)


def one_field(
    structure: str,
    number: int,
    levels: Sequence[float],
    *,
    geometry: str = "sample",
    side_px: int = SIDE_PX,
    seed: int = TEST_SEED,
) -> Iterator[Field]:
    """Yield one field at every level, brightest first; another `seed` gives fields that are no test."""
    grid_um = Optics().pixel_size_um / 2
    rng = np.random.default_rng([seed, STRUCTURES.index(structure), number])
    density = draw_object(structure, side_px, grid_um, rng)
    haze = draw_object(structure, side_px, grid_um, rng)
    conditions = _conditions(geometry, rng)
    known = None
    for photons in sorted(levels, reverse=True):
        exposed = dataclasses.replace(conditions, photons=photons)
        stack = simulate_sim(density, exposed, rng, haze_density=haze)
        n_angles, n_phases = len(exposed.patterns), len(exposed.patterns[0].steps_rad)
        signal = equalise_frames(stack.raw, estimate_offset(stack.raw))
        patterns = fit_patterns(signal, n_angles, n_phases, exposed.optics, known=known)
        known = known or patterns
        counts = Scaling(offset=_background(stack), scale=1.0)
        yield Field(
            structure, number, photons, stack, patterns,
            object_target(stack, counts), wiener_target(stack, counts),
        )  # fmt: skip


def _conditions(geometry: str, rng: np.random.Generator) -> Conditions:
    if geometry == "sample":
        return random_conditions(rng, like_paper=1.0)
    if geometry == "any":
        return random_conditions(rng, like_paper=0.0)
    drawn = random_conditions(rng, like_paper=1.0, n_phases=3)
    patterns = illumination(
        rng, drawn.optics, n_phases=3, beams=2, period_nm=rng.uniform(200, 300),
        first_angle_deg=rng.uniform(0, 180), modulation=(rng.uniform(0.3, 0.9),),
    )  # fmt: skip
    return dataclasses.replace(drawn, patterns=patterns)


def _background(stack: SimulatedStack) -> float:
    camera = stack.conditions.camera
    mean = stack.electrons.mean(axis=0) * camera.gain_adu_per_electron + camera.offset_adu
    return float(np.percentile(mean, 2.0))
