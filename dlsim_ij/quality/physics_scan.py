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
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.optimize
from numpy.typing import NDArray

from dlsim_ij.optics import pixel_transfer
from dlsim_ij.quality.physics_fit import Fitted, Frames, trust
from dlsim_ij.quality.physics_forward import NYQUIST_PX, ComplexArray, FloatArray, Mover, image_ramp
from dlsim_ij.quality.physics_noise import NoiseLine

_BLOB_PX, _LINE_PX = 1.5, 5.0  # sigma in native pixels of the paper's microscope, cut-off 0.34 cycles
PAPER_CUTOFF_PX = 0.34
_LINES = 6
_COARSE = 28  # samples of a smooth curve along the cut-off
# A model of optics and image is never exact: what is left of the light itself, near and anywhere in the
# field, counts as noise too. Chosen on simulated stacks of 1000 photons, see docs/round-trip.md.
_INEXACT_AROUND, _INEXACT_ANYWHERE = ((1.0, 0.05), (3.0, 0.05)), 0.02  # sigma in 2 px, share
# how far the noise of a place comes from, measured on repeated exposures: two blurs, share of the second
_GATHER_PX, _GATHER_FAR = (1.27, 4.0), 0.15
_SLOW_PX = 3.0  # light that varies more slowly is taken from the frames
_DARKEST = 0.1  # of the mean noise


