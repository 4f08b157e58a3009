"""How the published plugin crops and registers its images before it compares them.

Its enlarged reference lies (magnification / 4 - 1/2) image pixels away from the image, so above a
magnification of 2 a shift is found, and undone, on images that are aligned. That is part of the published
numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
import scipy.fft
import scipy.optimize
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.images.resize import bicubic_enlarge, cubic_weight
from dlsim_ij.quality.imagej_translate import bicubic_translate
from dlsim_ij.quality.squirrel_result import Slices

Image = NDArray[np.float32]

_LEAST_SHIFT_PX = 0.5  # of the image; below it nothing is moved


@dataclass(frozen=True, kw_only=True)
class CompatAlignment:
    """What is cut off both images, and how the image is moved in between.

    The plugin decides on the cuts for all images of a stack together.
    """

    border: Slices  # of the reference: what remains without the black border
    shift_px: tuple[float, float]  # y, x in image pixels: how the image is moved
    found_px: tuple[float, float]  # what registration found, moved or not
    part: Slices  # of what `border` leaves: what remains without the lines that moved in

    @property
    def crop(self) -> Slices:
        """Return the part of the reference that is compared."""
        y, x = (
            slice(outer.start + inner.start, outer.start + inner.stop)
            for outer, inner in zip(self.border, self.part, strict=True)
        )
        return y, x

    def applied(self, reference: Image, image: Image, factor: int) -> tuple[Image, Image]:
        """Return the images as the plugin compares them."""
        image = image[_finer(self.border, factor)]
        if self.shift_px != (0, 0):
            image = bicubic_translate(image, *self.shift_px)
        return reference[self.crop], image[_finer(self.part, factor)]


def align(
    reference: Image,
    images: Iterable[Image | None],
    factor: int,
    *,
    register: bool,
    crop_zero_border: bool,
    max_shift_px: int,
) -> list[CompatAlignment]:
    """Decide how the images of one stack are cropped and moved.

    Parameters
    ----------
    reference : (Y, X) ndarray of float32
    images : iterable of (factor Y, factor X) ndarray of float32
        Gone through twice, so no generator. None stands for an image that cannot be compared and takes no
        part in the decision.
    factor : int
        Image pixels per reference pixel.
    register, crop_zero_border : bool
        Whether to do either; the plugin always registers.
    max_shift_px : int
        Longest shift that is looked for, in image pixels; 0: any.

    Returns
    -------
    list of CompatAlignment
        One per image.

    Raises
    ------
    ImageError
        Too little would be left.
    """
    borders = [_black_border(image) for image in images if image is not None] if crop_zero_border else []
    top, bottom, left, right = (
        (max(counts) // factor for counts in zip(*borders, strict=True)) if borders else (0,) * 4
    )
    height, width = reference.shape
    border = slice(top, height - bottom), slice(left, width - right)
    _check_left(border, "its black border")
    shifts = [(0.0, 0.0)] * (len(borders) or sum(1 for _ in images))
    if register:
        fine = _finer(border, factor)
        enlarged = np.asarray(bicubic_enlarge(reference[border], factor), np.float32)
        shifts = [
            (0.0, 0.0) if image is None else found_shift(enlarged, image[fine], max_shift_px)
            for image in images
        ]
    largest = [max((shift[axis] for shift in shifts), key=abs, default=0.0) for axis in (0, 1)]
    moves = max(map(abs, largest)) >= _LEAST_SHIFT_PX
    part_y, part_x = (
        _kept(side.stop - side.start, shift, factor) for side, shift in zip(border, largest, strict=True)
    )
    _check_left((part_y, part_x), "the lines that a shift brings in")
    return [
        CompatAlignment(
            border=border,
            shift_px=shift if moves else (0.0, 0.0),
            found_px=shift,
            part=(part_y, part_x),
        )
        for shift in shifts
    ]


def _finer(part: Slices, factor: int) -> Slices:
    y, x = (slice(factor * side.start, factor * side.stop) for side in part)
    return y, x


def _check_left(part: Slices, without: str) -> None:
    sides = [side.stop - side.start for side in part]
    if min(sides) < 3:
        raise ImageError(
            f"without {without} the image leaves {max(sides[0], 0)} x {max(sides[1], 0)} reference pixels",
            "is it the right image? mode exact needs no such crop",
        )


def _black_border(image: Image) -> tuple[int, int, int, int]:
    """Count rows at top and bottom, columns at left and right without a positive pixel."""
    rows, columns = (np.flatnonzero((image > 0).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise ImageError("the image has no positive pixel", "crop_zero_border=False keeps its border")
    height, width = image.shape
    return int(rows[0]), height - 1 - int(rows[-1]), int(columns[0]), width - 1 - int(columns[-1])


def _kept(side: int, shift_px: float, factor: int) -> slice:
    if abs(shift_px) < _LEAST_SHIFT_PX:
        return slice(0, side)
    lost = ceil(abs(shift_px) / factor)
    return slice(lost, side) if shift_px > 0 else slice(0, side - lost)


def found_shift(enlarged: Image, image: Image, max_shift_px: int = 0) -> tuple[float, float]:
    """Return how the image has to move, (y, x), by the peak of the circular cross-correlation.

    Parameters
    ----------
    enlarged, image : (Y, X) ndarray
        Reference at the size of the image, and the image.
    max_shift_px : int
        0: any shift.
    """
    height, width = image.shape
    side = min(height, width) // 2 * 2
    top, left = (height - side) // 2, (width - side) // 2
    square = slice(top, top + side), slice(left, left + side)
    # without the mean values, which add a constant only, single precision is enough
    spectrum = scipy.fft.rfft2(_centred(image[square]), overwrite_x=True)
    np.conj(spectrum, out=spectrum)
    spectrum *= scipy.fft.rfft2(_centred(enlarged[square]), overwrite_x=True)
    surface = scipy.fft.irfft2(spectrum, (side, side), overwrite_x=True)
    # shifts from side/2 - 1 down to 1 - side/2: the plugin flips its map and drops a row and a column
    surface = scipy.fft.fftshift(surface)[:0:-1, :0:-1]
    middle = side // 2 - 1
    first = max(middle - max_shift_px, 0) if max_shift_px else 0
    surface = surface[first : side - 1 - first, first : side - 1 - first]
    y, x = _peak(surface)
    return middle - first - y, middle - first - x


def _centred(image: Image) -> Image:
    return np.asarray(image - np.float32(image.mean(dtype=np.float64)), np.float32)


def _peak(surface: Image) -> tuple[float, float]:
    """Return where the bicubic surface is highest near its highest pixel."""
    size = len(surface)
    start = [int(at) for at in np.unravel_index(int(np.argmax(surface)), surface.shape)]
    scale = float(abs(surface[start[0], start[1]])) or 1.0

    def depth(at: NDArray[np.float64]) -> float:
        y, x = map(float, at)
        if not (1 < y < size - 2 and 1 < x < size - 2):
            return float("inf")
        row, column = floor(y), floor(x)
        near = surface[row - 1 : row + 3, column - 1 : column + 3].astype(np.float64)
        taps = np.arange(-1.0, 3.0)
        along_y = cubic_weight(y - row - taps) @ near
        return -float(np.vdot(along_y, cubic_weight(x - column - taps))) / scale

    if depth(np.array(start, float)) == float("inf"):
        return float(start[0]), float(start[1])
    corners = np.array(start) + np.array([[0, 0], [0.3, 0], [0, 0.3]])
    options = {"initial_simplex": corners, "xatol": 1e-6, "fatol": 1e-14, "maxiter": 500}
    found = scipy.optimize.minimize(depth, start, method="Nelder-Mead", options=options).x
    return float(found[0]), float(found[1])
