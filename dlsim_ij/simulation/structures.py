"""Fluorescent structures as densities on a fine grid.

Sizes are textbook values: microtubules 25 nm wide with a persistence of tens of micrometres,
mitochondria as hollow tubes of 0.3 to 0.6 um, adhesions as ellipses of 0.2 to 0.5 by 0.6 to 3 um, actin
as short fibres and parallel bundles. Labelling is random along the structure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import ConfigError
from dlsim_ij.simulation.labels import Labels, labelled, start_point, worm
from dlsim_ij.simulation.targets import actin_mesh, beads, siemens_star, stress_fibres

FloatArray = NDArray[np.floating]
Shape = tuple[int, int]


def draw_structure(name: str, shape: Shape, grid_um: float, rng: np.random.Generator) -> FloatArray:
    """Draw one random structure.

    Parameters
    ----------
    name : str
        One of `STRUCTURES` or `TARGETS`.
    shape : (int, int)
        Grid size (Y, X).
    grid_um : float
        Grid step in micrometres.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    (Y, X) float32 ndarray
        Density of label, never negative, mean 1 where there is any.

    Raises
    ------
    ConfigError
        The name is unknown.
    """
    known = STRUCTURES | TARGETS
    if name not in known:
        raise ConfigError(f"no structure is called '{name}'", did_you_mean(name, known))
    density = known[name](shape, grid_um, rng)
    mean = float(density.mean())
    return (density / mean if mean > 0 else density).astype(np.float32)


def microtubules(shape: Shape, grid_um: float, rng: np.random.Generator) -> FloatArray:
    """Draw long, gently curved filaments that cross; some run in pairs."""
    height_um, width_um = (n * grid_um for n in shape)
    area = height_um * width_um
    labels = Labels(shape, grid_um)
    for _ in range(max(2, rng.poisson(rng.uniform(0.10, 0.9) * area))):
        path = worm(
            start_point(shape, grid_um, rng),
            rng.uniform(3, 20),
            np.exp(rng.uniform(np.log(4), np.log(120))),
            rng,
        )
        strength = rng.gamma(6, 1 / 6)
        labels.add(labelled(path, rng), strength)
        if rng.random() < 0.15:
            labels.add(labelled(path + rng.normal(0, 0.06, 2), rng), strength)
    return scipy.ndimage.gaussian_filter(labels.density(), 0.012 / grid_um, mode="wrap")


def mitochondria(shape: Shape, grid_um: float, rng: np.random.Generator) -> FloatArray:
    """Draw hollow, bent, sometimes branching tubes: bright rims in projection."""
    area = shape[0] * shape[1] * grid_um**2
    labels = Labels(shape, grid_um)
    for _ in range(max(1, rng.poisson(rng.uniform(0.05, 0.35) * area))):
        radius = rng.uniform(0.14, 0.32)
        path = worm(start_point(shape, grid_um, rng), rng.uniform(0.8, 6), rng.uniform(1, 6), rng)
        paths = [path]
        if rng.random() < 0.35:
            paths.append(worm(path[rng.integers(len(path))], rng.uniform(0.5, 3), rng.uniform(1, 4), rng))
        for one in paths:
            tangent = np.gradient(one, axis=0)
            normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
            normal /= np.maximum(np.hypot(*normal.T), 1e-9)[:, None]
            count = int(len(one) * 60)
            pick = rng.integers(0, len(one), count)
            # a point on a tube wall, seen from above, sits at r sin(angle) from the axis
            across = radius * np.sin(rng.uniform(0, 2 * np.pi, count))
            points = one[pick] + across[:, None] * normal[pick] + rng.normal(0, 0.006, (count, 2))
            labels.add(points, rng.gamma(8, 1 / 8))
    return scipy.ndimage.gaussian_filter(labels.density(), 0.02 / grid_um, mode="wrap")


def adhesions(shape: Shape, grid_um: float, rng: np.random.Generator) -> FloatArray:
    """Draw elongated patches that mostly point one way, as near a cell's edge."""
    area = shape[0] * shape[1] * grid_um**2
    main = rng.uniform(0, np.pi)
    labels = Labels(shape, grid_um)
    for _ in range(max(2, rng.poisson(rng.uniform(0.1, 0.6) * area))):
        centre = start_point(shape, grid_um, rng)
        length, width = rng.uniform(0.3, 1.5), rng.uniform(0.08, 0.25)
        angle = main + rng.normal(0, 0.25)
        count = int(6000 * length * width * rng.uniform(0.3, 1.5)) + 20
        if rng.random() < 0.5:  # even filling against a bell
            radius = np.sqrt(rng.random(count))
            turn = rng.uniform(0, 2 * np.pi, count)
            local = np.stack([radius * np.sin(turn), radius * np.cos(turn)], axis=1)
        else:
            local = rng.normal(0, 0.5, (count, 2))
        along = local[:, 1] * length
        across = local[:, 0] * width
        points = centre + np.stack(
            [along * np.sin(angle) + across * np.cos(angle), along * np.cos(angle) - across * np.sin(angle)],
            1,
        )
        labels.add(points, 1.0)
    return scipy.ndimage.gaussian_filter(labels.density(), 0.02 / grid_um, mode="wrap")


