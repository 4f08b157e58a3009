"""The published plugin's numbers: its stored results, and each of its steps against a slower way."""

from __future__ import annotations

import csv
from math import erf, floor, sqrt
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from dlsim_ij.errors import ImageError
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.quality.imagej_gaussian import GaussianRows
from dlsim_ij.quality.imagej_translate import bicubic_translate
from dlsim_ij.quality.squirrel import common_alignment, rse_rsp, rse_rsp_stack
from dlsim_ij.quality.squirrel_alignment import found_shift
from dlsim_ij.quality.squirrel_moments import FitError
from dlsim_ij.quality.squirrel_swarm import JavaRandom, swarm_minimum

REFERENCE = Path(__file__).parents[2] / "reference" / "squirrel"


def table(name):
    return {row["case"]: row for row in csv.DictReader((REFERENCE / name).read_text().splitlines())}


PLUGIN, FILES = table("results.csv"), table("truth.csv")


def read_case(name):
    return [tifffile.imread(REFERENCE / FILES[name][key]) for key in ("ref", "sr")]


def make_image(shape, seed=0):
    return ndimage.gaussian_filter(np.random.default_rng(seed).gamma(0.3, 500, shape), 1.2).astype(np.float32)


@pytest.mark.parametrize("name", PLUGIN)
def test_the_plugins_own_numbers(name):
    result, row = rse_rsp(*read_case(name), mode="compat"), PLUGIN[name]
    assert result.rse == pytest.approx(float(row["RSE"]), rel=1e-3)
    assert result.rsp == pytest.approx(float(row["RSP"]), abs=1e-5)
    assert result.sigma_px == pytest.approx(float(row["sigma_ref_px"]), abs=1e-3)
    assert result.alpha == pytest.approx(float(row["alpha"]), rel=1e-3)
    assert result.beta == pytest.approx(float(row["beta"]), rel=1e-3)
    assert result.fit_rms == pytest.approx(float(row["final_cost"]), rel=1e-4)
    top, bottom, left, right = result.crop
    assert (right - left, bottom - top) == (int(row["ref_w_used"]), int(row["ref_h_used"]))
    assert (result.mode, result.warnings) == ("compat", ())


@pytest.mark.parametrize("name", PLUGIN)
def test_the_plugins_own_shift(name):
    reference, image = read_case(name)
    (alignment,) = common_alignment(reference, [image])
    shift = [float(PLUGIN[name][f"shift_{axis}_sr_px"]) for axis in "yx"]
    assert alignment.found_px == pytest.approx(shift, abs=1e-3)


def test_the_map_is_the_enlarged_reference_less_the_blurred_image():
    reference, image = read_case("m5_clean")
    result = rse_rsp(reference, image, mode="compat", register=False, sigma_px=1.35)
    assert (result.shift_px, result.crop) == ((0, 0), (0, 80, 0, 80))
    blurred = ndimage.gaussian_filter(result.alpha * image.astype(float) + result.beta, 6.75, mode="nearest")
    expected = bicubic_enlarge(reference, 5) - blurred
    # ImageJ bends the tail of its Gaussian
    np.testing.assert_allclose(result.signed_map, expected, atol=0.3)
    corners = blurred[::5, ::5] - reference
    assert result.rse == pytest.approx(np.sqrt(np.mean(corners**2)), rel=1e-3)
    assert result.rsp == pytest.approx(
        np.corrcoef(blurred[::5, ::5].ravel(), reference.ravel())[0, 1], abs=1e-5
    )


def test_a_moved_image_is_scored_where_it_is_known():
    reference, image = read_case("m5_clean")
    result = rse_rsp(reference, np.roll(image, (-8, 13), axis=(0, 1)), mode="compat")
    # moved back down by 8 and left by 13, off by the invented half pixel
    assert result.shift_px == pytest.approx((7.4, -13.5), abs=0.2)
    assert result.crop == (2, 80, 0, 77)
    assert np.isnan(result.error_map[:10]).all()
    assert np.isnan(result.error_map[:, 385:]).all()
    assert np.isfinite(result.error_map[10:, :385]).all()


def test_black_borders_are_cut_off_by_whole_reference_pixels():
    reference, image = read_case("m5_clean")
    framed = np.zeros_like(image)
    framed[7:-20, 5:-4] = image[7:-20, 5:-4]
    result = rse_rsp(reference, framed, mode="compat", register=False)
    assert result.crop == (1, 76, 1, 80)
    assert rse_rsp(reference, framed, mode="compat", register=False, crop_zero_border=False).crop == (
        0,
        80,
        0,
        80,
    )
    with pytest.raises(ImageError, match="no positive pixel"):
        rse_rsp(reference, -image, mode="compat")


