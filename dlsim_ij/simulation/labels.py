"""Labels: random chains, dye molecules along them, and their light on a grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
Shape = tuple[int, int]


def start_point(shape: Shape, grid_um: float, rng: np.random.Generator) -> FloatArray:
    """Return a random place (y, x) in the field, in micrometres."""
    return rng.uniform(0, 1, 2) * np.array(shape) * grid_um


def worm(
    start: FloatArray,
    length_um: float,
    persistence_um: float,
    rng: np.random.Generator,
    direction: float | None = None,
    step_um: float = 0.02,
) -> FloatArray:
    """Return a worm-like chain: directions do a random walk of variance 2 step / persistence."""
    count = max(4, int(length_um / step_um))
    first = rng.uniform(0, 2 * np.pi) if direction is None else direction
    heading = first + np.cumsum(rng.normal(0, np.sqrt(2 * step_um / persistence_um), count))
    return start + step_um * np.cumsum(np.stack([np.sin(heading), np.cos(heading)], axis=1), axis=0)


def labelled(path: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return label positions along a path: Poisson in number, an antibody's length aside."""
    per_step = rng.uniform(0.5, 3)
    pick = np.repeat(np.arange(len(path)), rng.poisson(per_step, len(path)))
    return path[pick] + rng.normal(0, 0.008, (len(pick), 2))


class Labels:
    """Collects points, and adds them to the grid all at once, wrapping at the border."""

    def __init__(self, shape: Shape, grid_um: float) -> None:
        self._shape = shape
        self._grid_um = grid_um
        self._points: list[FloatArray] = []
        self._strengths: list[FloatArray] = []

    def add(self, points_um: FloatArray, strength: float | FloatArray) -> None:
        """Add points (n, 2), y and x, of one strength or one each."""
        self._points.append(points_um)
        self._strengths.append(np.full(len(points_um), strength))

    def density(self) -> FloatArray:
        """Return the labels on the grid, with bilinear weights."""
        position = np.concatenate(self._points) / self._grid_um
        strength = np.concatenate(self._strengths)
        base = np.floor(position).astype(np.int64)
        fraction = position - base
        height, width = self._shape
        total = np.zeros(height * width)
        for dy in (0, 1):
            for dx in (0, 1):
                weight = np.abs(1 - dy - fraction[:, 0]) * np.abs(1 - dx - fraction[:, 1])
                index = (base[:, 0] + dy) % height * width + (base[:, 1] + dx) % width
                total += np.bincount(index, strength * weight, total.size)
        return total.reshape(self._shape)
