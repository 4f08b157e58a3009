"""Two images out of one: each detected photon is given to one of two copies at random.

A count that is Poisson distributed and split binomially gives two Poisson counts that are independent of
each other, so the copies are as good as two exposures, each with its share of the light. Counts become
electrons by a `PhotonScale` (:mod:`dlsim_ij.acquisition.thinning`), for which camera offset and read noise
need not be known apart; here it is estimated from one image.
"""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.acquisition.thinning import PhotonScale, check_fraction, thin_electrons
from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality.inputs import check_image

FloatArray = NDArray[np.float64]

_BLOCK_PX = 12
_FEWEST_BLOCKS = 25
# Fourth differences see three times higher frequencies than second ones: on white noise both find the same
# variance (0.98 to 1.02 on 256 x 256 px), after a Gaussian blur of 0.4 px already 0.5.
_WHITE = 0.75
_LEAST_SIGNIFICANCE = 5.0


def split_image(
    image: ArrayLike,
    fraction: float = 0.5,
    *,
    gain: float | None = None,
    offset: float | None = None,
    seed: int | np.random.Generator = 0,
) -> tuple[FloatArray, FloatArray, PhotonScale]:
    """Split a camera image into two, in its own intensity unit.

    Parameters
    ----------
    image : (Y, X) array_like
        Straight from a camera: its noise is white. Any unit.
    fraction : float
        Expected share of the first image, between 0 and 1.
    gain, offset : float, optional
        Of the camera, in counts per photo-electron and in counts (see
        :class:`~dlsim_ij.acquisition.thinning.PhotonScale`). Both or
        neither; with neither they are estimated by :func:`estimate_photon_scale`.
    seed : int or numpy.random.Generator
        Source of the randomness.

    Returns
    -------
    first, second : (Y, X) ndarray of float64
        Counts above the offset; their sum is ``image - offset``, and their noise is uncorrelated.
    scale : PhotonScale
        What was given or found.

    Raises
    ------
    ImageError
        The image cannot be measured, or its noise is not a camera's.
    ConfigError
        A setting is out of range.

    Notes
    -----
    A pixel of n photo-electrons, which need not be whole, receives the noise of variance
    ``fraction (1 - fraction) n`` that makes the covariance of the two parts 0. Pixels below the offset
    receive none, so where a pixel sees less than about one electron the parts stay slightly correlated.
    """
    check_fraction(fraction)
    pixels = check_image(image)
    scale = photon_scale(pixels, gain, offset)
    electrons = scale.electrons(pixels)
    first = thin_electrons(electrons, fraction, np.random.default_rng(seed))
    first *= scale.gain
    return first, scale.gain * electrons - first, scale


def photon_scale(image: ArrayLike, gain: float | None = None, offset: float | None = None) -> PhotonScale:
    """Return the scale of an image: the one given, or an estimate if neither number is given.

    Raises
    ------
    ImageError
        It cannot be estimated (see :func:`estimate_photon_scale`).
    ConfigError
        One of the two is missing, or the gain is not positive.
    """
    if gain is None and offset is None:
        return estimate_photon_scale(image)
    if gain is None or offset is None:
        raise ConfigError("gain and offset belong together, one is missing", "give both, or neither")
    if not (isfinite(gain) and gain > 0 and isfinite(offset)):
        raise ConfigError(
            f"the gain is {gain:g}, the offset {offset:g}",
            "give a positive gain, in counts per photo-electron",
        )
    return PhotonScale(gain=gain, offset=offset, source="given", gain_error=None, whiteness=None)


