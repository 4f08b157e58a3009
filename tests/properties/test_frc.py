"""What holds for any pair: intensity units, flips and turns do not change the resolution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dlsim_ij.quality import frc_map, frc_resolution

seeds = st.integers(0, 2**32 - 1)
gains = st.floats(1e-6, 1e6)
offsets = st.floats(-1e4, 1e4)


def pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(40, 72, 2)
    structure = ndimage.gaussian_filter(rng.gamma(0.5, size=(height, width)), rng.uniform(0.8, 2))
    noise = rng.uniform(0.02, 0.3) * structure.std()
    return structure + rng.normal(0, noise, structure.shape), structure + rng.normal(
        0, noise, structure.shape
    )


def same(one, other) -> None:
    assert one.status == other.status
    np.testing.assert_allclose(one.raw, other.raw, atol=1e-7)
    if one.resolution_px is not None:
        assert one.resolution_px == pytest.approx(other.resolution_px, rel=1e-5)


@given(seed=seeds, gain=gains, offset=offsets, other_gain=gains, other_offset=offsets)
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("threshold", ["1/7", "half-bit", "3-sigma"])
def test_gain_and_offset_of_either_image_do_not_matter(
    threshold, seed, gain, offset, other_gain, other_offset
):
    first, second = pair(seed)
    same(
        frc_resolution(gain * (first + offset), other_gain * (second + other_offset), threshold=threshold),
        frc_resolution(first, second, threshold=threshold),
    )


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("turn", [np.flipud, np.fliplr, np.transpose, np.rot90])
def test_flips_and_turns_do_not_matter(turn, seed):
    first, second = pair(seed)
    same(frc_resolution(turn(first), turn(second)), frc_resolution(first, second))


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_images_does_not_matter(seed):
    first, second = pair(seed)
    one, other = frc_resolution(first, second), frc_resolution(second, first)
    same(one, other)
    assert one.shift_px == pytest.approx(tuple(-s for s in other.shift_px), abs=0.05)


@given(seed=seeds, dtype=st.sampled_from([np.uint16, np.int32, np.float32]))
@settings(max_examples=15, deadline=None)
def test_every_type_gives_the_same_number(seed, dtype):
    first, second = (np.round(1000 * image + 5000) for image in pair(seed))
    same(frc_resolution(first.astype(dtype), second.astype(dtype)), frc_resolution(first, second))


@given(seed=seeds, gain=gains, offset=offsets)
@settings(max_examples=15, deadline=None)
def test_maps_have_no_unit_either(seed, gain, offset):
    first, second = pair(seed)
    one, other = frc_map(gain * (first + offset), second, block_px=32), frc_map(first, second, block_px=32)
    np.testing.assert_allclose(one.resolution_px, other.resolution_px, rtol=1e-5)
