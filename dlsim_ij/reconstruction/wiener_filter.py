"""How a Wiener filter weights the bands, and the presets.

| preset | order weights | transfer | for |
|---|---|---|---|
| `STANDARD` | measured | measured | everything: nearest to the object in simulations |
| `VENDOR` | fixed | steep | pictures as the software of the paper's microscope makes them |
| `SOFT` | fixed | steep | dim stacks |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import ConfigError
from dlsim_ij.optics import Pattern, otf_profile
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]
_TABLE_SIZE = 8192
_WEAKEST = 0.05  # a measured order weight below would only raise noise


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"a {name} of {value:g} is out of range", f"give {low:g} to {high:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WienerFilter(Result):
    """How the bands are weighted and where the spectrum ends.

    Attributes
    ----------
    wiener : float
        The Wiener parameter w; w^2 is added to the squared transfer, for three angles: larger is smoother and
        less noisy.
    otf_damping : float or None
        Loss of the assumed transfer at the cut-off, see `otf_profile`; None: as measured in the stack.
    order_weights : tuple of float or None
        Assumed amplitude of orders 1, 2, against 1 of order 0; None: half the measured modulation of each
        angle. Larger ones than are true keep the fine detail, and its noise, low.
    notch_strength, notch_width : float
        Depth of the dip at every band's centre ("OTF attenuation"), and its sigma in units of the cut-off.
    apodisation_end : float
        Where the output spectrum reaches 0, in units of the cut-off.
    apodisation_bend : float
        Power of the cosine fall: below 1 it keeps more fine detail, above 1 less.

    Raises
    ------
    ConfigError
        A value is out of range.
    """

    wiener: float = 0.08
    otf_damping: float | None = 0.05
    order_weights: tuple[float, ...] | None = (0.67, 0.33)
    notch_strength: float = 1.0
    notch_width: float = 0.24
    apodisation_end: float = 1.40
    apodisation_bend: float = 1.0

    def __post_init__(self) -> None:
        _check("Wiener parameter", self.wiener, 1e-4, 10)
        if self.otf_damping is not None:
            _check("OTF damping", self.otf_damping, 0.001, 1.5)
        for weight in self.order_weights or ():
            _check("order weight", weight, 0, 2)
        _check("notch strength", self.notch_strength, 0, 1)
        _check("notch width", self.notch_width, 0.001, 2)
        _check("apodisation cutoff", self.apodisation_end, 0.2, 4)
        _check("apodisation bend", self.apodisation_bend, 0.05, 10)

    def weights(self, pattern: Pattern) -> tuple[float, ...]:
        """Return the amplitude assumed of each order of one angle.

        Raises
        ------
        ConfigError
            Fewer weights than orders.
        """
        if self.order_weights is None:
            return tuple(max(c / 2, _WEAKEST) for c in pattern.modulation)
        if len(self.order_weights) < pattern.orders:
            raise ConfigError(
                f"{len(self.order_weights)} order weights for {pattern.orders} orders",
                "give one per order, for example --order-weights 0.67,0.33",
            )
        return self.order_weights[: pattern.orders]


# `VENDOR` and `SOFT` make what the shipped networks see and were trained towards: do not change them.
VENDOR = WienerFilter()
SOFT = WienerFilter(wiener=0.5)
STANDARD = WienerFilter(
    wiener=0.06, otf_damping=None, order_weights=None, notch_width=0.25, apodisation_end=1.8
)
FILTERS = {"standard": STANDARD, "vendor": VENDOR, "soft": SOFT}


class Curves:
    """Trust times transfer, and trust times squared transfer, as tables over the squared frequency.

    The notch is the trust put in a frequency of a band: little near the band's centre, where
    out-of-focus light sits. It weights the least squares sum of |band - transfer * object|^2, so it
    stands once in the numerator and once in the denominator.
    """

    def __init__(self, one: WienerFilter, cutoff_px: float) -> None:
        if one.otf_damping is None:
            raise ValueError("the damping is to be measured first")
        self._scale = np.float32((_TABLE_SIZE - 2) / cutoff_px**2)
        frequency = np.sqrt(np.arange(_TABLE_SIZE) / self._scale)
        transfer = otf_profile(frequency, cutoff_px, one.otf_damping)
        trust = 1 - one.notch_strength * np.exp(-((frequency / cutoff_px / one.notch_width) ** 2) / 2)
        self._filter = (trust * transfer).astype(np.float32)
        self._strength = (trust * transfer**2).astype(np.float32)
        self._filter[-2:] = self._strength[-2:] = 0

    def filter(self, squared: FloatArray) -> FloatArray:
        """Return trust times transfer."""
        return self._filter[self._index(squared)]

    def strength(self, squared: FloatArray) -> FloatArray:
        """Return trust times squared transfer."""
        return self._strength[self._index(squared)]

    def _index(self, squared: FloatArray) -> NDArray[np.int32]:
        index: NDArray[np.int32] = np.minimum(squared * self._scale, np.float32(_TABLE_SIZE - 1)).astype(
            np.int32
        )
        return index


def summed_strength(
    shape: tuple[int, int], patterns: Sequence[Pattern], one: WienerFilter, curves: Curves
) -> FloatArray:
    """Return the summed squared transfer of all bands on the half plane of the doubled grid `shape`."""
    total = np.float32(len(patterns)) * curves.strength(squared_frequencies(shape))
    for pattern in patterns:
        for order, amplitude in enumerate(one.weights(pattern), start=1):
            for sign in (order, -order):
                centre = (sign * pattern.frequency_px[0], sign * pattern.frequency_px[1])
                total += np.float32(amplitude**2) * curves.strength(squared_frequencies(shape, centre))
    return total


def apodisation(shape: tuple[int, int], one: WienerFilter, cutoff_px: float) -> FloatArray:
    """Return a cosine fall from 1 at frequency 0 to 0 at the end, on the half plane of the doubled grid."""
    end_px = np.float32(one.apodisation_end * cutoff_px)
    falling: FloatArray = np.cos(np.pi / 2 * np.minimum(np.sqrt(squared_frequencies(shape)) / end_px, 1))
    if one.apodisation_bend != 1:
        falling = np.maximum(falling, 0) ** np.float32(one.apodisation_bend)
    return falling


def squared_frequencies(shape: tuple[int, int], centre: tuple[float, float] = (0.0, 0.0)) -> FloatArray:
    """Return |f - centre|^2 in (cycles per native pixel)^2 on the half plane of the doubled grid `shape`."""
    fy, fx = 2 * np.fft.fftfreq(shape[0]), 2 * np.fft.rfftfreq(shape[1])
    squared: FloatArray = np.add.outer((fy - centre[0]) ** 2, (fx - centre[1]) ** 2).astype(np.float32)
    return squared
