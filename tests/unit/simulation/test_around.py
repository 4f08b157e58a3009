"""Conditions drawn around fitted ones: near them, and as far apart as stacks of one microscope are."""

import dataclasses

import numpy as np
import pytest

from dlsim_ij.optics import Optics
from dlsim_ij.simulation import (
    Camera,
    Spread,
    draw_around,
    draw_structure,
    fit_stack,
    simulate_sim,
    spread_of,
)
from dlsim_ij.simulation.conditions import Conditions, make_pattern


def two_beam(**changes):
    patterns = tuple(make_pattern(angle, 4.3, 3, 0.4, (0.6,)) for angle in (33.0, 93.0, 153.0))
    return Conditions(
        optics=Optics(na=1.3, emission_nm=560, pixel_size_um=0.07), patterns=patterns, photons=200.0,
        otf_damping=0.3, haze=2.0, flat=0.3, intensity=(1.0,) * 9,
        camera=Camera(gain_adu_per_electron=0.5, offset_adu=100, read_noise_electrons=1.5), **changes,
    )  # fmt: skip


SPREAD = Spread(modulation=((0.05,),) * 3, log_damping=0.2, log_gain=0.05, offset_adu=2.0, read_variance=0.5)


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    return [draw_around(two_beam(), SPREAD, rng) for _ in range(400)]


def test_what_is_certain_stays(drawn):
    for one in drawn:
        assert one.optics == two_beam().optics
        assert one.photons == 200
        assert [len(p.steps_rad) for p in one.patterns] == [3, 3, 3]
        assert one.camera.bits == 16


def test_the_middle_of_the_draws_is_what_was_fitted(drawn):
    def middle(value):
        return float(np.median([value(one) for one in drawn]))

    fitted = two_beam()
    assert middle(lambda c: c.patterns[0].period_px) == pytest.approx(4.3, rel=2e-3)
    assert middle(lambda c: c.patterns[0].angle_deg) == pytest.approx(33, abs=0.3)
    assert middle(lambda c: c.patterns[1].modulation[0]) == pytest.approx(0.6, abs=0.02)
    assert middle(lambda c: c.otf_damping) == pytest.approx(fitted.otf_damping, rel=0.06)
    assert middle(lambda c: c.haze / c.flat) == pytest.approx(fitted.haze / fitted.flat)
    assert middle(lambda c: c.camera.gain_adu_per_electron) == pytest.approx(0.5, rel=0.02)


def test_phases_are_free_and_the_rest_is_near(drawn):
    phases = np.array([c.patterns[0].phases_rad[0] for c in drawn])
    assert abs(np.exp(1j * phases).mean()) < 0.15
    turns = np.array([c.patterns[0].angle_deg - 33 for c in drawn])
    assert 0.7 < turns.std() < 1.5
    gaps = np.array([c.patterns[1].angle_deg - c.patterns[0].angle_deg for c in drawn])
    assert (gaps % 180).std() < 0.7  # the angles turn together
    dampings = np.log([c.otf_damping for c in drawn])
    assert dampings.std() == pytest.approx(0.3, rel=0.2)  # the floor, above the fit's own error


def test_an_unsure_fit_is_drawn_more_widely():
    unsure = SPREAD.model_copy(update={"log_damping": 0.9, "modulation": ((0.2,),) * 3})
    rng = np.random.default_rng(1)
    wide = [draw_around(two_beam(), unsure, rng) for _ in range(200)]
    assert np.std([np.log(c.otf_damping) for c in wide]) > 0.5
    assert np.std([c.patterns[0].modulation[0] for c in wide]) > 0.15
    for one in wide:  # and still can be simulated
        assert 0 < one.otf_damping <= 1
        assert all(0 < p.modulation[0] <= 1 for p in one.patterns)


def test_the_spread_of_a_fit_has_the_shape_of_its_patterns():
    rng = np.random.default_rng(2)
    density = draw_structure("microtubules", (192, 192), 0.035, rng)
    true = dataclasses.replace(two_beam(), haze=0.5)
    fit = fit_stack(simulate_sim(density, true, rng).raw, true.optics, n_phases=3)
    spread = spread_of(fit)
    assert [len(angle) for angle in spread.modulation] == [1, 1, 1]
    assert 0 < spread.log_gain < 0.3
    assert spread.read_variance > 0
    given = fit_stack(simulate_sim(density, true, rng).raw, true.optics, n_phases=3, camera=true.camera)
    assert spread_of(given).log_gain == 0  # a camera that was given is not doubted
