"""Names and order of axes: one capital letter each, planes last.

==  ==========================================================================
T   time
Z   focus
C   channel
I   a sequence whose meaning the file does not tell (raw SIM frames, as a rule)
Y   rows
X   columns
S   samples of a colour pixel (red, green, blue)
==  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError

if TYPE_CHECKING:
    import xarray as xr

ORDER = "TZCIYXS"  # of an array in memory: slowest first, as ImageJ numbers its slices
STACK_AXES = ORDER[:4]
MEANING = {
    "T": "time",
    "Z": "focus",
    "C": "channel",
    "I": "frame",
    "Y": "row",
    "X": "column",
    "S": "colour sample",
}


def check_axes(axes: str, ndim: int, name: str) -> str:
    """Return `axes` in capitals if they name `ndim` different axes, Y and X among them.

    Raises
    ------
    ImageError
        A letter is unknown or repeated, Y or X is missing, or the number does not fit `name`'s data.
    """
    axes = axes.upper()
    known = ", ".join(f"{letter} {meaning}" for letter, meaning in MEANING.items())
    if set(axes) - set(ORDER) or len(set(axes)) < len(axes) or not {"Y", "X"} <= set(axes):
        raise ImageError(f"'{axes}' does not name the axes of an image", f"letters are {known}; each once")
    if len(axes) != ndim:
        raise ImageError(
            f"{name}: {ndim} axes cannot be named by {len(axes)} letters, '{axes}'", f"letters are {known}"
        )
    return axes


def in_order(axes: str) -> tuple[str, ...]:
    """Sort axis letters slowest first.

    Examples
    --------
    >>> in_order("YXCT")
    ('T', 'C', 'Y', 'X')
    """
    return tuple(sorted(axes, key=ORDER.index))


def stack_dims(array: xr.DataArray) -> tuple[Hashable, ...]:
    """Return the dims of `array` other than those of a plane (Y, X, S)."""
    return tuple(dim for dim in array.dims if dim not in ("Y", "X", "S"))


def planes(array: xr.DataArray) -> Iterator[tuple[dict[str, int], NDArray[Any]]]:
    """Walk through the planes of an image, the last of the stack axes fastest.

    Parameters
    ----------
    array : DataArray
        Any number of axes, Y and X among them.

    Yields
    ------
    index : dict
        Position on each stack axis; empty for a single plane.
    plane : (Y, X) or (Y, X, S) ndarray
        A view; of a memory-mapped image, only this plane is read.

    Examples
    --------
    >>> import xarray as xr
    >>> stack = xr.DataArray(np.zeros((2, 3, 4)), dims=("T", "Y", "X"))
    >>> [index for index, plane in planes(stack)]
    [{'T': 0}, {'T': 1}]
    """
    dims = stack_dims(array)
    values = array.transpose(*dims, "Y", "X", ...).values
    for index in np.ndindex(values.shape[: len(dims)]):
        yield {str(dim): i for dim, i in zip(dims, index, strict=True)}, values[index]
