"""Splitting an image into two: sums, independence, and the gain of an unknown camera."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dlsim_ij.acquisition.thinning import binomial_split
from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality.thinning import estimate_photon_scale, photon_scale, split_image


def scene(side: int = 192, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return 5 + 400 * ndimage.gaussian_filter((generator.random((side, side)) > 0.97).astype(float), 2.5)


def exposure(gain: float, offset: float, read_noise: float, seed: int = 1, side: int = 192) -> np.ndarray:
    generator = np.random.default_rng(seed)
    electrons = generator.poisson(scene(side)) + generator.normal(0, read_noise, (side, side))
    return gain * electrons + offset


@given(seed=st.integers(0, 2**32 - 1), fraction=st.floats(0.01, 0.99))
@settings(max_examples=25, deadline=None)
def test_counts_are_shared_out_whole(seed, fraction):
    counts = np.random.default_rng(seed).poisson(20, (9, 7))
    first, second = binomial_split(counts, fraction, seed=seed)
    np.testing.assert_array_equal(first + second, counts)
    assert (first >= 0).all()
    assert (second >= 0).all()


@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_parts_of_poisson_counts_are_poisson_and_independent(fraction):
    counts = np.random.default_rng(3).poisson(30.0, 200_000)
    first, second = binomial_split(counts, fraction, seed=4)
    assert first.mean() == pytest.approx(30 * fraction, rel=0.01)
    assert first.var() == pytest.approx(30 * fraction, rel=0.02)
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(counts.size)


@pytest.mark.parametrize(
    ("gain", "offset", "read_noise"), [(1.0, 0.0, 0.0), (6.85, 100.0, 0.7), (0.4, 300.0, 2.0)]
)
def test_camera_images_split_without_correlated_noise(gain, offset, read_noise):
    image = exposure(gain, offset, read_noise)
    first, second, scale = split_image(image, gain=gain, offset=offset - gain * read_noise**2, seed=5)
    np.testing.assert_allclose(first + second, image - scale.offset, rtol=1e-12)
    truth = gain * (scene() + read_noise**2) / 2
    noise = np.corrcoef((first - truth).ravel(), (second - truth).ravel())[0, 1]
    assert abs(noise) < 4 / np.sqrt(image.size)
    assert (first - truth).var() == pytest.approx(gain**2 * (scene() + read_noise**2).mean() / 2, rel=0.05)


def test_a_wrong_gain_would_be_seen():
    image = exposure(6.85, 100.0, 0.7)
    first, second, _ = split_image(image, gain=1.0, offset=100.0, seed=5)
    truth = 6.85 * scene() / 2
    assert np.corrcoef((first - truth).ravel(), (second - truth).ravel())[0, 1] > 0.5


@pytest.mark.parametrize("gain", [0.4, 1.0, 6.85])
def test_gain_and_offset_from_one_image(gain):
    found = estimate_photon_scale(exposure(gain, 100.0, 1.0))
    assert found.source == "estimated"
    assert found.gain == pytest.approx(gain, rel=0.12)
    assert found.gain == pytest.approx(gain, abs=4 * found.gain_error)
    assert found.offset == pytest.approx(100 - gain, abs=4 * gain)
    assert 0.85 < found.whiteness < 1.15


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (ndimage.gaussian_filter(exposure(2.0, 100.0, 1.0), 0.8), "not white"),
        (np.random.default_rng(0).normal(100, 5, (128, 128)), "does not grow"),
        (exposure(2.0, 100.0, 1.0, side=48), "too few"),
        (np.outer(np.arange(96.0), np.ones(96)), "no noise"),
    ],
    ids=["blurred", "constant noise", "small", "no noise"],
)
def test_other_images_give_no_gain(image, words):
    with pytest.raises(ImageError, match=words) as refusal:
        estimate_photon_scale(image)
    assert "gain" in refusal.value.hint


@pytest.mark.parametrize(
    "counts", [np.array([-1]), np.array([0.5]), np.array([np.nan]), np.array([True]), np.array([1j])], ids=str
)
def test_what_is_no_count_is_refused(counts):
    with pytest.raises(ImageError) as refusal:
        binomial_split(counts)
    assert refusal.value.hint


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_fractions_are_checked(fraction):
    with pytest.raises(ConfigError):
        binomial_split(np.ones((2, 2), int), fraction)


@pytest.mark.parametrize(
    ("gain", "offset"), [(1.0, None), (None, 0.0), (0.0, 0.0), (-1.0, 0.0), (1.0, np.inf)]
)
def test_gain_and_offset_are_checked(gain, offset):
    with pytest.raises(ConfigError):
        photon_scale(scene(), gain, offset)
