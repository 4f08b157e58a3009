"""The user's own object: a picture of any size, or a list of points, on the simulator's grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import ConfigError
from dlsim_ij.simulation.labels import Labels

FloatArray = NDArray[np.floating]
Shape = tuple[int, int]


def object_from_picture(
    picture: NDArray[Any], shape: Shape, grid_um: float, *, pixel_size_um: float | None = None
) -> FloatArray:
    """Bring a picture onto the grid; its pixels are squares of even light.

    Parameters
    ----------
    picture : (h, w) ndarray
        Brightness, never negative, any size.
    shape : (int, int)
        Grid size (Y, X).
    grid_um : float
        Grid step in micrometres.
    pixel_size_um : float, optional
        Of the picture. The picture is laid on the middle of the field at this scale: what is larger is cut
        off, beyond a smaller one lies darkness. Without it the picture is scaled evenly until it covers
        the field.

    Returns
    -------
    (Y, X) float32 ndarray
        Mean 1. Each grid point holds the mean brightness over its square, so nothing aliases when the
        picture is finer, and nothing is invented when it is coarser.

    Raises
    ------
    ConfigError
        The picture is not two-dimensional, has negative values or values that are no numbers, or holds no
        light within the field.
    """
    picture = np.asarray(picture, dtype=np.float64)
    if picture.ndim != 2 or picture.size == 0:
        raise ConfigError(
            f"an array of shape {picture.shape} is no picture", "give one grey plane, height by width"
        )
    if not np.isfinite(picture).all() or picture.min() < 0:
        raise ConfigError(
            "the picture has values below 0 or that are no numbers: light is neither",
            "subtract its background and clip it at 0 first",
        )
    if pixel_size_um is None:
        steps = min(side / n for side, n in zip(picture.shape, shape, strict=True))
    elif pixel_size_um > 0:
        steps = grid_um / pixel_size_um
    else:
        raise ConfigError(
            f"a picture's pixel of {pixel_size_um} um is impossible", "give micrometres above 0"
        )
    rows, columns = (_overlaps(side, n, steps) for side, n in zip(picture.shape, shape, strict=True))
    density = rows @ picture @ columns.T
    return _with_mean_one(density, "the picture holds no light within the field")


def object_from_points(points_um: FloatArray, shape: Shape, grid_um: float) -> FloatArray:
    """Bring a list of points onto the grid.

    Parameters
    ----------
    points_um : (n, 2) or (n, 3) ndarray
        y and x in micrometres from the upper left corner of the field, and the brightness (1 if not given).
    shape : (int, int)
        Grid size (Y, X).
    grid_um : float
        Grid step in micrometres. A point's light is shared by its four neighbours, which blurs by half a
        step: take a fine grid, eight points to a camera pixel.

    Returns
    -------
    (Y, X) float32 ndarray
        Mean 1.

    Raises
    ------
    ConfigError
        Not two or three columns, not finite, negative brightness, or all points outside the field.
    """
    points_um = np.asarray(points_um, dtype=np.float64)
    if points_um.ndim != 2 or points_um.shape[1] not in (2, 3) or not np.isfinite(points_um).all():
        raise ConfigError(
            f"points of shape {points_um.shape} are not y, x and perhaps brightness, all finite",
            "one point per row, in micrometres",
        )
    strength = points_um[:, 2] if points_um.shape[1] == 3 else np.ones(len(points_um))
    if (strength < 0).any():
        raise ConfigError("a point has negative brightness", "light cannot be negative")
    size_um = np.array(shape) * grid_um
    inside = ((points_um[:, :2] >= 0) & (points_um[:, :2] < size_um)).all(axis=1)
    if not inside.any():
        raise ConfigError(
            f"none of {len(points_um)} points lies in the field of {size_um[0]:g} x {size_um[1]:g} um",
            "are they in micrometres, y before x?",
        )
    labels = Labels(shape, grid_um)
    # sample i covers i to i + 1 steps, so its centre is half a step on
    labels.add(points_um[inside, :2] - grid_um / 2, strength[inside])
    return _with_mean_one(labels.density(), "all points within the field are dark")


def _overlaps(n_pixels: int, n_points: int, step: float) -> FloatArray:
    """Return how much of each grid square each picture pixel covers, (n_points, n_pixels); both centred."""
    edges = (np.arange(n_points + 1) - n_points / 2) * step + n_pixels / 2
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(n_pixels)
    return np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None) / step


def _with_mean_one(density: FloatArray, otherwise: str) -> FloatArray:
    mean = float(density.mean())
    if not mean > 0:
        raise ConfigError(otherwise, "choose another part of it, or another scale")
    return (density / mean).astype(np.float32)