def estimate_photon_scale(image: ArrayLike) -> PhotonScale:
    """Estimate gain and offset of a camera from the noise of one image.

    Parameters
    ----------
    image : (Y, X) array_like
        At native sampling, neither filtered nor enlarged; dark and bright regions.

    Returns
    -------
    PhotonScale

    Raises
    ------
    ImageError
        The image is too small, its noise is not white (it was interpolated, denoised, reconstructed), or
        does not grow with the brightness.

    Notes
    -----
    The variance of the noise, from fourth differences along both axes, which pass only the highest
    frequencies (:doi:`10.1006/cviu.1996.0060` uses second ones), is fitted by a straight line against the
    brightness over blocks of 12 x 12 px; weights fall with the squared variance, outliers are
    left out. Detail that reaches the corners of the spectrum counts as noise and makes the gain too large.
    """
    pixels = check_image(image, min_side_px=_BLOCK_PX * 4)
    fine, coarse = _noise_variance(pixels, 2), _noise_variance(pixels, 1)
    level = _blocks(pixels[2:-2, 2:-2])
    if level.size < _FEWEST_BLOCKS:
        raise ImageError(
            f"the image is {' x '.join(map(str, pixels.shape))} pixels, too few to estimate the gain",
            "give gain and offset of the camera",
        )
    if not fine.any():
        raise ImageError("the image has no noise to estimate the gain from", "give gain and offset")
    whiteness = _dim_noise(level, fine, coarse).whiteness
    if whiteness < _WHITE:
        raise ImageError(
            f"the noise of the image is not white (its highest frequencies hold {100 * whiteness:.0f} % of "
            "what they should): it was interpolated, denoised or reconstructed, or is sampled too coarsely",
            "split the raw camera frames, or give gain and offset",
        )
    slope, intercept, error = _robust_line(level, fine)
    if not slope > _LEAST_SIGNIFICANCE * error:
        raise ImageError(
            f"the noise does not grow with the brightness (slope {slope:.3g} +- {error:.2g}), so the gain "
            "cannot be estimated",
            "give gain and offset of the camera",
        )
    return PhotonScale(
        gain=slope,
        offset=-intercept / slope,
        source="estimated",
        gain_error=error,
        whiteness=whiteness,
    )


class DimNoise(NamedTuple):
    """The noise of the darker half of an image, where detail shows last."""

    variance: float
    whiteness: float  # variance by fourth differences over that by second ones: 1 is white
    unevenness: float  # range of the middle half of ln(variance), block by block


def dim_noise(pixels: FloatArray) -> DimNoise:
    """Describe the noise of the darker half of an image, of at least 60 x 60 px.

    The variance is in units of the squared range of the image.
    """
    pixels = pixels / (pixels.max() - pixels.min())
    return _dim_noise(_blocks(pixels[2:-2, 2:-2]), _noise_variance(pixels, 2), _noise_variance(pixels, 1))


def _dim_noise(level: FloatArray, fine: FloatArray, coarse: FloatArray) -> DimNoise:
    dim = level <= np.median(level)
    variance = float(np.median(coarse[dim]))
    if not variance > 0:
        return DimNoise(0.0, 0.0, float("inf"))
    low, high = np.quantile(np.log(np.maximum(coarse[dim], 1e-9 * variance)), (0.25, 0.75))
    return DimNoise(variance, float(np.median(fine[dim])) / variance, float(high - low))


def _noise_variance(pixels: FloatArray, order: int) -> FloatArray:
    """Return the variance by block from differences of order 2 `order` along both axes."""
    difference = pixels
    for axis in (0, 1):
        difference = np.diff(difference, 2 * order, axis=axis)
    margin = 2 - order  # the same blocks for both orders
    if margin:
        difference = difference[margin:-margin, margin:-margin]
    norm = {1: 36.0, 2: 4900.0}[order]  # sum of the squared weights
    return _blocks(difference**2) / norm


def _blocks(values: FloatArray) -> FloatArray:
    height, width = (side // _BLOCK_PX for side in values.shape)
    cut = values[: height * _BLOCK_PX, : width * _BLOCK_PX]
    means: FloatArray = cut.reshape(height, _BLOCK_PX, width, _BLOCK_PX).mean(axis=(1, 3)).ravel()
    return means


def _robust_line(x: FloatArray, y: FloatArray) -> tuple[float, float, float]:
    """Fit y = slope x + intercept where the error of y is proportional to y; return the slope's error too."""
    floor = 1e-3 * float(np.median(y)) + np.finfo(float).tiny
    model = np.full_like(y, max(float(np.median(y)), floor))
    keep = np.ones(len(y), bool)
    slope = intercept = error = 0.0
    for _ in range(12):
        weight = keep / model**2
        total = weight.sum()
        centre_x, centre_y = (weight * x).sum() / total, (weight * y).sum() / total
        spread = float((weight * (x - centre_x) ** 2).sum())
        if not spread > 0:
            return 0.0, float(centre_y), float("inf")
        slope = float((weight * (x - centre_x) * (y - centre_y)).sum() / spread)
        intercept = float(centre_y - slope * centre_x)
        model = np.maximum(slope * x + intercept, floor)
        relative = (y - slope * x - intercept) / model
        scatter = 1.4826 * float(np.median(np.abs(relative[keep]))) + 1e-12
        error = scatter / spread**0.5
        keep = np.abs(relative) < 3.5 * scatter
    return slope, intercept, error
