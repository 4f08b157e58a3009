"""Intensity scales: the seed's maxima, and our own that one hot pixel or another gain cannot move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from dlsim_ij.errors import ImageError
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]

LOW_PERCENT = 2.0
HIGH_PERCENT = 99.5
SMOOTHING_PX = 1.2
_RING = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling(Result):
    """Offset and scale of one field: normalised = (counts - offset) / scale.

    Attributes
    ----------
    offset : float
        What counts as zero, in camera counts.
    scale : float
        Counts per unit of the normalised image, above zero.
    """

    offset: float
    scale: float

    def apply(self, counts: ArrayLike) -> NDArray[np.float32]:
        """Return `counts` normalised, as float32."""
        values = np.asarray(counts, dtype=np.float32)
        return (values - np.float32(self.offset)) * np.float32(1 / self.scale)

    def undo(self, normalised: ArrayLike, *, offset: bool = True) -> NDArray[np.float32]:
        """Return `normalised` in counts; `offset=False` leaves the zero where it is."""
        counts = np.asarray(normalised, dtype=np.float32) * np.float32(self.scale)
        return counts + np.float32(self.offset) if offset else counts


def robust_scaling(
    frames: ArrayLike,
    *,
    low_percent: float = LOW_PERCENT,
    high_percent: float = HIGH_PERCENT,
    smoothing_px: float = SMOOTHING_PX,
) -> Scaling:
    """Find the scale of a field from all its frames.

    The frames are averaged, isolated hot pixels are taken down to what optics allow, the mean is smoothed,
    and its percentiles are the offset (2 %) and the white level (99.5 %). A network that sees
    (x - offset) / scale is blind to camera offset, gain, exposure and bleaching; the choice of percentiles
    and smoothing is the one whose robustness was measured in docs/datasets.md.

    Parameters
    ----------
    frames : (..., Y, X) array_like
        All raw frames of one field, or one image.
    low_percent, high_percent : float
        Percentiles of the smoothed mean.
    smoothing_px : float
        Sigma of the Gaussian, in pixels of `frames`.

    Raises
    ------
    ImageError
        The frames are empty, not finite, or without any contrast.

    Notes
    -----
    No pixel counts for more than twice what the second highest of its eight neighbours has above the
    background. An image whose point-spread function is sampled stays as it is: beside the peak of a point
    with a full width of 2 pixels, four neighbours have half its height. Single and paired hot pixels are
    taken down; clusters, and hot pixels that were enlarged with the picture, are not recognised.

    Examples
    --------
    >>> ramp = np.tile(np.arange(100.0), (100, 1))
    >>> scaling = robust_scaling(3 * ramp + 50)
    >>> round(scaling.scale / robust_scaling(ramp).scale, 4)
    3.0
    """
    stack = np.asarray(frames)
    if stack.ndim < 2 or stack.size == 0:
        raise ImageError(f"frames of shape {stack.shape} hold no image", "pass (frames, Y, X)")
    mean = stack.reshape(-1, *stack.shape[-2:]).mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        raise ImageError("the frames hold NaN or infinity", "replace them before normalising")
    smooth = smoothed_mean(mean, float(np.percentile(mean, low_percent)), smoothing_px)
    low, high = np.percentile(smooth, [low_percent, high_percent])
    return scaling_between(low, high, low_percent, high_percent)


def smoothed_mean(mean: FloatArray, background: float, smoothing_px: float = SMOOTHING_PX) -> FloatArray:
    """Return the mean of a field's frames without hot pixels, smoothed; `background` is its low level."""
    smooth: FloatArray = ndimage.gaussian_filter(
        _without_hot_pixels(mean, background), smoothing_px, mode="nearest"
    )
    return smooth


def scaling_between(
    low: float, high: float, low_percent: float = LOW_PERCENT, high_percent: float = HIGH_PERCENT
) -> Scaling:
    """Return the scale from two levels of a field.

    Raises
    ------
    ImageError
        They are the same.
    """
    if not high > low:
        raise ImageError(
            f"the frames have no contrast: {low_percent:g} % and {high_percent:g} % level are {low:g}",
            "is the field empty, or was the right channel read?",
        )
    return Scaling(offset=float(low), scale=float(high - low))


def _without_hot_pixels(image: FloatArray, background: float) -> FloatArray:
    padded = np.pad(image, 1, constant_values=-np.inf)
    height, width = image.shape
    first = second = np.full_like(image, -np.inf)  # the two highest of the eight neighbours
    for y, x in _RING:
        neighbour = padded[y : y + height, x : x + width]
        second = np.maximum(second, np.minimum(first, neighbour))
        first = np.maximum(first, neighbour)
    highest = background + 2 * np.maximum(second - background, 0)
    clamped: FloatArray = np.minimum(image, highest)
    return clamped
