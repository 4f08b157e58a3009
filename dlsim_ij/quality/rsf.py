"""The resolution scaling function: blur, shift and shrink an image to a coarser pixel grid in one step.

The function is a Gaussian integrated over the image's pixels. Blurring with it, moving by a fraction of a
pixel and averaging blocks of pixels are one linear step along each axis, so that step is a short list of
weights; nothing is interpolated, and the blurred image is never computed at full size.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dlsim_ij.quality.inputs import FloatImage

REACH = 8.3  # standard deviations; the weight beyond is lost in the rounding of a float64
_OUTPUTS_AT_A_TIME = 32  # rows of one matrix product; more multiply more zeros, fewer cost more calls


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
    image: FloatImage, weights: Weights, kernels: list[NDArray[np.float64]], part: range | None = None
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
    for begin in range(0, len(part), rows):
        count = min(rows, len(part) - begin)
        start = part[begin] * factor + weights.first
        stop = start + (count - 1) * factor + taps
        if start >= 0 and stop <= length:
            source = image[start:stop]
        else:
            source = image[np.clip(np.arange(start, stop), 0, length - 1)]
        for kernel, block in zip(matrix, result, strict=True):
            np.matmul(kernel[:count, : stop - start], source, out=block[begin : begin + count])
    return result


def block_means(image: FloatImage, factor: int) -> FloatImage:
    """Average blocks of `factor` x `factor` pixels; both sides are multiples of it."""
    if factor == 1:
        return image
    height, width = image.shape
    return image.reshape(height // factor, factor, width // factor, factor).mean(axis=(1, 3))
