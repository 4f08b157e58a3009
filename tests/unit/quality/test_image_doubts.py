"""Each doubt appears where it must, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from dlsim_ij.quality import decorrelation_resolution
from dlsim_ij.quality.image_doubts import clipping, coloured_noise, image_doubts, regular_pattern, spikes


def exposure(photons: float = 300, sigma: float = 1.5, seed: int = 0, side: int = 192) -> np.ndarray:
    generator = np.random.default_rng(seed)
    points = (generator.random((side, side)) > 0.985).astype(float)
    light = photons * ndimage.gaussian_filter(points, sigma) / 0.07
    return 100 + 2.0 * (generator.poisson(light + 3) + generator.normal(0, 1, light.shape))


def waves(period: float, angle_deg: float, side: int = 192) -> np.ndarray:
    angle = np.radians(angle_deg)
    y, x = np.mgrid[:side, :side]
    return np.sin(2 * np.pi * (np.sin(angle) * y + np.cos(angle) * x) / period)


def with_spikes(count: int, height: float) -> np.ndarray:
    image = exposure()
    generator = np.random.default_rng(9)
    y, x = generator.integers(2, 190, (2, count))
    image[y, x] += height
    return image


GOOD = {
    "camera": exposure(),
    "bright": exposure(photons=20_000),
    "dim": exposure(photons=4),
    "counts": exposure().astype(np.uint16).astype(float),
    "sharp": exposure(sigma=0.9),
    "few photons": np.random.default_rng(1).poisson(0.3, (192, 192)).astype(float),
    "hardly any": np.random.default_rng(1).poisson(0.01, (192, 192)).astype(float),
    "without noise": ndimage.gaussian_filter((np.random.default_rng(0).random((192, 192)) > 0.998) * 1e3, 2),
    "rods": ndimage.gaussian_filter(
        np.where((np.arange(192)[:, None] // 40 + np.arange(192) // 37) % 2, 500.0, 100.0), 2
    )
    + np.random.default_rng(0).normal(0, 5, (192, 192)),
    "black ground": np.random.default_rng(2)
    .poisson(2000 * ndimage.gaussian_filter((np.random.default_rng(0).random((192, 192)) > 0.995) * 1.0, 2))
    .astype(float),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_images_raise_no_doubt(name):
    assert image_doubts(GOOD[name]) == ()


BAD = {
    "one hot pixel": (with_spikes(1, 1e5), spikes, "1 hot or dead pixel "),
    "hot pixels": (with_spikes(30, 3e3), spikes, " hot or dead pixels"),
    "dead pixels": (with_spikes(30, -3e3), spikes, " hot or dead pixels"),
    "saturated": (np.minimum(exposure(), np.quantile(exposure(), 0.97)), clipping, "saturated"),
    "background cut off": (np.maximum(exposure() - 112, 0), clipping, "cut off"),
    "pattern": (exposure() * (1 + 0.4 * waves(3.4, 25)), regular_pattern, "period of 3.4"),
    "weak pattern": (exposure(photons=50) + 10 * waves(5.0, -60), regular_pattern, "period of 5.0"),
    "blurred": (ndimage.gaussian_filter(exposure(photons=10), 1.0), coloured_noise, "not white"),
    "blurred noise": (
        ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(192, 192)), 2),
        coloured_noise,
        "not white",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_each_fault_raises_its_doubt_and_no_other(name):
    image, check, words = BAD[name]
    what, hint = check(image)
    assert words in what
    assert hint
    assert "\n" not in what + hint
    assert image_doubts(image) == ((what, hint),)


@pytest.mark.parametrize("gain", [1e-6, 1.0, 1e6])
def test_units_do_not_matter(gain):
    for image, check, _ in BAD.values():
        assert check(gain * image) is not None
    for image in GOOD.values():
        assert image_doubts(gain * image) == ()


def test_the_pattern_is_named_as_it_lies():
    what, _ = regular_pattern(exposure() + 20 * waves(4.0, 30))
    assert "along 30 degrees" in what


def test_what_the_analysis_does_not_look_at_is_no_pattern():
    y, x = np.indices((192, 192))
    smooth = ndimage.gaussian_filter(exposure(photons=1e5), 1.5)  # little at high frequencies
    chequered = smooth + 1e-4 * smooth.std() * (-1.0) ** (y + x)
    assert regular_pattern(chequered) is None
    plain, marked = (decorrelation_resolution(image).resolution_px for image in (smooth, chequered))
    assert marked == plain


def test_the_worst_pixel_is_named():
    image = exposure()
    image[40, 77] += 1e5
    assert "y 40, x 77" in spikes(image)[0]


def test_tiny_images_are_not_judged():
    assert image_doubts(np.eye(16)) == ()
