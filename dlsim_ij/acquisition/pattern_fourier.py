"""Small tools of the pattern fit: windows, plane waves, Fourier sums between the samples."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from dlsim_ij.optics import Pattern

FloatArray = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]

_BLOCK_PX = 8
_EDGE_PX = 24


def refined_peak(
    products: list[ComplexArray], levels: list[float], start: tuple[float, float]
) -> tuple[float, float]:
    """Move a peak between the grid points, to where the orders together are strongest.

    The products are turned by the start frequency and summed over blocks first: what is left varies so
    slowly that blocks lose nothing, and each trial costs hundreds of times less.
    """
    step = 0.25 / max(products[0].shape)
    blocks = [block_sums(product, start, order) for order, product in enumerate(products, start=1)]

    def loss(offset: NDArray[np.float64]) -> float:
        return -sum(
            abs(fourier_sum(block, (_BLOCK_PX * offset[0], _BLOCK_PX * offset[1]), order)) ** 2 / level**2
            for order, (block, level) in enumerate(zip(blocks, levels, strict=True), start=1)
        )

    found = scipy.optimize.minimize(
        loss, (0.0, 0.0), method="Nelder-Mead",
        options={
            "initial_simplex": step * np.array([[0, 0], [1, 0], [0, 1]]),
            "xatol": 1e-7, "fatol": 1e-6, "maxiter": 200,
        },
    )  # fmt: skip
    return start[0] + float(found.x[0]), start[1] + float(found.x[1])


def block_sums(product: ComplexArray, frequency: tuple[float, float], order: int) -> ComplexArray:
    """Turn a product by order times frequency and sum it over blocks of 8 x 8 pixels."""
    height, width = product.shape
    wave_y = np.exp(-2j * np.pi * order * frequency[0] * np.arange(height))
    wave_x = np.exp(-2j * np.pi * order * frequency[1] * np.arange(width))
    turned = product * wave_y[:, None] * wave_x
    rows = np.add.reduceat(turned, np.arange(0, height, _BLOCK_PX), axis=0)
    return np.add.reduceat(rows, np.arange(0, width, _BLOCK_PX), axis=1)


def fourier_sum(product: ComplexArray, frequency: tuple[float, float], order: int) -> complex:
    """Return the Fourier sum of `product` at order times frequency, which need not be on the grid."""
    height, width = product.shape
    wave_y = np.exp(-2j * np.pi * order * frequency[0] * np.arange(height))
    wave_x = np.exp(-2j * np.pi * order * frequency[1] * np.arange(width))
    # not @, and no einsum that finds a path: both call a BLAS, whose threads cost seconds on a busy machine
    return complex(((product * wave_x).sum(axis=1) * wave_y).sum())


def moved_origin(pattern: Pattern, origin: tuple[int, int]) -> Pattern:
    """Return a pattern that was fitted on a crop, with phases for pixel (0, 0) of the field."""
    turn = 2 * np.pi * (pattern.frequency_px[0] * origin[0] + pattern.frequency_px[1] * origin[1])
    phases = tuple(
        float(np.angle(np.exp(1j * (phase - order * turn))))
        for order, phase in enumerate(pattern.phases_rad, start=1)
    )
    return dataclasses.replace(pattern, phases_rad=phases)


def central(frames: NDArray[Any], side: int) -> tuple[NDArray[Any], tuple[int, int]]:
    """Return the central part of frames, at most `side` high and wide, and the place of its corner."""
    top, left = (max(0, (n - side) // 2) for n in frames.shape[1:])
    return central_part(frames, side), (top, left)


def central_part(frames: NDArray[Any], side: int) -> NDArray[Any]:
    """Return the central part of the last two axes, at most `side` high and wide."""
    top, left = (max(0, (n - side) // 2) for n in frames.shape[-2:])
    return frames[..., top : top + side, left : left + side]


def taper(side: int, *, edge: int | None = None, zeros: int = 0) -> FloatArray:
    """Return a window that is zero at both ends, rises over `edge` pixels, and is 1 inside.

    The usual edge is an eighth of the side, at most 24 pixels.
    """
    edge = taper_px(side) if edge is None else edge
    ramp = np.sin(np.pi / 2 * (np.arange(edge) + 0.5) / edge) ** 2
    window = np.ones(side)
    window[:zeros], window[side - zeros :] = 0, 0
    window[zeros : zeros + edge], window[side - zeros - edge : side - zeros] = ramp, ramp[::-1]
    return window


def taper_px(side: int) -> int:
    """Return how many pixels `taper` usually takes to rise."""
    return max(1, min(side // 8, _EDGE_PX))


def waves(
    shape: tuple[int, ...], frequency: tuple[float, float], order: int
) -> tuple[ComplexArray, ComplexArray]:
    """Return exp(2 pi i order frequency r) as a column (Y, 1) and a row (1, X) whose product it is."""
    y, x = (
        np.exp(2j * np.pi * order * f * np.arange(n)).astype(np.complex64)
        for f, n in zip(frequency, shape, strict=True)
    )
    return y[:, None], x[None, :]
