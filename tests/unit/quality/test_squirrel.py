"""RSE and RSP: pairs made by another, slower way give their parameters back; bad pairs are refused."""

from __future__ import annotations

import csv
from math import erf, sqrt
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality import rse_rsp
from dlsim_ij.quality.squirrel import rse_rsp_stack

REFERENCE = Path(__file__).parents[2] / "reference" / "squirrel"
CASES = {row["case"]: row for row in csv.DictReader((REFERENCE / "truth.csv").read_text().splitlines())}
ALPHA, BETA = 3.0, 120.0


def blur(image, sigma_px):
    """Blur tap by tap, with an error function and borders that are not those of the package."""
    reach = int(np.ceil(9 * sigma_px)) + 1
    edges = [erf((d - 0.5) / (sqrt(2) * sigma_px)) / 2 for d in range(-reach, reach + 2)]
    for _ in range(2):
        padded = np.pad(image, ((reach, reach), (0, 0)), mode="edge")
        taps = zip(np.diff(edges), range(2 * reach + 1), strict=True)
        image = sum(tap * padded[at : at + len(image)] for tap, at in taps).T
    return image


def make_pair(magnification, sigma_px=1.4, shape=(40, 44), seed=0, background=1.0):
    """Return a reference without noise and its image: smooth spots on a background."""
    random = np.random.default_rng(seed)
    fine = tuple(magnification * side for side in shape)
    image = np.zeros(fine)
    count = shape[0] * shape[1] // 12
    at = tuple(random.integers(0, side, count) for side in fine)
    np.add.at(image, at, random.uniform(100, 1000, count) * magnification)
    image = background + blur(image, 0.3 * magnification)
    blurred = blur(ALPHA * image + BETA, sigma_px * magnification)
    return blurred.reshape(shape[0], magnification, shape[1], magnification).mean(axis=(1, 3)), image


REFERENCE_X1, IMAGE_X1 = make_pair(1, shape=(24, 28))
REFERENCE_X3, IMAGE_X3 = make_pair(3, shape=(24, 28))
WITH_NAN = REFERENCE_X1.copy()
WITH_NAN[2, 3] = np.nan


def read_case(name):
    row = CASES[name]
    images = [tifffile.imread(REFERENCE / row[key]) for key in ("ref", "sr")]
    return *images, *(float(row[key]) for key in ("alpha", "beta", "sigma_ref_px"))


@pytest.mark.parametrize("name", ["m1_clean", "m5_clean"])
@pytest.mark.parametrize("register", [True, False])
def test_clean_stored_pairs_give_their_truth(name, register):
    reference, image, alpha, beta, sigma_px = read_case(name)
    result = rse_rsp(reference, image, register=register)
    assert (result.alpha, result.beta, result.sigma_px) == pytest.approx((alpha, beta, sigma_px), rel=1e-6)
    assert result.rsp > 0.9999999
    assert result.shift_px == (0, 0)
    assert result.warnings == ()


def test_damaged_and_noisy_stored_pairs_agree_with_an_independent_program():
    """Stored numbers: the specification's own ideal program, printed to the digits compared here."""
    result = rse_rsp(*read_case("m5_erased")[:2])
    assert (result.alpha, result.sigma_px) == pytest.approx((3.933, 1.334), abs=5e-4)
    assert result.rse == pytest.approx(27.73, abs=5e-3)
    assert result.rsp == pytest.approx(0.97714, abs=5e-6)
    reference, image, alpha, _, sigma_px = read_case("m1_poisson")
    noisy = rse_rsp(reference, image)
    assert (noisy.alpha, noisy.sigma_px) == pytest.approx((alpha, sigma_px), rel=5e-3)
    # the published plugin cuts its Gaussian off and cannot be better
    table = csv.DictReader((REFERENCE / "results.csv").read_text().splitlines())
    plugin = next(row for row in table if row["case"] == "m1_poisson")
    assert noisy.rsp > float(plugin["RSP"])
    assert noisy.rse < float(plugin["RSE"])


