"""Drift of simulated blinking emitters is found, and taking it out brings the structure back."""

import numpy as np
import pytest
import scipy.ndimage

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.optics import Optics
from dlsim_ij.reconstruction import estimate_drift, srrf
from dlsim_ij.reconstruction.srrf_drift import _groups
from dlsim_ij.simulation import BlinkingConditions, draw_structure, simulate_blinking


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(4)
    density = draw_structure("microtubules", (320, 320), 0.02, rng)
    conditions = BlinkingConditions(
        optics=Optics(pixel_size_um=0.1), n_frames=100, n_emitters=1500, drift_px_per_frame=(0.02, -0.03)
    )
    return simulate_blinking(density, conditions, rng, points_per_pixel=5)


def test_the_drift_is_found(series):
    found = estimate_drift(series.raw)
    assert found.shape == (100, 2)
    np.testing.assert_array_equal(found[0], 0)
    error = found - series.drift_px  # which reaches 3.6 px
    error -= error.mean(axis=0)  # the first group's own, which moves the image as a whole
    assert np.abs(error).max() < 0.25  # other emitters shine in every group
    assert np.sqrt(np.mean(error**2)) < 0.1


def test_correction_sharpens_the_image(series):
    truth = scipy.ndimage.gaussian_filter(series.object, 2)[40:-40, 40:-40]

    def likeness(**options):
        image = srrf(series.raw, **options)[40:-40, 40:-40]
        return np.corrcoef(image.ravel(), truth.ravel())[0, 1]

    known = likeness(drift=series.drift_px)
    assert known > 0.8
    assert likeness(drift="auto") > known - 0.05
    assert likeness() < known - 0.2


def test_auto_is_the_table_of_estimate_drift(series):
    table = estimate_drift(iter(series.raw))  # a stream is enough
    np.testing.assert_array_equal(srrf(series.raw, 1, drift="auto"), srrf(iter(series.raw), 1, drift=table))


def test_frames_that_stand_still_have_no_drift():
    frame = np.random.default_rng(0).poisson(50, (40, 40))
    np.testing.assert_allclose(estimate_drift([frame] * 50), 0, atol=2e-3)


def test_the_frames_of_a_group_lie_on_a_line():
    """Two groups of three frames and a rest that is too small for a third."""
    scene = scipy.ndimage.gaussian_filter(np.random.default_rng(3).random((60, 60)), 1.5)
    frames = [scipy.ndimage.shift(scene, (0.1 * n, 0), mode="mirror") for n in range(7)]
    found = estimate_drift(frames, group_frames=3)
    np.testing.assert_allclose(found[:, 0], 0.1 * np.arange(7), atol=0.02)
    np.testing.assert_allclose(found[:, 1], 0, atol=0.02)


def test_a_small_rest_joins_the_last_group():
    frames = np.arange(8.0)[:, None, None] * np.ones((2, 2))
    counts = {n: [(average[0, 0], count) for average, count in _groups(frames[:n], 3)] for n in (6, 7, 8)}
    assert counts == {6: [(1, 3), (4, 3)], 7: [(1, 3), (4.5, 4)], 8: [(1, 3), (4, 3), (6.5, 2)]}


@pytest.mark.parametrize(
    ("frames", "options", "error", "said"),
    [
        (np.ones((5, 40, 40)), {}, ImageError, "fewer than two groups of 20"),
        ([np.ones((40, 40)), np.ones((40, 41))], {}, ImageError, "cannot be registered"),
        (np.ones((4, 40)), {"group_frames": 1}, ImageError, "cannot be registered"),
        (np.ones((4, 40, 40)), {"group_frames": 0}, ConfigError, "frames per group: 0"),
        (np.ones((4, 40, 40)), {"max_drift_px": 0, "group_frames": 1}, ConfigError, "longest drift: 0 px"),
    ],
)
def test_what_cannot_be_done_is_said(frames, options, error, said):
    with pytest.raises(error, match=said) as caught:
        estimate_drift(frames, **options)
    assert caught.value.hint


def test_a_drift_beyond_the_search_is_refused():
    scene = scipy.ndimage.gaussian_filter(np.random.default_rng(3).random((80, 80)), 2)
    frames = [scene[:60, :60], scene[:60, 8:68]]
    assert np.abs(estimate_drift(frames, group_frames=1)[1]) == pytest.approx([0, 8], abs=0.1)
    with pytest.raises(ConfigError, match="the most that was looked for"):
        estimate_drift(frames, group_frames=1, max_drift_px=3)
