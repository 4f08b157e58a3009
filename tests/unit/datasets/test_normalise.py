import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from dlsim_ij.datasets import Scaling, robust_scaling
from dlsim_ij.errors import ImageError


def blurred_field(seed: int = 0, side: int = 96) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = (rng.random((side, side)) < 0.01) * rng.uniform(0.3, 1, (side, side))
    image = ndimage.gaussian_filter(points, 1.3)  # a point-spread function sampled at Nyquist
    frames = 100 + 2000 * image / image.max() * rng.uniform(0.5, 1, (15, 1, 1))
    return rng.poisson(frames).astype(np.float64)


FIELD = blurred_field()


def test_it_is_the_percentiles_of_the_smoothed_mean():
    smooth = ndimage.gaussian_filter(FIELD.mean(axis=0), 1.2, mode="nearest")
    low, high = np.percentile(smooth, [2, 99.5])
    scaling = robust_scaling(FIELD)
    assert scaling.offset == pytest.approx(low, rel=1e-3)
    assert scaling.scale == pytest.approx(high - low, rel=1e-3)


@given(gain=st.floats(0.01, 50), offset=st.floats(-500, 500))
def test_gain_and_offset_drop_out(gain, offset):
    expected = robust_scaling(FIELD).apply(FIELD[0])
    changed = gain * FIELD + offset
    np.testing.assert_allclose(robust_scaling(changed).apply(changed[0]), expected, atol=2e-3)


@pytest.mark.parametrize("share", [1e-4, 5e-4, 1e-3])
def test_hot_pixels_do_not_move_it(share):
    rng = np.random.default_rng(3)
    hot = FIELD.copy()
    hot[:, rng.random(FIELD.shape[1:]) < share] = 65535
    assert (hot == 65535).any()
    clean, spoilt = robust_scaling(FIELD), robust_scaling(hot)
    assert spoilt.scale == pytest.approx(clean.scale, rel=0.02)
    assert spoilt.offset == pytest.approx(clean.offset, rel=0.02)
    # and without the guard they would: the test would not notice a guard that does nothing
    smooth = ndimage.gaussian_filter(hot.mean(axis=0), 1.2)
    if share == 1e-3:
        assert np.percentile(smooth, 99.5) > 3 * clean.scale


def test_pairs_of_hot_pixels_do_not_move_it():
    hot = FIELD.copy()
    for y, x in np.random.default_rng(4).integers(1, 94, (12, 2)):
        hot[:, y, x : x + 2] = 65535
    assert robust_scaling(hot).scale == pytest.approx(robust_scaling(FIELD).scale, rel=0.02)


def test_apply_and_undo_are_inverse():
    scaling = Scaling(offset=100.0, scale=250.0)
    counts = np.array([[100.0, 350.0], [0.0, 1000.0]], dtype=np.float32)
    np.testing.assert_allclose(scaling.apply(counts), [[0.0, 1.0], [-0.4, 3.6]], rtol=1e-6)
    assert scaling.apply(counts).dtype == np.float32
    np.testing.assert_allclose(scaling.undo(scaling.apply(counts)), counts, rtol=1e-6, atol=1e-4)
    assert scaling.undo(np.float32([2.0]), offset=False).tolist() == [500.0]


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (np.full((3, 16, 16), 7.0), "no contrast"),
        (np.full((3, 16, 16), np.nan), "NaN"),
        (np.zeros((0, 16, 16)), "hold no image"),
        (np.zeros(5), "hold no image"),
    ],
)
def test_unusable_frames_are_refused(frames, words):
    with pytest.raises(ImageError, match=words):
        robust_scaling(frames)
