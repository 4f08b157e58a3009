"""What holds for any image: kc knows no unit, no flip, no quarter turn and no type of integer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dlsim_ij.quality.resolution import image_resolution

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=15, deadline=None)


def exposure(seed: int, *, odd_square: bool = False) -> np.ndarray:
    generator = np.random.default_rng(seed)
    height, width = generator.integers(64, 150, 2)
    if odd_square:
        height = width = 101 + 2 * (height // 4)
    points = (generator.random((height, width)) > generator.uniform(0.9, 0.995)).astype(float)
    light = 10 ** generator.uniform(1.5, 4) * ndimage.gaussian_filter(points, generator.uniform(0.9, 3))
    return generator.poisson(light + 10)


def numbers(result) -> tuple[object, ...]:
    return result.status, result.kc, result.native.kc_gm, result.enlarged


def rounded(result) -> bool:
    """Return whether single precision decides, which the result must tell."""
    return any("single precision" in what for what, _ in result.warnings)


@given(seed=seeds, gain=st.sampled_from([1e-6, 0.3, 1, 7, 3e5]), offset=st.integers(-300, 1000))
@settings(max_examples=30, deadline=None)
def test_gain_and_offset_do_not_move_kc_or_a_warning_tells(seed, gain, offset):
    image = exposure(seed)
    plain, other = image_resolution(image), image_resolution(gain * (image + float(offset)))
    assert other.enlarged == plain.enlarged
    if not rounded(plain) and not rounded(other):
        assert numbers(other) == numbers(plain)


@given(seed=seeds, power=st.integers(-60, 60))
@few
def test_powers_of_two_move_nothing_at_all(seed, power):
    image = exposure(seed)
    assert image_resolution(image * 2.0**power).native == image_resolution(image).native


def test_most_images_are_not_decided_by_rounding():
    assert sum(rounded(image_resolution(exposure(seed), guard=True)) for seed in range(40)) < 20


@given(seed=seeds, turns=st.integers(0, 3), flip=st.booleans())
@few
def test_flips_and_turns_do_not_move_kc(seed, turns, flip):
    # the plugin's taper is a pixel wider on one side of even images, and knows the width of oblong ones only
    image = exposure(seed, odd_square=True)
    plain = image_resolution(image)
    turned = image_resolution(np.rot90(image[::-1] if flip else image, turns))
    assert (turned.status, turned.enlarged) == (plain.status, plain.enlarged)
    if not rounded(plain) and not rounded(turned):
        assert numbers(turned) == numbers(plain)


@given(seed=seeds, turns=st.integers(0, 3), flip=st.booleans())
@few
def test_flips_and_turns_of_any_image_keep_what_is_said_of_it(seed, turns, flip):
    image = exposure(seed)
    plain = image_resolution(image)
    turned = image_resolution(np.rot90(image[::-1] if flip else image, turns))
    assert (turned.status, turned.factor, turned.enlarged) == (plain.status, plain.factor, plain.enlarged)
    assert turned.a0 == pytest.approx(plain.a0, abs=0.02)


@given(seed=seeds, dtype=st.sampled_from(["uint16", "int16", "uint32", "int64", ">u2", "float32", "float64"]))
@few
def test_the_number_type_does_not_matter(seed, dtype):
    image = np.minimum(exposure(seed), 30_000)
    assert numbers(image_resolution(image.astype(dtype))) == numbers(image_resolution(image))
