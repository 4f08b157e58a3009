"""One image from single frames under known patterns, when there are too few to separate bands.

Every frame is the object times its pattern, blurred. The image is sought on the doubled grid such that
all frames together fit, in two ways which need nothing but the patterns:

- `least_squares`: conjugate gradients on the damped normal equations (Hestenes & Stiefel 1952,
  doi 10.6028/jres.049.044); linear, so noise stays noise, but stripes and halos remain;
- `richardson_lucy`: the multiplicative iteration for Poisson noise (Richardson 1972,
  doi 10.1364/JOSA.62.000055; Lucy 1974, doi 10.1086/111605), with the patterns in the forward model as in
  Ströhl & Kaminski 2015 (doi 10.1088/2050-6120/3/1/014002); never negative, and sharper where the
  sample is sparse.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics, Pattern, otf_profile
from dlsim_ij.reconstruction.fading import fading

FloatArray = NDArray[np.floating]

_DAMPING = 0.5  # of the transfer, see `otf_profile`: what real objectives lose
_WEAKEST = np.float32(0.02)  # no pattern is quite dark
_FAINTEST = np.float32(1e-3)  # of the field's own scale: no frame and no expectation is darker


class JointProblem:
    """Frames, their patterns and the blur on the doubled grid.

    Parameters
    ----------
    frames : (n_frames, Y, X) ndarray
        Of equal brightness, above the background, in units of about the field's own scale.
    patterns : sequence of Pattern
        With one step per frame, in the order of the frames.
    optics : Optics
        For the cut-off.

    Raises
    ------
    LayoutError
        The number of frames does not fit the patterns.
    """

    def __init__(self, frames: FloatArray, patterns: Sequence[Pattern], optics: Optics) -> None:
        expected = sum(len(p.steps_rad) for p in patterns)
        if frames.ndim != 3 or len(frames) != expected:
            raise LayoutError(
                f"{len(frames)} frames do not fit {len(patterns)} angles with {expected} phases in all",
                "give one step of the pattern for every frame",
            )
        self._height, self._width = frames.shape[1:]
        self._padding, window = fading((self._height, self._width))
        native = [len(part) for part in window]
        self._fine = (2 * native[0], 2 * native[1])
        fy, fx = 2 * scipy.fft.fftfreq(self._fine[0]), 2 * scipy.fft.rfftfreq(self._fine[1])
        self._frequency = np.hypot(fy[:, None], fx[None, :]).astype(np.float32)
        self._cutoff_px = optics.cutoff_px
        self._transfer = otf_profile(self._frequency, optics.cutoff_px, _DAMPING).astype(np.float32)
        self._data = self._doubled(frames, window)
        self._light = np.stack([light for p in patterns for light in self._illumination(p)])

    def _doubled(self, frames: FloatArray, window: list[FloatArray]) -> NDArray[np.complexfloating]:
        """Return the spectra of the frames on the doubled grid, their borders faded to the common mean."""
        mean = np.float32(frames.mean(dtype=np.float64))
        padded = np.pad(frames.astype(np.float32), [(0, 0), *self._padding], mode="symmetric")
        padded -= mean
        padded *= window[0][:, None] * window[1]
        padded += mean
        spectrum = scipy.fft.rfft2(padded)
        half, columns = padded.shape[1] // 2, spectrum.shape[2] - 1
        wide = np.zeros((len(frames), self._fine[0], self._fine[1] // 2 + 1), dtype=np.complex64)
        wide[:, :half, :columns] = spectrum[:, :half, :columns]
        wide[:, -half + 1 :, :columns] = spectrum[:, -half + 1 :, :columns]
        # sample j of the doubled grid lies at native coordinate j/2 - 1/4
        fy, fx = 2 * scipy.fft.fftfreq(self._fine[0]), 2 * scipy.fft.rfftfreq(self._fine[1])
        wide *= (4 * np.exp(-0.5j * np.pi * fy)[:, None] * np.exp(-0.5j * np.pi * fx)).astype(np.complex64)
        return wide

    def _illumination(self, pattern: Pattern) -> list[FloatArray]:
        """Return the light of every step on the doubled grid, 1 on average."""
        native = [
            (np.arange(side) + 0.5) / 2 - 0.5 - before
            for side, (before, _) in zip(self._fine, self._padding, strict=True)
        ]
        lights = []
        for step in pattern.steps_rad:
            light = np.ones(self._fine, dtype=np.float32)
            for order, modulation in enumerate(pattern.modulation, start=1):
                along = [
                    2j * np.pi * order * f * x for f, x in zip(pattern.frequency_px, native, strict=True)
                ]
                column = np.exp(along[0] + 1j * (pattern.phases_rad[order - 1] + order * step))
                wave = np.multiply.outer(column.astype(np.complex64), np.exp(along[1]).astype(np.complex64))
                light += np.float32(modulation) * wave.real
            lights.append(np.maximum(light, _WEAKEST))
        return lights

    def _filtered(self, images: FloatArray, response: FloatArray) -> FloatArray:
        spectrum = scipy.fft.rfft2(images)
        spectrum *= response
        filtered: FloatArray = scipy.fft.irfft2(spectrum, s=self._fine, overwrite_x=True)
        return filtered

    def _inside(self, image: FloatArray) -> FloatArray:
        (top, _), (left, _) = self._padding
        inside: FloatArray = image[
            2 * top : 2 * (top + self._height), 2 * left : 2 * (left + self._width)
        ].astype(np.float32)
        return inside

    def least_squares(
        self, *, wiener: float = 0.1, notch: float = 0.5, iterations: int = 10, apodisation_end: float = 1.6
    ) -> FloatArray:
        """Return the image whose frames fit best, damped by the Wiener parameter.

        Parameters
        ----------
        wiener : float
            Its square, per frame, is added to the normal equations.
        notch : float
            How much less the coarsest parts of every frame are trusted: there is the haze.
        iterations : int
            Of conjugate gradients.
        apodisation_end : float
            Where a cosine fall of the spectrum ends, in units of the cut-off.

        Returns
        -------
        (2Y, 2X) float32 ndarray
        """
        relative = self._frequency / np.float32(self._cutoff_px)
        trust = 1 - np.float32(notch) * np.exp(-((relative / np.float32(0.24)) ** 2) / 2)
        strength = trust * self._transfer**2
        damping = np.float32(len(self._light) * wiener**2)
        blurred = scipy.fft.irfft2(self._data * (trust * self._transfer), s=self._fine)
        residual: FloatArray = (self._light * blurred).sum(axis=0)
        image, direction = np.zeros_like(residual), residual.copy()
        power = float(np.vdot(residual, residual))
        for _ in range(iterations):
            if power == 0:  # dark frames, or solved to the last bit
                break
            moved = (self._light * self._filtered(self._light * direction, strength)).sum(axis=0)
            moved += damping * direction
            step = np.float32(power / float(np.vdot(direction, moved)))
            image += step * direction
            residual -= step * moved
            left = float(np.vdot(residual, residual))
            direction *= np.float32(left / power)
            direction += residual
            power = left
        fall = np.cos(np.pi / 2 * np.minimum(relative / np.float32(apodisation_end), 1))
        return self._inside(self._filtered(image, fall))

    def richardson_lucy(self, *, background: float = 0.05, iterations: int = 10) -> FloatArray:
        """Return a non-negative image that explains the frames, stopped early so that noise stays low.

        Parameters
        ----------
        background : float
            Even light that is added to every frame and to its expectation, in the frames' unit: below it,
            differences count little.
        iterations : int
            More are sharper and noisier.

        Returns
        -------
        (2Y, 2X) float32 ndarray
        """
        band = (self._frequency < self._cutoff_px).astype(np.float32)
        even = np.float32(background)
        data = np.maximum(scipy.fft.irfft2(self._data * band, s=self._fine) + even, _FAINTEST)
        total = self._light.sum(axis=0)
        image = np.maximum(data.mean(axis=0) - even, _FAINTEST)
        for _ in range(iterations):
            expected = np.maximum(self._filtered(self._light * image, self._transfer) + even, _FAINTEST)
            ratio = self._filtered(data / expected, self._transfer)
            image *= np.maximum((self._light * ratio).sum(axis=0), 0) / total
        return self._inside(image)
