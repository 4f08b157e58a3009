"""Decorrelation analysis: the plugin's own numbers, and what must not change them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality import decorrelation_resolution
from dlsim_ij.quality.decorrelation_curve import peak
from dlsim_ij.quality.decorrelation_image import pad, taper
from dlsim_ij.quality.imagej_blur import DIRECT_LIMIT_PX, gaussian_blur, gaussian_taps

REFERENCE = Path(__file__).parents[2] / "reference" / "decorrelation"
ROWS = list(csv.DictReader((REFERENCE / "results.csv").read_text().splitlines()))
VERSIONS = {
    "plugin-1.1.8": "1.1.8",
    "plugin-1.1.8-nocap": "1.1.8-nocap",
    "plugin-1.1.7-2019-09": "1.1.7-2019",
}


def specimen(height: int = 128, width: int = 128, seed: int = 2) -> np.ndarray:
    generator = np.random.default_rng(seed)
    points = (generator.random((height, width)) > 0.98).astype(float)
    return generator.poisson(3000 * ndimage.gaussian_filter(points, 1.6) + 10).astype(np.uint16)


IMAGE = specimen()
FIELD = {version: decorrelation_resolution(IMAGE, version=version) for version in VERSIONS.values()}


def test_the_reference_is_whole():
    assert len(ROWS) == 54
    assert {row["status"] for row in ROWS} == {"ok", "no-peak", "crash"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['image'][:-4]}-{row['variant'][7:]}-{row['Nr']}")
def test_the_plugins_numbers(row):
    result = decorrelation_resolution(
        tifffile.imread(REFERENCE / row["image"]),
        0.1,
        VERSIONS[row["variant"]],
        float(row["rmin"]),
        float(row["rmax"]),
        int(row["Nr"]),
        int(row["Ng"]),
    )
    assert result.status == row["status"]
    for ours, theirs in ((result.kc, row["kc"]), (result.kc_gm, row["kcGM"])):
        assert ours == (pytest.approx(float(theirs), abs=1e-9, rel=0) if theirs else None)
    assert result.a0 == pytest.approx(float(row["A0"]), abs=1e-7, rel=0)
    assert result.kc0 == pytest.approx(float(row["kc0"]), abs=1e-9, rel=0)
    if row["status"] == "ok":
        assert result.resolution_px == pytest.approx(float(row["res_px"]), rel=1e-9)
        assert result.resolution_um == pytest.approx(result.resolution_px * 0.1)
        assert not result.warnings
    else:
        assert result.resolution_px is None
        assert result.resolution_um is None
        assert len(result.warnings) == 1


def test_the_crash_names_the_way_out():
    result = decorrelation_resolution(tifffile.imread(REFERENCE / "fil256_s1.tif"), version="1.1.8")
    assert result.warnings[0][1] == "use version 1.1.8-nocap"
    assert [curve.kind for curve in result.curves] == ["unfiltered"] + ["coarse"] * 10


@pytest.mark.parametrize("name", ["fil100_s2", "pts256_s2", "fil256_s1"])
@pytest.mark.parametrize("version", VERSIONS.values())
def test_gain_and_offset_do_not_move_kc(name, version):
    image = tifffile.imread(REFERENCE / f"{name}.tif").astype(float)
    plain = decorrelation_resolution(image, version=version)

    @settings(max_examples=5, deadline=None)
    @given(gain=st.sampled_from([1e-60, 1e-3, 0.3, 1, 7e5, 1e60]), offset=st.integers(-400, 10_000))
    def check(gain, offset):
        result = decorrelation_resolution((image + offset) * gain, version=version)
        assert (result.kc, result.status) == (plain.kc, plain.status)
        assert result.a0 == pytest.approx(plain.a0, abs=2e-6)

    check()


@pytest.mark.parametrize("name", ["fil100_s2", "pts256_s2", "fil256_s1"])
@pytest.mark.parametrize(("version", "tolerance"), [("1.1.8-nocap", 1e-12), ("1.1.7-2019", 0.0103)])
def test_turns_and_flips_do_not_move_kc(name, version, tolerance):
    """By at most half a coarse step in 1.1.7, which leaves out columns on one side of its half plane."""
    image = tifffile.imread(REFERENCE / f"{name}.tif")
    plain = decorrelation_resolution(image, version=version)

    @settings(max_examples=5, deadline=None)
    @given(turns=st.integers(0, 3), flip=st.booleans())
    def check(turns, flip):
        result = decorrelation_resolution(np.rot90(image[::-1] if flip else image, turns), version=version)
        assert result.kc == pytest.approx(plain.kc, abs=tolerance)
        assert result.a0 == pytest.approx(plain.a0, abs=4e-3)

    check()


@pytest.mark.parametrize("version", VERSIONS.values())
@pytest.mark.parametrize("dtype", ["uint16", "int16", "uint32", "int64", ">u2", "float32", "float64"])
def test_the_number_type_does_not_matter(version, dtype):
    assert decorrelation_resolution(IMAGE.astype(dtype), version=version) == FIELD[version]


def test_powers_of_two_change_no_bit_and_neither_do_threads():
    result = decorrelation_resolution(IMAGE * 2.0**-90, workers=3)
    assert result == FIELD["1.1.8-nocap"]
    for one, other in zip(result.curves, FIELD["1.1.8-nocap"].curves, strict=True):
        np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize("shape", [(101, 128), (90, 301), (257, 64)])
def test_odd_and_oblong_images_and_a_blur_is_seen(shape):
    image = specimen(*shape).astype(float)
    sharp, blurred = (
        decorrelation_resolution(i) for i in (image, ndimage.gaussian_filter(image, 2) + 0.01 * image)
    )
    assert 3 < sharp.resolution_px < 7
    assert blurred.resolution_px > sharp.resolution_px + 0.5


def test_all_curves_come_back():
    result = FIELD["1.1.8-nocap"]
    assert [curve.kind for curve in result.curves] == ["unfiltered"] + ["coarse"] * 10 + ["refined"] * 10
    assert result.curves[0].peak_height == result.a0
    assert max(curve.peak_radius for curve in result.curves[1:]) == result.kc
    for curve in result.curves:
        assert curve.radii.shape == curve.values.shape == (50,)
        assert curve.peak_height in (0, *curve.values)
    assert "curves" not in result.to_dict()


def test_small_images_are_measured_with_a_warning():
    (message, hint), *others = decorrelation_resolution(specimen(63, 80)).warnings
    assert "63 x 80" in message
    assert hint
    assert not others


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.full((64, 64), 7), "constant"),
        (np.zeros((64, 64)), "constant"),
        (np.where(np.eye(64) > 0, np.nan, 1.0), "64 NaN or infinite of 4096"),
        (np.ones((64, 64), complex), "complex"),
        (np.eye(64) > 0, "true/false"),
        (np.ones((1, 1)), "constant"),
        (np.arange(256.0).reshape(16, 16), "too few"),
        (np.zeros((2, 64, 64)), "2 x 64 x 64"),
        (np.zeros(64), "64"),
        (np.tile(np.arange(100_000.0), (3, 1)), "padded to 131072"),
        (1e12 + np.eye(64), "single precision"),
    ],
    ids=["constant", "zero", "nan", "complex", "bool", "1x1", "tiny", "stack", "line", "3x100000", "offset"],
)
def test_what_cannot_be_measured_is_refused(image, words):
    with pytest.raises(ImageError, match=words) as refusal:
        decorrelation_resolution(image)
    assert refusal.value.hint
    assert "\n" not in refusal.value.message


@pytest.mark.parametrize(
    "options",
    [
        {"version": "1.1.9"},
        {"rmin": 0.5, "rmax": 0.5},
        {"rmax": 1.1},
        {"rmin": -0.1},
        {"rmin": float("nan")},
        {"n_radii": 9},
        {"n_radii": 20.5},
        {"n_radii": float("nan")},
        {"n_gaussians": float("inf")},
        {"n_gaussians": 4},
        {"workers": 0},
        {"pixel_size_um": 0},
        {"pixel_size_um": float("inf")},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(ConfigError) as refusal:
        decorrelation_resolution(IMAGE, **options)
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("values", "index", "height"),
    [
        ([0.1, 0.5, 0.4, 0.3], 1, 0.5),
        ([0.9, 0.5, 0.4, 0.3], 0, 0.9),  # no prominence is asked of a maximum before the end
        ([0.1, 0.2, 0.3, 0.4], 0, 0.0),
        ([0.1, 0.5, 0.3, 0.2, 0.6], 1, 0.5),  # found by trimming
        ([0.1, 0.5, 0.4995, 0.6], 0, 0.0),  # falls too little
        ([0.0, np.nan, np.nan], 0, 0.0),
    ],
)
def test_peaks(values, index, height):
    assert peak(np.array(values)) == (index, height)


@pytest.mark.parametrize("shape", [(64, 64), (101, 90), (30, 70), (70, 25), (41, 40)])
def test_the_taper_pixel_by_pixel(shape):
    image = np.random.default_rng(1).random(shape, np.float32)
    height, width = shape
    centre_y, centre_x = height // 2, width // 2
    ring = [
        image[y, x]
        for y, x in np.ndindex(shape)
        if (x - centre_x) ** 2 + (y - centre_y) ** 2 > (centre_x - 20) ** 2
    ]
    border = np.mean(ring, dtype=float)
    expected = image.astype(float)
    for y, x in np.ndindex(shape):
        distance = min(abs(abs(x - centre_x) - centre_x), abs(abs(y - centre_y) - centre_y), 20)
        weight = (1 - np.cos(np.pi * distance / 20)) / 2
        expected[y, x] = border + weight * (expected[y, x] - border)
    tapered = taper(image)
    np.testing.assert_allclose(tapered, expected, atol=2e-7)
    square = pad(tapered)
    assert square.shape == ((64, 64) if shape == (41, 40) or max(shape) == 64 else (128, 128))
    top, left = (len(square) - height) // 2, (len(square) - width) // 2
    np.testing.assert_array_equal(square[top : top + height, left : left + width], tapered)
    if square.shape != shape:
        assert square[0, 0] == square[-1, -1] == tapered[0, 0]


@pytest.mark.parametrize("sigma_px", [0.14, 0.2, 0.5, 1.3, 4.0, DIRECT_LIMIT_PX])
def test_the_blur_adds_from_the_centre_outwards_in_single_precision(sigma_px):
    image = np.random.default_rng(0).normal(100, 30, (41, 57)).astype(np.float32)
    taps = gaussian_taps(sigma_px)
    expected = image
    for axis in (1, 0):
        reach = len(taps) - 1
        wide = np.pad(expected, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        size = image.shape[axis]
        total = expected * taps[0]
        for x in range(1, reach + 1):
            left = np.take(wide, np.arange(reach - x, reach - x + size), axis)
            total = total + taps[x] * (left + np.take(wide, np.arange(reach + x, reach + x + size), axis))
        expected = total
    np.testing.assert_array_equal(gaussian_blur(image, sigma_px), expected)
    assert taps[0] + 2 * taps[1:].sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("sigma_px", [8.6, 30.0])
def test_the_wide_blur_is_a_gaussian_with_its_border_continued(sigma_px):
    image = np.random.default_rng(0).normal(100, 30, (61, 90)).astype(np.float32)
    expected = ndimage.gaussian_filter(image.astype(float), sigma_px, mode="nearest", truncate=6)
    np.testing.assert_allclose(gaussian_blur(image, sigma_px), expected, atol=0.02)


def test_the_kernel_ends_near_zero_without_a_step():
    taps = gaussian_taps(3.0)
    assert len(taps) == 11
    assert taps[-1] < 0.3 * taps[-2]
    np.testing.assert_allclose(taps[1:4] / taps[0], np.exp(-(np.arange(1, 4) ** 2) / 18), rtol=1e-6)
