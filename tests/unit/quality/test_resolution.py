"""The resolution as a user asks for it: guarded, with warnings and a spread."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.quality import decorrelation_resolution
from dlsim_ij.quality.resolution import image_resolution
from dlsim_ij.quality.spread import summarise


def scene(side: int = 160) -> np.ndarray:
    points = (np.random.default_rng(4).random((side, side)) > 0.98).astype(float)
    return 1500 * ndimage.gaussian_filter(points, 1.4) + 20


def exposure(seed: int = 0, light: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(light * scene())


IMAGE = exposure()
PLAIN = image_resolution(IMAGE, 0.06)


def test_a_good_image_gives_the_plugins_number():
    plugin = decorrelation_resolution(IMAGE, 0.06)
    assert PLAIN.native is PLAIN.naive
    assert PLAIN.naive == plugin
    assert PLAIN.resolution_nm == PLAIN.naive_resolution_nm == 1000 * plugin.resolution_um
    assert PLAIN.resolution_px == plugin.resolution_px
    assert (PLAIN.naive_valid, PLAIN.enlarged, PLAIN.factor, PLAIN.warnings) == (True, False, 1.0, ())
    assert PLAIN.spread is None


@pytest.mark.parametrize("factor", [2, 3])
def test_an_enlarged_image_is_measured_at_native_sampling(factor):
    result = image_resolution(bicubic_enlarge(np.float32(IMAGE), factor), 0.06 / factor)
    assert result.enlarged
    assert result.factor == factor
    assert result.resolution_nm == pytest.approx(PLAIN.resolution_nm, rel=0.02)
    assert result.resolution_px == pytest.approx(PLAIN.resolution_px * factor, rel=0.02)
    assert result.native_pixel_size_um == pytest.approx(0.06)
    assert not result.naive_valid
    assert result.naive_resolution_nm < 0.75 * result.resolution_nm
    what, hint = result.warnings[0]
    assert f"enlarged {factor} times by ImageJ's bicubic" in what
    assert f"{result.naive_resolution_nm:.0f} nm are not" in what
    assert hint


def test_without_the_guard_the_naive_number_stands():
    result = image_resolution(bicubic_enlarge(np.float32(IMAGE), 2), 0.03, guard=False)
    assert result.resampling is None
    assert result.resolution_nm == result.naive_resolution_nm
    assert result.warnings == ()


def test_an_enlarged_image_of_noise_has_no_resolution_instead_of_a_fine_one():
    noise = np.random.default_rng(0).normal(100, 5, (128, 128))
    result = image_resolution(bicubic_enlarge(np.float32(noise), 2), 0.03)
    assert result.status == "no-peak"
    assert result.resolution_nm is None
    assert result.resolution_px is None
    assert result.naive_resolution_nm < 100
    assert "brighter" in result.warnings[0][1]


def test_doubts_are_told():
    image = IMAGE.astype(float)
    image[50, 60] = 1e6
    assert any("hot" in what for what, _ in image_resolution(image).warnings)
    assert any("64 px" in what for what, _ in image_resolution(IMAGE[:50, :50]).warnings)


def test_settings_reach_the_analysis():
    result = image_resolution(IMAGE, version="1.1.7-2019", n_radii=30, n_gaussians=6, rmin=0.1, rmax=0.9)
    plugin = decorrelation_resolution(IMAGE, None, "1.1.7-2019", 0.1, 0.9, 30, 6)
    assert result.native == plugin
    assert result.resolution_nm is None
    assert result.resolution_px == plugin.resolution_px


def test_the_result_goes_to_json_without_its_arrays():
    row = json.loads(json.dumps(image_resolution(IMAGE, 0.06, n_thinnings=5).to_dict()))
    assert row["resolution_nm"] == PLAIN.resolution_nm
    assert row["spread"]["n"] == 5
    assert not {"native", "naive", "resampling"} & set(row)


def test_the_spread_is_about_that_of_repeated_exposures():
    repeats = [decorrelation_resolution(exposure(seed)).resolution_px for seed in range(1, 25)]
    result = image_resolution(IMAGE, n_thinnings=20)
    assert result.spread.source == "thinnings"
    assert result.spread.unit == "px"
    assert result.spread.n == 20
    assert 0.5 < result.spread.sd / np.std(repeats, ddof=1) < 2.5
    assert image_resolution(IMAGE, 0.06, n_thinnings=20).spread.sd == pytest.approx(60 * result.spread.sd)


def test_the_spread_of_an_enlarged_image_is_that_of_its_native_pixels():
    plain = image_resolution(IMAGE, 0.06, n_thinnings=10, gain=1.0, offset=0.0).spread
    enlarged = image_resolution(
        np.repeat(np.repeat(IMAGE, 2, 0), 2, 1), 0.03, n_thinnings=10, gain=1.0, offset=0.0
    ).spread
    assert enlarged == plain


def test_the_spread_is_reproducible():
    one, same, other = (image_resolution(IMAGE, n_thinnings=5, seed=seed).spread for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_a_spread_that_cannot_be_had_is_a_warning():
    result = image_resolution(ndimage.gaussian_filter(IMAGE.astype(float), 1.5), n_thinnings=5)
    assert result.spread is None
    assert any(
        what.startswith("no spread: the noise of the image is not white") for what, _ in result.warnings
    )


@pytest.mark.parametrize(
    "options", [{"n_thinnings": 3}, {"n_thinnings": -1}, {"n_thinnings": 5, "gain": 1.0}]
)
def test_settings_are_checked(options):
    with pytest.raises(ConfigError) as refusal:
        image_resolution(IMAGE, **options)
    assert refusal.value.hint


@pytest.mark.parametrize(
    "image",
    [
        np.full((64, 64), 7),
        np.zeros((64, 64)),
        np.full((64, 64), np.nan),
        np.ones((1, 1)),
        np.tile(np.arange(100_000.0), (3, 1)),
        np.ones((64, 64), complex),
        np.eye(64) > 0,
        np.full((64, 64), None),
        np.zeros((64, 64, 3)),
        np.full((64, 64), "a"),
    ],
    ids=["constant", "zero", "nan", "1x1", "3x100000", "complex", "bool", "object", "rgb", "text"],
)
def test_what_cannot_be_measured_is_refused_in_one_line(image):
    with pytest.raises(ImageError) as refusal:
        image_resolution(image)
    assert refusal.value.hint
    assert "\n" not in refusal.value.message + refusal.value.hint


def test_summaries():
    spread = summarise([1.0, 2.0, 3.0, 10.0, None], "px")
    assert (spread.n, spread.n_failed, spread.mean, spread.median) == (4, 1, 4.0, 2.5)
    assert spread.sd == pytest.approx(np.std([1, 2, 3, 10], ddof=1))
    assert spread.mad == pytest.approx(1.4826)
    assert summarise([None], "nm").mean is None
    assert summarise([5.0], "nm").sd is None


@pytest.mark.sample
@pytest.mark.parametrize(("name", "nm"), [("HER", 172.94), ("LER", 176.05)])
def test_the_samples_reconstructions_are_native(sample_dir, name, nm):
    image = tifffile.imread(sample_dir / "microtuble" / name / "Sample_1.tif")
    result = image_resolution(image, 0.03)
    assert result.resolution_nm == pytest.approx(nm, abs=0.01)
    assert not result.enlarged
    # of the low-light one the weakest filters decide, at the limit of single precision
    assert ["single precision" in what for what, _ in result.warnings] == [True] * (name == "LER")


@pytest.mark.sample
@pytest.mark.parametrize("folder", ["HE_X2", "LE_X2"])
@pytest.mark.parametrize("number", range(16))
def test_the_samples_enlarged_frames_do_not_report_81_nm(sample_dir, folder, number):
    name = f"{folder[:2]}_{number:02d}.tif"
    result = image_resolution(tifffile.imread(sample_dir / "microtuble" / folder / "Sample_1" / name), 0.03)
    assert result.factor == 2.0
    assert result.naive_resolution_nm < 85
    assert not result.naive_valid
    assert result.resolution_nm is None or result.resolution_nm > 250