@pytest.mark.parametrize("magnification", range(1, 11))
@pytest.mark.parametrize("sigma_px", [0.7, 1.4, 4.0])
def test_clean_pairs_give_their_truth_at_every_magnification(magnification, sigma_px):
    reference, image = make_pair(magnification, sigma_px, seed=magnification)
    result = rse_rsp(reference.astype(np.float32), image.astype(np.float32))
    assert (result.alpha, result.beta, result.sigma_px) == pytest.approx((ALPHA, BETA, sigma_px), rel=1e-5)
    assert result.rsp > 0.9999999
    assert result.shift_px == (0, 0)
    assert result.magnification == magnification


@settings(deadline=None, max_examples=25)
@given(gain=st.floats(0.05, 100), offset=st.floats(-1e4, 1e4), pair=st.sampled_from([1, 3]))
def test_gain_and_offset_change_nothing(gain, offset, pair):
    reference, image = {1: (REFERENCE_X1, IMAGE_X1), 3: (REFERENCE_X3, IMAGE_X3)}[pair]
    reference = np.random.default_rng(1).poisson(reference).astype(np.float32)
    image = image.astype(np.float32)
    plain = rse_rsp(reference, image)
    # rounding to float32 is noise of about 5e-4 counts at 1e4, beside signals of 5 counts and more
    other = rse_rsp(reference, np.float32(gain) * image + np.float32(offset))
    assert other.rsp == pytest.approx(plain.rsp, abs=1e-6)
    assert other.rse == pytest.approx(plain.rse, rel=1e-4)
    assert other.alpha * gain == pytest.approx(plain.alpha, rel=1e-3)
    scaled = rse_rsp(np.float32(gain) * reference + np.float32(offset), image)
    assert scaled.rsp == pytest.approx(plain.rsp, abs=1e-6)
    assert scaled.rse == pytest.approx(gain * plain.rse, rel=1e-4)
    assert scaled.sigma_px == pytest.approx(plain.sigma_px, rel=1e-3)


@pytest.mark.parametrize(
    ("magnification", "roll"),
    [(1, (1, 0)), (1, (3, -2)), (2, (-1, 1)), (5, (13, -8)), (5, (-40, 35)), (10, (0, 4))],
)
def test_a_known_roll_is_found_and_undone(magnification, roll):
    reference, image = make_pair(magnification)
    result = rse_rsp(reference, np.roll(image, roll, axis=(0, 1)))
    assert result.shift_px == pytest.approx((-roll[0], -roll[1]), abs=1e-3)
    assert result.alpha == pytest.approx(ALPHA, rel=1e-4)
    assert result.rsp > 0.999999
    assert result.scored_px < reference.size
    still = rse_rsp(reference, np.roll(image, roll, axis=(0, 1)), register=False)
    assert still.shift_px == (0, 0)
    assert still.rsp < result.rsp


@pytest.mark.parametrize("magnification", [1, 2, 5])
@pytest.mark.parametrize("photons", [1.0, 0.1])
def test_noise_makes_no_shift(magnification, photons):
    reference, image = make_pair(magnification)
    noisy = np.random.default_rng(3).poisson(photons * reference)
    result = rse_rsp(noisy, image)
    assert result.shift_px == (0, 0)
    assert result.sigma_px == pytest.approx(1.4, rel=0.2)


def test_the_map_shows_what_is_missing():
    reference, image = make_pair(4, shape=(32, 32))
    damaged = image.copy()
    damaged[60:76, 60:76] = image.min()
    result = rse_rsp(reference, damaged, sigma_px=1.4)
    assert result.signed_map.shape == image.shape
    y, x = np.unravel_index(int(np.argmax(result.signed_map)), image.shape)
    assert 56 <= y < 80
    assert 56 <= x < 80
    np.testing.assert_array_equal(result.error_map, np.abs(result.signed_map))
    assert np.sqrt(np.mean(result.error_map.astype(float) ** 2)) == pytest.approx(result.rse, rel=1e-5)
    assert "signed_map" not in result.to_dict()


def test_a_mask_leaves_a_fault_out():
    reference, image = make_pair(2)
    reference[10:14, 20:24] = 5e3
    mask = np.ones(reference.shape, bool)
    mask[8:16, 18:26] = False
    result = rse_rsp(reference, image, mask=mask)
    assert (result.alpha, result.sigma_px) == pytest.approx((ALPHA, 1.4), rel=1e-5)
    assert result.scored_px == mask.sum()
    np.testing.assert_array_equal(np.isnan(result.error_map[::2, ::2]), ~mask)


