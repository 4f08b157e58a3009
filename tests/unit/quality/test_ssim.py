"""SSIM against scikit-image, MS-SSIM against plain loops over windows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage import metrics

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality import fair_scores, ms_ssim
from dlsim_ij.quality.ssim import MS_SSIM_WEIGHTS, Scaling, smallest_side_px, ssim


def picture(shape=(150, 97), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = ndimage.gaussian_filter(rng.gamma(1, size=shape), 1)
    return truth, truth + rng.normal(0, 0.1, shape)


def fitted(truth: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    gain, offset = np.polyfit(image.ravel(), truth.ravel(), 1)
    return truth / np.ptp(truth), (gain * image + offset) / np.ptp(truth)


def loop_ms_ssim(truth: np.ndarray, image: np.ndarray, weights) -> float:
    """Return MS-SSIM with a loop over every window and numpy's weighted averages."""
    lags = np.arange(-5, 6)
    line = np.exp(-(lags**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    c1, c2 = 0.01**2, 0.03**2
    result = 1.0
    for scale, weight in enumerate(weights):
        both, contrast = [], []
        for y in range(truth.shape[0] - 10):
            for x in range(truth.shape[1] - 10):
                a, b = truth[y : y + 11, x : x + 11], image[y : y + 11, x : x + 11]
                ma, mb = (np.average(p, weights=window) for p in (a, b))
                va, vb = (np.average((p - m) ** 2, weights=window) for p, m in ((a, ma), (b, mb)))
                cov = np.average((a - ma) * (b - mb), weights=window)
                contrast.append((2 * cov + c2) / (va + vb + c2))
                both.append(contrast[-1] * (2 * ma * mb + c1) / (ma**2 + mb**2 + c1))
        last = scale == len(weights) - 1
        result *= max(np.mean(both if last else contrast), 0) ** weight
        height, width = (side // 2 for side in truth.shape)  # even sides only
        if not last:
            truth, image = (p.reshape(height, 2, width, 2).mean(axis=(1, 3)) for p in (truth, image))
    return float(result)


@pytest.mark.parametrize("shape", [(7, 7), (38, 39), (70, 20), (150, 97)])
def test_each_scaling_agrees_with_scikit_image(shape):
    truth, image = picture(shape)
    scalings = [
        Scaling(),
        Scaling(truth_gain=2, truth_offset=-1, image_gain=3, image_offset=0.3, data_range=2.5),
        Scaling(image_gain=0.0, image_offset=0.7),
    ]
    expected = [
        metrics.structural_similarity(
            s.truth_gain * truth + s.truth_offset,
            s.image_gain * image + s.image_offset,
            data_range=s.data_range,
        )
        for s in scalings
    ]
    assert ssim(truth, image, scalings) == pytest.approx(expected, rel=1e-10)


def test_one_scale_is_the_gaussian_ssim_of_scikit_image():
    truth, image = picture()
    expected = metrics.structural_similarity(
        *fitted(truth, image), data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ms_ssim(truth, image, n_scales=1) == pytest.approx(expected, rel=1e-9)


def test_three_scales_agree_with_a_loop_over_windows():
    truth, image = picture((56, 64))
    weights = np.array(MS_SSIM_WEIGHTS[:3]) / sum(MS_SSIM_WEIGHTS[:3])
    expected = loop_ms_ssim(*fitted(truth, image), weights)
    assert 0.5 < expected < 0.99
    assert ms_ssim(truth, image, n_scales=3) == pytest.approx(expected, rel=1e-9)


def test_five_scales_are_the_product_of_the_published_weights():
    """Scale by scale: the contrast term of one scale, isolated by an image that is right at all others."""
    truth, image = picture((176, 192))
    assert ms_ssim(truth, truth) == pytest.approx(1)
    assert sum(MS_SSIM_WEIGHTS) == pytest.approx(1, abs=2e-4)
    assert ms_ssim(truth, image) == pytest.approx(
        loop_ms_ssim(*fitted(truth, image), MS_SSIM_WEIGHTS), rel=1e-9
    )


def test_noise_that_averages_out_costs_less_than_blur_at_the_same_psnr():
    truth, _ = picture((192, 192))
    blurred = ndimage.gaussian_filter(truth, 3)
    error = np.sqrt(np.mean((truth - blurred) ** 2))
    noisy = truth + np.random.default_rng(1).normal(0, 1.2 * error, truth.shape)
    assert fair_scores(truth, noisy).psnr_db == pytest.approx(fair_scores(truth, blurred).psnr_db, abs=1.5)
    assert ms_ssim(truth, noisy) > ms_ssim(truth, blurred) + 0.1


def test_an_inverted_image_scores_little():
    truth, _ = picture((192, 192))
    assert ms_ssim(truth, -truth) < 0.3


def test_odd_sides_are_halved_to_the_larger_half():
    truth, image = picture((161, 163))
    assert 0 < ms_ssim(truth, image) < 1


def test_small_images_and_wrong_numbers_of_scales_are_refused():
    truth, image = picture((160, 200))
    with pytest.raises(ImageError, match=r"161 x 161 pixels, these are 160 x 200") as refusal:
        ms_ssim(truth, image)
    assert "n_scales" in refusal.value.hint
    assert 0 < ms_ssim(truth, image, n_scales=4) < 1
    assert smallest_side_px(4) == 81
    for n_scales in (0, 6):
        with pytest.raises(ConfigError, match="scales"):
            ms_ssim(truth, image, n_scales=n_scales)