class ImagePlane:
    """Frequencies of the image that raw frames tell something about, cut out of its half plane.

    Attributes
    ----------
    fy, fx : (rows,), (columns,) ndarray
        Cycles per native pixel.
    radius : (rows, columns) ndarray
    """

    def __init__(self, mover: Mover, cutoff_px: float) -> None:
        self.far = cutoff_px + max(p.orders / p.period_px for p in mover.patterns)
        height, width = self.native = mover.plane.shape
        last_row, last_column = (min(int(self.far * side), side - 1) for side in self.native)
        self._rows = np.arange(-last_row, last_row + 1)
        self._columns = last_column + 1
        held = self._rows[np.abs(self._rows) < height / 2]
        self._held = ((len(self._rows) - len(held)) // 2, held, min(self._columns, (width + 1) // 2))
        self.fy, self.fx = self._rows / height, np.arange(self._columns) / width
        self.radius = np.hypot(self.fy[:, None], self.fx).astype(np.float32)
        self._ramp = 4 * np.conj(np.multiply.outer(image_ramp(self.fy), image_ramp(self.fx)))

    def cut(self, spectrum: ComplexArray) -> ComplexArray:
        """Return this part of a full or half plane of the image."""
        return spectrum[self._rows, : self._columns]

    def on_image(self, part: ComplexArray) -> FloatArray:
        """Return the (2Y, 2X) image of this part."""
        height, width = (2 * side for side in self.native)
        half = np.zeros((height, width // 2 + 1), np.complex64)
        half[self._rows, : self._columns] = part
        half[self._rows, : self._columns] *= self._ramp
        return scipy.fft.irfft2(half, s=(height, width), overwrite_x=True)

    def on_native(self, part: ComplexArray) -> FloatArray:
        """Return this part at the native (Y, X) pixels, less what they cannot hold."""
        height, width = self.native
        first, rows, columns = self._held
        half = np.zeros((height, width // 2 + 1), np.complex64)
        half[rows, :columns] = part[first : first + len(rows), :columns]
        return scipy.fft.irfft2(half, s=(height, width), overwrite_x=True)

    def of_native(self, image: FloatArray) -> NDArray[np.complex64]:
        """Return this part of the spectrum of a real native (Y, X) image."""
        first, rows, columns = self._held
        part = np.zeros(self.radius.shape, np.complex64)
        part[first : first + len(rows), :columns] = scipy.fft.rfft2(image.astype(np.float32))[rows, :columns]
        return part

    def moments(self, power: FloatArray) -> tuple[float, FloatArray]:
        """Return the sum over both halves of the plane, and the mean of f f' with this weight, (2, 2)."""
        columns = np.full(power.shape[1], 2.0, np.float32)
        columns[0] = 1  # the others stand for both halves
        rows = (power @ columns).astype(np.float64)
        total = float(rows.sum())
        down = float(rows @ self.fy**2)
        along = float((power.sum(axis=0) * columns) @ self.fx**2)
        across = float(self.fy @ (power @ (columns * self.fx)))
        return total, np.array([[down, across], [across, along]]) / total


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the frames say about the image, on `ImagePlane`."""

    left: ComplexArray  # of the frames, moved back
    shown: ComplexArray  # of the image, through the optics and moved back
    response: FloatArray  # to a unit object
    noise: FloatArray  # variance of `left`


def evidence(
    fine: ComplexArray, fitted: Fitted, frames: Frames, mover: Mover, plane: ImagePlane, cutoff_px: float
) -> Evidence:
    """Move what is left of the frames back to the image.

    Parameters
    ----------
    fine : (2Y, 2X) ndarray
        The image, from `Mover.transformed`.
    fitted : Fitted
    frames : Frames
    mover, plane, cutoff_px
        Geometry.
    """
    left = frames.spectra - fitted.predicted
    back = np.zeros((len(mover.patterns), 2 * mover.orders + 1, len(mover.plane)), np.complex64)
    for a, weight in enumerate(fitted.weights):
        own = np.flatnonzero(frames.angles == a)
        if len(own):
            back[a] = np.conj(fitted.coefficients[own]).T @ left[own]
            back[a] *= weight * fitted.transfer
    response, noise = _strengths(fitted, frames, mover, plane, cutoff_px)
    shown = plane.cut(fine) * fitted.undone(plane.radius)
    shown *= response
    return Evidence(
        left=plane.cut(mover.back(back)),
        shown=shown,
        response=response,
        noise=noise * np.float32(frames.variance),
    )


def _strengths(
    fitted: Fitted, frames: Frames, mover: Mover, plane: ImagePlane, cutoff_px: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the response to a unit object, and the noise for a unit variance in a frame's frequency.

    Both are smooth, so they are computed on a coarse grid.
    """
    step = cutoff_px / _COARSE
    half = np.arange(0, plane.far + 2 * step, step)
    fy, fx = np.concatenate([-half[:0:-1], half])[:, None], half[None, :]
    h = np.append(fitted.transfer_table, 0.0)
    response, noise = np.zeros((2, fy.size, fx.size))
    power = np.abs(fitted.coefficients.astype(np.complex128)) ** 2
    for a, pattern in enumerate(mover.patterns):
        strengths = power[frames.angles == a].sum(axis=0)
        for b, strength in zip(range(-mover.orders, mover.orders + 1), strengths, strict=True):
            y, x = fy + b * pattern.frequency_px[0], fx + b * pattern.frequency_px[1]
            place = np.minimum(np.hypot(y, x) * ((len(h) - 1) / cutoff_px), len(h) - 1).astype(int)
            one = strength * (h[place] * pixel_transfer(y, x) * (np.hypot(y, x) < NYQUIST_PX)) ** 2
            weight = trust(y, x, pattern, cutoff_px)
            response += weight * one
            noise += weight**2 * one
    to_y, to_x = _linear(plane.fy, fy.ravel()), _linear(plane.fx, fx.ravel())
    return (to_y @ response @ to_x.T).astype(np.float32), (to_y @ noise @ to_x.T).astype(np.float32)


def noise_map(raw: NDArray[Any], line: NoiseLine, fitted: Fitted, frames: Frames, mover: Mover) -> FloatArray:
    """Return how the variance of the moved-back noise is spread over native pixels, in squared counts.

    The light of a pixel is taken from the frames only where it varies slowly, and else from the prediction:
    a pixel that by chance has few photons would pretend that its noise is small.
    """
    height, width = mover.plane.shape
    weight = np.abs(fitted.coefficients) ** 2
    if frames.separable(mover.orders):  # over all phases the light is even
        predicted = mover.plane.real(fitted.predicted.mean(axis=0))
        total = line.of(_light(raw.mean(axis=0, dtype=np.float32), predicted))
        return _gathered(total)
    y, x = np.arange(height), np.arange(width)
    total = np.zeros((height, width), np.float32)
    for frame, values, own, a in zip(raw, fitted.predicted, fitted.coefficients, frames.angles, strict=True):
        pattern = mover.patterns[a]
        pattern_light = np.full((height, width), own[mover.orders].real)
        for order in range(1, pattern.orders + 1):
            ky, kx = (2 * pi * order * k for k in pattern.frequency_px)
            factor = 2 * own[mover.orders + order] * np.exp(1j * pattern.phases_rad[order - 1])
            pattern_light += np.multiply.outer(factor * np.exp(1j * ky * y), np.exp(1j * kx * x)).real
        total += pattern_light**2 * line.of(_light(frame.astype(np.float32), mover.plane.real(values)))
    return _gathered(total) / np.float32(weight.sum())


def _gathered(variance: FloatArray) -> FloatArray:
    """Blur as squared counts are gathered: by the squared PSF, and a little by the filters' tails."""
    near, far = (scipy.ndimage.gaussian_filter(variance, sigma, mode="nearest") for sigma in _GATHER_PX)
    gathered: FloatArray = (1 - _GATHER_FAR) * near + _GATHER_FAR * far
    return gathered


def _light(frame: FloatArray, predicted: FloatArray) -> FloatArray:
    light: FloatArray = predicted + scipy.ndimage.gaussian_filter(frame - predicted, _SLOW_PX, mode="nearest")
    return light


@dataclass(frozen=True, kw_only=True)
class Departures:
    """Local departures of the frames from the image, in units of what is expected."""

    map: NDArray[np.float32]  # (2Y, 2X), the strongest of all shapes; 0 at the border
    expected: tuple[float, float]  # of the largest, when there is none


def scan(
    found: Evidence, window: FloatArray, relative_noise: FloatArray, plane: ImagePlane, cutoff_px: float,
    margin_px: int, skew: float, inexact: float,
) -> Departures:  # fmt: skip
    """Look for points, blobs and lines.

    Parameters
    ----------
    found : Evidence
    window : (rows, columns) ndarray
        Weight of the image frequencies.
    relative_noise : (Y, X) ndarray
        Variance of the noise over its mean, from `noise_map`.
    margin_px : int
        Native pixels along the border that are left out.
    skew : float
        Skewness of the noise of a point, on average.
    inexact : float
        How inexact the model is, against that of all phases.
    """
    noise_spectrum = plane.of_native(relative_noise)
    height, width = plane.native
    inside = (slice(margin_px, height - margin_px), slice(margin_px, width - margin_px))
    extended = np.zeros((height - 2 * margin_px, width - 2 * margin_px), np.float32)
    roughness = []
    for number, shape in enumerate(_shapes(plane, cutoff_px)):
        wanted = window * shape
        spread = wanted * wanted * found.noise
        total, squares = plane.moments(spread)
        # root of the determinant of the covariance of the noise's gradient, per native pixel
        roughness.append((2 * pi) ** 2 * sqrt(max(float(np.linalg.det(squares)), 0.0)))
        variance = plane.on_native(noise_spectrum * np.sqrt(shape))
        np.maximum(variance, _DARKEST, out=variance)
        variance *= np.float32(total / (height * width) ** 2)
        variance += inexact**2 * _inexactness(plane.on_native(found.shown * wanted))
        per_sd = 1 / np.sqrt(variance[inside])
        if number == 0:
            points = plane.on_image(found.left * wanted)[_doubled(inside)]
            points *= _enlarged(per_sd)
        else:  # smoother than a point, so that native pixels hold them
            here = plane.on_native(found.left * wanted)[inside]
            here *= per_sd
            np.copyto(extended, here, where=np.abs(here) > np.abs(extended))
    strongest = np.zeros((2 * height, 2 * width), np.float32)
    best = strongest[_doubled(inside)]
    best += _enlarged(extended)
    np.copyto(best, points, where=np.abs(points) > np.abs(best))
    # few photons make more high departures than low ones: bring the high ones to what Gaussian noise has
    local = np.float32(skew / 6) / np.sqrt(np.maximum(relative_noise[inside], _DARKEST))
    best /= 1 + _enlarged(local.astype(np.float32)) * np.maximum(best, 0)
    return Departures(map=strongest, expected=_expected(float(extended.size), roughness))


def _doubled(inside: tuple[slice, slice]) -> tuple[slice, slice]:
    y, x = inside
    return slice(2 * y.start, 2 * y.stop), slice(2 * x.start, 2 * x.stop)


def _enlarged(native: FloatArray) -> FloatArray:
    """Give every pixel of the image the value of its native one."""
    return native.repeat(2, axis=0).repeat(2, axis=1)


def _shapes(plane: ImagePlane, cutoff_px: float) -> Iterator[NDArray[np.float32]]:
    """Yield the filters for what is looked for: Gaussians, so that their root belongs to their square."""
    size = PAPER_CUTOFF_PX / cutoff_px
    yield np.ones_like(plane.radius)
    yield np.exp(np.float32(-2 * (pi * _BLOB_PX * size) ** 2) * plane.radius**2)
    for number in range(_LINES):
        angle = pi * number / _LINES
        along = np.add.outer(plane.fy * np.sin(angle), plane.fx * np.cos(angle)).astype(np.float32)
        yield np.exp(np.float32(-2 * (pi * _LINE_PX * size) ** 2) * along**2)


def _inexactness(light: FloatArray) -> FloatArray:
    """Return the variance that an inexact model explains, from what the light gives in the same filter."""
    height, width = (side // 2 for side in light.shape)
    squared = light[: 2 * height, : 2 * width] ** 2
    blocks = squared[::2] + squared[1::2]
    blocks = (blocks[:, ::2] + blocks[:, 1::2]) / 4
    spread = np.full_like(blocks, _INEXACT_ANYWHERE**2 * float(blocks.mean()))
    for sigma, share in _INEXACT_AROUND:
        spread += np.float32(share**2) * scipy.ndimage.gaussian_filter(blocks, sigma, mode="nearest")
    rows, columns = (np.minimum(np.arange(side) // 2, side // 2 - 1) for side in light.shape)
    extra: FloatArray = spread[rows][:, columns]
    return extra


def _expected(area_px: float, roughness: list[float]) -> tuple[float, float]:
    """Return what the largest of all departures stays above and below, 99 times of 100 each, by chance.

    The chance that an even Gaussian noise exceeds a level is the expected Euler characteristic of the places
    where it does (Adler 1981; Worsley et al. 1996, doi
    10.1002/(SICI)1097-0193(1996)4:1<58::AID-HBM4>3.0.CO;2-O), at levels where it is small; both signs and all
    shapes are added up.
    """

    def places(level: float) -> float:
        density = level * exp(-level * level / 2) / (2 * pi) ** 1.5
        return 2 * sum(area_px * r * density + erfc(level / sqrt(2)) / 2 for r in roughness)

    low = scipy.optimize.brentq(lambda level: places(level) + np.log(0.01), 1.0, 12.0)
    high = scipy.optimize.brentq(lambda level: places(level) + np.log(0.99), 1.0, 12.0)
    return float(low), float(high)


def _linear(targets: FloatArray, points: FloatArray) -> FloatArray:
    """Return the matrix that interpolates values at even `points` to `targets`."""
    place = (targets - points[0]) / (points[1] - points[0])
    index = np.clip(place.astype(int), 0, len(points) - 2)
    matrix = np.zeros((len(targets), len(points)))
    rows = np.arange(len(targets))
    matrix[rows, index] = 1 - (place - index)
    matrix[rows, index + 1] = place - index
    return matrix