def test_a_mask_that_a_shift_would_empty_is_scored_unmoved(monkeypatch):
    monkeypatch.setattr("dlsim_ij.quality.squirrel_exact._coarse_shift", lambda pair: (9, 9))
    reference, image = make_pair(1)
    mask = np.zeros(reference.shape, bool)
    mask[:8, :8] = True
    result = rse_rsp(reference, image, mask=mask)
    assert result.scored_px == 64
    assert result.rsp > 0.999999


@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_a_border_that_was_not_computed_is_left_out(offset):
    reference, image = make_pair(5)
    framed = np.zeros_like(image)
    framed[20:-20, 20:-15] = image[20:-20, 20:-15]
    result = rse_rsp(reference, framed + offset)
    assert result.scored_px == (40 - 2 * (4 + 4)) * (44 - (4 + 4) - (3 + 4))
    assert result.crop == (4, 36, 4, 41)
    assert np.isnan(result.error_map[:20]).all()
    assert result.shift_px == (0, 0)
    assert (result.alpha, result.sigma_px) == pytest.approx((ALPHA, 1.4), rel=1e-2)
    assert result.rsp > 0.9999
    kept = rse_rsp(reference, framed + offset, crop_zero_border=False)
    assert kept.scored_px == reference.size
    assert kept.rsp < result.rsp


def test_a_dark_background_is_no_missing_border():
    image = np.zeros((60, 60))
    image[20, 15], image[33, 40], image[41, 22] = 900, 500, 700
    reference = blur(ALPHA * image + BETA, 3.0).reshape(30, 2, 30, 2).mean(axis=(1, 3))
    result = rse_rsp(reference, image)
    assert result.scored_px == 900
    assert (result.alpha, result.sigma_px) == pytest.approx((ALPHA, 1.5), rel=1e-6)


def test_a_known_sigma_is_kept():
    result = rse_rsp(REFERENCE_X3, IMAGE_X3, sigma_px=2.0)
    assert result.sigma_px == 2.0
    assert result.rsp < 0.999
    assert rse_rsp(REFERENCE_X3, IMAGE_X3, sigma_px=1.4).rsp > 0.999999


def test_a_known_sigma_in_micrometres_is_that_of_the_reference_pixels():
    result = rse_rsp(REFERENCE_X3, IMAGE_X3, sigma_um=0.084, pixel_size_um=0.02)
    assert result.sigma_px == pytest.approx(1.4)
    assert result.sigma_um == pytest.approx(0.084)
    assert rse_rsp(REFERENCE_X3, IMAGE_X3).sigma_um is None


