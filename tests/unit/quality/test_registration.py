"""The sub-pixel shift: found where it is known, none where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from dlsim_ij.errors import ImageError
from dlsim_ij.quality import best_shift, fair_scores, scores, shift_image
from dlsim_ij.quality.registration import _Shiftable, covered, cross_correlation

SMOOTH = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=(70, 65)), 1.5)
FINE_SHIFTS = [(0.0, 0.0), (0.55, 1.12), (0.5, 0.0), (-0.27, 1.31), (1.4, -1.4), (0.013, -1.98), (0.0, 1.0)]


def resampled(shift_y_px: float, shift_x_px: float, size: tuple[int, int] = (60, 57)) -> np.ndarray:
    """Return an analytic field of blobs, seen by a camera that has moved: no interpolation anywhere."""
    generator = np.random.default_rng(8)
    y, x = np.mgrid[: size[0], : size[1]].astype(float)
    field = np.zeros(size)
    for _ in range(60):
        at_y, at_x = generator.uniform(-5, size[0] + 5), generator.uniform(-5, size[1] + 5)
        squared = (y - at_y - shift_y_px) ** 2 + (x - at_x - shift_x_px) ** 2
        field += generator.uniform(0.5, 2) * np.exp(-squared / (2 * 1.7**2))
    return field


@pytest.mark.parametrize("shift", FINE_SHIFTS)
@pytest.mark.parametrize("gain", [0.02, 30.0])
def test_a_known_shift_is_found_whatever_the_intensity(shift, gain):
    truth, image = resampled(0, 0), gain * resampled(*shift) + 5
    assert best_shift(truth, image) == pytest.approx((-shift[0], -shift[1]), abs=0.0008)


def test_noise_moves_it_little():
    noise = np.random.default_rng(1).normal(0, 0.2, size=(60, 57))
    assert best_shift(resampled(0, 0), resampled(-0.6, 0.35) + noise) == pytest.approx((0.6, -0.35), abs=0.05)


def test_registered_scores_undo_the_shift():
    truth, image = resampled(0, 0), resampled(0.4, -0.9)
    result = scores(truth, image)
    assert result.registered.psnr_db > result.psnr_db + 15
    assert result.registered.ssim > 0.99
    assert result.registered.shift_px == pytest.approx((-0.4, 0.9), abs=0.01)


def test_a_fine_grating_takes_the_nearer_period():
    truth = np.sin(2 * np.pi * np.arange(64) / 3.0)[None, :] + np.sin(2 * np.pi * np.arange(64) / 9)[:, None]
    image = np.roll(truth, 1, axis=1)
    assert best_shift(truth, image) == pytest.approx((0, -1), abs=0.01)


def test_a_better_match_out_of_reach_is_left_alone():
    """The higher of two matches lies at (2, 2), which is 2.8 px away."""
    texture = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=(90, 90)), 0.7)
    image = 0.85 * texture + np.roll(texture, (2, 2), axis=(0, 1))
    assert best_shift(texture, image) == pytest.approx((0, 0), abs=0.1)


@pytest.mark.parametrize("shape", [(24, 24), (25, 31)])
def test_the_cross_correlation_is_that_of_the_shifted_images(shape):
    image = np.random.default_rng(4).normal(size=shape)
    target = image[3:-3, 3:-3] ** 2
    shifts = np.array([-2.0, -0.75, 0.0, 1.5])
    surface = cross_correlation(_Shiftable.of(image), target, 3, shifts)
    expected = [[np.vdot(target, shift_image(image, y, x)[3:-3, 3:-3]) for x in shifts] for y in shifts]
    np.testing.assert_allclose(surface, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [(24, 24), (24, 31)])
def test_a_flipped_image_moves_the_other_way(shape):
    """Also at the highest frequency, whose sign an even number of pixels cannot tell."""
    image = np.random.default_rng(4).normal(size=shape)
    moved = shift_image(image, 0.4, -1.3)
    np.testing.assert_allclose(shift_image(image[::-1], -0.4, -1.3), moved[::-1], atol=1e-12)
    np.testing.assert_allclose(shift_image(image[:, ::-1], 0.4, 1.3), moved[:, ::-1], atol=1e-12)


def test_a_longer_shift_ends_at_the_limit():
    shift = best_shift(resampled(0, 0), resampled(0, 4))
    assert np.hypot(*shift) == pytest.approx(2, abs=1e-9)
    assert shift[1] < -1.9


@pytest.mark.parametrize("limit", [0.0, 0.5, 1.0])
def test_the_limit_is_kept(limit):
    assert np.hypot(*best_shift(resampled(0, 0), resampled(1, 1), max_shift_px=limit)) <= limit + 1e-12


@pytest.mark.parametrize("shape", [(40, 40), (41, 40), (40, 41), (33, 37)])
def test_a_whole_pixel_is_moved_without_loss(shape):
    image = np.random.default_rng(2).normal(size=shape)
    moved = shift_image(image, 1, -2)
    seen = covered(shape, 1, -2)
    np.testing.assert_allclose(moved[seen], np.roll(image, (1, -2), axis=(0, 1))[seen], atol=1e-12)


def test_the_opposite_border_does_not_come_in():
    """A bright right edge must not appear on the left."""
    image = np.zeros((32, 32))
    image[:, -1] = 100
    moved = shift_image(image, 0, 0.5)
    assert np.abs(moved[:, :8]).max() < 2.5  # ringing of a one-pixel edge, not its 50


def test_covered_leaves_out_only_what_came_in():
    assert covered((10, 12), 1.2, -0.1) == (slice(2, 10), slice(0, 11))
    assert covered((10, 12), 0.04, -0.04) == covered((10, 12), 0, 0) == (slice(0, 10), slice(0, 12))


def test_an_empty_middle_has_no_shift():
    truth = np.zeros((20, 20))
    truth[0, 3] = 1
    assert best_shift(truth, SMOOTH[:20, :20]) == (0, 0)
    assert scores(truth, SMOOTH[:20, :20]).psnr_db == fair_scores(truth, SMOOTH[:20, :20]).psnr_db


def test_too_small_is_refused():
    with pytest.raises(ImageError, match="at least 16 x 16"):
        best_shift(SMOOTH[:15], SMOOTH[:15])


def test_no_shift_of_a_fine_search_is_better():
    """A bright border and another blur: the peak of the cross-correlation is over half a pixel off."""
    y, x = np.indices((96, 96))

    def blobs(width):
        inner = np.exp(-((y - 48) ** 2 + (x - 40) ** 2) / (4 * width))
        return inner + 4 * np.exp(-((y - 50) ** 2 + (x - 95) ** 2) / width)

    truth, image = blobs(50), blobs(25)
    inside = np.s_[3:-3, 3:-3]  # what best_shift looks at

    def likeness(shift):
        return np.corrcoef(truth[inside].ravel(), shift_image(image, *shift)[inside].ravel())[0, 1]

    found = best_shift(truth, image)
    grid = [(dy, dx) for dy in np.arange(-0.5, 0.6, 0.25) for dx in np.arange(-2, 2.1, 0.25)]
    assert likeness(found) > max(likeness(shift) for shift in grid if np.hypot(*shift) <= 2) - 1e-6
