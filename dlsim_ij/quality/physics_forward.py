"""What an image says the camera would have seen: the bands of its illuminated copies, on raw frequencies.

A raw frame is ``sum over b of w_b exp(i b step) h(f) S(f - b k)`` with the object S, the transfer h and the
bands b = -M .. M (see `optics.pattern`). Frames are real and the optics pass little, so everything is kept
at the frequencies of half the plane inside the cut-off: vectors, not pictures.

| array | axes | unit |
|---|---|---|
| image | (2Y, 2X), pixel j at native (j + 0.5) / 2 - 0.5 | any |
| bands | (angle, 2 M + 1, frequency) | image, transformed |
| frames | (frame, frequency) | counts, transformed |

Moving a spectrum by a pattern's frequency is done in two steps: whole steps of the grid by cutting the
spectrum elsewhere, the rest by a slow wave in real space. Only the image itself is transformed at its full
size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.acquisition.pattern_fourier import taper
from dlsim_ij.optics import Pattern, pixel_transfer

FloatArray = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]

# nothing above half a cycle per pixel is on the grid, and frequency there has no sign
NYQUIST_PX = 0.499


def faded(image: FloatArray, edge_px: int) -> NDArray[np.float32]:
    """Return an image less its mean, faded out towards the border."""
    out = image.astype(np.float32)
    out -= np.float32(image.mean(dtype=np.float64))
    for axis, side in enumerate(image.shape):
        window = fading(side, edge_px)
        out *= window[:, None] if axis == 0 else window
    return out


def fading(side: int, edge_px: int) -> NDArray[np.float32]:
    """Return a window of 1 that falls to 0 at both ends."""
    return taper(side, edge=edge_px).astype(np.float32)


def image_ramp(frequency: FloatArray) -> NDArray[np.complex64]:
    """Return what moves an image's origin to native pixel 0: sample j lies at native j / 2 - 1/4."""
    return np.exp(0.5j * np.pi * frequency).astype(np.complex64)