def test_a_stack_is_cropped_and_moved_together():
    reference, image = read_case("m1_clean")
    framed = image.copy()
    framed[:3] = 0
    moved = np.roll(image, 2, axis=1)
    together = rse_rsp_stack(reference, [image, framed, moved], mode="compat")
    assert {result.crop for result in together} == {(3, 80, 0, 78)}
    assert together[0].shift_px != (0, 0)  # once one is moved, all are, by what little was found
    assert max(map(abs, together[0].shift_px)) < 0.1
    assert together[2].shift_px == pytest.approx((0, -2), abs=0.1)


def test_what_cannot_be_measured_decides_nothing():
    reference, image = read_case("m1_clean")
    black, broken = np.zeros_like(image), np.full_like(image, np.nan)
    alone = common_alignment(reference, [image])
    assert common_alignment(reference, [black, image, broken])[1] == alone[0]


def test_a_longest_shift_bounds_the_search():
    reference, image = read_case("m1_clean")
    moved = np.roll(image, 9, axis=1)
    assert rse_rsp(reference, moved, mode="compat").shift_px[1] == pytest.approx(-9, abs=0.1)
    bounded = rse_rsp(reference, moved, mode="compat", max_shift_px=5)
    assert abs(bounded.shift_px[1]) <= 5


def test_a_larger_magnification_is_fitted_on_a_shrunk_image():
    reference, image = read_case("m5_clean")
    whole = rse_rsp(reference, image, mode="compat")
    shrunk = rse_rsp(reference, image, mode="compat", max_magnification=2)
    assert shrunk.magnification == 5
    assert shrunk.sigma_px != whole.sigma_px
    assert shrunk.sigma_px == pytest.approx(whole.sigma_px, rel=0.2)


def test_a_mask_counts_in_fit_and_scores():
    reference, image = read_case("m1_clean")
    damaged = reference.copy()
    damaged[20:30, 30:40] += 4000
    mask = np.ones(reference.shape, bool)
    mask[18:32, 28:42] = False
    masked = rse_rsp(damaged, image, mode="compat", mask=mask, register=False)
    assert masked.sigma_px == pytest.approx(1.5557, abs=5e-3)
    assert masked.scored_px == mask.sum()
    np.testing.assert_array_equal(np.isnan(masked.error_map), ~mask)


def test_an_offset_of_the_image_changes_the_plugins_answer():
    """Its own defect, kept: with a first guess of beta below 0 the swarm stops short."""
    reference, image = read_case("m1_clean")
    plain = rse_rsp(reference, image, mode="compat")
    lifted = rse_rsp(reference, image + np.float32(5000), mode="compat")
    assert lifted.beta < 0
    assert "stops short" in lifted.warnings[0]
    assert lifted.rse > 1.02 * plain.rse
    exact = rse_rsp(reference, image + np.float32(5000))
    assert exact.rsp > 0.999999


# --- the steps


@pytest.mark.parametrize("sigma_px", [0.5, 0.73, 1.0, 1.56, 2.97, 4.2, 9.7])
@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("masked", [False, True])
def test_the_error_of_the_fit_is_that_of_a_blur_pixel_by_pixel(sigma_px, factor, masked):
    image = make_image((30 * factor, 34 * factor))
    reference = make_image((30, 34), seed=1)
    mask = np.random.default_rng(2).random(reference.shape) > 0.3 if masked else None
    s = sigma_px * factor
    reach = max(3 * floor(s), 1)
    edges = [erf((d - 0.5) / (sqrt(2) * s)) for d in range(-reach, reach + 2)]
    taps = np.diff(edges) / (edges[-1] - edges[0])
    blurred = image.astype(float)
    for axis in (0, 1):
        blurred = ndimage.correlate1d(blurred, taps, axis=axis, mode="nearest")
    means = blurred.reshape(30, factor, 34, factor).mean(axis=(1, 3))
    error = FitError(reference, image, factor, mask)
    for alpha, beta in ((1.3, 20.0), (0.0, 5.0), (-2.0, 900.0)):
        difference = alpha * means + beta - reference
        expected = np.sqrt(np.mean((difference if mask is None else difference[mask]) ** 2))
        for _ in range(6):  # measured first, interpolated once a stretch of sigma is visited often
            assert error(alpha, beta, sigma_px) == pytest.approx(expected, rel=1e-6)
            error.moments(s + 0.01 * (floor(s) + 0.5 - s))
            error.moments(float(floor(s)) + np.random.default_rng(3).random() * 0.9 + 0.05)


