"""The user's own objects and the test targets."""

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

from dlsim_ij.errors import ConfigError
from dlsim_ij.simulation import TARGETS, draw_structure, object_from_picture, object_from_points

GRID_UM = 0.03


def centre(image):
    y, x = np.indices(image.shape)
    return np.array([(image * y).sum(), (image * x).sum()]) / image.sum()


@pytest.mark.parametrize("name", TARGETS)
def test_targets_are_densities_of_mean_one(name):
    density = draw_structure(name, (96, 128), GRID_UM, np.random.default_rng(1))
    assert density.shape == (96, 128)
    assert density.min() >= 0
    assert density.mean() == pytest.approx(1, rel=1e-3)
    again = draw_structure(name, (96, 128), GRID_UM, np.random.default_rng(1))
    np.testing.assert_array_equal(density, again)


def test_beads_have_their_size_and_nearly_one_brightness():
    density = draw_structure("beads", (512, 512), 0.01, np.random.default_rng(0))
    labels, count = scipy.ndimage.label(density > 0)
    light = scipy.ndimage.sum(density, labels, np.arange(1, count + 1))
    area = scipy.ndimage.sum(density > 0, labels, np.arange(1, count + 1))
    single = light < 1.5 * np.median(light)  # some touch
    assert count > 5
    assert np.std(light[single]) / np.mean(light[single]) < 0.25
    diameter = 2 * np.sqrt(np.median(area) / np.pi) * 0.01
    assert diameter == pytest.approx(0.11, abs=0.02)  # light spreads over half a point at the rim


def test_the_star_has_36_spokes():
    density = draw_structure("siemens-star", (400, 400), GRID_UM, np.random.default_rng(0))
    turn = 2 * np.pi * np.arange(3600) / 3600
    for radius in (80, 120, 170):
        ring = density[
            np.rint(199.5 + radius * np.sin(turn)).astype(int),
            np.rint(199.5 + radius * np.cos(turn)).astype(int),
        ]
        assert np.abs(np.fft.rfft(ring))[1:100].argmax() + 1 == 36
    assert density[199, 3] == 0
    assert density[10, 10] == 0


def test_stress_fibres_run_one_way_and_the_mesh_does_not():
    def alignment(name, seed):
        image = scipy.ndimage.gaussian_filter(
            draw_structure(name, (400, 400), GRID_UM, np.random.default_rng(seed)), 2
        )
        gy, gx = np.gradient(image)
        yy, xx, yx = (gy * gy).mean(), (gx * gx).mean(), (gy * gx).mean()
        return np.hypot(xx - yy, 2 * yx) / (xx + yy)

    fibres = np.mean([alignment("stress-fibres", s) for s in range(4)])
    mesh = np.mean([alignment("actin-mesh", s) for s in range(4)])
    assert fibres > 0.6
    assert mesh < 0.3


def test_a_picture_of_the_grids_own_pixels_is_taken_as_it_is():
    picture = np.random.default_rng(0).random((60, 80))
    density = object_from_picture(picture, (60, 80), GRID_UM, pixel_size_um=GRID_UM)
    np.testing.assert_allclose(density, picture / picture.mean(), rtol=1e-6)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_finer_picture_is_averaged_over_each_point(factor):
    picture = np.random.default_rng(0).random((40 * factor, 40 * factor))
    density = object_from_picture(picture, (40, 40), GRID_UM, pixel_size_um=GRID_UM / factor)
    blocks = picture.reshape(40, factor, 40, factor).mean(axis=(1, 3))
    np.testing.assert_allclose(density, blocks / blocks.mean(), rtol=1e-5)


def test_a_coarser_picture_keeps_its_squares():
    density = object_from_picture(
        np.array([[1.0, 3.0], [0.0, 4.0]]), (8, 8), GRID_UM, pixel_size_um=4 * GRID_UM
    )
    np.testing.assert_allclose(density, np.kron([[1, 3], [0, 4]], np.ones((4, 4))) / 2, rtol=1e-6)


@given(
    height=st.integers(3, 90), width=st.integers(3, 90), side=st.sampled_from([32, 48]),
    pixel=st.one_of(st.none(), st.floats(0.01, 0.2)),
)  # fmt: skip
def test_any_size_of_even_light_stays_even(height, width, side, pixel):
    density = object_from_picture(np.full((height, width), 7.0), (side, side), GRID_UM, pixel_size_um=pixel)
    assert density.mean() == pytest.approx(1, rel=1e-4)
    covered = density[density > 1e-3]
    if pixel is None:
        np.testing.assert_allclose(density, 1, rtol=1e-5)
    else:  # darkness around a smaller picture, its edge shared
        inner = covered > 0.999 * covered.max()
        assert inner.sum() >= min(int(height * pixel / GRID_UM) - 2, side - 2) * min(
            int(width * pixel / GRID_UM) - 2, side - 2
        )


def test_a_physical_picture_lies_in_the_middle():
    picture = np.zeros((21, 21))
    picture[10, 10] = 1
    density = object_from_picture(picture, (64, 64), GRID_UM, pixel_size_um=0.05)
    np.testing.assert_allclose(centre(density), (31.5, 31.5), atol=1e-6)


@pytest.mark.parametrize(
    ("picture", "options", "said"),
    [
        (np.ones(5), {}, "no picture"),
        (np.ones((3, 4, 5)), {}, "no picture"),
        (-np.ones((4, 4)), {}, "below 0"),
        (np.full((4, 4), np.nan), {}, "no numbers"),
        (np.zeros((4, 4)), {}, "no light"),
        (np.ones((4, 4)), {"pixel_size_um": -1.0}, "impossible"),
    ],
)
def test_what_is_no_picture_is_refused(picture, options, said):
    with pytest.raises(ConfigError, match=said) as caught:
        object_from_picture(picture, (32, 32), GRID_UM, **options)
    assert caught.value.hint


def test_points_lie_where_they_are_said_to_be_and_share_the_light():
    points = np.array([[0.30, 0.45, 1.0], [1.2345, 0.7, 3.0]])
    density = object_from_points(points, (128, 128), 0.015)
    second = np.indices(density.shape)[0] > 50
    assert density[second].sum() == pytest.approx(3 * density[~second].sum(), rel=1e-5)
    np.testing.assert_allclose((centre(density * second) + 0.5) * 0.015, points[1, :2], atol=1e-6)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (np.ones((3, 4)), "y, x and perhaps brightness"),
        (np.ones(3), "y, x and perhaps brightness"),
        (np.array([[np.nan, 1.0]]), "finite"),
        (np.array([[1.0, 1.0, -2.0]]), "negative brightness"),
        (np.array([[100.0, 1.0]]), "none of 1 points lies in the field"),
        (np.array([[1.0, 1.0, 0.0]]), "dark"),
    ],
)
def test_points_that_show_nothing_are_refused(points, said):
    with pytest.raises(ConfigError, match=said) as caught:
        object_from_points(points, (64, 64), 0.03)
    assert caught.value.hint
