"""Enlarged images are told from others, and measured at the pixels they had before."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from dlsim_ij.errors import ImageError
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.quality import decorrelation_resolution
from dlsim_ij.quality.resampling import detect_resampling
from dlsim_ij.quality.spectral_lines import _end


def exposure(side: int = 160, sigma: float = 1.3, photons: float = 2000, seed: int = 3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    points = (generator.random((side, side)) > 0.98).astype(float)
    return generator.poisson(photons * ndimage.gaussian_filter(points, sigma) + 20).astype(np.float64) + 100


def zoom(order: int):
    return lambda image, factor: ndimage.zoom(image, factor, order=order, grid_mode=True, mode="mirror")


def pad_spectrum(image: np.ndarray, factor: float) -> np.ndarray:
    shape = [round(side * factor) for side in image.shape]
    wide = np.zeros(shape, complex)
    top, left = (new // 2 - old // 2 for new, old in zip(shape, image.shape, strict=True))
    wide[top : top + image.shape[0], left : left + image.shape[1]] = np.fft.fftshift(np.fft.fft2(image))
    return np.fft.ifft2(np.fft.ifftshift(wide)).real * wide.size / image.size


def imagej(image: np.ndarray, factor: float) -> np.ndarray:
    return bicubic_enlarge(np.float32(image), factor)


def jpeg(image: np.ndarray) -> np.ndarray:
    stored = io.BytesIO()
    bytes_ = np.uint8(255 * (image - image.min()) / np.ptp(image))
    Image.fromarray(bytes_).save(stored, "jpeg", quality=60)
    return np.asarray(Image.open(stored))


NATIVE = exposure()
WAYS = {"imagej": imagej, "nearest": zoom(0), "bilinear": zoom(1), "spline": zoom(3), "fourier": pad_spectrum}
METHODS = {"imagej": "bicubic", "nearest": "nearest", "fourier": "fourier"}


@pytest.mark.parametrize("factor", [1.25, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("way", WAYS)
def test_an_enlargement_is_found_and_undone(way, factor):
    found = detect_resampling(WAYS[way](NATIVE, factor))
    assert found.enlarged
    assert found.factor == pytest.approx(factor, rel=0.005)
    if factor == int(factor) and (way, factor) != ("bilinear", 2):
        assert found.method == METHODS.get(way, "interpolated")
    sizes = [side / factor for side in WAYS[way](NATIVE, factor).shape]
    np.testing.assert_allclose(found.native.shape, sizes, atol=6)
    before, after = (decorrelation_resolution(i).resolution_px for i in (NATIVE, found.native))
    assert after == pytest.approx(before, rel=0.12 if factor < 2 else 0.06)


def test_whole_factors_of_imagej_and_of_repeated_pixels_are_undone_to_the_count():
    np.testing.assert_allclose(detect_resampling(imagej(NATIVE, 2)).native, NATIVE, atol=0.02)
    np.testing.assert_array_equal(detect_resampling(zoom(0)(NATIVE, 3)).native, NATIVE)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: np.rint(image)[7:-3, 5:-8],
        lambda image: np.uint8(255 * (image - image.min()) / np.ptp(image)),
        lambda image: 1e-4 * image - 3,
        lambda image: ndimage.gaussian_filter(image, 1.0),
        lambda image: ndimage.median_filter(image, 3),
        lambda image: np.maximum(image, np.median(image)),
        np.sqrt,
        np.rot90,
    ],
    ids=["cut", "8 bits", "scaled", "blurred", "median", "clipped", "gamma", "turned"],
)
def test_it_is_found_after_what_people_do_to_images(change):
    found = detect_resampling(change(imagej(NATIVE, 2)))
    assert found.enlarged
    assert found.factor == pytest.approx(2.0, rel=0.005)


@pytest.mark.parametrize(
    "image",
    [
        exposure(),
        exposure().astype(np.uint16),
        exposure(photons=30),
        exposure(sigma=3.0),
        exposure(side=101)[:, :90],
        ndimage.gaussian_filter(np.random.default_rng(0).random((160, 160)), 2),
        ndimage.gaussian_filter((np.random.default_rng(0).random((160, 160)) > 0.98) * 1.0, 1.5),
        np.random.default_rng(0).random((160, 160)),
        *(ndimage.gaussian_filter(exposure(), s) for s in (0.5, 1.0, 2.0, 4.0)),
        ndimage.median_filter(exposure(), 3),
        ndimage.uniform_filter(exposure(), 3),
        ndimage.shift(exposure(), (0.3, 0.4), order=1, mode="nearest"),
        ndimage.rotate(exposure(), 30, reshape=False, mode="mirror")[25:-25, 25:-25],
        exposure() * np.where(np.arange(160) % 2, 1.0, 1.05),
        exposure() * (1 + 0.5 * np.sin(2 * np.pi * np.add.outer(np.arange(160), np.zeros(160)) / 3)),
        exposure() + 50 * np.random.default_rng(0).random((160, 1)),
        jpeg(exposure()),
        exposure().reshape(80, 2, 80, 2).sum((1, 3)),
        np.maximum(exposure() - 150, 0),
    ],
    ids=lambda image: f"{image.shape[0]}-{image.mean():.3g}",
)
def test_other_images_are_left_alone(image):
    found = detect_resampling(image)
    assert not found.enlarged, found
    assert (found.factor, found.method, found.checked) == (1.0, "native", True)
    np.testing.assert_array_equal(found.native, image)


def test_two_enlargements_multiply():
    found = detect_resampling(zoom(0)(imagej(NATIVE, 2), 2))
    assert found.factor == pytest.approx(4.0)
    np.testing.assert_allclose(found.native, NATIVE, atol=0.02)


def test_dark_fields_of_repeated_photons():
    counts = np.random.default_rng(1).poisson(0.004, (160, 160))
    found = detect_resampling(np.repeat(np.repeat(counts, 3, 0), 3, 1))
    assert (found.factor, found.method) == (3.0, "nearest")
    assert found.native.shape == (160, 160)
    assert not detect_resampling(counts).enlarged


def test_small_images_are_not_judged():
    found = detect_resampling(np.repeat(np.repeat(exposure(20), 2, 0), 2, 1))
    assert not found.checked
    assert not found.enlarged
    assert "small" in found.evidence


def test_arrays_stay_out_of_the_table():
    row = detect_resampling(imagej(NATIVE, 2)).to_dict()
    assert "native" not in row
    assert row["method"] == "bicubic"
    assert "1/2" in row["evidence"]


def test_what_is_no_image_is_refused():
    with pytest.raises(ImageError):
        detect_resampling(np.ones((64, 64)))


def test_own_detail_beside_a_repetition_is_no_enlargement_of_an_unaltered_image():
    # as networks leave it that make two by two pixels of each of their own
    image = imagej(NATIVE, 2) + 0.2 * exposure(320, seed=7)
    assert detect_resampling(image).enlarged
    assert not detect_resampling(image, unaltered=True).enlarged


@pytest.mark.parametrize("way", WAYS)
def test_an_unaltered_enlargement_is_found_all_the_same(way):
    found = detect_resampling(WAYS[way](NATIVE, 2.0), unaltered=True)
    assert found.enlarged
    assert found.factor == pytest.approx(2, rel=0.005)


def test_a_spectrum_that_falls_all_along_ends_nowhere():
    # logarithms of power, frequency along x; at a zero of bilinear interpolation the end once lay at -2e8
    slope = np.tile(-0.1 * np.arange(200.0), (200, 1))
    slope[:, 81] += 0.11  # no less than the step before it, where the search for the end begins
    assert _end(slope, 89 / 400) is None
    ending = np.where(np.arange(200.0) < 89, 0.0, -3.0) * np.ones((200, 1))
    assert _end(ending, 89 / 400) == pytest.approx(89 / 400, abs=2 / 400)
