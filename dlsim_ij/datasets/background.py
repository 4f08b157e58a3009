"""Which tiles hold something to learn: the seed's test in counts, and ours against the field's own noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.results import Result

Array = NDArray[Any]

SEED_MIN_MAX_COUNTS = 500.0
NOISE_SIGMAS = 5.0
MIN_FRACTION = 0.005
_BLOCK_PX = 16
_EMPTIEST_PERCENT = 20.0
_UPPER_DEVIATIONS = 2.576  # where a normal distribution has 99.5 %


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalLevel(Result):
    """Background and noise of a truth image, in its own units."""

    background: float
    noise: float

    @property
    def threshold(self) -> float:
        """Above this a pixel counts as signal."""
        return self.background + NOISE_SIGMAS * self.noise


def signal_level(truth: Array) -> SignalLevel:
    """Measure background and noise of a field where it is emptiest.

    The field is cut into blocks of 16 x 16 pixels, and the upper half of each block's histogram is measured
    (99.5 % - 50 %, 2.58 deviations of normal noise), since reconstructions often clip the lower half at zero.
    The 20 % of blocks where it is narrowest are taken as empty; background and noise are their medians.

    Parameters
    ----------
    truth : (Y, X) ndarray
        At least 16 x 16 pixels.
    """
    height, width = (side // _BLOCK_PX for side in truth.shape)
    if height == 0 or width == 0:  # a field of less than one block is one block
        blocks = truth.reshape(1, -1).astype(np.float64)
    else:
        whole = truth[: height * _BLOCK_PX, : width * _BLOCK_PX].astype(np.float64)
        blocks = whole.reshape(height, _BLOCK_PX, width, _BLOCK_PX).swapaxes(1, 2).reshape(height * width, -1)
    middle, upper = np.percentile(blocks, [50.0, 99.5], axis=1)
    deviations = (upper - middle) / _UPPER_DEVIATIONS
    empty = deviations <= np.percentile(deviations, _EMPTIEST_PERCENT)
    return SignalLevel(background=float(np.median(middle[empty])), noise=float(np.median(deviations[empty])))


def tiles_with_signal(
    truth: Array,
    corners: Sequence[tuple[int, int]],
    tile_px: int,
    level: SignalLevel | None = None,
) -> NDArray[np.bool_]:
    """Tell which tiles hold signal: 0.5 % of their pixels stand five noise deviations above background.

    Unlike a threshold in counts this does not depend on gain, offset or the units of the reconstruction, and
    a few hot pixels do not make a tile (0.5 % of 256 x 256 are 328 pixels, a spot of 18 x 18).

    Parameters
    ----------
    truth : (Y, X) ndarray
        Reconstructed field.
    corners : sequence of (y, x)
        Tiles, in pixels of `truth`.
    tile_px : int
        Side of a tile.
    level : SignalLevel, optional
        Default: that of `truth`.

    Returns
    -------
    (n_tiles,) ndarray of bool
    """
    level = signal_level(truth) if level is None else level
    bright = truth > level.threshold
    shares = [bright[y : y + tile_px, x : x + tile_px].mean() for y, x in corners]
    return np.array(shares, dtype=np.float64) >= MIN_FRACTION


def tiles_above(
    truth: Array,
    corners: Sequence[tuple[int, int]],
    tile_px: int,
    min_max_counts: float = SEED_MIN_MAX_COUNTS,
) -> NDArray[np.bool_]:
    """Tell which tiles have a maximum above `min_max_counts` (the seed's test: 500 counts).

    Parameters and result as for :func:`tiles_with_signal`.
    """
    maxima = [truth[y : y + tile_px, x : x + tile_px].max() for y, x in corners]
    return np.array(maxima, dtype=np.float64) > min_max_counts
