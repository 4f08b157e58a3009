"""How exactly a known pattern is found: bounds of the issue, over structures, seeds and directions."""

import numpy as np
import pytest

from dlsim_ij.acquisition import fit_patterns
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.acquisition.pattern_refine import refine_patterns
from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import Conditions, draw_structure, random_conditions, simulate_sim

SIDE = 256


def make(structure, seed, *, n_phases=5, side=SIDE, photons=1000.0, haze=0.0, blur_px=12.0, damping=None):
    """Simulate any directions, periods, modulations and transfers, with even steps."""
    rng = np.random.default_rng(seed)
    drawn = random_conditions(rng, photons=(photons, photons), n_phases=n_phases, like_paper=0.5)
    even = tuple(2 * np.pi * j / n_phases for j in range(n_phases))
    conditions = Conditions(
        patterns=tuple(
            type(p)(
                frequency_px=p.frequency_px, phases_rad=p.phases_rad, steps_rad=even, modulation=p.modulation
            )
            for p in drawn.patterns
        ),
        photons=photons,
        haze=haze,
        haze_sigma_px=blur_px,
        flat=0.0,
        otf_damping=drawn.otf_damping if damping is None else damping,
        intensity=(1.0,) * (3 * n_phases),
    )
    density = draw_structure(structure, (2 * side, 2 * side), 0.03, rng)
    return simulate_sim(density, conditions, rng)


def fit(stack, **options):
    n_phases = len(stack.conditions.patterns[0].steps_rad)
    signal = equalise_frames(stack.raw, estimate_offset(stack.raw))
    return fit_patterns(signal, 3, n_phases, Optics(), **options)


def aligned(found, true):
    """Return what was found with the sign of the truth: a pattern and its mirror image are one."""
    sign = 1 if np.dot(found.frequency_px, true.frequency_px) > 0 else -1
    return sign * np.array(found.frequency_px), sign * np.array(found.phases_rad)


def off_deg(a, b):
    return np.degrees(np.abs((np.asarray(a) - b + np.pi) % (2 * np.pi) - np.pi))


@pytest.mark.parametrize(
    ("structure", "seed", "n_phases"),
    [
        *[
            ("microtubules", 0, 5),
            ("mitochondria", 1, 5),
            ("adhesions", 2, 5),
            ("actin", 3, 5),
            ("points", 4, 5),
        ],
        *[("microtubules", 5, 3), ("actin", 6, 3), ("mitochondria", 7, 4)],
    ],
)
def test_at_1000_photons(structure, seed, n_phases):
    stack = make(structure, seed, n_phases=n_phases)
    centre = (SIDE - 1) / 2
    for found, true in zip(fit(stack), stack.conditions.patterns, strict=True):
        frequency, phases = aligned(found, true)
        assert np.hypot(*(frequency - true.frequency_px)) * SIDE < 0.02
        for order, (phase, exact) in enumerate(zip(phases, true.phases_rad, strict=True), start=1):
            here = phase + 2 * np.pi * order * frequency.sum() * centre
            there = exact + 2 * np.pi * order * np.sum(true.frequency_px) * centre
            assert off_deg(here, there) < 2
        np.testing.assert_allclose(found.modulation, true.modulation, rtol=0.05)


def test_the_transfer_is_measured_on_the_way():
    for damping in (0.25, 0.8):
        stack = make("microtubules", 1, damping=damping)
        signal = equalise_frames(stack.raw, estimate_offset(stack.raw))
        refined = refine_patterns(signal, fit(stack), Optics())
        assert refined.otf_damping == pytest.approx(damping, rel=0.05)


@pytest.mark.parametrize("blur_px", [12.0, 1.5])
def test_haze_of_a_broad_blur_leaves_the_modulation_alone_and_that_of_a_narrow_one_does_not(blur_px):
    stack = make("microtubules", 3, haze=1.0, blur_px=blur_px)
    for found, true in zip(fit(stack), stack.conditions.patterns, strict=True):
        ratio = np.array(found.modulation) / true.modulation
        assert (np.abs(ratio - 1) < 0.07).all() if blur_px > 3 else (ratio < 0.95).all(), ratio


def test_a_calibration_of_another_layout_is_refused():
    stack = make("actin", 0, side=64)
    patterns = fit(stack)
    signal = equalise_frames(stack.raw, estimate_offset(stack.raw))
    with pytest.raises(LayoutError, match="a calibration of 2 angles"):
        fit_patterns(signal, 3, 5, Optics(), known=patterns[:2])
    with pytest.raises(LayoutError, match=r"3 angles \(5, 5, 5 phases\) for 5 x 3 frames"):
        fit_patterns(signal, 5, 3, Optics(), known=patterns)


def test_steps_of_a_calibration_are_kept():
    stack = make("actin", 0, side=96)
    import dataclasses

    calibration = [dataclasses.replace(p, steps_rad=(0.0, 1.2, 2.6, 3.7, 5.0)) for p in fit(stack)]
    again = fit(stack, known=calibration)
    assert [p.steps_rad for p in again] == [p.steps_rad for p in calibration]
    assert [p.frequency_px for p in again] == [p.frequency_px for p in calibration]
