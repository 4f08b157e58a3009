"""One grid, one contrast, and the region worth looking at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dlsim_ij.errors import ImageError
from dlsim_ij.report import RunImage
from dlsim_ij.report.comparison import (
    Region,
    compare,
    crop,
    profile,
    radial_power,
    surroundings,
    telling_region,
)


def with_images(record, **pixels):
    images = {
        role: RunImage(file=f"{role}.tif", pixel_size_um=None, pixels=image) for role, image in pixels.items()
    }
    return replace(record, images=images)


def test_all_images_have_the_contrast_of_the_result(make_record):
    seen = compare(make_record())
    assert list(seen.images) == ["widefield", "wiener", "sr"]
    for image in seen.images.values():
        assert image.mean() == pytest.approx(seen.images["sr"].mean())
        assert image.std() == pytest.approx(seen.images["sr"].std())
    assert seen.reference == "widefield"


def test_the_difference_holds_nothing_that_a_gain_explains(make_record):
    result = np.random.default_rng(0).gamma(2, size=(64, 64))
    seen = compare(with_images(make_record(), sr=result, widefield=3 * result + 50))
    np.testing.assert_allclose(seen.difference, 0, atol=1e-9)


def test_a_smaller_widefield_is_enlarged_for_the_comparison(make_record):
    result = np.random.default_rng(0).gamma(2, size=(64, 80))
    seen = compare(with_images(make_record(), sr=result, widefield=result[::2, ::2], wiener=result[:-1]))
    assert seen.enlarged == {"widefield": 2}
    assert seen.images["widefield"].shape == (64, 80)
    assert seen.left_out == ("wiener",)


def test_the_region_is_where_the_change_is(make_record):
    result = np.random.default_rng(0).normal(size=(300, 260))
    difference = np.zeros_like(result)
    difference[200:210, 40:50] = 100
    difference[:3] = 1000  # a border artefact
    region = telling_region(result, difference)
    assert region.height == region.width == 52
    assert region.top <= 200
    assert region.top + region.height >= 210
    assert region.left <= 40
    assert region.left + region.width >= 50


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (47, 49), (48, 48), (100, 48)])
def test_small_images_have_a_region_inside(shape):
    image = np.random.default_rng(0).normal(size=shape)
    region = telling_region(image, None)
    assert crop(image, region).shape == (region.height, region.width)
    assert region.top >= 0
    assert region.left >= 0
    assert profile(image, region).size == (region.width if region.along == "row" else region.height)


@pytest.mark.parametrize("along", ["row", "column"])
@pytest.mark.parametrize("corner", [(0, 0), (40, 30), (152, 252)])
def test_the_surroundings_hold_the_region_and_its_line(along, corner):
    image = np.arange(200 * 300, dtype=float).reshape(200, 300)
    region = Region(top=corner[0], left=corner[1], height=48, width=48, along=along, at=20)
    around = surroundings(region, image.shape, 128)
    assert crop(image, around).shape == (128, 128)
    top, left = region.top - around.top, region.left - around.left
    np.testing.assert_array_equal(crop(image, around)[top : top + 48, left : left + 48], crop(image, region))
    line = crop(image, around)[around.at] if along == "row" else crop(image, around)[:, around.at]
    inside = crop(image, region)[20] if along == "row" else crop(image, region)[:, 20]
    start = left if along == "row" else top
    np.testing.assert_array_equal(line[start : start + 48], inside)


def test_small_images_are_their_own_surroundings():
    region = Region(top=0, left=5, height=20, width=48, along="row", at=3)
    around = surroundings(region, (20, 60), 384)
    assert (around.top, around.left, around.height, around.width, around.at) == (0, 0, 20, 60, 3)


def test_the_profile_follows_the_livelier_direction():
    image = np.zeros((60, 60))
    image[:, 25] = 10  # a vertical line: a profile along a row crosses it
    region = telling_region(image, None)
    assert region.along == "row"
    assert np.argmax(profile(image, region)) == 25 - region.left
    assert telling_region(image.T, None).along == "column"


def test_radial_power_peaks_at_the_frequency_of_a_grating():
    x = np.arange(128)
    image = np.sin(2 * np.pi * x / 8)[None, :] + np.zeros((96, 1))
    frequency, power = radial_power(image)
    assert frequency[np.argmax(power)] == pytest.approx(1 / 8, abs=0.01)
    assert frequency[-1] <= 0.5


def test_white_noise_has_a_flat_spectrum():
    _, power = radial_power(np.random.default_rng(0).normal(size=(200, 150)))
    # mean of squared Hann windows: (3/8)^2
    for part in np.array_split(power[10:], 3):
        assert part.mean() == pytest.approx((3 / 8) ** 2, rel=0.06)


def test_constant_images_do_not_break_it(make_record):
    seen = compare(with_images(make_record(), sr=np.zeros((32, 32)), widefield=np.ones((32, 32))))
    assert seen.window[1] > seen.window[0]


@pytest.mark.parametrize("pixels", [None, np.zeros((2, 3, 4)), np.zeros((0, 4))])
def test_images_without_pixels_are_refused(make_record, pixels):
    with pytest.raises(ImageError):
        compare(with_images(make_record(), sr=pixels))
