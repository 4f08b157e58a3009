"""How exactly the fit gives back a known pattern. Measured first; the bounds leave a factor of about two."""

import numpy as np
import pytest

from dlsim_ij.acquisition import fit_patterns
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import Conditions, draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_patterns


def fit(raw, **options):
    return fit_patterns(equalise_frames(raw, estimate_offset(raw)), 3, 5, Optics(), **options)


def off(a, b):
    return abs((a - b + np.pi) % (2 * np.pi) - np.pi)


@pytest.mark.parametrize("structure", ["microtubules", "mitochondria", "adhesions", "actin"])
@pytest.mark.parametrize("seed", [0, 1])
def test_on_256_pixels_at_300_photons_and_with_a_calibration_at_10(structure, seed):
    rng = np.random.default_rng(seed)
    density = draw_structure(structure, (512, 512), 0.03, rng)
    patterns = paper_patterns(phases_rad=tuple(rng.uniform(0, 6, 3)))
    stack = simulate_sim(density, Conditions(patterns=patterns, photons=300.0, intensity=(1.0,) * 15), rng)
    bright = fit(stack.raw)
    for found, true in zip(bright, patterns, strict=True):
        assert abs(found.angle_deg - true.angle_deg) < 0.1
        assert found.period_px == pytest.approx(true.period_px, rel=1e-3)
        assert off(found.phases_rad[0], true.phases_rad[0]) < 0.1
        assert off(found.phases_rad[1], true.phases_rad[1]) < 0.15
    dark = stack.conditions.camera.expose(stack.electrons / 30, rng)
    for found, true in zip(fit(dark, known=bright), patterns, strict=True):
        assert off(found.phases_rad[0], true.phases_rad[0]) < 0.1
