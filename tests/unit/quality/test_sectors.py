"""Resolution by direction, and as a map."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality import decorrelation_resolution
from dlsim_ij.quality.resolution_map import resolution_map
from dlsim_ij.quality.sectors import directional_resolution


def exposure(sigma_y: float = 1.5, sigma_x: float = 1.5, side: int = 256, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    points = (generator.random((side, side)) > 0.98).astype(float)
    return generator.poisson(5000 * ndimage.gaussian_filter(points, (sigma_y, sigma_x)) + 20)


def blurred_along(angle_deg: float, wide: float = 3.5, narrow: float = 1.3, side: int = 256) -> np.ndarray:
    generator = np.random.default_rng(1)
    points = (generator.random((side, side)) > 0.98).astype(float)
    v, u = np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side), indexing="ij")
    angle = np.radians(angle_deg)
    along, across = np.cos(angle) * u + np.sin(angle) * v, -np.sin(angle) * u + np.cos(angle) * v
    blur = np.exp(-2 * np.pi**2 * ((wide * along) ** 2 + (narrow * across) ** 2))
    return generator.poisson(np.maximum(5000 * np.fft.ifft2(np.fft.fft2(points) * blur).real, 0) + 20)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_sector_is_the_plugin_within_two_steps(seed):
    image = exposure(seed=seed)
    (kc,) = directional_resolution(image, n_sectors=1).kc
    assert kc == pytest.approx(decorrelation_resolution(image).kc, abs=0.02)


@pytest.mark.parametrize("angle", [0.0, 30.0, 75.0, 90.0, 135.0])
def test_the_blurred_direction_is_the_worst(angle):
    result = directional_resolution(blurred_along(angle), 0.05, n_sectors=12)
    assert (result.worst_angle_deg - angle + 90) % 180 - 90 == pytest.approx(0, abs=15)
    assert (result.best_angle_deg - angle) % 180 == pytest.approx(90, abs=15)
    assert 1.8 < result.anisotropy < 4
    for nm, px in zip(result.resolution_nm, result.resolution_px, strict=True):
        assert nm == pytest.approx(50 * px)


def test_an_even_image_is_the_same_in_all_directions():
    result = directional_resolution(exposure())
    assert result.angles_deg == (0.0, 22.5, 45.0, 67.5, 90.0, 112.5, 135.0, 157.5)
    assert result.anisotropy < 1.25
    assert result.resolution_nm == ()


def test_a_quarter_turn_turns_the_directions():
    image = exposure(1.4, 2.8)
    plain = directional_resolution(image, n_sectors=8, workers=1).kc
    turned = directional_resolution(np.rot90(image), n_sectors=8, workers=2).kc
    assert turned == pytest.approx(plain[4:] + plain[:4], abs=0.03)


def test_directions_of_noise_have_no_resolution():
    result = directional_resolution(np.random.default_rng(0).normal(size=(128, 128)), n_sectors=2)
    if None in result.kc:
        assert result.resolution_px[result.kc.index(None)] is None
    assert result.to_dict()["n_radii"] == 50


@pytest.mark.parametrize(
    "options", [{"n_sectors": 0}, {"n_sectors": 2.5}, {"n_sectors": 40}, {"n_radii": 3}], ids=str
)
def test_settings_of_sectors_are_checked(options):
    with pytest.raises(ConfigError):
        directional_resolution(exposure(side=64), **options)


def test_the_map_shows_where_the_image_is_blurred():
    image = exposure().astype(float)
    image[:, 128:] = exposure(3.0, 3.0, seed=5)[:, 128:]
    seen = []
    result = resolution_map(
        image, 0.05, tile_px=96, step_px=40, workers=2, progress=lambda *done: seen.append(done)
    )
    assert result.resolution_px.shape == result.a0.shape == (5, 5)
    np.testing.assert_array_equal(result.centres_x_px, [47.5, 87.5, 127.5, 167.5, 207.5])
    left, right = result.resolution_px[:, 0], result.resolution_px[:, -1]
    assert right.min() > 1.5 * left.max()
    assert seen == [(n, 25) for n in range(1, 26)]
    assert result.n_failed == 0
    assert result.median_nm == pytest.approx(50 * np.median(result.resolution_px))
    np.testing.assert_allclose(result.resolution_nm, 50 * result.resolution_px)
    assert "resolution_px" not in result.to_dict()


def test_a_tile_is_measured_as_an_image_of_its_own():
    image = exposure(side=192)
    result = resolution_map(image, tile_px=128, step_px=64)
    assert result.resolution_px[1, 0] == decorrelation_resolution(image[64:, :128]).resolution_px
    assert np.isnan(result.resolution_nm).all()


def test_the_last_tile_ends_with_the_image_and_constant_tiles_are_holes():
    image = exposure(side=200).astype(float)
    image[:, :64] = 5
    result = resolution_map(image, tile_px=64, step_px=64)
    np.testing.assert_array_equal(result.centres_y_px, [31.5, 95.5, 159.5, 167.5])
    assert np.isnan(result.resolution_px[:, 0]).all()
    assert result.n_failed >= 4
    assert result.n_tiles == 16


@pytest.mark.parametrize(
    ("options", "error"),
    [({"tile_px": 32}, ConfigError), ({"step_px": 0}, ConfigError), ({"tile_px": 512}, ImageError)],
    ids=str,
)
def test_settings_of_maps_are_checked(options, error):
    with pytest.raises(error) as refusal:
        resolution_map(exposure(), **options)
    assert refusal.value.hint
