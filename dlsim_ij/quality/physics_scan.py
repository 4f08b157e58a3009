"""Looking for structure in what is left of raw frames, as it would look in the image.

What is left is moved back to the image's plane, every band weighted with what the optics pass: of all that
the frames say about the image, nothing is lost by that (it is the gradient of the likelihood). On this plane
the noise is known, so a local departure of any shape can be told in units of it: points, small blobs, and
short lines of all directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import erfc, exp, pi, sqrt

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from dlsim_ij.quality.physics_fit import Fitted, Frames, trust
from dlsim_ij.quality.physics_forward import ComplexArray, FloatArray, Mover

HIGH_PASS = 0.15  # of the cut-off: coarser differences are background, which images treat as they like
_BLOB_PX = 1.5  # native
_LINE_PX = 5.0
_LINES = 8
_COARSE = 40  # samples of a smooth curve along the cut-off
BLOCK_PX = 4  # image pixels: where the noise is taken as even


@dataclass(frozen=True, kw_only=True)
class ImagePlane:
    """Frequencies of the image that raw frames tell something about, cut out of its half plane."""

    rows: NDArray[np.intp]
    columns: int
    shape: tuple[int, int]
    fy: FloatArray
    fx: FloatArray
    radius: NDArray[np.float32]

    @classmethod
    def of(cls, mover: Mover, cutoff_px: float) -> ImagePlane:
        far = cutoff_px + max(p.orders / p.period_px for p in mover.patterns)
        height, width = mover.plane.shape
        rows = np.arange(-min(int(far * height), height - 1), min(int(far * height), height - 1) + 1)
        columns = min(int(far * width), width - 1) + 1
        fy, fx = rows / height, np.arange(columns) / width
        return cls(
            rows=rows, columns=columns, shape=(2 * height, width + 1), fy=fy, fx=fx,
            radius=np.hypot(fy[:, None], fx).astype(np.float32),
        )  # fmt: skip

    def cut(self, spectrum: ComplexArray) -> ComplexArray:
        return spectrum[self.rows, : self.columns]

    def put(self, part: ComplexArray) -> ComplexArray:
        whole = np.zeros(self.shape, np.complex64)
        whole[self.rows, : self.columns] = part
        return whole


def strengths(
    fitted: Fitted, frames: Frames, mover: Mover, plane: ImagePlane, cutoff_px: float
) -> tuple[FloatArray, FloatArray]:
    """Return how strongly the frames show each image frequency, and the noise of the moved-back frames.

    Both on `plane`; of a unit object and of unit variance in a frequency of a frame.
    """
    step = cutoff_px / _COARSE
    far = max(abs(plane.fy[0]), plane.fx[-1])
    half = np.arange(0, far + 1.01 * step, step)
    fy, fx = np.concatenate([-half[:0:-1], half])[:, None], half[None, :]
    radii = np.linspace(0, 1, 2048) * cutoff_px
    h = np.interp(radii, np.sort(mover.plane.radius), fitted.transfer[np.argsort(mover.plane.radius)])
    h[-1] = 0
    signal, noise = np.zeros((2, fy.size, fx.size))
    power = np.abs(fitted.coefficients.astype(np.complex128)) ** 2
    for a, pattern in enumerate(mover.patterns):
        own = power[frames.angles == a].sum(axis=0)
        for b, strength in zip(range(-mover.orders, mover.orders + 1), own, strict=True):
            y, x = fy + b * pattern.frequency_px[0], fx + b * pattern.frequency_px[1]
            pixel = np.sinc(y) * np.sinc(x)
            index = np.minimum(np.hypot(y, x) * ((len(radii) - 1) / cutoff_px), len(radii) - 1).astype(int)
            response = strength * (h[index] * pixel) ** 2
            weight = trust(y, x, pattern, cutoff_px)
            signal += weight * response
            noise += weight**2 * response
    to_y, to_x = _linear(plane.fy, fy.ravel()), _linear(plane.fx, fx.ravel())
    return tuple((to_y @ coarse @ to_x.T).astype(np.float32) for coarse in (signal, noise))


def shapes(plane: ImagePlane) -> Iterator[NDArray[np.float32]]:
    """Yield the filters for what is looked for: a point, a blob, and short lines."""
    yield np.float32(1)
    squared = plane.radius**2
    yield np.exp(np.float32(-2 * (pi * _BLOB_PX) ** 2) * squared)
    for number in range(_LINES):
        angle = pi * number / _LINES
        along = plane.fy[:, None] * np.sin(angle) + plane.fx * np.cos(angle)
        yield np.exp(np.float32(-2 * (pi * _LINE_PX) ** 2) * (along * along).astype(np.float32))


def expected_count(level: float, area_px: float, power: FloatArray, plane: ImagePlane) -> float:
    """Return how many places of an even Gaussian noise of this spectrum stand above a level, about.

    The expected Euler characteristic of such places (Worsley et al. 1996, doi
    10.1002/(SICI)1097-0193(1996)4:1<58::AID-HBM4>3.0.CO;2-O); at high levels the chance that there is one.

    Parameters
    ----------
    level : float
        In standard deviations.
    area_px : float
        Native pixels looked at.
    power : ndarray
        Of the noise on `plane`.
    """
    total = 2 * float(power.sum()) - float(power[:, 0].sum())
    fy, fx = plane.fy[:, None], plane.fx
    moments = [
        (2 * float((power * m).sum()) - float((power * m)[:, 0].sum())) / total for m in (fy * fy, fx * fx, fy * fx)
    ]
    moments[2] *= 0 if False else 1
    roughness = (2 * pi) ** 2 * sqrt(max(moments[0] * moments[1] - moments[2] ** 2, 0.0))
    return area_px * roughness * (2 * pi) ** -1.5 * level * exp(-level * level / 2) + erfc(level / sqrt(2)) / 2


def _linear(targets: FloatArray, points: FloatArray) -> FloatArray:
    """Return the matrix that interpolates values at even `points` to `targets`."""
    place = (targets - points[0]) / (points[1] - points[0])
    index = np.clip(place.astype(int), 0, len(points) - 2)
    matrix = np.zeros((len(targets), len(points)))
    rows = np.arange(len(targets))
    matrix[rows, index] = 1 - (place - index)
    matrix[rows, index + 1] = place - index
    return matrix