class RawPlane:
    """The frequencies of raw frames that are compared: half the plane, inside the cut-off.

    Images are faded out towards the border, over `fade` pixels of the frames, so that the border's jump
    does not reach the inside.

    Attributes
    ----------
    shape : (int, int)
        Native Y, X.
    fade_px : int
        Native pixels.
    fy, fx, radius : (n,) ndarray
        Cycles per native pixel.
    """

    def __init__(self, shape: tuple[int, int], cutoff_px: float, fade_px: int) -> None:
        self.shape = shape
        self.fade_px = fade_px
        fy, fx = np.meshgrid(scipy.fft.fftfreq(shape[0]), scipy.fft.rfftfreq(shape[1]), indexing="ij")
        radius = np.hypot(fy, fx)
        inside = (radius < min(cutoff_px, NYQUIST_PX)) & ((fx > 0) | (fy > 0))
        rows, columns = np.nonzero(inside)
        self._half = rows * fy.shape[1] + columns
        self._here = rows * shape[1] + columns
        self._opposite = (-rows % shape[0]) * shape[1] + (-columns % shape[1])
        self.fy, self.fx, self.radius = (a[inside].astype(np.float32) for a in (fy, fx, radius))

    def __len__(self) -> int:
        return len(self._half)

    def of_real(self, images: FloatArray) -> NDArray[np.complex64]:
        """Transform (n, Y, X) images, less their mean and faded out."""
        out = np.empty((len(images), len(self)), np.complex64)
        for row, image in zip(out, images, strict=True):
            row[:] = scipy.fft.rfft2(faded(image, self.fade_px)).ravel()[self._half]
        return out

    def real(self, values: ComplexArray) -> FloatArray:
        """Return the real (Y, X) image of (n,) values."""
        height, width = self.shape
        flat = np.zeros(height * (width // 2 + 1), np.complex64)
        flat[self._half] = values
        half = flat.reshape(height, -1)
        half[1:, 0] += np.conj(half[:0:-1, 0])  # of this column only one half is kept
        return scipy.fft.irfft2(half, s=self.shape)

    def pair(self, spectrum: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """Return a full (Y, X) spectrum here, and the conjugate of it at the opposite frequencies."""
        flat = spectrum.ravel()
        return flat[self._here], np.conj(flat[self._opposite])

    def full(self, here: ComplexArray, opposite: ComplexArray) -> ComplexArray:
        """Return the full (Y, X) spectrum of which `pair` gives these two."""
        flat = np.zeros(self.shape[0] * self.shape[1], np.complex64)
        flat[self._here] = here
        flat[self._opposite] = np.conj(opposite)
        return flat.reshape(self.shape)


class Mover:
    """Takes spectra from the image's plane to the raw one and back, by the frequencies of the patterns."""

    def __init__(self, plane: RawPlane, patterns: Sequence[Pattern]) -> None:
        self.plane = plane
        self.patterns = patterns
        self.orders = max(pattern.orders for pattern in patterns)
        height, width = plane.shape
        self._pixel = pixel_transfer(plane.fy, plane.fx).astype(np.float32)
        self._rows = np.rint(scipy.fft.fftfreq(height) * height).astype(int)
        self._columns = np.rint(scipy.fft.fftfreq(width) * width).astype(int)
        self._ramp = [image_ramp(2 * scipy.fft.fftfreq(2 * side)) for side in plane.shape]

    def transformed(self, image: FloatArray) -> NDArray[np.complex64]:
        """Return the full spectrum of a (2Y, 2X) image, faded out, with its origin at native pixel (0, 0)."""
        even = faded(image, 2 * self.plane.fade_px).astype(np.complex64)
        fine: NDArray[np.complex64] = scipy.fft.fft2(even, overwrite_x=True)
        fine *= self._ramp[0][:, None] / 4
        fine *= self._ramp[1]
        return fine

    def bands(self, fine: ComplexArray) -> NDArray[np.complex64]:
        """Return the bands of an image, averaged over the camera's pixels, before the optics.

        Parameters
        ----------
        fine : (2Y, 2X) ndarray
            From `transformed`.

        Returns
        -------
        (n_angles, 2 * orders + 1, n) ndarray
            Band b of an angle is ``I(f - b k) exp(i phase_b)``, in the order -M .. M.
        """
        still = self.plane.pair(self._cut(fine, (0, 0)))[0] * self._pixel
        out = np.zeros((len(self.patterns), 2 * self.orders + 1, len(self.plane)), np.complex64)
        for bands, pattern in zip(out, self.patterns, strict=True):
            bands[self.orders] = still
            for order in range(1, pattern.orders + 1):
                whole, rows, columns = self._split(pattern, order)
                moved = scipy.fft.ifft2(self._cut(fine, whole))
                moved *= rows[:, None]
                moved *= columns
                here, opposite = self.plane.pair(scipy.fft.fft2(moved, overwrite_x=True))
                bands[self.orders + order] = here * self._pixel
                bands[self.orders - order] = opposite * self._pixel
        return out

    def back(self, bands: ComplexArray) -> NDArray[np.complex64]:
        """Return the half plane (2Y, X + 1) of the image that the adjoint of `bands` makes."""
        height, width = (2 * side for side in self.plane.shape)
        total = np.zeros((height, width), np.complex64)
        still = np.zeros(len(self.plane), np.complex64)
        for own, pattern in zip(bands, self.patterns, strict=True):
            still += own[self.orders]
            for order in range(1, pattern.orders + 1):
                whole, rows, columns = self._split(pattern, order)
                moved = scipy.fft.ifft2(
                    self.plane.full(
                        own[self.orders + order] * self._pixel, own[self.orders - order] * self._pixel
                    )
                )
                moved *= np.conj(rows)[:, None]
                moved *= np.conj(columns)
                self._put(total, scipy.fft.fft2(moved, overwrite_x=True), whole)
        still *= self._pixel
        self._put(total, self.plane.full(still, still) / 2, (0, 0))
        # the bands -m are the conjugates of the bands m
        opposite = total[-np.arange(height) % height][:, -np.arange(width // 2 + 1) % width]
        half: NDArray[np.complex64] = total[:, : width // 2 + 1] + np.conj(opposite)
        return half

    def distance(self, number: int, band: int) -> NDArray[np.float32]:
        """Return the image frequency |f - b k| that raw frequency f shows in a band of an angle."""
        ky, kx = self.patterns[number].frequency_px
        return np.hypot(self.plane.fy - np.float32(band * ky), self.plane.fx - np.float32(band * kx))

    def _split(
        self, pattern: Pattern, order: int
    ) -> tuple[tuple[int, int], NDArray[np.complex64], NDArray[np.complex64]]:
        whole, waves = [], []
        for side, frequency in zip(self.plane.shape, pattern.frequency_px, strict=True):
            steps = order * frequency * side
            whole.append(round(steps))
            waves.append(np.exp(2j * np.pi * (steps - whole[-1]) / side * np.arange(side)))
        waves[0] = waves[0] * np.exp(1j * pattern.phases_rad[order - 1])
        return (whole[0], whole[1]), waves[0].astype(np.complex64), waves[1].astype(np.complex64)

    def _places(self, whole: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        height, width = self.plane.shape
        return np.ix_((self._rows - whole[0]) % (2 * height), (self._columns - whole[1]) % (2 * width))

    def _cut(self, fine: ComplexArray, whole: tuple[int, int]) -> ComplexArray:
        return fine[self._places(whole)]

    def _put(self, fine: ComplexArray, spectrum: ComplexArray, whole: tuple[int, int]) -> None:
        fine[self._places(whole)] += spectrum
