"""Thinned frames are those of a camera that saw less light: mean, variance, independence, and the edges."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlsim_ij.acquisition import CountsCamera, measure_light, thin_frames
from dlsim_ij.acquisition.light import UNKNOWN, photon_levels
from dlsim_ij.acquisition.thinning import thin_electrons
from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.simulation import Camera, draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_conditions

SIDE = 300


def camera(gain=6.85, offset=100.0, read_noise=0.7, **others):
    return CountsCamera(
        gain_adu_per_electron=gain, offset_adu=offset, read_noise_electrons=read_noise, source="given",
        **others,
    )  # fmt: skip


def exposure(own, electrons, seed=1, frames=3):
    """Counts of an even field, as the camera writes them."""
    rng = np.random.default_rng(seed)
    shape = (frames, SIDE, SIDE)
    signal = rng.poisson(electrons, shape) + rng.normal(0, own.read_noise_electrons, shape)
    return np.rint(own.gain_adu_per_electron * signal + own.offset_adu).astype(np.uint16)


@pytest.mark.parametrize("fraction", [0.5, 0.1, 0.01])
@pytest.mark.parametrize(
    ("own", "electrons"),
    [(camera(), 200.0), (camera(), 30.0), (camera(2.0, 300.0, 1.6), 60.0), (camera(20.0, 50.0, 0.0), 40.0)],
    ids=["bright", "dim", "noisy", "silent"],
)
def test_mean_and_variance_are_those_of_a_dim_exposure(own, electrons, fraction):
    thinned = thin_frames(exposure(own, electrons), own, fraction, seed=2).astype(float)
    gain, left = own.gain_adu_per_electron, fraction * electrons
    # rounding again adds 1/12, unless so much of the read noise was left out
    spare = (1 - fraction) * own.read_noise_electrons**2 * gain**2
    variance = gain**2 * (left + own.read_noise_electrons**2) + 1 / 12 + max(0, 1 / 12 - spare)
    n = thinned.size
    assert thinned.mean() == pytest.approx(own.offset_adu + gain * left, abs=5 * np.sqrt(variance / n))
    # the fourth moment of few photons makes the variance uncertain beyond a Gaussian's sqrt(2 / n)
    kurtosis = 2 + gain**2 / variance
    assert thinned.var() == pytest.approx(variance, rel=5 * np.sqrt(kurtosis / n) + 0.002)


@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_what_is_kept_and_what_is_not_are_independent(fraction):
    own = camera()
    electrons = own.scale.electrons(exposure(own, 25.0))
    kept = thin_electrons(electrons, fraction, np.random.default_rng(3))
    rest = electrons - kept
    assert abs(np.corrcoef(kept.ravel(), rest.ravel())[0, 1]) < 4 / np.sqrt(kept.size)
    # and neighbours stay strangers
    assert abs(np.corrcoef(kept[..., 1:].ravel(), kept[..., :-1].ravel())[0, 1]) < 4 / np.sqrt(kept.size)


def test_thinning_twice_is_thinning_once_by_the_product():
    own = camera()
    twice = thin_frames(thin_frames(exposure(own, 100.0), own, 0.5, seed=4), own, 0.2, seed=5).astype(float)
    once = thin_frames(exposure(own, 100.0, seed=6), own, 0.1, seed=7).astype(float)
    error = np.sqrt(once.var() / once.size)
    assert twice.mean() == pytest.approx(once.mean(), abs=6 * error)
    assert twice.var() == pytest.approx(once.var(), rel=0.02)


def test_dark_pixels_get_a_little_too_much_noise_and_no_more():
    """Without any light, only what lies below zero is not balanced."""
    own = camera()
    thinned = thin_frames(exposure(own, 0.0), own, 0.5, seed=8).astype(float)
    assert thinned.mean() == pytest.approx(100.0, abs=0.05)
    excess = thinned.var() / own.gain_adu_per_electron**2 - 0.7**2
    assert 0 < excess < 0.05


@given(seed=st.integers(0, 2**32 - 1), gain=st.floats(0.2, 30), offset=st.floats(0, 500))
@settings(max_examples=25)
def test_all_of_the_light_is_the_stack_itself(seed, gain, offset):
    own = camera(gain, offset, 1.0)
    frames = np.random.default_rng(seed).integers(0, 65536, (2, 5, 6)).astype(np.uint16)
    np.testing.assert_array_equal(thin_frames(frames, own, 1.0, seed=seed), frames)
    fine = frames + np.float32(0.25)
    kept = thin_frames(fine, own, 1.0, seed=seed, whole_counts=False)
    np.testing.assert_allclose(kept, fine, rtol=1e-6, atol=1e-3)
    np.testing.assert_array_equal(thin_frames(fine, own, 1.0, seed=seed), frames)  # rounded


@given(seed=st.integers(0, 2**32 - 1), gain=st.floats(0.1, 50), offset=st.floats(-100, 1000))
@settings(max_examples=25)
def test_gain_and_offset_are_only_the_unit(seed, gain, offset):
    electrons = np.random.default_rng(seed).poisson(20, (2, 6, 7)).astype(np.float64)
    plain = thin_frames(electrons, camera(1.0, 0.0), 0.3, seed=seed, whole_counts=False)
    counts = thin_frames(gain * electrons + offset, camera(gain, offset), 0.3, seed=seed, whole_counts=False)
    np.testing.assert_allclose((counts - offset) / gain, plain, rtol=1e-4, atol=2e-3 / gain + 1e-4)


def test_one_seed_one_stack():
    frames = exposure(camera(), 50.0, frames=1)
    one, same, other = (thin_frames(frames, camera(), 0.2, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.5


def test_counts_stay_inside_their_type():
    own = camera(1.0, 2.0, 3.0)
    frames = np.full((1, 200, 200), 2, np.uint8)
    thinned = thin_frames(frames, own, 0.5)
    assert thinned.dtype == np.uint8
    assert thinned.min() == 0
    assert thinned.max() < 40  # nothing wrapped around


@pytest.mark.parametrize("fraction", [0.0, 1.5, float("nan"), -1])
def test_fractions_are_checked(fraction):
    with pytest.raises(ConfigError, match="fraction"):
        thin_frames(np.ones((1, 4, 4)), camera(), fraction)


@pytest.mark.parametrize(
    ("frames", "options", "error"),
    [
        (np.ones((1, 4, 4), complex), {}, ImageError),
        (np.ones(4), {}, ImageError),
        (np.full((1, 4, 4), np.nan), {}, ImageError),
        (np.ones((1, 4, 4), int), {"whole_counts": False}, ConfigError),
    ],
    ids=["complex", "a line", "NaN", "integers that are to be fractions"],
)
def test_what_is_no_frame_is_refused(frames, options, error):
    with pytest.raises(error) as refusal:
        thin_frames(frames, camera(), 0.5, **options)
    assert refusal.value.hint


@pytest.mark.parametrize(
    "numbers", [(0.0, 100.0, 1.0), (-1.0, 0.0, 0.0), (1.0, np.inf, 0.0), (1.0, 0.0, -0.1)], ids=str
)
def test_a_camera_that_cannot_be_is_refused(numbers):
    with pytest.raises(ConfigError):
        camera(*numbers)


def test_a_camera_without_a_gain_is_refused():
    with pytest.raises(ImageError, match="gain") as refusal:
        CountsCamera.of_light(UNKNOWN)
    assert "give gain" in refusal.value.hint


def test_the_camera_is_measured_and_the_thinned_stack_measures_so_too():
    rng = np.random.default_rng(3)
    density = draw_structure("actin", (384, 384), 0.03, rng)
    conditions = dataclasses.replace(
        paper_conditions(rng, photons=(400.0, 400.0)), camera=Camera(row_column_electrons=0.0)
    )
    frames = simulate_sim(density, conditions, rng).raw
    light = measure_light(frames, conditions.optics.cutoff_px)
    own = CountsCamera.of_light(light)
    assert own.read_noise_supposed  # so bright a stack does not tell it
    thinned = thin_frames(frames, own, 0.02, seed=1)
    again = measure_light(thinned, conditions.optics.cutoff_px)
    assert again.gain_adu_per_electron == pytest.approx(6.85, rel=0.05)
    assert again.photons == pytest.approx(0.02 * light.photons, rel=0.1)
    assert again.read_noise_electrons == pytest.approx(0.7, abs=0.15)
    levels = photon_levels(frames.mean(axis=0), own.gain_adu_per_electron, own.offset_adu)
    assert levels == pytest.approx((light.photons, light.photons_mean), rel=1e-3)
