"""What a measure accepts: one finite, non-constant 2-D image, or two of the same size."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.errors import ImageError

FloatImage = NDArray[np.float64]


def check_image(image: ArrayLike, what: str = "the image", min_side_px: int = 1) -> FloatImage:
    """Return `image` as float64, or say in one line why it cannot be measured.

    Parameters
    ----------
    image : (Y, X) array_like
        Integers or floating point numbers.
    what : str
        How the message calls it.
    min_side_px : int
        Smallest height and width that the measure needs.

    Returns
    -------
    (Y, X) ndarray of float64
        A copy only where the type had to change.

    Raises
    ------
    ImageError
        It is no single grey image, is empty or too small, holds NaN or infinity, or is constant.
    """
    pixels = np.asarray(image)
    if pixels.dtype.kind not in "iuf":
        kind = {"b": "true/false values", "c": "complex numbers"}.get(
            pixels.dtype.kind, f"type {pixels.dtype}"
        )
        raise ImageError(f"{what} holds {kind}, not intensities", "pass integers or floating point numbers")
    if pixels.ndim != 2:
        raise ImageError(
            f"{what} has the shape {_size(pixels)}, one (Y, X) image is needed", "pick one plane or channel"
        )
    if pixels.size == 0:
        raise ImageError(f"{what} has no pixels ({_size(pixels)})", "was the crop outside the image?")
    if min(pixels.shape) < min_side_px:
        raise ImageError(
            f"{what} is {_size(pixels)} pixels, at least {min_side_px} x {min_side_px} are needed",
            "use a larger field",
        )
    pixels = pixels.astype(np.float64, copy=False)
    low, high = pixels.min(), pixels.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        count = int(np.count_nonzero(~np.isfinite(pixels)))
        raise ImageError(
            f"{what} holds {count} NaN or infinite of {pixels.size} pixels", "replace them, or crop them away"
        )
    if low == high:
        raise ImageError(
            f"{what} is constant (every pixel is {low:g})", "was the right file, plane or channel read?"
        )
    return pixels


def check_pair(truth: ArrayLike, image: ArrayLike, min_side_px: int = 1) -> tuple[FloatImage, FloatImage]:
    """Return both images as float64 after :func:`check_image`; their sizes must agree.

    Raises
    ------
    ImageError
        One cannot be measured, or the sizes differ.
    """
    checked_truth = check_image(truth, "the truth", min_side_px)
    checked_image = check_image(image, "the image", min_side_px)
    if checked_truth.shape != checked_image.shape:
        raise ImageError(
            f"the truth is {_size(checked_truth)} pixels, the image {_size(checked_image)}",
            _size_hint(checked_truth.shape, checked_image.shape),
        )
    return checked_truth, checked_image


def _size(pixels: NDArray[np.generic]) -> str:
    return " x ".join(str(side) for side in pixels.shape) or "()"


def _size_hint(truth: tuple[int, ...], image: tuple[int, ...]) -> str:
    ratios = {a / b for a, b in zip(truth, image, strict=True)}
    if len(ratios) == 1:
        ratio = ratios.pop()
        which, factor = ("image", ratio) if ratio > 1 else ("truth", 1 / ratio)
        return (
            f"the {which} has {factor:g} times larger pixels: bring both to one grid (images.bicubic_enlarge)"
        )
    return "both must show the same field on the same pixel grid"
