"""Catmull-Rom interpolation along one axis, as a matrix: a line of pixels to its values anywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.images.resize import cubic_weight


def interpolation_matrix(positions_px: NDArray[np.float64], first_px: int, n_px: int) -> NDArray[np.float32]:
    """Return the matrix that takes a line of pixels to its values at `positions_px`.

    Parameters
    ----------
    positions_px : (..., n) ndarray
        Where pixel k covers k to k + 1, so its centre is k + 0.5.
    first_px, n_px : int
        The pixels of the line: `first_px` to ``first_px + n_px - 1``.

    Returns
    -------
    (..., n, n_px) float32 ndarray

    Examples
    --------
    >>> interpolation_matrix(np.array([2.5, 3.0]), 0, 5).tolist()
    [[0.0, 0.0, 1.0, 0.0, 0.0], [0.0, -0.0625, 0.5625, 0.5625, -0.0625]]
    """
    centres = first_px + np.arange(n_px) + 0.5
    distances = np.abs(positions_px[..., None] - centres)
    return cubic_weight(np.minimum(distances, 2)).astype(np.float32)  # beyond 2 px no weight


def output_centres_px(n_px: int, magnification: int) -> NDArray[np.float64]:
    """Return where the centres of the output pixels lie, in pixels of the frame."""
    return (np.arange(n_px * magnification) + 0.5) / magnification


def taps_reach_px(farthest_px: float) -> int:
    """Return how many pixels beyond a tile are needed for positions up to `farthest_px` beyond its edge."""
    return int(np.ceil(farthest_px + 0.5)) + 1
