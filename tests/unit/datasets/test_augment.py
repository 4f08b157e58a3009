from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlsim_ij.datasets.augment import TURNS, augment
from dlsim_ij.errors import DataError
from dlsim_ij.optics import Pattern
from dlsim_ij.optics.pattern import equal_steps

N_PHASES = 5
ALL_TURNS = TURNS["all"]


def illuminate(objects: np.ndarray, patterns: tuple[Pattern, ...]) -> np.ndarray:
    """Return the raw frames of `objects` by the formula in optics.pattern, without blur."""
    y, x = np.indices(objects.shape)
    frames = []
    for pattern in patterns:
        ky, kx = pattern.frequency_px
        for step in pattern.steps_rad:
            light = np.ones(objects.shape)
            for order, (phase, depth) in enumerate(
                zip(pattern.phases_rad, pattern.modulation, strict=True), start=1
            ):
                light += depth * np.cos(order * (2 * pi * (ky * y + kx * x) + step) + phase)
            frames.append(objects * light)
    return np.stack(frames)


frequencies = st.floats(-0.3, 0.3)
phases = st.floats(-pi, pi)


@st.composite
def acquisitions(draw):
    patterns = tuple(
        Pattern(
            frequency_px=(draw(frequencies), draw(frequencies)),
            phases_rad=(draw(phases), draw(phases)),
            steps_rad=equal_steps(N_PHASES),
            modulation=(0.6, 0.3),
        )
        for _ in range(3)
    )
    shape = (draw(st.integers(3, 9)), draw(st.integers(3, 9)))
    return patterns, np.random.default_rng(draw(st.integers(0, 99))).random(shape)


@given(acquisition=acquisitions(), turn=st.sampled_from(ALL_TURNS))
def test_turning_picture_and_pattern_is_the_acquisition_of_the_turned_object(acquisition, turn):
    patterns, objects = acquisition
    turned_patterns = tuple(turn.pattern(pattern, objects.shape) for pattern in patterns)
    np.testing.assert_allclose(
        turn.image(illuminate(objects, patterns)),
        illuminate(turn.image(objects), turned_patterns),
        atol=1e-9,
    )


def test_the_eight_turns_are_eight():
    corner = np.arange(9).reshape(3, 3)
    assert len({turn.image(corner).tobytes() for turn in ALL_TURNS}) == 8


@pytest.mark.parametrize(
    ("kind", "angles"),
    [("none", {30}), ("flips", {30, -30}), ("all", {30, -30, 60, -60})],
)
def test_which_angles_a_kind_makes(kind, angles):
    radians = np.deg2rad(30)
    pattern = Pattern(
        frequency_px=(0.2 * np.sin(radians), 0.2 * np.cos(radians)),
        phases_rad=(0.3,), steps_rad=equal_steps(3), modulation=(0.5,),
    )  # fmt: skip
    found = {round(float(turn.pattern(pattern, (8, 8)).angle_deg)) for turn in TURNS[kind]}
    assert found == angles


def test_frames_and_truth_turn_together():
    rng = np.random.default_rng(0)
    truth = rng.random((1, 16, 16))
    frames = truth.reshape(1, 8, 2, 8, 2).mean(axis=(2, 4))
    seen = set()
    for _ in range(100):
        turned = augment(frames, truth, rng, "all")
        np.testing.assert_allclose(turned.truth.reshape(1, 8, 2, 8, 2).mean(axis=(2, 4)), turned.frames)
        seen.add(turned.turn)
    assert seen == set(ALL_TURNS)


def test_none_changes_nothing_and_every_kind_draws_one_number():
    frames, truth = np.random.default_rng(0).random((2, 15, 8, 8))
    after = set()
    for kind in TURNS:
        rng = np.random.default_rng(5)
        turned = augment(frames, truth, rng, kind)
        after.add(rng.random())
        if kind == "none":
            assert turned.frames is not None
            np.testing.assert_array_equal(turned.frames, frames)
            np.testing.assert_array_equal(turned.truth, truth)
    assert len(after) == 1


def test_impossible_requests_are_refused():
    frames = np.zeros((3, 4, 6))
    with pytest.raises(DataError, match="4 x 6"):
        augment(frames, frames, np.random.default_rng(0), "all")
    with pytest.raises(DataError, match="did you mean 'flips'"):
        augment(frames, frames, np.random.default_rng(0), "flip")
