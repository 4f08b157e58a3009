"""Test objects: beads of one size, a Siemens star, and the two parts of the actin cytoskeleton alone."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from dlsim_ij.simulation.labels import Labels, labelled, start_point, worm

FloatArray = NDArray[np.floating]
Shape = tuple[int, int]

BEAD_DIAMETER_UM = 0.1
STAR_SPOKES = 36
_STAR_RADIUS = 0.45  # of the shorter side
_FINER = 4  # the star's edges are averaged over so many samples along a grid step


def beads(shape: Shape, grid_um: float, rng: np.random.Generator) -> FloatArray:
    """Draw fluorescent beads of 0.1 um, filled and nearly equal in brightness."""
    area = shape[0] * shape[1] * grid_um**2
    labels = Labels(shape, grid_um)
    for _ in range(max(3, rng.poisson(0.4 * area))):
        ball = rng.normal(size=(400, 3))
        ball *= (rng.random(400) ** (1 / 3) / np.linalg.norm(ball, axis=1))[:, None]
        labels.add(
            start_point(shape, grid_um, rng) + BEAD_DIAMETER_UM / 2 * ball[:, :2], rng.gamma(100, 0.01)
        )
    return labels.density()


def siemens_star(shape: Shape, grid_um: float, rng: np.random.Generator) -> FloatArray:
    """Draw a star of 36 spokes in the middle of the field.

    At r from the centre a spoke and its gap are 2 pi r / 36 wide together: the ring where they merge tells
    the resolution. Nothing about it is random.
    """
    sides = [(np.arange(n * _FINER) + 0.5) / _FINER - n / 2 for n in shape]
    y, x = np.meshgrid(*sides, indexing="ij", sparse=True)
    spokes = np.cos(STAR_SPOKES * np.arctan2(y, x)) > 0
    spokes &= np.hypot(y, x) < _STAR_RADIUS * min(shape)
    height, width = shape
    blocks = spokes.reshape(height, _FINER, width, _FINER)
    return blocks.mean(axis=(1, 3))


def actin_mesh(shape: Shape, grid_um: float, rng: np.random.Generator) -> FloatArray:
    """Draw the mesh of the cell cortex: short fibres in all directions."""
    area = shape[0] * shape[1] * grid_um**2
    labels = Labels(shape, grid_um)
    for _ in range(max(5, rng.poisson(rng.uniform(1.5, 5.0) * area))):
        path = worm(start_point(shape, grid_um, rng), rng.uniform(0.5, 3), rng.uniform(3, 15), rng)
        labels.add(labelled(path, rng), rng.gamma(3, 1 / 3))
    return scipy.ndimage.gaussian_filter(labels.density(), 0.01 / grid_um, mode="wrap")


def stress_fibres(shape: Shape, grid_um: float, rng: np.random.Generator) -> FloatArray:
    """Draw stress fibres: bundles of straight filaments that nearly all run one way."""
    area = shape[0] * shape[1] * grid_um**2
    main = rng.uniform(0, np.pi)
    labels = Labels(shape, grid_um)
    for _ in range(max(2, rng.poisson(rng.uniform(0.08, 0.3) * area))):
        start = start_point(shape, grid_um, rng)
        turn = main + rng.normal(0, 0.06)
        for _ in range(rng.integers(3, 10)):
            path = worm(start + rng.normal(0, 0.07, 2), rng.uniform(5, 15), 80.0, rng, turn)
            labels.add(labelled(path, rng), rng.gamma(4, 1 / 4))
    return scipy.ndimage.gaussian_filter(labels.density(), 0.01 / grid_um, mode="wrap")