@pytest.mark.parametrize("size", [11, 14])
def test_a_picture_of_the_blur_gives_its_sigma(size):
    spot = np.zeros((size, size))
    spot[size // 2, size // 2] = 700
    result = rse_rsp(REFERENCE_X3, IMAGE_X3, rsf=blur(spot, 1.4) + 20)
    assert result.sigma_px == pytest.approx(1.4, rel=1e-3)
    assert result.rsp > 0.99999


def test_a_picture_without_a_spot_is_refused():
    with pytest.raises(ImageError, match="no spot"):
        rse_rsp(REFERENCE_X3, IMAGE_X3, rsf=np.add.outer(np.arange(9.0), np.arange(9.0)))


def test_warnings():
    same = rse_rsp(IMAGE_X1, IMAGE_X1)
    assert same.rsp > 0.999999
    assert "lower bound" in same.warnings[0]
    inverted = rse_rsp(REFERENCE_X1, -IMAGE_X1)
    assert inverted.rsp < -0.999999
    assert "alpha is not positive" in inverted.warnings[0]
    ramp = np.arange(576.0).reshape(24, 24) + np.random.default_rng(0).normal(0, 40, (24, 24))
    far = rse_rsp(blur(ramp, 20.0), ramp, register=False)
    assert far.sigma_px == pytest.approx(10)
    assert "upper bound" in far.warnings[0]
    other = np.random.default_rng(5).random(REFERENCE_X1.shape)
    assert any("beta dominates" in text for text in rse_rsp(REFERENCE_X1, other, register=False).warnings)
    # the PSF of 500 nm light and NA 1 has a sigma of 0.113 um
    optics = {"emission_nm": 500.0, "na": 1.0}
    assert rse_rsp(REFERENCE_X3, IMAGE_X3, pixel_size_um=0.03, **optics).warnings == ()
    wide = rse_rsp(REFERENCE_X3, IMAGE_X3, pixel_size_um=0.034, **optics)
    assert "above the PSF (0.113 um)" in wide.warnings[0]


@pytest.mark.parametrize(
    ("reference", "image", "message"),
    [
        (REFERENCE_X1, IMAGE_X1[:-1], "no integer magnification|the larger one"),
        (REFERENCE_X1, np.pad(IMAGE_X1, 6), "no integer magnification"),
        (REFERENCE_X1, np.repeat(IMAGE_X1, 2, axis=0), "no integer magnification"),
        (IMAGE_X3, REFERENCE_X3, "the reference is the larger one"),
        (REFERENCE_X1, np.full((24, 28), 7.0), "the image is constant"),
        (np.zeros((24, 28)), IMAGE_X1, "the reference is constant"),
        (WITH_NAN, IMAGE_X1, "1 NaN or infinite"),
        (REFERENCE_X1, IMAGE_X1 + 0j, "complex"),
        (REFERENCE_X1 > 200, IMAGE_X1, "true/false"),
        (REFERENCE_X1[None], IMAGE_X1, "one .Y, X. image is needed"),
        (np.eye(1), np.eye(1), "at least 8 x 8"),
        (np.random.default_rng(0).random((3, 100000)),) * 2 + ("at least 8 x 8",),
    ],
)
def test_refuses_in_one_line(reference, image, message):
    with pytest.raises(ImageError, match=message) as caught:
        rse_rsp(reference, image)
    assert "\n" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((24, 28)), "not true/false"),
        (np.ones((28, 24), bool), "the mask is 28 x 24 pixels"),
        (np.zeros((24, 28), bool), "the mask leaves 0 pixels"),
    ],
)
def test_refuses_a_mask_that_does_not_fit(mask, message):
    with pytest.raises(ImageError, match=message):
        rse_rsp(REFERENCE_X1, IMAGE_X1, mask=mask)


def test_refuses_options_that_do_not_exist():
    with pytest.raises(ConfigError, match="mode 'fast'"):
        rse_rsp(REFERENCE_X1, IMAGE_X1, mode="fast")
    for sigma_px in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ConfigError, match="not a length"):
            rse_rsp(REFERENCE_X1, IMAGE_X1, sigma_px=sigma_px)
    for options, message in (
        ({"sigma_px": 1.0, "rsf": IMAGE_X1}, "given twice"),
        ({"sigma_um": 0.1}, "needs the pixel size"),
        ({"na": 0.0}, "not a positive number"),
        ({"max_magnification": 0}, "max_magnification is 0"),
        ({"max_shift_px": 3}, "belong to mode compat"),
    ):
        with pytest.raises(ConfigError, match=message):
            rse_rsp(REFERENCE_X1, IMAGE_X1, **options)


def test_a_stack_is_compared_image_by_image():
    alone = [rse_rsp(REFERENCE_X3, image) for image in (IMAGE_X3, IMAGE_X3**2)]
    assert rse_rsp_stack(REFERENCE_X3, [IMAGE_X3, IMAGE_X3**2]) == alone
    pairs = rse_rsp_stack(np.stack([REFERENCE_X3, 2 * REFERENCE_X3]), [IMAGE_X3, IMAGE_X3])
    assert pairs[1].alpha == pytest.approx(2 * pairs[0].alpha)
    with pytest.raises(ImageError, match="2 references for 1 images"):
        rse_rsp_stack(np.stack([REFERENCE_X3, REFERENCE_X3]), [IMAGE_X3])
    with pytest.raises(ImageError, match="plane 2: the image is constant"):
        rse_rsp_stack(REFERENCE_X3, [IMAGE_X3, np.ones_like(IMAGE_X3)])


def test_the_caller_keeps_his_pixels():
    reference, image = REFERENCE_X3.copy(), IMAGE_X3.copy()
    for mode in ("exact", "compat"):
        rse_rsp(reference, image, mode=mode)
    np.testing.assert_array_equal(reference, REFERENCE_X3)
    np.testing.assert_array_equal(image, IMAGE_X3)
