"""Structural similarity: one pass of local means serves every intensity convention, and five scales."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import correlate1d, uniform_filter1d

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality.inputs import FloatImage, check_pair
from dlsim_ij.quality.intensity import fitted

SSIM_WINDOW_PX = 7
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_K1, _K2 = 0.01, 0.03
_GAUSSIAN_SIGMA_PX = 1.5
_GAUSSIAN_WINDOW_PX = 11
_ROWS_AT_ONCE = 32  # local means of a few rows stay in the processor's cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """An intensity convention: both images become ``gain * pixels + offset``, of range `data_range`."""

    truth_gain: float = 1.0
    truth_offset: float = 0.0
    image_gain: float = 1.0
    image_offset: float = 0.0
    data_range: float = 1.0


def ssim(truth: FloatImage, image: FloatImage, scalings: Sequence[Scaling]) -> list[float]:
    """Return the mean structural similarity under each scaling (:doi:`10.1109/TIP.2003.819861`).

    Uniform window of 7 x 7, K1 0.01, K2 0.03, sample covariance, mean over the places where the window fits:
    scikit-image's ``structural_similarity`` with its defaults. A gain and an offset change local means and
    variances in a known way, so the local means are taken once for all scalings.

    Parameters
    ----------
    truth, image : (Y, X) ndarray
        Same shape, at least 7 x 7, values near 1 (variances are differences of means of squares).
    scalings : sequence of Scaling

    Returns
    -------
    list of float
        One for each scaling, up to 1.
    """
    margin = SSIM_WINDOW_PX // 2
    samples = SSIM_WINDOW_PX**2
    sums = [0.0] * len(scalings)
    for rows in _strips(truth.shape[0], margin):
        x, y, xx, yy, xy = _local(truth[rows], image[rows], gaussian=False)
        sample = samples / (samples - 1)
        for index, s in enumerate(scalings):
            luminance, contrast = _terms(
                s.truth_gain * x + s.truth_offset,
                s.image_gain * y + s.image_offset,
                sample * s.truth_gain**2 * xx,
                sample * s.image_gain**2 * yy,
                sample * s.truth_gain * s.image_gain * xy,
                s.data_range,
            )
            sums[index] += float(np.vdot(luminance, contrast))
    places = (truth.shape[0] - 2 * margin) * (truth.shape[1] - 2 * margin)
    return [total / places for total in sums]


def ms_ssim(truth: ArrayLike, image: ArrayLike, *, n_scales: int = 5) -> float:
    """Compare structure at several scales (MS-SSIM, :doi:`10.1109/ACSSC.2003.1292216`).

    As in :func:`~dlsim_ij.quality.fair_scores`, the best gain and offset are given to the image first, and
    the data range is that of the truth.

    Parameters
    ----------
    truth, image : (Y, X) array_like
        Same shape, finite, not constant; at least 161 x 161 px for five scales, which leaves 11 px at the
        coarsest.
    n_scales : int
        1 to 5. With fewer the weights of those that are left are divided by their sum; such a number
        cannot be compared with a published one.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    ImageError
        One of them cannot be measured, the shapes differ, or they are too small for so many scales.
    ConfigError
        There are no so many scales.

    Notes
    -----
    At each scale, under a Gaussian window of 11 x 11 px and sigma 1.5 px where it fits, with means m,
    variances v, covariance c, C1 = (0.01 R)^2, C2 = (0.03 R)^2 and R the range::

        l  = (2 m_t m_i + C1) / (m_t^2 + m_i^2 + C1)
        cs = (2 c + C2) / (v_t + v_i + C2)
        MS-SSIM = mean(l cs of the coarsest)^w_M * product over the finer ones of mean(cs)^w_j

    with w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333 from fine to coarse. The next scale is the mean of 2 x 2
    pixels (a last odd row or column counts double). A negative mean counts as 0, where a power would be
    undefined.
    """
    if not 1 <= n_scales <= len(MS_SSIM_WEIGHTS):
        raise ConfigError(f"{n_scales} scales are asked for", f"choose 1 to {len(MS_SSIM_WEIGHTS)}")
    truth, image = check_pair(truth, image)
    least = smallest_side_px(n_scales)
    if min(truth.shape) < least:
        raise ImageError(
            f"MS-SSIM over {n_scales} scales needs {least} x {least} pixels, these are "
            + " x ".join(map(str, truth.shape)),
            "use a larger field, or fewer scales (n_scales), which no published number has",
        )
    truth = truth / float(np.ptp(truth))
    return fair_ms_ssim(truth, fitted(image, truth), n_scales)


def smallest_side_px(n_scales: int = len(MS_SSIM_WEIGHTS)) -> int:
    """Return the side that leaves the window its 11 px at the coarsest of `n_scales`.

    Examples
    --------
    >>> smallest_side_px(5), smallest_side_px(1)
    (161, 11)
    """
    return int((_GAUSSIAN_WINDOW_PX - 1) * 2 ** (n_scales - 1) + 1)


def fair_ms_ssim(truth: FloatImage, image: FloatImage, n_scales: int = len(MS_SSIM_WEIGHTS)) -> float:
    """Return MS-SSIM of images that were brought to one scale and to a range of 1 already."""
    weights = np.array(MS_SSIM_WEIGHTS[:n_scales])
    weights /= weights.sum() if n_scales < len(MS_SSIM_WEIGHTS) else 1.0
    result = 1.0
    for scale, weight in enumerate(weights):
        coarsest = scale == n_scales - 1
        similarity, contrast = _gaussian_ssim(truth, image)
        result *= max(similarity if coarsest else contrast, 0.0) ** float(weight)
        if not coarsest:
            truth, image = _half_size(truth), _half_size(image)
    return result


def _gaussian_ssim(truth: FloatImage, image: FloatImage) -> tuple[float, float]:
    """Return the mean SSIM and the mean contrast and structure term, for a data range of 1."""
    margin = _GAUSSIAN_WINDOW_PX // 2
    both = contrast_only = 0.0
    for rows in _strips(truth.shape[0], margin):
        luminance, contrast = _terms(*_local(truth[rows], image[rows], gaussian=True), 1.0)
        both += float(np.vdot(luminance, contrast))
        contrast_only += float(contrast.sum())
    places = (truth.shape[0] - 2 * margin) * (truth.shape[1] - 2 * margin)
    return both / places, contrast_only / places


def _local(
    truth: FloatImage, image: FloatImage, *, gaussian: bool
) -> tuple[FloatImage, FloatImage, FloatImage, FloatImage, FloatImage]:
    """Return local means of both, variances of both and covariance, where the window fits."""
    mean_x, mean_y, xx, yy, xy = (
        _filtered(pixels, gaussian) for pixels in (truth, image, truth * truth, image * image, truth * image)
    )
    return mean_x, mean_y, xx - mean_x * mean_x, yy - mean_y * mean_y, xy - mean_x * mean_y


def _filtered(pixels: FloatImage, gaussian: bool) -> FloatImage:
    size = _GAUSSIAN_WINDOW_PX if gaussian else SSIM_WINDOW_PX
    margin = size // 2
    for axis in (0, 1):
        if gaussian:
            lags = np.arange(-margin, margin + 1)
            weights = np.exp(-0.5 * (lags / _GAUSSIAN_SIGMA_PX) ** 2)
            pixels = correlate1d(pixels, weights / weights.sum(), axis=axis)
        else:
            pixels = uniform_filter1d(pixels, size, axis=axis)
        inside = [slice(None), slice(None)]
        inside[axis] = slice(margin, -margin)
        pixels = pixels[tuple(inside)]
    return pixels


def _terms(
    x: FloatImage, y: FloatImage, xx: FloatImage, yy: FloatImage, xy: FloatImage, data_range: float
) -> tuple[FloatImage, FloatImage]:
    """Return the luminance term, and that of contrast and structure."""
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    return (2 * x * y + c1) / (x * x + y * y + c1), (2 * xy + c2) / (xx + yy + c2)


def _strips(height: int, margin: int) -> Iterator[slice]:
    """Yield overlapping bands of rows whose insides, `margin` from their edges, tile the image's inside."""
    for top in range(0, height - 2 * margin, _ROWS_AT_ONCE):
        yield slice(top, min(top + _ROWS_AT_ONCE + 2 * margin, height))


def _half_size(pixels: FloatImage) -> FloatImage:
    odd = [(0, side % 2) for side in pixels.shape]
    pixels = np.pad(pixels, odd, mode="edge")
    return np.asarray((pixels[::2, ::2] + pixels[1::2, ::2] + pixels[::2, 1::2] + pixels[1::2, 1::2]) / 4)