def test_the_interpolated_error_is_the_measured_one_everywhere():
    image, reference = make_image((40, 44)), make_image((40, 44), seed=1)
    often, once = FitError(reference, image, 1), None
    for stretch in range(10):
        for place in np.linspace(0.01, 0.99, 9):
            often.moments(max(stretch, 0.5) + place * (1 if stretch else 0.5))
    for sigma_px in np.linspace(0.51, 9.99, 40):
        once = FitError(reference, image, 1)
        np.testing.assert_allclose(often.moments(sigma_px), once.moments(sigma_px), rtol=2e-6)


def test_a_swarm_finds_the_minimum_of_a_bowl():
    def bowl(alpha, beta, sigma_px):
        return 1 + (alpha - 3) ** 2 + ((beta - 120) / 40) ** 2 + (sigma_px - 2.5) ** 2

    found = swarm_minimum(bowl, 2.0, 100.0)
    assert (found.alpha, found.beta, found.sigma_px) == pytest.approx((3, 120, 2.5), rel=1e-3)
    assert found.iterations < 300
    fixed = swarm_minimum(bowl, 2.0, 100.0, 4.0)
    assert fixed.sigma_px == 4.0
    assert (fixed.alpha, fixed.beta) == pytest.approx((3, 120), rel=1e-3)


def test_a_swarm_without_a_first_guess_takes_the_plugins_box():
    def bowl(alpha, beta, sigma_px):
        return 1 + (alpha - 30) ** 2 + (beta + 400) ** 2 / 100 + (sigma_px - 2.5) ** 2

    found = swarm_minimum(bowl, 0.0, 100.0)
    assert (found.alpha, found.beta, found.sigma_px) == pytest.approx((30, -400, 2.5), rel=1e-2)
    assert found.iterations == 300


def test_no_particle_leaves_the_bounds_of_sigma_for_good():
    found = swarm_minimum(lambda alpha, beta, sigma_px: 100 - sigma_px, 1.0, 1.0)
    assert found.sigma_px == pytest.approx(10, rel=0.1)


def test_java_random():
    """Numbers printed by Java: new Random(42)."""
    random = JavaRandom(42)
    assert [random.next_double() for _ in range(2)] == [0.7275636800328681, 0.6832234717598454]
    assert JavaRandom(42).next_float() == np.float32(0.7275637)


@pytest.mark.parametrize("sigma_px", [0.6, 3.0, 8.0])
def test_imagejs_blur_is_nearly_a_gaussian(sigma_px):
    image = make_image((50, 61))
    expected = ndimage.gaussian_filter(image.astype(float), sigma_px, mode="nearest", truncate=6)
    blurred = GaussianRows(image, sigma_px)
    parts = np.concatenate([blurred.rows(range(17)), blurred.rows(range(17, 50))])
    np.testing.assert_allclose(parts, expected, atol=2e-3 * np.ptp(image))


def test_a_translation_by_whole_pixels_is_exact():
    image = make_image((20, 26))
    moved = bicubic_translate(image, 3.0, -2.0)
    np.testing.assert_allclose(moved[5:-2, 2:-4], image[2:-5, 4:-2], rtol=1e-6)
    assert (moved[:2] == 0).all()
    assert (moved[:, -1] == 0).all()


def test_a_fractional_shift_is_found():
    image = make_image((64, 70))
    moved = ndimage.shift(image, (1.3, -2.6), order=5, mode="grid-wrap")
    assert found_shift(moved, image) == pytest.approx((1.3, -2.6), abs=0.15)


def test_sigmas_beyond_the_box_have_an_error():
    """A particle that bounces off one bound may land beyond the other."""
    reference, image = make_image((20, 24), seed=1), make_image((20, 24))
    error = FitError(reference, image, 1)
    edges = np.array([erf((d - 0.5) / (sqrt(2) * 2.5)) for d in range(-1, 3)])
    blurred = image.astype(float)
    for axis in (0, 1):
        blurred = ndimage.correlate1d(blurred, np.diff(edges) / np.ptp(edges), axis=axis, mode="nearest")
    assert error(1.0, 0.0, -2.5) == pytest.approx(np.sqrt(np.mean((blurred - reference) ** 2)), rel=1e-5)
    assert error(1.0, 0.0, 0.0) == float("inf")
    assert np.isfinite(error(1.0, 0.0, 14.0))
    plain = error(1.0, 0.0, 0.02)
    for sigma_px in np.linspace(0.3, 0.9, 8):
        error(1.0, 0.0, sigma_px)
    assert error(1.0, 0.0, 0.02) == plain
