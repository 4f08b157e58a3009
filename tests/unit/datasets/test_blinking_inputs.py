"""What `srrf5` sees: gain, offset, order of the frames and a hot pixel do not matter; the layout is exact."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlsim_ij.datasets.blinking_inputs import (
    MAGNIFICATION,
    N_CHANNELS,
    SRRF_UNIT,
    normalised_signal,
    radiality_image,
    repair_hot_pixels,
    srrf_channels,
)
from dlsim_ij.errors import ImageError, LayoutError
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import BlinkingConditions, draw_structure, simulate_blinking


def blinking(side=32, n_frames=5, seed=0):
    rng = np.random.default_rng(seed)
    density = draw_structure("adhesions", (5 * side, 5 * side), 0.02, rng)
    conditions = BlinkingConditions(optics=Optics(pixel_size_um=0.1), n_frames=n_frames, n_emitters=800)
    return simulate_blinking(density, conditions, rng, points_per_pixel=5).raw


FRAMES = blinking()
CHANNELS, SCALING = srrf_channels(FRAMES)


def test_the_first_channels_shuffle_back_to_the_srrf_image_of_the_frames():
    assert CHANNELS.shape == (N_CHANNELS, 32, 32)
    assert CHANNELS.dtype == np.float32
    image = torch.nn.functional.pixel_shuffle(torch.from_numpy(CHANNELS[None, :25]), MAGNIFICATION)[0, 0]
    signal = (FRAMES.astype(np.float64) - SCALING.offset) / SCALING.scale
    expected = radiality_image(signal.astype(np.float32)) / SRRF_UNIT
    np.testing.assert_allclose(image.numpy(), expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_the_frames_come_dimmest_first_with_their_mean_and_spread():
    frames = CHANNELS[25:30]
    assert (np.diff(frames.mean(axis=(1, 2))) >= 0).all()
    counts = np.sort(SCALING.undo(frames).mean(axis=(1, 2)))
    np.testing.assert_allclose(counts, np.sort(FRAMES.mean(axis=(1, 2))), rtol=1e-4)
    np.testing.assert_allclose(CHANNELS[30], frames.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(CHANNELS[31], frames.std(axis=0), atol=1e-5)


@settings(max_examples=6, deadline=None)
@given(order=st.permutations(range(5)))
def test_the_order_of_the_frames_does_not_matter_to_the_bit(order):
    channels, scaling = srrf_channels(FRAMES[list(order)])
    np.testing.assert_array_equal(channels, CHANNELS)
    assert scaling == SCALING


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(0.05, 20), offset=st.floats(-1e3, 1e3))
def test_gain_and_offset_of_the_camera_do_not_matter(gain, offset):
    channels, scaling = srrf_channels(FRAMES * gain + offset)
    np.testing.assert_allclose(channels, CHANNELS, rtol=2e-2, atol=5e-3)
    assert scaling.scale == pytest.approx(gain * SCALING.scale, rel=1e-3)


@settings(max_examples=10, deadline=None)
@given(y=st.integers(1, 30), x=st.integers(1, 30), added=st.floats(3_000, 50_000))
def test_one_hot_pixel_moves_neither_the_scale_nor_anything_far_from_it(y, x, added):
    hot = FRAMES.astype(np.float32)
    hot[:, y, x] += added
    channels, scaling = srrf_channels(hot)
    assert scaling.scale == pytest.approx(SCALING.scale, rel=0.03)
    assert scaling.offset == pytest.approx(SCALING.offset, abs=0.03 * SCALING.scale)
    far = np.ones((32, 32), dtype=bool)
    far[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5] = False
    spread = CHANNELS.std()
    assert np.abs(channels - CHANNELS)[25:, far].max() < 0.25 * spread
    assert channels.max() < 1.5 * CHANNELS.max()  # it is repaired, not only kept out of the scale


def test_frames_without_hot_pixels_are_not_touched():
    for seed in range(5):
        frames = blinking(48, seed=seed)
        np.testing.assert_array_equal(repair_hot_pixels(frames), frames.astype(np.float32))


def test_hot_pixels_are_found_and_given_the_value_around_them():
    clean = blinking(48, seed=3)
    spots = [(5, 7), (20, 30), (40, 12)]
    frames = clean.astype(np.float32)
    for y, x in spots:
        frames[:, y, x] += 20_000
    repaired = repair_hot_pixels(frames)
    changed = {tuple(map(int, at)) for at in np.argwhere((repaired != frames).any(axis=0))}
    assert changed == set(spots)
    assert repaired.max() <= clean.max()


def test_the_scale_of_few_frames_is_that_of_many():
    many = blinking(48, n_frames=100, seed=4)
    _, whole = normalised_signal(many)
    _, few = normalised_signal(many[:5])
    assert few.scale == pytest.approx(whole.scale, rel=0.5)


@pytest.mark.parametrize("shape", [(4, 32, 32), (6, 32, 32), (32, 32)])
def test_another_number_of_frames_is_refused(shape):
    with pytest.raises(LayoutError, match="this network takes 5 frames"):
        srrf_channels(np.ones(shape))


def test_empty_frames_are_refused():
    with pytest.raises(ImageError, match="no contrast"):
        srrf_channels(np.full((5, 32, 32), 100.0))
