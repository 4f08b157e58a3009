"""One axis of ImageJ's enlargement as a linear map, and its inverse by least squares.

Bicubic inside, bilinear at the ends at which the enlarged image really ends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_solve_banded, cholesky_banded

from dlsim_ij.images.resize import bilinear_taps, cubic_weight

Float64 = NDArray[np.float64]

# Pixels beyond the field are seen by a tap or two only. This weight of their differences, against 1 for the
# misfit, makes the smoothest choice among those that fit; inside the field it changes nothing.
_SMOOTHNESS = 1e-7


class EnlargedAxis:
    """One axis of the enlargement: how `size` output pixels depend on native ones.

    Output pixel x reads the native coordinate ``(x - place) / scale - 1/4``. Native pixels are counted from
    `first`, which is negative where pixels outside the field reach in. An end at which the enlarged image
    really ends (`begins`, `ends`) has ImageJ's bilinear border.

    Parameters
    ----------
    size : int
        Output pixels.
    scale, place : int
        Enlargement, and the output pixel at which a native pixel would begin.
    begins, ends : bool
        The image was not cut here.
    """

    def __init__(self, size: int, scale: int, place: int, begins: bool = False, ends: bool = False) -> None:
        position = (np.arange(size) - place) / scale - 0.25
        base = np.floor(position).astype(np.int64)
        self.first = 0 if begins else int(base[0]) - 1
        last = (size - place) // scale - 1 if ends else int(base[-1]) + 2
        self.n_native = last - self.first + 1
        inside = slice(
            int(np.searchsorted(base, 1)) if begins else 0,
            int(np.searchsorted(base, last - 1)) if ends else size,
        )
        self.inside = inside
        self.strips = [
            (slice(0, inside.start), slice(0, 2)),
            (slice(inside.stop, size), slice(self.n_native - 2, self.n_native)),
        ]
        """Output pixels of each border, and the two native pixels that they show."""
        self.known = np.zeros(self.n_native, bool)
        for strip, native in self.strips:
            self.known[native] = strip.stop > strip.start

        taps = base[inside, None] + np.arange(-1, 3)
        self.cubic = _matrix(cubic_weight(position[inside, None] - taps), taps - self.first, self.n_native)
        held = position - self.first
        low = 0.0 if begins else -np.inf
        base_linear, fraction = bilinear_taps(
            np.maximum(held, low), self.n_native if ends else self.n_native + 1
        )
        self.linear = _matrix(
            np.stack([1 - fraction, fraction], 1), np.stack([base_linear, base_linear + 1], 1), self.n_native
        )
        self._unknown = np.flatnonzero(~self.known)
        self._cubic_solver: _Solver | None = None
        self._linear_solver: _Solver | None = None

        offset = scale / 4 + place + scale * self.first
        centre = offset + scale * np.arange(self.n_native)
        kept = np.flatnonzero((centre >= -0.5) & (centre <= size - 0.5))
        self.kept = slice(int(kept[0]), int(kept[-1]) + 1)
        self.n_kept = len(kept)
        self.offset_px = float(centre[self.kept.start])
        """Input coordinate of the first native pixel that is kept."""

    def solve_cubic(self, lines: Float64) -> Float64:
        """Fit the native pixels that the borders leave unknown: (n_inside, k) to (n_unknown, k)."""
        if self._cubic_solver is None:
            self._cubic_solver = _Solver(self.cubic[:, self._unknown])
        return self._cubic_solver(lines)

    def solve_linear(self, lines: Float64) -> Float64:
        """Fit all native pixels to lines that were interpolated linearly: (size, k) to (n_native, k)."""
        if self._linear_solver is None:
            self._linear_solver = _Solver(self.linear)
        return self._linear_solver(lines)


def _matrix(weights: Float64, columns: NDArray[np.int64], width: int) -> sparse.csr_array:
    rows = np.repeat(np.arange(len(weights)), weights.shape[1])
    return sparse.csr_array((weights.ravel(), (rows, columns.ravel())), shape=(len(weights), width))


class _Solver:
    """Least squares with a banded matrix, the smoothest answer where it leaves a choice."""

    def __init__(self, matrix: sparse.csr_array) -> None:
        self.transposed = sparse.csr_array(matrix.T)
        n = matrix.shape[1]
        difference = sparse.diags_array([-np.ones(n - 1), np.ones(n - 1)], offsets=[0, 1], shape=(n - 1, n))
        normal = self.transposed @ matrix + _SMOOTHNESS * (difference.T @ difference)
        width = min(n, 4)  # four taps reach three neighbours
        banded = np.zeros((width, n))
        for below in range(width):
            banded[below, : n - below] = normal.diagonal(-below)
        self.factor = cholesky_banded(banded, lower=True)

    def __call__(self, lines: Float64) -> Float64:
        solution: Float64 = cho_solve_banded((self.factor, True), self.transposed @ lines, check_finite=False)
        return solution
