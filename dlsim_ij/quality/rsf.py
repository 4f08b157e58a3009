"""The resolution scaling function: blur, shift and shrink an image to a coarser pixel grid in one step.

The function is a Gaussian integrated over the image's pixels. Blurring with it, moving by a fraction of a
pixel and averaging blocks of pixels are one linear step along each axis, so that step is a short list of
weights; nothing is interpolated, and the blurred image is never computed at full size.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from dlsim_ij.errors import ImageError
from dlsim_ij.quality.inputs import FloatImage, check_image

REACH = 8.3  # standard deviations; the weight beyond is lost in the rounding of a float64
_OUTPUTS_AT_A_TIME = 32  # rows of one matrix product; more multiply more zeros, fewer cost more calls

# OpenBLAS deals larger products out to threads that wait for each other in a busy loop: beside another busy
# process that made a fit of 0.7 s one of 15 s.
PRODUCTS_AT_A_TIME = 1 << 18


@dataclass(frozen=True)
class Weights:
    """How one output pixel is made along one axis.

    Output ``i`` is the sum over ``t`` of ``values[t]`` times input pixel ``factor * i + first + t``; beyond
    the border the outermost pixel is repeated.
    """

    first: int
    factor: int
    values: NDArray[np.float64]  # (T,), sum 1
    by_log_sigma: NDArray[np.float64]  # (T,), derivative
    by_shift: NDArray[np.float64]  # (T,), derivative


def gaussian_weights(sigma_px: float, shift_px: float = 0.0, factor: int = 1) -> Weights:
    """Return the weights that blur by a Gaussian, move, and average blocks of `factor` pixels.

    Parameters
    ----------
    sigma_px, shift_px : float
        In input pixels; a positive shift moves the content towards higher indices.
    factor : int
        Input pixels per output pixel.

    Examples
    --------
    >>> gaussian_weights(0.01, factor=2).values.round(6).tolist()
    [0.0, 0.5, 0.5, 0.0]
    """
    reach = REACH * sigma_px
    first = floor(-shift_px - reach)
    last = factor - 1 + ceil(reach - shift_px)
    # borders of the input pixels, seen from the centre of the block's first pixel ...
    border = np.arange(first - (factor - 1), last + 2) - 0.5 + shift_px
    z = border / sigma_px
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    # ... and from all its pixels: those are the same numbers, one place on
    mean = np.ones(factor) / factor
    below, by_log_sigma, by_shift = (
        np.convolve(values, mean, mode="valid") for values in (ndtr(z), -z * density, density / sigma_px)
    )
    below[0], below[-1] = 0.0, 1.0
    return Weights(first, factor, np.diff(below), np.diff(by_log_sigma), np.diff(by_shift))


def apply_weights(
    image: NDArray[np.floating],
    weights: Weights,
    kernels: list[NDArray[np.float64]],
    part: range | None = None,
) -> list[FloatImage]:
    """Make the outputs along the first axis, once for each of `kernels` (fields of `weights`).

    Parameters
    ----------
    image : (Y, X) ndarray
        Y is a multiple of ``weights.factor``.
    part : range, optional
        Which outputs to make, of step 1; the default is all Y / factor.

    Returns
    -------
    list of (outputs, X) ndarray
    """
    length, factor = len(image), weights.factor
    part = range(length // factor) if part is None else part
    rows = min(len(part), _OUTPUTS_AT_A_TIME)
    taps = len(kernels[0])
    width = (rows - 1) * factor + taps
    # the same weights, moved on by `factor` per row: one matrix serves every group of rows
    matrix = np.zeros((len(kernels), rows, width))
    for row in range(rows):
        for kernel, block in zip(kernels, matrix, strict=True):
            block[row, row * factor : row * factor + taps] = kernel
    result = [np.empty((len(part), image.shape[1])) for _ in kernels]
    step = max(PRODUCTS_AT_A_TIME // (rows * width), 8)
    columns = [slice(left, left + step) for left in range(0, image.shape[1], step)]
    for begin in range(0, len(part), rows):
        count = min(rows, len(part) - begin)
        start = part[begin] * factor + weights.first
        stop = start + (count - 1) * factor + taps
        if start >= 0 and stop <= length:
            source = image[start:stop]
        else:
            source = image[np.clip(np.arange(start, stop), 0, length - 1)]
        for kernel, block in zip(matrix, result, strict=True):
            for part_x in columns:
                np.matmul(
                    kernel[:count, : stop - start],
                    source[:, part_x],
                    out=block[begin : begin + count, part_x],
                )
    return result


def small_products(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Multiply two matrices on this thread; a larger product is dealt out."""
    result = np.empty((len(a), b.shape[1]), np.result_type(a, b))
    step = max(PRODUCTS_AT_A_TIME // a.size, 1)
    for left in range(0, b.shape[1], step):
        part = slice(left, left + step)
        np.matmul(a, b[:, part], out=result[:, part])
    return result


def block_means(image: FloatImage, factor: int) -> FloatImage:
    """Average blocks of `factor` x `factor` pixels; both sides are multiples of it."""
    if factor == 1:
        return image
    height, width = image.shape
    return image.reshape(height // factor, factor, width // factor, factor).mean(axis=(1, 3))


def rsf_sigma_px(picture: ArrayLike, *, integrated: bool = True) -> float:
    """Fit a round Gaussian on a constant ground to a picture of the blur.

    Parameters
    ----------
    picture : (Y, X) array_like
        At least 5 x 5, any intensity unit.
    integrated : bool
        Whether a pixel holds the integral of the Gaussian over its area, as a camera's does, or its value in
        the middle.

    Returns
    -------
    float
        Standard deviation in pixels of the picture.

    Raises
    ------
    ImageError
        The picture cannot be measured, or shows no bright spot that fits into it.
    """
    spot = check_image(picture, "the RSF picture", 5)
    ground, scale = float(spot.min()), float(np.ptp(spot))
    values = (spot - ground) / scale
    rows, columns = (np.arange(side, dtype=np.float64) for side in spot.shape)
    total = values.sum()
    y, x = float(values.sum(axis=1) @ rows / total), float(values.sum(axis=0) @ columns / total)
    spread = (values.sum(axis=1) @ (rows - y) ** 2 + values.sum(axis=0) @ (columns - x) ** 2) / (2 * total)
    largest = max(spot.shape) / 2.0

    def line(positions: NDArray[np.float64], centre: float, sigma: float) -> NDArray[np.float64]:
        z = positions - centre
        if integrated:
            return np.asarray(ndtr((z + 0.5) / sigma) - ndtr((z - 0.5) / sigma)) / ndtr(0.5 / sigma)
        return np.exp(-0.5 * (z / sigma) ** 2)

    def difference(guess: NDArray[np.float64]) -> NDArray[np.float64]:
        height, base, centre_y, centre_x, sigma = guess
        model = np.outer(line(rows, centre_y, sigma), line(columns, centre_x, sigma))
        return np.asarray(height * model + base - values).ravel()

    start = [1.0, 0.0, y, x, float(np.clip(np.sqrt(spread), 0.3, 0.9 * largest))]
    bounds = ([0.0, -np.inf, -0.5, -0.5, 0.05], [np.inf, np.inf, spot.shape[0], spot.shape[1], largest])
    fit = scipy.optimize.least_squares(difference, start, bounds=bounds, xtol=1e-12, ftol=1e-12, gtol=1e-12)
    sigma = float(fit.x[4])
    if fit.x[0] <= 0 or sigma > 0.999 * largest or sigma < 0.051:
        raise ImageError(
            "the RSF picture shows no spot whose width can be told",
            "give a picture with some dark around the spot",
        )
    return sigma
