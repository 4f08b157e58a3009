"""Rings of spatial frequency: which samples they hold, how many are independent, and sums over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.errors import ConfigError

FloatArray = NDArray[np.float64]
Window = Literal["tukey", "hann", "none"]

_TUKEY_TAPER = 0.25  # of each side's length, both ends together; NanoJ-SQUIRREL's
_MOST_LAGS = 4  # the transform of a squared window is below 1e-3 beyond, for every window offered


@dataclass(frozen=True, slots=True, kw_only=True)
class Rings:
    """Where the samples of a half spectrum lie: ``(Y, X // 2 + 1)``, as `scipy.fft.rfft2` gives it.

    Ring k, from 1 on, holds the frequencies within half a ring width of ``k * width``, up to 0.5 cycles/px.
    The width is one period per shorter side. Frequencies are physical, so an image need not be square.
    """

    shape: tuple[int, int]
    window: FloatArray  # (Y, X)
    index: NDArray[np.intp]  # (Y * (X // 2 + 1),): ring of each sample; `count` for those that take no part
    count: int
    width: float  # cycles/px
    frequency: FloatArray  # (count,): mean of the members, cycles/px
    n_independent: FloatArray  # (count,): complex samples that do not follow from others

    @classmethod
    def of(cls, shape: tuple[int, int], window: Window = "tukey") -> Rings:
        """Return the rings of images of `shape`; the last few are remembered."""
        if window not in get_args(Window):
            raise ConfigError(f"no window is called '{window}'", f"choose {', '.join(get_args(Window))}")
        return _rings(shape, window)

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum half spectra ``(..., Y, X // 2 + 1)`` over each ring; redundant samples count once.

        The values are used up: some are halved in place.
        """
        values = values.reshape(-1, *values.shape[-2:])
        # the columns at 0 and at the Nyquist frequency hold each sample and its conjugate
        values[..., 0] *= 0.5
        if self.shape[1] % 2 == 0:
            values[..., -1] *= 0.5
        size = self.count + 1
        blocks = len(values)
        index = self.index
        if blocks > 1:
            index = (np.arange(blocks)[:, None] * size + index).ravel()
        sums = np.bincount(index, weights=values.ravel(), minlength=blocks * size)
        return np.asarray(sums, np.float64).reshape(blocks, size)[:, : self.count]


@dataclass(frozen=True, slots=True, kw_only=True)
class RingSums:
    """What a correlation needs of one or more pairs: each ``(pairs, rings)``."""

    cross: FloatArray  # real part of F1 conj(F2)
    first: FloatArray  # |F1|^2
    second: FloatArray

    def correlation(self) -> FloatArray:
        """Return the correlation of each ring; 0 where one image has nothing there."""
        scale = np.sqrt(self.first) * np.sqrt(self.second)
        return np.divide(self.cross, scale, out=np.zeros_like(self.cross), where=scale > 0)


def ring_sums(first: FloatArray, second: FloatArray, rings: Rings) -> tuple[RingSums, NDArray[np.complex128]]:
    """Transform pairs of images ``(..., Y, X)`` and sum over rings.

    Each is multiplied by the window after its mean under the window was taken off, so that neither the
    offset nor the shape of the window correlates.

    Returns
    -------
    sums : RingSums
    cross_spectrum : (..., Y, X // 2 + 1) ndarray
        ``F1 conj(F2)``, for whoever looks for a shift.
    """
    spectrum = _spectrum(second, rings.window)
    power_second = rings.sums(_squared(spectrum))
    cross = np.conj(spectrum, out=spectrum)
    spectrum = _spectrum(first, rings.window)
    power_first = rings.sums(_squared(spectrum))
    cross *= spectrum
    del spectrum
    sums = RingSums(cross=rings.sums(cross.real.copy()), first=power_first, second=power_second)
    return sums, cross


@lru_cache(maxsize=2)
def _rings(shape: tuple[int, int], window: Window) -> Rings:
    height, width = shape
    y = scipy.fft.fftfreq(height)
    x = scipy.fft.rfftfreq(width)
    ring_width = 1.0 / min(shape)
    count = min(shape) // 2
    radius = np.hypot(y[:, None], x).ravel()
    index = np.rint(radius / ring_width).astype(np.intp) - 1  # the first ring holds no constant
    index[(index < 0) | (index >= count) | (radius > 0.5)] = count
    half = np.ones((height, len(x)))
    half[:, 0] = 0.5
    if width % 2 == 0:
        half[:, -1] = 0.5
    members = np.bincount(index, weights=half.ravel(), minlength=count + 1)[:count]
    frequency = np.bincount(index, weights=(half.ravel() * radius), minlength=count + 1)[:count] / members
    window_y, window_x = window_values(height, window), window_values(width, window)
    return Rings(
        shape=shape,
        window=np.outer(window_y, window_x),
        index=index,
        count=count,
        width=ring_width,
        frequency=frequency,
        n_independent=members / _dependence(window_y, window_x, ring_width),
    )


def window_values(length: int, name: Window) -> FloatArray:
    """Return the window along one side; no pixel of the image gets the weight 0."""
    from scipy.signal.windows import hann, tukey

    if name == "none":
        return np.ones(length)
    made = hann(length + 2) if name == "hann" else tukey(length + 2, _TUKEY_TAPER)
    return np.asarray(made[1:-1], np.float64)


def _dependence(window_y: FloatArray, window_x: FloatArray, ring_width: float) -> float:
    """Return how many samples of a ring count as one, because the window correlates neighbours.

    White noise under a window w has samples whose correlation at lag d is c(d), the transform of w squared
    over its value at 0. A mean over a ring then has the variance of one over n / D independent samples with
    D = sum over d of p(d) |c(d)|^2, where p(d) is the share of a ring's samples whose neighbour at lag d lies
    in the ring too: over all directions, the mean of ``1 - |d . direction| / ring width`` where positive.
    """
    angle = np.linspace(0, np.pi, 360, endpoint=False)
    total = 0.0
    parts = []
    for window in (window_y, window_x):
        lags = np.arange(-_MOST_LAGS, _MOST_LAGS + 1)
        phase = np.exp(-2j * np.pi * np.outer(lags, np.arange(len(window))) / len(window))
        transform = phase @ window**2
        parts.append((lags / len(window), np.abs(transform / (window**2).sum()) ** 2))
    (lag_y, c_y), (lag_x, c_x) = parts
    for y, weight_y in zip(lag_y, c_y, strict=True):
        across = np.abs(y * np.sin(angle) + lag_x[:, None] * np.cos(angle)) / ring_width
        share = np.maximum(1 - across, 0).mean(axis=1)
        total += float((weight_y * c_x * share).sum())
    return total


def _spectrum(images: FloatArray, window: FloatArray) -> NDArray[np.complex128]:
    mean = (images * window).sum(axis=(-2, -1), keepdims=True) / window.sum()
    windowed = images - mean
    windowed *= window
    return np.asarray(scipy.fft.rfft2(windowed, overwrite_x=True))


def _squared(spectrum: NDArray[np.complex128]) -> FloatArray:
    squares = np.square(spectrum.real)
    squares += np.square(spectrum.imag)
    return squares
