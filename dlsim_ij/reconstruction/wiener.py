"""Wiener SIM in one optical section: bands moved to their places, weighted, filtered once.

Steps as in Gustafsson et al. 2008 (doi 10.1529/biophysj.107.120345) with the filters that are common
now: an OTF notch against out-of-focus light and an apodisation. Band m, filtered on the native grid,
is moved by multiplying with the pattern in real space on the doubled grid, so a stack costs one
inverse transform per band and two more per filter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.acquisition.pattern_refine import refine_patterns
from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics, Pattern, separate_bands
from dlsim_ij.reconstruction.fading import fading
from dlsim_ij.reconstruction.wiener_filter import VENDOR, Curves, WienerFilter, apodisation, summed_strength

FloatArray = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]


def wiener_sim(
    frames: FloatArray,
    patterns: Sequence[Pattern],
    optics: Optics,
    *,
    filter: WienerFilter = VENDOR,
) -> FloatArray:
    """Reconstruct one stack.

    Parameters
    ----------
    frames : (n_angles * n_phases, Y, X) ndarray
        Counts above the camera offset, angle-major; best from `equalise_frames`.
    patterns : sequence of Pattern
        One per angle, any number of angles; two-beam (one order, 3 phases and more) or three-beam (two
        orders, 5 phases and more).
    optics : Optics
        For the cut-off.
    filter : WienerFilter
        Weights and limits; `STANDARD`, `VENDOR`, `SOFT`, or your own. What it takes as measured, the
        modulation, is that of `patterns`; the damping is measured in `frames`.

    Returns
    -------
    (2Y, 2X) float32 ndarray
        In the counts of `frames`; pixel j lies at native coordinate (j + 0.5) / 2 - 0.5.

    Raises
    ------
    LayoutError
        The number of frames does not fit the patterns.
    ConfigError
        The filter has fewer order weights than the patterns have orders.
    """
    return wiener_images(frames, patterns, optics, [filter])[0]


def wiener_images(
    frames: FloatArray, patterns: Sequence[Pattern], optics: Optics, filters: Sequence[WienerFilter]
) -> FloatArray:
    """Reconstruct one stack with several Wiener constants at the cost of little more than one.

    Parameters are those of `wiener_sim`; the filters may differ in `wiener` and the apodisation only.

    Returns
    -------
    (n_filters, 2Y, 2X) float32 ndarray
    """
    _check_frames(frames, patterns)
    if any(one.otf_damping is None for one in filters):
        measured = refine_patterns(frames, patterns, optics, known=patterns).otf_damping
        filters = [
            one if one.otf_damping is not None else dataclasses.replace(one, otf_damping=measured)
            for one in filters
        ]
    return WienerPlan(frames.shape[1:], patterns, optics, filters).images(frames)


class WienerPlan:
    """All of a reconstruction that does not depend on the pixels, for many stacks under the same patterns.

    Parameters
    ----------
    shape : (int, int)
        Height and width of a frame.
    patterns, optics
        As for `wiener_sim`.
    filters : sequence of WienerFilter
        With a damping of their own; they may differ in `wiener` and the apodisation only.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        patterns: Sequence[Pattern],
        optics: Optics,
        filters: Sequence[WienerFilter],
    ) -> None:
        first = filters[0]
        if any(_band_part(one) != _band_part(first) for one in filters):
            raise ValueError("filters of one call may differ in `wiener` and the apodisation only")
        self._shape = (shape[0], shape[1])
        self._patterns = patterns
        self._weights = [first.weights(pattern) for pattern in patterns]
        self._padding, self._window = fading(self._shape)
        height, width = (len(part) for part in self._window)
        self._fine = (2 * height, 2 * width)
        curves = Curves(first, optics.cutoff_px)
        # sample j of the doubled grid lies at native coordinate j/2 - 1/4: half-pixel centres
        fy, fx = scipy.fft.fftfreq(height), scipy.fft.fftfreq(width)
        ramp = np.multiply.outer(np.exp(-0.5j * np.pi * fy), np.exp(-0.5j * np.pi * fx))
        squared = np.add.outer(fy**2, fx**2).astype(np.float32)
        self._band_response = (curves.filter(squared) * ramp).astype(np.complex64)
        strength = summed_strength(self._fine, patterns, first, curves)
        self._responses = []
        for one in filters:
            response = apodisation(self._fine, one, optics.cutoff_px)
            response /= strength + np.float32(one.wiener**2 * len(patterns) / 3)
            self._responses.append(response)

    def images(self, frames: FloatArray) -> FloatArray:
        """Reconstruct one stack: (n_frames, Y, X) to (n_filters, 2Y, 2X) float32.

        Raises
        ------
        LayoutError
            The frames do not fit the patterns or the shape.
        """
        _check_frames(frames, self._patterns)
        if frames.shape[1:] != self._shape:
            raise LayoutError(
                f"frames of {frames.shape[1]} x {frames.shape[2]} pixels, not {self._shape[0]} x "
                f"{self._shape[1]} as planned",
                "are all stacks of the series of one size?",
            )
        (top, _), (left, _) = self._padding
        height, width = self._shape
        spectrum = scipy.fft.rfft2(self._moved_bands(self._faded_out(frames)))
        images = np.empty((len(self._responses), 2 * height, 2 * width), dtype=np.float32)
        for image, response in zip(images, self._responses, strict=True):
            whole = scipy.fft.irfft2(spectrum * response, s=self._fine)
            image[...] = whole[2 * top : 2 * (top + height), 2 * left : 2 * (left + width)]
        return images

    def _faded_out(self, frames: FloatArray) -> FloatArray:
        """Mirror the border and fade it to the common mean, so that opposite edges meet without a step."""
        mean = np.float32(frames.mean(dtype=np.float64))
        padded = np.pad(frames.astype(np.float32), [(0, 0), *self._padding], mode="symmetric")
        padded -= mean
        padded *= self._window[0][:, None]
        padded *= self._window[1]
        padded += mean
        return padded

    def _moved_bands(self, frames: FloatArray) -> FloatArray:
        """Sum the filtered bands on the doubled grid, each moved back to where it belongs."""
        total = np.zeros(self._fine, dtype=np.float32)
        even_light = np.zeros(frames.shape[1:], dtype=np.float32)
        start = 0
        for pattern, weights in zip(self._patterns, self._weights, strict=True):
            stop = start + len(pattern.steps_rad)
            bands = separate_bands(frames[start:stop], pattern.steps_rad, pattern.orders)
            start = stop
            even_light += bands[0]
            for order, (band, weight) in enumerate(zip(bands[1:], weights, strict=True), start=1):
                doubled = _double(scipy.fft.fft2(band) * self._band_response)
                column, row = self._carrier(pattern, order)
                doubled *= column[:, None]
                doubled *= row
                # band -m is the conjugate: together twice the real part
                total += np.float32(2 * weight) * doubled.real
        total += _double(scipy.fft.fft2(even_light) * self._band_response).real
        return total

    def _carrier(self, pattern: Pattern, order: int) -> tuple[ComplexArray, ComplexArray]:
        """Return the conjugate pattern of one order as a column and a row whose product it is."""
        parts = []
        for side, frequency, (before, _) in zip(self._fine, pattern.frequency_px, self._padding, strict=True):
            native = (np.arange(side) + 0.5) / 2 - 0.5 - before
            parts.append(np.exp(-2j * np.pi * order * frequency * native))
        parts[0] = parts[0] * np.exp(-1j * pattern.phases_rad[order - 1])
        return parts[0].astype(np.complex64), parts[1].astype(np.complex64)


def _check_frames(frames: FloatArray, patterns: Sequence[Pattern]) -> None:
    expected = sum(len(p.steps_rad) for p in patterns)
    if frames.ndim != 3 or len(frames) != expected:
        raise LayoutError(
            f"{len(frames)} frames do not fit {len(patterns)} angles with {expected} phases in all",
            "check the stack with dlsim run -v",
        )


def _band_part(one: WienerFilter) -> tuple[object, ...]:
    return one.otf_damping, one.order_weights, one.notch_strength, one.notch_width


def _double(spectrum: ComplexArray) -> ComplexArray:
    """Return the image of a spectrum on a grid twice as fine."""
    height, width = spectrum.shape
    y, x = height // 2, width // 2
    wide = np.zeros((2 * height, 2 * width), dtype=np.complex64)
    wide[:y, :x], wide[:y, -x:] = spectrum[:y, :x], spectrum[:y, -x:]
    wide[-y:, :x], wide[-y:, -x:] = spectrum[-y:, :x], spectrum[-y:, -x:]
    wide *= 4
    doubled: ComplexArray = scipy.fft.ifft2(wide, overwrite_x=True)
    return doubled
