"""What holds for any image: units, flips and turns change no fair score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dlsim_ij.quality import (
    best_shift,
    dfcan_scores,
    fair_scores,
    ms_ssim,
    scores,
    seed_scores,
    skimage_scores,
)

seeds = st.integers(0, 2**32 - 1)
gains = st.floats(1e-6, 1e6)
offsets = st.floats(-1e4, 1e4)


def pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    height, width = generator.integers(20, 34, 2)
    truth = ndimage.gaussian_filter(generator.gamma(1, size=(height, width)), 1)
    return truth, truth + generator.normal(0, 0.2, truth.shape)


def numbers(result) -> tuple[float, ...]:
    return result.psnr_db, result.nrmse, result.ssim


@given(seed=seeds, gain=gains, offset=offsets)
@settings(max_examples=40, deadline=None)
def test_gain_and_offset_of_the_image_do_not_matter(seed, gain, offset):
    truth, image = pair(seed)
    other = gain * (image + offset)
    for measure in (fair_scores, seed_scores, dfcan_scores):
        assert numbers(measure(truth, other)) == pytest.approx(numbers(measure(truth, image)), rel=1e-5)


@given(seed=seeds, gain=gains)
@settings(max_examples=40, deadline=None)
def test_the_unit_of_the_truth_does_not_matter(seed, gain):
    truth, image = pair(seed)
    assert numbers(fair_scores(gain * truth, image)) == pytest.approx(
        numbers(fair_scores(truth, image)), rel=1e-6
    )


@given(seed=seeds, gain=gains, offset=offsets)
@settings(max_examples=30, deadline=None)
def test_gain_and_offset_of_the_truth_do_not_matter_to_stretched_scores(seed, gain, offset):
    truth, image = pair(seed)
    other = gain * (truth + offset)
    for measure in (seed_scores, dfcan_scores):
        assert numbers(measure(other, image)) == pytest.approx(numbers(measure(truth, image)), rel=1e-5)


@given(seed=seeds, gain=gains)
@settings(max_examples=30, deadline=None)
def test_only_a_common_unit_does_not_matter_to_skimage_scores(seed, gain):
    truth, image = pair(seed)
    expected = numbers(skimage_scores(truth, image))
    assert numbers(skimage_scores(gain * truth, gain * image)) == pytest.approx(expected, rel=1e-6)
    assert skimage_scores(truth, 2 * image).psnr_db < expected[0]


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("turn", [np.flipud, np.fliplr, np.transpose, np.rot90])
def test_flips_and_turns_do_not_matter(turn, seed):
    truth, image = pair(seed)
    for measure in (fair_scores, seed_scores, dfcan_scores, skimage_scores):
        turned, upright = measure(turn(truth), turn(image)), measure(truth, image)
        assert numbers(turned) == pytest.approx(numbers(upright), rel=1e-9)


@given(seed=seeds, gain=gains, offset=offsets)
@settings(max_examples=20, deadline=None)
def test_ms_ssim_has_no_unit_and_no_direction(seed, gain, offset):
    truth, image = (np.kron(pixels[:20, :20], np.ones((2, 2))) for pixels in pair(seed))
    expected = ms_ssim(truth, image, n_scales=2)
    assert 0 <= expected <= 1
    assert ms_ssim(truth, gain * (image + offset), n_scales=2) == pytest.approx(expected, rel=1e-5)
    assert ms_ssim(truth.T, image.T, n_scales=2) == pytest.approx(expected, rel=1e-9)
    assert ms_ssim(truth[::-1], image[::-1], n_scales=2) == pytest.approx(expected, rel=1e-9)


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_a_turned_pair_has_the_turned_shift(seed):
    truth, image = pair(seed)
    y, x = best_shift(truth, image)
    assert best_shift(truth[::-1], image[::-1]) == pytest.approx((-y, x), abs=0.02)
    assert best_shift(truth.T, image.T) == pytest.approx((x, y), abs=0.02)


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_registration_never_loses_and_more_noise_never_wins(seed):
    truth, image = pair(seed)
    result = scores(truth, image)
    assert result.registered.psnr_db >= result.psnr_db
    assert -1 <= result.ssim <= 1
    worse = image + np.random.default_rng(seed + 1).normal(0, 1, image.shape)
    assert fair_scores(truth, worse).psnr_db < result.psnr_db
