"""What must not change the verdict of the round trip: units, and how camera and image are turned."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlsim_ij.acquisition import Acquisition, detect_acquisition
from dlsim_ij.quality import physics_residual
from dlsim_ij.simulation import draw_structure, random_conditions, simulate_sim

SIDE = 80


@cache
def scene() -> tuple[np.ndarray, np.ndarray, Acquisition]:
    """Frames, an image with an error, acquisition."""
    rng = np.random.default_rng(5)
    density = draw_structure("mitochondria", (2 * SIDE, 2 * SIDE), 0.03, rng)
    stack = simulate_sim(density, random_conditions(rng, photons=(300, 301)), rng)
    image = stack.object.astype(np.float64)
    image[70:78, 80:84] *= 0.3
    return stack.raw, image, detect_acquisition(stack.raw, 0.06)


def numbers(found):
    return (found.value, found.invented, found.missing, found.frames_rms, *found.shift_px)


@settings(deadline=None, max_examples=15)
@given(gain=st.floats(1e-4, 1e4), offset=st.floats(-10, 10))
def test_gain_and_offset_of_the_image(gain, offset):
    raw, image, acquisition = scene()
    found = physics_residual(gain * (image + offset * image.max()), raw, acquisition)
    same = physics_residual(image, raw, acquisition)
    assert numbers(found) == pytest.approx(numbers(same), rel=5e-3, abs=5e-3)
    assert found.consistent == same.consistent


@settings(deadline=None, max_examples=15)
@given(gain=st.floats(0.01, 100), offset=st.floats(0, 1000))
def test_gain_and_offset_of_the_camera(gain, offset):
    raw, image, acquisition = scene()
    found = physics_residual(image, gain * raw.astype(np.float64) + offset, acquisition)
    assert numbers(found) == pytest.approx(
        numbers(physics_residual(image, raw, acquisition)), rel=5e-3, abs=5e-3
    )


@settings(deadline=None, max_examples=5)
@given(order=st.permutations(range(15)))
def test_order_in_which_frames_are_named(order):
    raw, image, acquisition = scene()
    found = physics_residual(image, raw, acquisition, frames_used=order)
    assert numbers(found) == pytest.approx(
        numbers(physics_residual(image, raw, acquisition)), rel=5e-3, abs=5e-3
    )


def test_rows_and_columns_exchanged():
    raw, image, acquisition = scene()
    patterns = tuple(dataclasses.replace(p, frequency_px=p.frequency_px[::-1]) for p in acquisition.patterns)
    turned = dataclasses.replace(acquisition, patterns=patterns)
    found = physics_residual(image.T, raw.transpose(0, 2, 1), turned)
    same = physics_residual(image, raw, acquisition)
    assert found.value == pytest.approx(same.value, rel=0.01)
    assert found.shift_px == pytest.approx(same.shift_px[::-1], abs=0.01)
    # lines are looked for in six directions, which a transposition maps onto each other
    np.testing.assert_allclose(abs(found.map.T), abs(same.map), atol=0.05 * same.value)


def test_numbers_go_to_json():
    raw, image, acquisition = scene()
    plain = physics_residual(image, raw, acquisition).to_dict()
    assert "map" not in plain
    assert plain["frames_used"] == 15
    assert isinstance(plain["expected"], list)
    assert isinstance(plain["value"], float)
