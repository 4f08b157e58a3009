"""ImageJ's Gaussian blur of float images at the accuracy of its menu command, some rows at a time.

Up to a sigma of 8.5 px it is a weighted sum; above, ImageJ averages each line over groups of pixels, blurs
the short line and interpolates it back. All of that is linear, so each step is a list of weights or a sparse
matrix here. Sums are float64, where ImageJ's are float32.
"""

from __future__ import annotations

from math import floor, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dlsim_ij.quality.imagej_blur import DIRECT_LIMIT_PX, gaussian_taps
from dlsim_ij.quality.rsf import Weights, apply_weights

ACCURACY = 2e-4  # what Process > Filters > Gaussian Blur takes for float images
_REDUCED_SIGMA_PX = 4.0  # no group of pixels is longer than sigma divided by this
_MARGIN = 3  # pixels of the short line beyond either end


class GaussianRows:
    """An image whose blur is computed some rows at a time.

    Parameters
    ----------
    image : (Y, X) ndarray
        Pixels beyond its border count as the nearest one inside.
    sigma_px : float
        Standard deviation, above 0.
    """

    def __init__(self, image: NDArray[np.floating], sigma_px: float) -> None:
        self._image = image
        self._wide = sigma_px > DIRECT_LIMIT_PX
        if self._wide:
            down, self._up_y = _shorten_and_back(image.shape[0], sigma_px)
            self._short = np.asarray(down @ image)
            self._down_x, self._up_x = _shorten_and_back(image.shape[1], sigma_px)
        else:
            self._weights = _symmetric(gaussian_taps(sigma_px, ACCURACY).astype(np.float64))

    def rows(self, part: range) -> NDArray[np.float64]:
        """Return some rows of the blurred image."""
        if self._wide:
            along_y = self._up_y[part.start : part.stop] @ self._short
            return np.asarray((self._up_x @ (self._down_x @ along_y.T)).T)
        kernels = [self._weights.values]
        along_y = apply_weights(self._image, self._weights, kernels, part)[0]
        return apply_weights(along_y.T, self._weights, kernels)[0].T


def _symmetric(taps: NDArray[np.float64]) -> Weights:
    nothing = np.zeros(0)
    return Weights(1 - len(taps), 1, np.concatenate([taps[:0:-1], taps]), nothing, nothing)


def _shorten_and_back(length: int, sigma_px: float) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return the matrices that average a line over groups and blur it, and that interpolate it back."""
    group = min(floor(sigma_px / _REDUCED_SIGMA_PX), length)
    n_short = -(-length // group) + 2 * _MARGIN
    first = -_MARGIN * group  # pixel at which the short line begins

    groups = np.arange(n_short)[:, None]
    # a quadratic B-spline, three groups long
    taken = first - group // 2 + group * groups + np.arange(-group, 2 * group)
    average = _matrix(np.clip(taken, 0, length - 1), _quadratic(group), length)

    # averaging and interpolating blur, too
    taps = gaussian_taps(sqrt((sigma_px / group) ** 2 - 1 / 3 - 1 / 4), ACCURACY)
    reach = len(taps) - 1
    values = np.concatenate([taps[:0:-1], taps]).astype(np.float64)
    blur = _matrix(np.clip(groups + np.arange(-reach, reach + 1), 0, n_short - 1), values, n_short)

    position = np.arange(length) - first + group - 1
    spline = _cubic(group)
    phase = group - 1 - position % group
    weights = np.stack([spline[phase + step * group] for step in range(4)], axis=1)
    back = _matrix((position // group)[:, None] + np.arange(-2, 2), weights, n_short)
    return blur @ average, back


def _matrix(columns: NDArray[np.int64], weights: NDArray[np.float64], width: int) -> sparse.csr_array:
    """Return the matrix whose rows have `weights` in `columns`; those of one place add up."""
    rows = np.repeat(np.arange(len(columns)), columns.shape[1])
    values = np.broadcast_to(weights, columns.shape).ravel()
    matrix = sparse.coo_array((values, (rows, columns.ravel())), shape=(len(columns), width))
    return sparse.csr_array(matrix)


def _quadratic(group: int) -> NDArray[np.float64]:
    """Sample the quadratic B-spline at (i - floor(3 group / 2)) / group."""
    x = np.abs(np.arange(3 * group) - 3 * group // 2) / group
    near = np.arange(3 * group) - 3 * group // 2
    return np.where(np.abs(near) <= group // 2, 0.75 - x * x, 0.125 + 0.5 * (x - 1) * (x - 2)) / group


def _cubic(group: int) -> NDArray[np.float64]:
    """Sample the cubic B-spline at (i - 2 group) / group."""
    x = np.abs(np.arange(4 * group) - 2 * group) / group
    return np.where(x < 1, 2 / 3 - x * x * (1 - 0.5 * x), (2 - x) ** 3 / 6)
