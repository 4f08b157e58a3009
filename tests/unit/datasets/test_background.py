import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from dlsim_ij.datasets.background import signal_level, tiles_above, tiles_with_signal
from dlsim_ij.datasets.patches import tile_grid

GRID = tile_grid((256, 256), 64)


def coloured_noise(seed: int = 0) -> np.ndarray:
    """Noise as a reconstruction has it: band-limited, deviation 1."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(256, 256)), 1.2)
    return noise / noise.std()


def filament() -> np.ndarray:
    """A bright line down the first column of tiles, nothing elsewhere."""
    line = np.zeros((256, 256))
    line[:, 30] = 1
    return ndimage.gaussian_filter(line, 2.5) * 200


def test_tiles_of_noise_go_and_tiles_with_a_filament_stay():
    kept = tiles_with_signal(filament() + coloured_noise(), GRID, 64)
    assert kept.reshape(4, 4).tolist() == [[True, False, False, False]] * 4


@given(gain=st.floats(0.01, 1000), offset=st.floats(-1000, 1000), seed=st.integers(0, 5))
def test_units_and_offset_of_the_reconstruction_play_no_part(gain, offset, seed):
    truth = filament() + coloured_noise(seed)
    expected = tiles_with_signal(truth, GRID, 64)
    assert tiles_with_signal(gain * truth + offset, GRID, 64).tolist() == expected.tolist()


@pytest.mark.parametrize("clipped", [False, True])
def test_hot_pixels_make_no_tile_where_a_maximum_is_fooled(clipped):
    truth = 100 * coloured_noise()
    truth = np.clip(truth, 0, None) if clipped else truth + 1000
    truth[np.random.default_rng(1).random(truth.shape) < 2e-3] = 60000
    assert not tiles_with_signal(truth, GRID, 64).any()
    assert tiles_above(truth, GRID, 64).all()


def test_a_field_without_an_empty_place_keeps_its_tiles():
    rng = np.random.default_rng(2)
    points = (rng.random((256, 256)) < 0.02) * rng.exponential(size=(256, 256))
    dense = ndimage.gaussian_filter(points, 2) * 5000 + coloured_noise()
    assert tiles_with_signal(dense, GRID, 64).all()


def test_the_noise_is_that_of_the_empty_part():
    level = signal_level(50 + 3 * coloured_noise() + filament())
    assert level.background == pytest.approx(50, abs=1)
    assert level.noise == pytest.approx(3, rel=0.4)


def test_the_seeds_test_is_strictly_above():
    truth = np.zeros((64, 128))
    truth[0, 0], truth[0, 64] = 500, 501
    assert tiles_above(truth, [(0, 0), (0, 64)], 64).tolist() == [False, True]
    assert tiles_above(truth, [(0, 0), (0, 64)], 64, 499.5).tolist() == [True, True]


def test_a_field_smaller_than_a_block_is_one_block():
    assert signal_level(np.full((8, 8), 5.0)).threshold == 5.0
