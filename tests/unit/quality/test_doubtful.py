import numpy as np
import pytest

from dlsim_ij.quality.doubtful import doubtful_pixels


@pytest.fixture
def image():
    picture = np.zeros((40, 50), dtype=np.float32)
    picture[10:20, 10:40] = 100.0
    return picture


def test_sure_pictures_are_not_doubtful(image):
    doubt = doubtful_pixels(image, np.full_like(image, 5.0))
    assert doubt.percent == 0
    assert doubt.uncertainty_percent == pytest.approx(5.0)
    assert not doubt.mask.any()


def test_half_of_the_light_within_the_interval_is_a_doubt(image):
    uncertainty = np.full_like(image, 5.0)
    uncertainty[10:20, 10:25] = 31.0  # 1.645 * 31 = 51 of 100
    uncertainty[30:] = 1000.0  # dark there: nothing is shown that could be doubted
    doubt = doubtful_pixels(image, uncertainty)
    assert doubt.percent == pytest.approx(50)
    assert doubt.mask.sum() == 150


def test_the_raw_frames_may_object_anywhere(image):
    residual = np.zeros_like(image)
    residual[10:20, 10:13] = -7.0
    residual[30, :5] = 8.0
    doubt = doubtful_pixels(image, np.full_like(image, 1.0), residual=residual, limit=5.0)
    assert doubt.percent == pytest.approx(10)
    assert doubt.mask[30, :5].all()


@pytest.mark.parametrize("gain", [0.01, 300.0])
def test_gain_does_not_matter(image, gain):
    rng = np.random.default_rng(0)
    uncertainty = rng.uniform(1, 60, image.shape).astype(np.float32)
    a, b = doubtful_pixels(image, uncertainty), doubtful_pixels(gain * image, gain * uncertainty)
    np.testing.assert_array_equal(a.mask, b.mask)
    assert a.percent == b.percent


def test_an_empty_picture_is_no_error():
    assert doubtful_pixels(np.zeros((8, 8)), np.ones((8, 8))).percent == 0
