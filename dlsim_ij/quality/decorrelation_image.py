"""Preparing an image for decorrelation analysis: single precision, faded border, a square of 2^n."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.quality.inputs import check_image

RELIABLE_SIDE_PX = 64  # below, the taper leaves too little of the image
LARGEST_SIDE_PX = 16384  # of the padded square: about 5 GB
_TAPER_PX = 20


def single_precision(image: ArrayLike) -> NDArray[np.float32]:
    """Return a copy in float32, scaled by a power of two to at most 1.

    Raises
    ------
    ImageError
        The image cannot be measured, is too long, or is constant in float32.
    """
    checked = check_image(image)
    height, width = checked.shape
    side = padded_side(checked.shape)
    if side > LARGEST_SIDE_PX:
        raise ImageError(
            f"the image is {height} x {width} pixels, it would be padded to {side} x {side}",
            f"crop it to sides of at most {LARGEST_SIDE_PX} px",
        )
    # a power of two changes no rounding, and keeps the squares of any unit finite
    exponent = int(np.frexp(max(abs(checked.min()), abs(checked.max())))[1])
    pixels = np.empty(checked.shape, np.float32)
    np.ldexp(checked, -exponent, out=pixels, casting="same_kind")
    if pixels.min() == pixels.max():
        raise ImageError(
            f"the image is constant in single precision (every pixel is {checked.flat[0]:g})",
            "subtract its offset first",
        )
    return pixels


def taper(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fade the outermost 20 px into the mean of what lies outside the inner circle."""
    height, width = pixels.shape
    centre_y, centre_x = height // 2, width // 2
    from_centre_y, from_centre_x = np.arange(height) - centre_y, np.arange(width) - centre_x
    outside = (from_centre_x**2)[None, :] > (centre_x - _TAPER_PX) ** 2 - (from_centre_y**2)[:, None]
    if not outside.any():
        raise ImageError(
            f"the image is {height} x {width} pixels, too few for a border of {_TAPER_PX} px",
            f"use a larger field, at least {RELIABLE_SIDE_PX} x {RELIABLE_SIDE_PX} px",
        )
    border = pixels[outside].mean(dtype=np.float64).astype(np.float32)
    keep_y, keep_x = (
        (1 - np.cos(np.pi / _TAPER_PX * np.minimum(np.abs(np.abs(offset) - centre), _TAPER_PX))) / 2
        for offset, centre in ((from_centre_y, centre_y), (from_centre_x, centre_x))
    )
    result = pixels.copy()
    upper, middle, lower = _border_and_middle(height)
    left, _, right = _border_and_middle(width)
    for y, x in ((upper, slice(None)), (lower, slice(None)), (middle, left), (middle, right)):
        keep = np.minimum(keep_y[y, None], keep_x[x])
        result[y, x] = border + keep * (result[y, x] - np.float64(border))
    return result


def _border_and_middle(size: int) -> tuple[slice, slice, slice]:
    far = max(size - _TAPER_PX, _TAPER_PX)
    return slice(_TAPER_PX), slice(_TAPER_PX, far), slice(far, None)


def padded_side(shape: tuple[int, int]) -> int:
    """Return the next power of two that holds both sides."""
    return 1 << (max(shape) - 1).bit_length()


def pad(tapered: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put a tapered image into the middle of a square of 2^n px of its border value."""
    side = padded_side(tapered.shape)
    height, width = tapered.shape
    if height == width == side:
        return tapered
    square = np.full((side, side), tapered[0, 0])  # the corner has become the border value
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = tapered
    return square