def actin(shape: Shape, grid_um: float, rng: np.random.Generator) -> FloatArray:
    """Draw a mesh of short fibres, often with parallel stress fibres over it."""
    area = shape[0] * shape[1] * grid_um**2
    labels = Labels(shape, grid_um)
    for _ in range(max(5, rng.poisson(rng.uniform(0.8, 4.0) * area))):
        path = worm(start_point(shape, grid_um, rng), rng.uniform(0.8, 5), rng.uniform(3, 15), rng)
        labels.add(labelled(path, rng), rng.gamma(3, 1 / 3))
    if rng.random() < 0.7:
        main = rng.uniform(0, np.pi)
        for _ in range(rng.integers(2, 12)):
            start = start_point(shape, grid_um, rng)
            for _ in range(rng.integers(2, 8)):
                path = worm(
                    start + rng.normal(0, 0.08, 2), rng.uniform(5, 15), 80.0, rng, main + rng.normal(0, 0.05)
                )
                labels.add(labelled(path, rng), rng.gamma(4, 1 / 4))
    return scipy.ndimage.gaussian_filter(labels.density(), 0.01 / grid_um, mode="wrap")


def points(shape: Shape, grid_um: float, rng: np.random.Generator) -> FloatArray:
    """Draw small beads and pits: single spots and rings of about 0.1 um."""
    area = shape[0] * shape[1] * grid_um**2
    count = max(3, rng.poisson(np.exp(rng.uniform(np.log(0.1), np.log(4))) * area))
    labels = Labels(shape, grid_um)
    for _ in range(count):
        centre = start_point(shape, grid_um, rng)
        ring = rng.uniform(0.05, 0.11) if rng.random() < 0.5 else 0.02
        turn = rng.uniform(0, 2 * np.pi, 60)
        spot = centre + ring * np.stack([np.sin(turn), np.cos(turn)], axis=1)
        labels.add(spot, rng.gamma(3, 1 / 3))
    return scipy.ndimage.gaussian_filter(labels.density(), 0.015 / grid_um, mode="wrap")


STRUCTURES: dict[str, Callable[[Shape, float, np.random.Generator], FloatArray]] = {
    "microtubules": microtubules,
    "mitochondria": mitochondria,
    "adhesions": adhesions,
    "actin": actin,
    "points": points,
}

# Beside the five above, which training draws in turn: adding one there would change every recipe.
TARGETS: dict[str, Callable[[Shape, float, np.random.Generator], FloatArray]] = {
    "beads": beads,
    "siemens-star": siemens_star,
    "actin-mesh": actin_mesh,
    "stress-fibres": stress_fibres,
}
