"""A map of the resolution: decorrelation analysis of overlapping tiles."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality.decorrelation import Version, decorrelation_resolution, processors
from dlsim_ij.quality.decorrelation_image import RELIABLE_SIDE_PX
from dlsim_ij.quality.inputs import check_image
from dlsim_ij.results import Result

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolutionMap(Result):
    """The resolution of overlapping tiles.

    Attributes
    ----------
    resolution_px, resolution_nm : (rows, columns) ndarray
        NaN where a tile is constant or has no peak; `resolution_nm` is all NaN without a pixel size.
    a0 : (rows, columns) ndarray
        Peak height of the unfiltered curve: where it is low, little but noise was seen.
    centres_y_px, centres_x_px : (rows,) and (columns,) ndarray
        Middle of the tiles, in pixels of the image; pixel 0 is centred on 0.
    n_tiles, n_failed : int
        Tiles, and those without a number.
    median_px, median_nm, best_px, worst_px : float or None
        Over the tiles with a number; best and worst are their 5 % and 95 % quantiles.
    """

    tile_px: int
    step_px: int
    n_tiles: int
    n_failed: int
    median_px: float | None
    median_nm: float | None
    best_px: float | None
    worst_px: float | None
    pixel_size_um: float | None
    version: Version
    resolution_px: FloatArray = field(repr=False, compare=False)
    resolution_nm: FloatArray = field(repr=False, compare=False)
    a0: FloatArray = field(repr=False, compare=False)
    centres_y_px: FloatArray = field(repr=False, compare=False)
    centres_x_px: FloatArray = field(repr=False, compare=False)


def resolution_map(
    image: ArrayLike,
    pixel_size_um: float | None = None,
    *,
    tile_px: int = 128,
    step_px: int | None = None,
    version: Version = "1.1.8-nocap",
    n_radii: int = 50,
    n_gaussians: int = 10,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ResolutionMap:
    """Measure the resolution of an image tile by tile.

    Parameters
    ----------
    image : (Y, X) array_like
        At native sampling; any intensity unit.
    pixel_size_um : float, optional
        Side of a pixel in micrometre.
    tile_px : int
        Side of a tile, at least 64. The outer 20 px of each fade into its border, so what is measured is
        the middle (tile_px - 40) px.
    step_px : int, optional
        From tile to tile; half a tile when not given. The last tile of a row ends at the border of the image.
    version, n_radii, n_gaussians
        As in :func:`~dlsim_ij.quality.decorrelation.decorrelation_resolution`.
    workers : int, optional
        Threads, each with a tile; the numbers do not depend on it.
    progress : callable, optional
        Called with (tiles done, tiles).

    Returns
    -------
    ResolutionMap

    Raises
    ------
    ImageError
        The image cannot be measured, or is smaller than a tile.
    ConfigError
        A setting is out of range.
    """
    pixels = check_image(image)
    step = tile_px // 2 if step_px is None else step_px
    if tile_px != int(tile_px) or tile_px < RELIABLE_SIDE_PX or step != int(step) or step < 1:
        raise ConfigError(
            f"tiles of {tile_px} px every {step} px", f"choose tiles of at least {RELIABLE_SIDE_PX} px"
        )
    if min(pixels.shape) < tile_px:
        raise ImageError(
            f"the image is {' x '.join(map(str, pixels.shape))} pixels, a tile {tile_px} x {tile_px}",
            "choose smaller tiles, or measure the image as a whole",
        )
    tops, lefts = (_starts(side, tile_px, step) for side in pixels.shape)
    places = [(top, left) for top in tops for left in lefts]

    def one(place: tuple[int, int]) -> tuple[float, float]:
        top, left = place
        tile = pixels[top : top + tile_px, left : left + tile_px]
        try:
            found = decorrelation_resolution(
                tile, version=version, n_radii=n_radii, n_gaussians=n_gaussians, workers=1
            )
        except ImageError:  # constant: the only reason left for a tile of a checked image
            return np.nan, 0.0
        return found.resolution_px or np.nan, found.a0

    numbers = np.empty((len(places), 2))
    with ThreadPoolExecutor(workers or processors()) as pool:
        for done, pair in enumerate(pool.map(one, places)):
            numbers[done] = pair
            if progress is not None:
                progress(done + 1, len(places))
    resolution, a0 = (numbers[:, i].reshape(len(tops), len(lefts)) for i in (0, 1))
    there = resolution[np.isfinite(resolution)]
    best, median, worst = (
        (float(q) for q in np.quantile(there, (0.05, 0.5, 0.95))) if there.size else (None, None, None)
    )
    scale = 1000 * pixel_size_um if pixel_size_um else np.nan
    return ResolutionMap(
        tile_px=tile_px,
        step_px=step,
        n_tiles=len(places),
        n_failed=len(places) - there.size,
        median_px=median,
        median_nm=median * scale if median is not None and pixel_size_um else None,
        best_px=best,
        worst_px=worst,
        pixel_size_um=pixel_size_um,
        version=version,
        resolution_px=resolution,
        resolution_nm=resolution * scale,
        a0=a0,
        centres_y_px=np.array(tops) + (tile_px - 1) / 2,
        centres_x_px=np.array(lefts) + (tile_px - 1) / 2,
    )


def _starts(side: int, tile: int, step: int) -> list[int]:
    starts = list(range(0, side - tile + 1, step))
    return starts if starts[-1] == side - tile else [*starts, side - tile]
