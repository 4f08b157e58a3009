"""What the camera does to light: each part against its own statistics."""

import dataclasses

import numpy as np
import pytest

from dlsim_ij.errors import ConfigError
from dlsim_ij.simulation import Camera, PixelMaps, draw_structure, simulate_sim
from dlsim_ij.simulation.conditions import Conditions, paper_patterns

PLAIN = Camera(
    gain_adu_per_electron=4.0, offset_adu=100.0, read_noise_electrons=0.0, row_column_electrons=0.0
)


def counts(electrons, frames=60, side=64, seed=0, **changes):
    camera = dataclasses.replace(PLAIN, **changes)
    light = np.full((frames, side, side), electrons, np.float32)
    return camera.expose(light, np.random.default_rng(seed)).astype(float)


def test_dark_current_flows_for_the_exposure():
    seen = counts(10.0, dark_electrons_per_s=3.0, exposure_s=2.0)
    assert seen.mean() == pytest.approx(100 + 4 * 16, rel=0.002)
    assert seen.var() == pytest.approx(16 * 16, rel=0.02)


def test_a_full_well_holds_no_more():
    seen = counts(500.0, full_well_electrons=400.0)
    assert seen.max() == 100 + 4 * 400
    assert (seen == seen.max()).mean() > 0.9


def test_a_multiplying_camera_keeps_the_variance_and_skews_the_noise():
    plain, multiplied = (counts(20.0, multiplication=on) for on in (False, True))
    for seen, skew in ((plain, 1.0), (multiplied, 1.5)):
        light = (seen - 100) / 4
        assert light.mean() == pytest.approx(20, rel=0.003)
        assert light.var() == pytest.approx(20, rel=0.02)
        assert ((light - light.mean()) ** 3).mean() == pytest.approx(skew * 20, rel=0.1)


def test_scmos_pixels_differ_as_stated_and_stay_what_they_are():
    options = {"gain_spread": 0.03, "offset_spread_adu": 5.0, "read_noise_spread": 0.5, "map_seed": 4}
    options["read_noise_electrons"] = 1.5
    dark, other_noise = (counts(0.0, frames=300, seed=s, **options) for s in (1, 2))
    np.testing.assert_allclose(dark.mean(axis=0), other_noise.mean(axis=0), atol=6)
    assert np.corrcoef(dark.mean(axis=0).ravel(), other_noise.mean(axis=0).ravel())[0, 1] > 0.9
    assert np.std(dark.mean(axis=0)) == pytest.approx(5, rel=0.1)
    assert np.std(np.log(dark.std(axis=0))) == pytest.approx(0.5, abs=0.06)
    assert np.median(dark.std(axis=0)) == pytest.approx(6, rel=0.1)
    bright = counts(1000.0, frames=300, seed=3, **options)
    gain = (bright.mean(axis=0) - dark.mean(axis=0)) / 1000
    assert gain.mean() == pytest.approx(4, rel=0.005)
    assert gain.std() == pytest.approx(0.12, rel=0.1)


def test_measured_maps_are_what_the_frames_show():
    y, x = np.indices((80, 80))
    maps = PixelMaps(
        offset_adu=100.0 + x, read_variance_adu2=4.0 + y.astype(float), gain_adu_per_electron=2.0 + 0.01 * y
    )
    seen = counts(50.0, frames=400, maps=maps)
    middle = np.s_[8:72, 8:72]  # larger maps are cut at their middle
    expected = maps.offset_adu[middle] + 50 * maps.gain_adu_per_electron[middle]
    variance = maps.read_variance_adu2[middle] + 50 * maps.gain_adu_per_electron[middle] ** 2
    np.testing.assert_allclose(seen.mean(axis=0), expected, atol=6 * np.sqrt(variance.max() / 400))
    np.testing.assert_allclose(seen.var(axis=0).mean(axis=1), variance.mean(axis=1), rtol=0.05)
    with pytest.raises(ConfigError, match="do not cover a frame"):
        counts(1.0, side=100, maps=maps)


def test_photons_become_photo_electrons_at_the_quantum_yield():
    density = draw_structure("actin", (128, 128), 0.03, np.random.default_rng(0))
    whole, most = (
        simulate_sim(
            density,
            Conditions(
                patterns=paper_patterns(),
                intensity=(1.0,) * 15,
                photons=200.0,
                camera=Camera(quantum_yield=q),
            ),
            np.random.default_rng(0),
        )
        for q in (1.0, 0.7)
    )
    np.testing.assert_allclose(most.electrons, 0.7 * whole.electrons, rtol=1e-5)
    np.testing.assert_allclose(most.object, 0.7 * whole.object, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("photons", [1.0, 1e5])
def test_any_photon_budget_is_met(photons):
    density = draw_structure("mitochondria", (128, 128), 0.03, np.random.default_rng(0))
    camera = Camera(gain_adu_per_electron=0.5, offset_adu=50.0, row_column_electrons=0.0)
    stack = simulate_sim(
        density,
        Conditions(patterns=paper_patterns(), intensity=(1.0,) * 15, photons=photons, camera=camera),
        np.random.default_rng(0),
    )
    assert np.percentile(stack.electrons.mean(axis=0), 99.5) == pytest.approx(photons, rel=0.03)
    assert stack.raw.mean() - 50 == pytest.approx(0.5 * stack.electrons.mean(), rel=0.02)


@pytest.mark.parametrize(
    "changes",
    [
        {"gain_adu_per_electron": 0}, {"read_noise_electrons": -1}, {"bits": 20}, {"quantum_yield": 0},
        {"quantum_yield": 1.1}, {"dark_electrons_per_s": -1}, {"hot_pixel_fraction": 2},
        {"full_well_electrons": 0}, {"gain_spread": 0.9}, {"read_noise_spread": -1},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_cameras_are_refused(changes):
    with pytest.raises(ConfigError) as caught:
        Camera(**changes)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        ((np.ones((4, 4)), np.ones((4, 5)), np.ones((4, 4))), "one size"),
        ((np.ones((4, 4)), -np.ones((4, 4)), np.ones((4, 4))), "variance below 0"),
        ((np.ones((4, 4)), np.ones((4, 4)), np.zeros((4, 4))), "gain that is not above 0"),
    ],
)
def test_impossible_maps_are_refused(maps, said):
    with pytest.raises(ConfigError, match=said):
        PixelMaps(offset_adu=maps[0], read_variance_adu2=maps[1], gain_adu_per_electron=maps[2])
