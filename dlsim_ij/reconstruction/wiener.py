"""Wiener SIM in one optical section: bands moved to their places, weighted, filtered once.

Steps as in Gustafsson et al. 2008 (doi 10.1529/biophysj.107.120345) with the filters that are common
now: an OTF notch against out-of-focus light and an apodisation. Band m, filtered on the native grid,
is moved by multiplying with the pattern in real space on the doubled grid, so a stack costs one
inverse transform per band and two more per filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics, Pattern, otf_profile, separate_bands
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]
_TABLE_SIZE = 8192
_MARGIN_PX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class WienerFilter(Result):
    """How the bands are weighted and where the spectrum ends.

    Attributes
    ----------
    wiener : float
        Added to the squared transfer: larger is smoother and less noisy.
    otf_damping : float
        Loss of the assumed transfer at the cut-off, see `otf_profile`.
    order_weights : (float, float)
        Assumed strength of orders 1 and 2. Fixed values: haze biases measured ones low, and a filter
        built on them would exaggerate the fine detail.
    notch_strength, notch_width : float
        Depth of the dip at every band's centre, and its sigma in units of the cut-off.
    apodisation_end : float
        Where the output spectrum reaches 0, in units of the cut-off.
    """

    wiener: float = 0.11
    otf_damping: float = 0.05
    order_weights: tuple[float, float] = (0.67, 0.33)
    notch_strength: float = 1.0
    notch_width: float = 0.24
    apodisation_end: float = 1.40


SHARP = WienerFilter()
SOFT = WienerFilter(wiener=0.5)


def wiener_sim(
    frames: FloatArray,
    patterns: Sequence[Pattern],
    optics: Optics,
    *,
    filter: WienerFilter = SHARP,
) -> FloatArray:
    """Reconstruct one stack.

    Parameters
    ----------
    frames : (n_angles * n_phases, Y, X) ndarray
        Counts above the camera offset, angle-major; best from `equalise_frames`.
    patterns : sequence of Pattern
        One per angle.
    optics : Optics
        For the cut-off.
    filter : WienerFilter
        Weights and limits.

    Returns
    -------
    (2Y, 2X) float32 ndarray
        In the counts of `frames`; pixel j lies at native coordinate (j + 0.5) / 2 - 0.5.

    Raises
    ------
    LayoutError
        The number of frames does not fit the patterns.
    """
    return wiener_images(frames, patterns, optics, [filter])[0]


def wiener_images(
    frames: FloatArray, patterns: Sequence[Pattern], optics: Optics, filters: Sequence[WienerFilter]
) -> FloatArray:
    """Reconstruct one stack with several Wiener constants at the cost of little more than one.

    Parameters are those of `wiener_sim`; the filters may differ in `wiener` only.

    Returns
    -------
    (n_filters, 2Y, 2X) float32 ndarray
    """
    expected = sum(len(p.steps_rad) for p in patterns)
    if frames.ndim != 3 or len(frames) != expected:
        raise LayoutError(
            f"{len(frames)} frames do not fit {len(patterns)} angles with {expected} phases in all",
            "check the stack with dlsim run -v",
        )
    first = filters[0]
    if any((f.otf_damping, f.order_weights, f.notch_strength, f.notch_width)
           != (first.otf_damping, first.order_weights, first.notch_strength, first.notch_width)
           for f in filters):  # fmt: skip
        raise ValueError("filters of one call may differ in `wiener` and `apodisation_end` only")
    height, width = frames.shape[1:]
    padded, (top, left) = _fade_out(frames)
    curves = _Curves(first, optics.cutoff_px)
    moved = _moved_bands(padded, patterns, curves, (top, left))
    spectrum = scipy.fft.rfft2(moved)
    strength = _strength(moved.shape, patterns, curves)
    squared = _squared_frequencies(moved.shape, (0.0, 0.0))
    images = np.empty((len(filters), 2 * height, 2 * width), dtype=np.float32)
    for image, one in zip(images, filters, strict=True):
        response = _apodisation(squared, one.apodisation_end * optics.cutoff_px)
        response /= strength + np.float32(one.wiener**2)
        whole = scipy.fft.irfft2(spectrum * response, s=moved.shape)
        image[...] = whole[2 * top : 2 * (top + height), 2 * left : 2 * (left + width)]
    return images


class _Curves:
    """Trust times transfer, and trust times squared transfer, as tables over the squared frequency.

    The notch is the trust put in a frequency of a band: little near the band's centre, where
    out-of-focus light sits. It weights the least squares sum of |band - transfer * object|^2, so it
    stands once in the numerator and once in the denominator.
    """

    def __init__(self, one: WienerFilter, cutoff_px: float) -> None:
        self.weights = (1.0, *one.order_weights)
        self._scale = np.float32((_TABLE_SIZE - 2) / cutoff_px**2)
        frequency = np.sqrt(np.arange(_TABLE_SIZE) / self._scale)
        transfer = otf_profile(frequency, cutoff_px, one.otf_damping)
        trust = 1 - one.notch_strength * np.exp(-((frequency / cutoff_px / one.notch_width) ** 2) / 2)
        self._filter = (trust * transfer).astype(np.float32)
        self._strength = (trust * transfer**2).astype(np.float32)
        self._filter[-2:] = self._strength[-2:] = 0

    def filter(self, squared: FloatArray) -> FloatArray:
        return self._filter[self._index(squared)]

    def strength(self, squared: FloatArray) -> FloatArray:
        return self._strength[self._index(squared)]

    def _index(self, squared: FloatArray) -> NDArray[np.int32]:
        index: NDArray[np.int32] = np.minimum(squared * self._scale, np.float32(_TABLE_SIZE - 1)).astype(
            np.int32
        )
        return index


def _fade_out(frames: FloatArray) -> tuple[FloatArray, tuple[int, int]]:
    """Mirror the border and fade it to the common mean, so that opposite edges meet without a step."""
    window: list[FloatArray] = []
    padding = [(0, 0)]
    for side in frames.shape[1:]:
        padded_side = scipy.fft.next_fast_len(side + 2 * _MARGIN_PX, real=True)
        padded_side += padded_side % 2
        before = (padded_side - side) // 2
        after = padded_side - side - before
        rise, fall = (np.sin(np.pi / 2 * (np.arange(n) + 0.5) / n) ** 2 for n in (before, after))
        window.append(np.concatenate([rise, np.ones(side), fall[::-1]]).astype(np.float32))
        padding.append((before, after))
    mean = np.float32(frames.mean(dtype=np.float64))
    padded = np.pad(frames.astype(np.float32), padding, mode="symmetric")
    padded -= mean
    padded *= window[0][:, None]
    padded *= window[1]
    padded += mean
    return padded, (padding[1][0], padding[2][0])


def _moved_bands(
    frames: FloatArray, patterns: Sequence[Pattern], curves: _Curves, origin: tuple[int, int]
) -> FloatArray:
    """Sum the filtered bands on the doubled grid, each moved back to where it belongs."""
    height, width = frames.shape[1:]
    # sample j of the doubled grid lies at native coordinate j/2 - 1/4: half-pixel centres
    ramp_y = np.exp(-0.5j * np.pi * scipy.fft.fftfreq(height))[:, None]
    ramp_x = np.exp(-0.5j * np.pi * scipy.fft.fftfreq(width))[None, :]
    response = curves.filter(_squared_frequencies((height, width), (0.0, 0.0), half=False))
    response = (response * ramp_y * ramp_x).astype(np.complex64)
    total = np.zeros((2 * height, 2 * width), dtype=np.float32)
    even_light = np.zeros((height, width), dtype=np.float32)
    start = 0
    for pattern in patterns:
        n_phases = len(pattern.steps_rad)
        bands = separate_bands(frames[start : start + n_phases], pattern.steps_rad, pattern.orders)
        start += n_phases
        even_light += bands[0]
        for order, band in enumerate(bands[1:], start=1):
            doubled = _double(scipy.fft.fft2(band) * response)
            carrier_y, carrier_x = _carrier(doubled.shape, pattern, order, origin)
            doubled *= carrier_y[:, None]
            # band -m is the conjugate: together twice the real part
            total += np.float32(2 * curves.weights[order]) * (doubled * carrier_x).real
    total += _double(scipy.fft.fft2(even_light) * response).real
    return total


def _double(spectrum: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
    """Return the image of a spectrum on a grid twice as fine."""
    height, width = spectrum.shape
    y, x = height // 2, width // 2
    wide = np.zeros((2 * height, 2 * width), dtype=np.complex64)
    wide[:y, :x], wide[:y, -x:] = spectrum[:y, :x], spectrum[:y, -x:]
    wide[-y:, :x], wide[-y:, -x:] = spectrum[-y:, :x], spectrum[-y:, -x:]
    wide *= 4
    return scipy.fft.ifft2(wide, overwrite_x=True)


def _carrier(
    shape: tuple[int, ...], pattern: Pattern, order: int, origin: tuple[int, int]
) -> tuple[NDArray[np.complexfloating], NDArray[np.complexfloating]]:
    """Return the conjugate pattern of one order as a column and a row whose product it is."""
    parts = []
    for side, frequency, before in zip(shape, pattern.frequency_px, origin, strict=True):
        native = (np.arange(side) + 0.5) / 2 - 0.5 - before
        parts.append(np.exp(-2j * np.pi * order * frequency * native))
    parts[0] = parts[0] * np.exp(-1j * pattern.phases_rad[order - 1])
    return parts[0].astype(np.complex64), parts[1].astype(np.complex64)


def _strength(shape: tuple[int, ...], patterns: Sequence[Pattern], curves: _Curves) -> FloatArray:
    """Return the summed squared transfer of all bands on the half plane of `shape`."""
    total = np.float32(len(patterns)) * curves.strength(_squared_frequencies(shape, (0.0, 0.0)))
    for pattern in patterns:
        for order in range(1, pattern.orders + 1):
            centre = (order * pattern.frequency_px[0], order * pattern.frequency_px[1])
            weight = np.float32(curves.weights[order] ** 2)
            for sign in (1, -1):
                moved = _squared_frequencies(shape, (sign * centre[0], sign * centre[1]))
                total += weight * curves.strength(moved)
    return total


def _squared_frequencies(
    shape: tuple[int, ...], centre: tuple[float, float], *, half: bool = True
) -> FloatArray:
    """Return |f - centre|^2 in (cycles per native pixel)^2; `shape` is doubled on the half plane."""
    if half:
        fy, fx = 2 * scipy.fft.fftfreq(shape[0]), 2 * scipy.fft.rfftfreq(shape[1])
    else:
        fy, fx = scipy.fft.fftfreq(shape[0]), scipy.fft.fftfreq(shape[1])
    squared: FloatArray = np.add.outer((fy - centre[0]) ** 2, (fx - centre[1]) ** 2).astype(np.float32)
    return squared


def _apodisation(squared: FloatArray, end_px: float) -> FloatArray:
    """Return a cosine fall from 1 at frequency 0 to 0 at `end_px`."""
    falling: FloatArray = np.cos(np.pi / 2 * np.minimum(np.sqrt(squared) / np.float32(end_px), 1))
    return falling
