"""What holds of RSP and RSE for any pair of images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dlsim_ij.quality import rse_rsp


def noisy_pair(seed: int, factor: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(random.gamma(0.2, 900, (24 * factor, 28 * factor)), 1.0)
    means = ndimage.gaussian_filter(image, 1.3 * factor).reshape(24, factor, 28, factor).mean(axis=(1, 3))
    return random.poisson(2 * means + 100).astype(np.uint16), np.round(image).astype(np.uint16)


pairs = st.builds(noisy_pair, st.integers(0, 1000), st.sampled_from([1, 2, 3]))


@settings(deadline=None, max_examples=15)
@given(pairs, st.sampled_from([np.flipud, np.fliplr, np.rot90, np.transpose]))
def test_turning_both_images_changes_nothing(pair, turn):
    plain = rse_rsp(*pair, register=False)
    turned = rse_rsp(*(np.ascontiguousarray(turn(image)) for image in pair), register=False)
    assert turned.rsp == pytest.approx(plain.rsp, abs=1e-9)
    assert turned.rse == pytest.approx(plain.rse, rel=1e-7)
    np.testing.assert_allclose(turned.signed_map, turn(plain.signed_map), atol=1e-3 * plain.rse)


@settings(deadline=None, max_examples=10)
@given(
    pairs,
    st.sampled_from(["exact", "compat"]),
    st.sampled_from([np.uint32, np.int32, np.float32, np.float64]),
)
def test_the_type_of_the_pixels_changes_nothing(pair, mode, dtype):
    plain = rse_rsp(*pair, mode=mode)
    assert rse_rsp(*(image.astype(dtype) for image in pair), mode=mode) == plain


@settings(deadline=None, max_examples=15)
@given(pairs, st.floats(0.01, 100), st.floats(-1e4, 1e4))
def test_gain_and_offset_of_either_image_change_no_correlation(pair, gain, offset):
    reference, image = pair
    plain = rse_rsp(reference, image)
    assert rse_rsp(reference, gain * image + offset).rsp == pytest.approx(plain.rsp, abs=1e-6)
    scaled = rse_rsp(gain * reference + offset, image)
    assert scaled.rsp == pytest.approx(plain.rsp, abs=1e-6)
    assert scaled.rse == pytest.approx(gain * plain.rse, rel=1e-4)


@settings(deadline=None, max_examples=10)
@given(pairs, st.floats(0.01, 100))
def test_a_gain_of_either_image_hardly_changes_the_published_numbers(pair, gain):
    """Rounding decides where the plugin's swarm stops: in 2 of 120 pairs like these more than 1e-4 away.

    An offset is another matter: the plugin depends on it.
    """
    reference, image = pair
    plain = rse_rsp(reference, image, mode="compat")
    brighter = rse_rsp(reference, np.float32(gain) * image, mode="compat")
    assert brighter.rsp == pytest.approx(plain.rsp, abs=3e-3)
    scaled = rse_rsp(np.float32(gain) * reference, image, mode="compat")
    assert scaled.rse == pytest.approx(gain * plain.rse, rel=2e-2)
