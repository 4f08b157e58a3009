import dataclasses

import numpy as np
import pytest

from dlsim_ij.errors import ConfigError
from dlsim_ij.simulation import (
    STRUCTURES,
    Camera,
    Conditions,
    draw_structure,
    random_conditions,
    simulate_sim,
)
from dlsim_ij.simulation.sim_frames import paper_conditions, paper_patterns


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_are_densities_of_mean_one(name):
    density = draw_structure(name, (96, 128), 0.03, np.random.default_rng(1))
    assert density.shape == (96, 128)
    assert density.dtype == np.float32
    assert density.min() >= 0
    assert density.mean() == pytest.approx(1, rel=1e-3)
    assert density.std() > 0.5
    again = draw_structure(name, (96, 128), 0.03, np.random.default_rng(1))
    np.testing.assert_array_equal(density, again)


def test_an_unknown_structure_is_named():
    with pytest.raises(ConfigError, match="'actn'") as caught:
        draw_structure("actn", (64, 64), 0.03, np.random.default_rng(0))
    assert caught.value.hint == "did you mean 'actin'?"


def test_the_camera_has_the_stated_gain_offset_and_noise():
    camera = Camera(gain_adu_per_electron=5, offset_adu=120, read_noise_electrons=2, row_column_electrons=0)
    counts = camera.expose(np.full((50, 64, 64), 30.0), np.random.default_rng(0)).astype(float)
    assert counts.mean() == pytest.approx(120 + 5 * 30, rel=0.005)
    assert counts.var() == pytest.approx(25 * (30 + 4), rel=0.02)


def test_row_and_column_offsets_stay_over_the_frames():
    camera = Camera(read_noise_electrons=0, row_column_electrons=3)
    counts = camera.expose(np.zeros((40, 32, 32)), np.random.default_rng(0)).astype(float)
    assert counts.mean(axis=0).std() > 10
    assert counts.std(axis=0).max() < 1e-9


def test_the_camera_saturates():
    counts = Camera(bits=12).expose(np.full((1, 8, 8), 1e6), np.random.default_rng(0))
    assert (counts == 4095).all()


def test_hot_pixels_stand_out_and_stay():
    camera = Camera(hot_pixel_fraction=0.02, row_column_electrons=0)
    counts = camera.expose(np.full((15, 64, 64), 5.0), np.random.default_rng(0)).astype(float)
    hot = counts.mean(axis=0) > 105 + 5 * 6.85 + 100
    assert 0.005 < hot.mean() < 0.03


def conditions(**changes):
    made = Conditions(
        patterns=paper_patterns(phases_rad=(0.1, 1.2, 2.3)), intensity=(1.0,) * 15, haze=0.0, flat=0.0
    )
    return dataclasses.replace(made, **changes)


def point(shape, y, x):
    density = np.zeros(shape, dtype=np.float32)
    density[y, x] = 1000
    return density


def test_the_light_level_is_that_of_the_widefield_image():
    density = draw_structure("actin", (128, 128), 0.03, np.random.default_rng(0))
    stack = simulate_sim(density, conditions(photons=40.0), np.random.default_rng(0))
    assert np.percentile(stack.electrons.mean(axis=0), 99.5) == pytest.approx(40, rel=0.02)


def test_frames_and_truth_see_a_point_where_it_is():
    # fine point (40, 61) has its centre at native (40.5 / 2 - 0.5, 61.5 / 2 - 0.5)
    stack = simulate_sim(point((128, 128), 40, 61), conditions(), np.random.default_rng(0))
    for image, expected in ((stack.electrons.mean(axis=0), (19.75, 30.25)), (stack.object, (40, 61))):
        positive = np.where(image > 0.1 * image.max(), image, 0)
        y, x = np.indices(image.shape)
        found = (positive * y).sum() / positive.sum(), (positive * x).sum() / positive.sum()
        assert found == pytest.approx(expected, abs=0.03)


def test_a_finer_grid_gives_the_same_frames():
    coarse = draw_structure("points", (128, 128), 0.03, np.random.default_rng(3))
    spectrum = np.fft.fft2(coarse)  # the same band-limited object on twice as many points
    wide = np.zeros((256, 256), dtype=complex)
    for rows in (slice(0, 64), slice(-64, None)):
        for columns in (slice(0, 64), slice(-64, None)):
            wide[rows, columns] = spectrum[rows, columns]
    shift = np.exp(2j * np.pi * np.fft.fftfreq(256) * -0.5)  # half-pixel centres of both grids agree
    fine = 4 * np.fft.ifft2(wide * np.outer(shift, shift)).real
    a = simulate_sim(coarse, conditions(), np.random.default_rng(0)).electrons
    b = simulate_sim(fine, conditions(), np.random.default_rng(0), points_per_pixel=4).electrons
    np.testing.assert_allclose(a, b, atol=5e-3 * a.max())


def test_phases_average_to_the_widefield_image():
    density = draw_structure("adhesions", (96, 96), 0.03, np.random.default_rng(0))
    frames = simulate_sim(density, conditions(), np.random.default_rng(0)).electrons
    wide = frames.mean(axis=0)
    for angle in range(3):
        np.testing.assert_allclose(
            frames[5 * angle : 5 * angle + 5].mean(axis=0), wide, atol=5e-3 * frames.max()
        )
    assert np.abs(frames[0] - wide).max() > 0.2 * frames.max()


@pytest.mark.parametrize("make", [random_conditions, paper_conditions])
def test_drawn_conditions_are_reproducible(make):
    a = make(np.random.default_rng(5), photons=(10, 20))
    assert a == make(np.random.default_rng(5), photons=(10, 20))
    assert 10 <= a.photons <= 20
    assert a != make(np.random.default_rng(6), photons=(10, 20))


def test_unusable_objects_are_refused():
    with pytest.raises(ConfigError, match="empty"):
        simulate_sim(np.zeros((64, 64)), conditions(), np.random.default_rng(0))
    with pytest.raises(ConfigError, match="multiples of 4"):
        simulate_sim(np.ones((62, 66)), conditions(), np.random.default_rng(0))
