"""How alike two raw stacks are: radial power spectra and intensity histograms, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]

_RINGS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness(Result):
    """Two stacks compared.

    Attributes
    ----------
    spectrum_db : float
        Mean difference of their radial power spectra over 32 rings, without sign, in decibels. 3 dB is a
        factor of two in power.
    histogram_sd : float
        How far counts must be moved to turn one histogram into the other (earth mover's distance), in
        standard deviations of the first stack.
    frequencies_px : (32,) ndarray
        Middle of each ring, in cycles per pixel.
    spectra : (2, 32) ndarray
        Mean power per frequency of both, in counts squared per pixel.
    quantiles : (2, 200) ndarray
        Counts at 0.25 % to 99.75 % of both.
    """

    spectrum_db: float
    histogram_sd: float
    frequencies_px: FloatArray = field(repr=False, compare=False)
    spectra: FloatArray = field(repr=False, compare=False)
    quantiles: FloatArray = field(repr=False, compare=False)


def compare_stacks(first: NDArray[Any], second: NDArray[Any]) -> Likeness:
    """Compare the spectra and histograms of two stacks, whatever they show.

    Parameters
    ----------
    first, second : (n_frames, Y, X) ndarray
        In counts; the sizes may differ.

    Raises
    ------
    ImageError
        One of them is no stack, or is constant.
    """
    for stack in (first, second):
        if stack.ndim != 3 or min(stack.shape[1:]) < 2 * _RINGS or not stack.std() > 0:
            raise ImageError(
                f"an array of shape {stack.shape} cannot be compared",
                f"give stacks of frames that differ, {2 * _RINGS} pixels and more along a side",
            )
    spectra = np.stack([_radial_power(stack) for stack in (first, second)])
    # every pixel of both stacks stands for an equal part of its histogram
    at = (np.arange(4000) + 0.5) / 4000
    moved = np.abs(np.quantile(first, at) - np.quantile(second, at)).mean()
    shown = (np.arange(200) + 0.5) / 200
    return Likeness(
        spectrum_db=float(np.abs(10 * np.log10(spectra[0] / spectra[1])).mean()),
        histogram_sd=float(moved / first.std()),
        frequencies_px=(np.arange(_RINGS) + 0.5) / (2 * _RINGS),
        spectra=spectra,
        quantiles=np.stack([np.quantile(stack, shown) for stack in (first, second)]),
    )


def _radial_power(stack: NDArray[Any]) -> FloatArray:
    """Return the mean power of the frames in rings up to half a cycle per pixel."""
    height, width = stack.shape[1:]
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    frames = stack - stack.mean(axis=(1, 2), keepdims=True)
    power = np.mean([np.abs(scipy.fft.fft2(frame * window)) ** 2 for frame in frames], axis=0)
    radius = np.hypot(scipy.fft.fftfreq(height)[:, None], scipy.fft.fftfreq(width))
    ring = np.floor(radius * 2 * _RINGS).astype(int)
    inside = ring < _RINGS
    sums = np.bincount(ring[inside], power[inside], _RINGS)
    means: FloatArray = sums / np.bincount(ring[inside], minlength=_RINGS) / (window**2).sum()
    return means
