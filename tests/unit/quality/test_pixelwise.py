"""Scores against numbers computed by other means, and on the public sample."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage import metrics

from dlsim_ij.errors import ImageError
from dlsim_ij.quality import dfcan_scores, fair_scores, ms_ssim, scores, seed_scores, skimage_scores
from dlsim_ij.quality.pixelwise import IDENTICAL_DB

Y, X = np.mgrid[:20, :18].astype(float)
TRUTH = (7 * Y**2 + 13 * X + 5 * X * Y) % 101 + 40 * np.exp(-((Y - 9) ** 2 + (X - 8) ** 2) / 20)
IMAGE = 0.3 * TRUTH + (11 * X + 3 * Y**2) % 17 + 5
SEED = (19.073113226302723, 0.4905325627730871, 0.8625329832765719)  # psnr_db, nrmse, ssim
FAIR = (19.354617132495584, 0.10771325333542305, 0.8637815617366869)


def test_small_case_agrees_with_numbers_from_plain_python():
    """The stored numbers come from a script without numpy or scikit-image (sums with math.fsum)."""
    seed = seed_scores(TRUTH, IMAGE)
    assert (seed.psnr_db, seed.nrmse, seed.ssim) == pytest.approx(SEED, abs=1e-9)
    fair = fair_scores(TRUTH, IMAGE)
    assert (fair.psnr_db, fair.nrmse, fair.ssim) == pytest.approx(FAIR, abs=1e-9)


def test_all_scores_hold_the_others_and_are_ready_for_json():
    result = scores(TRUTH, IMAGE)
    seed, fair = seed_scores(TRUTH, IMAGE), fair_scores(TRUTH, IMAGE)
    assert (result.seed_psnr_db, result.seed_nrmse, result.seed_ssim) == (seed.psnr_db, seed.nrmse, seed.ssim)
    assert (result.psnr_db, result.nrmse, result.ssim) == (fair.psnr_db, fair.nrmse, fair.ssim)
    line = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert list(line) == [
        "seed_psnr_db", "seed_nrmse", "seed_ssim", "psnr_db", "nrmse", "ssim", "registered",
        "ms_ssim", "dfcan", "skimage",
    ]  # fmt: skip
    assert (result.dfcan, result.skimage) == (dfcan_scores(TRUTH, IMAGE), skimage_scores(TRUTH, IMAGE))
    assert list(line["dfcan"]) == list(line["skimage"]) == ["psnr_db", "nrmse", "ssim"]
    assert line["ms_ssim"] is None  # 20 px are too few for five scales
    assert list(line["registered"]) == ["psnr_db", "nrmse", "ssim", "shift_px"]
    assert len(line["registered"]["shift_px"]) == 2


def test_identical_images_get_the_best_of_each():
    result = scores(TRUTH, TRUTH)
    assert result.seed_psnr_db == 100
    assert result.psnr_db == IDENTICAL_DB
    assert (result.seed_nrmse, result.seed_ssim, result.ssim) == pytest.approx((0, 1, 1))
    assert result.registered.shift_px == (0, 0)


def test_an_inverted_image_scores_as_a_flat_one():
    inverted = fair_scores(TRUTH, -TRUTH)
    assert inverted.nrmse == pytest.approx(TRUTH.std() / np.ptp(TRUTH))
    assert inverted.ssim < 0.1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_every_type_gives_the_same_numbers(dtype):
    truth, image = np.round(TRUTH), np.round(IMAGE)
    expected = scores(truth, image)
    assert scores(truth.astype(dtype), image.astype(dtype)) == expected


@pytest.mark.parametrize("magnitude", [1e-200, 1e140])
def test_extreme_units_are_only_units(magnitude):
    assert fair_scores(TRUTH * magnitude, IMAGE / magnitude).psnr_db == pytest.approx(FAIR[0])


def test_seed_scores_of_a_few_points_are_refused_and_none_among_all_scores():
    points = np.zeros((40, 40))
    points[11, 12] = 5
    with pytest.raises(ImageError, match="quantiles") as refusal:
        seed_scores(points, np.random.default_rng(0).normal(size=points.shape))
    assert "fair_scores" in refusal.value.hint
    result = scores(points, points + np.eye(40))
    assert result.seed_psnr_db is None
    assert result.to_dict()["seed_ssim"] is None
    assert result.psnr_db > 0


BAD = {
    "other size": (TRUTH[:16, :16], "20 x 18.*16 x 16"),
    "half size": (TRUTH[:, ::2], "20 x 18.*20 x 9|9 x|at least"),
    "stack": (np.stack([TRUTH, TRUTH]), "2 x 20 x 18"),
    "nan": (np.where(TRUTH > 100, np.nan, TRUTH), "NaN"),
    "infinite": (np.where(TRUTH > 100, np.inf, TRUTH), "infinite"),
    "constant": (np.full_like(TRUTH, 3), "constant.*3"),
    "complex": (TRUTH + 1j, "complex"),
    "boolean": (TRUTH > 50, "true/false"),
    "words": (TRUTH.astype(str), "type"),
    "empty": (TRUTH[:0], "no pixels"),
    "one pixel": (TRUTH[:1, :1], "1 x 1 .*at least"),
    "scalar": (3.0, "shape"),
}


@pytest.mark.parametrize("measure", [seed_scores, fair_scores, dfcan_scores, skimage_scores, scores])
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_line(measure, case):
    image, words = BAD[case]
    with pytest.raises(ImageError, match=words) as refusal:
        measure(TRUTH, image)
    assert "\n" not in refusal.value.message
    assert refusal.value.hint
    with pytest.raises(ImageError, match="the truth"):
        measure(image, TRUTH)


def test_other_pixel_sizes_are_named():
    with pytest.raises(ImageError) as refusal:
        fair_scores(np.kron(TRUTH, np.ones((2, 2))), TRUTH)
    assert "image has 2 times larger pixels" in refusal.value.hint


# --- published conventions, each by scikit-image's own functions ----------------------------------------


def test_skimage_scores_are_those_of_scikit_image():
    result = skimage_scores(TRUTH, IMAGE)
    span = float(np.ptp(TRUTH))
    assert result.psnr_db == pytest.approx(metrics.peak_signal_noise_ratio(TRUTH, IMAGE, data_range=span))
    assert result.nrmse == pytest.approx(metrics.normalized_root_mse(TRUTH, IMAGE))
    assert result.ssim == pytest.approx(metrics.structural_similarity(TRUTH, IMAGE, data_range=span))


def test_dfcan_scores_are_those_of_its_code():
    """Own percentiles 0 and 100, then scikit-image 0.15, whose range of floats was 2."""
    truth, image = ((x - x.min()) / np.ptp(x) for x in (TRUTH, IMAGE))
    result = dfcan_scores(TRUTH, IMAGE)
    assert result.psnr_db == pytest.approx(metrics.peak_signal_noise_ratio(truth, image, data_range=1))
    assert result.nrmse == pytest.approx(metrics.normalized_root_mse(truth, image))
    assert result.ssim == pytest.approx(metrics.structural_similarity(truth, image, data_range=2))


def test_scores_hold_ms_ssim_where_the_image_is_large_enough():
    rng = np.random.default_rng(0)
    truth = rng.gamma(1, size=(170, 180))
    image = truth + rng.normal(0, 0.3, truth.shape)
    assert scores(truth + 50, 3 * image).ms_ssim == pytest.approx(ms_ssim(truth + 50, image), rel=1e-9)


# --- the public sample -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> Path:
    default = Path(__file__).parents[3].parent / "shared" / "data" / "microtubule-sample"
    root = Path(os.environ.get("DLSIM_SAMPLE", default))
    folder = next((f for f in (root, root / "microtuble", root / "microtubule-sample/microtuble")
                   if (f / "HER").is_dir()), None)  # fmt: skip
    if folder is None:
        pytest.skip("the public sample is not here (DLSIM_SAMPLE)")
    return folder


def frames(sample: Path, light: str) -> np.ndarray:
    files = sorted((sample / f"{light}_X2" / "Sample_1").glob(f"{light}_*.tif"))[:15]
    return np.stack([tifffile.imread(file) for file in files])


def named_image(sample: Path, name: str) -> np.ndarray:
    light, _, which = name.partition("_")
    if not which:
        return tifffile.imread(sample / name / "Sample_1.tif")
    if which == "max":
        return frames(sample, light).max(axis=0)
    if which == "mean":
        return frames(sample, light).mean(axis=0)
    return tifffile.imread(sample / f"{light}_X2" / "Sample_1" / f"{name}.tif")


@pytest.mark.sample
@pytest.mark.parametrize(
    ("name", "psnr_db", "nrmse", "ssim"),
    [
        ("HE_15", 12.7753, 1.4317, 0.4620),
        ("HE_00", 16.6391, 1.0999, 0.4399),
        ("HE_max", 16.4494, 1.0627, 0.5000),
        ("LE_15", 13.1420, 1.5513, 0.2042),
        ("LE_00", 17.2637, 1.3098, 0.1578),
        ("LER", 22.2408, 0.5807, 0.6141),
    ],
)
def test_seed_scores_of_the_sample(sample, name, psnr_db, nrmse, ssim):
    result = seed_scores(named_image(sample, "HER"), named_image(sample, name))
    assert (result.psnr_db, result.nrmse, result.ssim) == pytest.approx((psnr_db, nrmse, ssim), abs=1e-4)


@pytest.mark.sample
@pytest.mark.parametrize(
    ("name", "psnr_db", "nrmse", "ssim"),
    [("HE_mean", 20.31, 0.0965, 0.562), ("LE_mean", 19.80, 0.1024, 0.424), ("LER", 26.03, 0.0500, 0.673)],
)
def test_fair_scores_of_the_sample(sample, name, psnr_db, nrmse, ssim):
    result = fair_scores(named_image(sample, "HER"), named_image(sample, name))
    assert result.psnr_db == pytest.approx(psnr_db, abs=0.006)
    assert result.nrmse == pytest.approx(nrmse, abs=0.00006)
    assert result.ssim == pytest.approx(ssim, abs=0.0006)


@pytest.mark.sample
@pytest.mark.parametrize(("name", "psnr_db", "shift_x_px"), [("HE_mean", 20.35, -0.7), ("LER", 26.03, 0.0)])
def test_registered_scores_of_the_sample(sample, name, psnr_db, shift_x_px):
    registered = scores(named_image(sample, "HER"), named_image(sample, name)).registered
    # the stored figures searched along x only, or less finely
    assert registered.psnr_db == pytest.approx(psnr_db, abs=0.012)
    assert registered.shift_px[1] == pytest.approx(shift_x_px, abs=0.1)
