"""ImageJ's bicubic translation of float images in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dlsim_ij.images.resize import bilinear_taps, cubic_weight

_ROWS = 64  # at a time


def bicubic_translate(
    image: NDArray[np.floating], shift_y_px: float, shift_x_px: float
) -> NDArray[np.float32]:
    """Move an image as ``ImageProcessor.translate`` does with ``BICUBIC``.

    Parameters
    ----------
    image : (Y, X) ndarray
        At least 2 x 2.
    shift_y_px, shift_x_px : float
        Positive values move the content down and to the right; what comes in from outside is 0.

    Returns
    -------
    (Y, X) ndarray of float32

    Notes
    -----
    Where the 4 x 4 neighbourhood leaves the image on either axis, a pixel is bilinear instead, as in
    :mod:`dlsim_ij.images.resize`.
    """
    height, width = image.shape
    y, x = _Axis(height, shift_y_px), _Axis(width, shift_x_px)
    result = np.zeros((height, width), np.float32)
    for start in range(0, height, _ROWS):
        rows = range(start, min(start + _ROWS, height))
        block = result[rows.start : rows.stop]
        block[:] = (x.linear @ (y.linear[rows.start : rows.stop] @ image).T).T
        inner = range(max(rows.start, y.interior.start), min(rows.stop, y.interior.stop))
        if len(inner) and len(x.interior):
            along_y = y.cubic[inner.start : inner.stop] @ image
            block[inner.start - start : inner.stop - start, x.interior.start : x.interior.stop] = (
                x.cubic[x.interior.start : x.interior.stop] @ along_y.T
            ).T
    return result


class _Axis:
    """How the outputs of one axis are read: bilinear all of them, cubic those inside."""

    def __init__(self, length: int, shift_px: float) -> None:
        position = np.arange(length, dtype=np.float64) - shift_px
        base = np.floor(position).astype(np.int64)
        inside = np.flatnonzero((base > 0) & (base < length - 2))
        self.interior = range(int(inside[0]), int(inside[-1]) + 1) if len(inside) else range(0)
        lower, fraction = bilinear_taps(position, length)
        seen = (position >= -1) & (position < length)
        weights = np.stack([(1 - fraction) * seen, fraction * seen], axis=1)
        self.linear = _matrix(lower[:, None] + np.arange(2), weights, length)
        taps = base[:, None] + np.arange(-1, 3)
        self.cubic = _matrix(np.clip(taps, 0, length - 1), cubic_weight(position[:, None] - taps), length)


def _matrix(columns: NDArray[np.int64], weights: NDArray[np.float64], length: int) -> sparse.csr_array:
    ends = np.arange(0, columns.size + 1, columns.shape[1])
    return sparse.csr_array((weights.ravel(), columns.ravel(), ends), shape=(len(columns), length))
