"""The raw stacks of an open file, none of which is read before it is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.acquisition.layout import split_stack
from dlsim_ij.images import require_grey
from dlsim_ij.images.regions import RegionSource


class StackSource:
    """Raw SIM stacks in an open file.

    Parameters
    ----------
    source : RegionSource
    layout : str
        Angles x phases.

    Attributes
    ----------
    series : tuple of (str, int)
        As in `RawStacks`; empty for a single stack.
    n_angles, n_phases : int

    Raises
    ------
    ImageError, LayoutError
        Colour, or no axis that can be the frames.
    """

    def __init__(self, source: RegionSource, layout: str) -> None:
        # an image of plane numbers goes the way that an image of pixels goes
        numbers = split_stack(require_grey(source.plane_numbers()), layout=layout)
        self._source = source
        planes = numbers.frames[..., 0, 0].reshape(len(numbers), -1)
        self._planes: NDArray[np.intp] = planes.astype(np.intp)
        self.series = numbers.series
        self.n_angles, self.n_phases = numbers.n_angles, numbers.n_phases
        self.height, self.width, self.dtype = source.height, source.width, source.dtype
        self.attributes = source.attributes
        self.positions = numbers.positions()

    def __len__(self) -> int:
        return len(self._planes)

    @property
    def n_frames(self) -> int:
        """Of one stack."""
        return self._planes.shape[1]

    def read(self, number: int, rows: slice, columns: slice, frames: list[int] | None = None) -> NDArray[Any]:
        """Read a part of a stack: (frames, rows, columns), all frames or those named."""
        planes = self._planes[number]
        return self._source.stack(planes if frames is None else planes[frames], rows, columns)

    def image(self, number: int) -> xr.DataArray:
        """Read a whole stack, as `read_image` gives it."""
        pixels = self.read(number, slice(0, self.height), slice(0, self.width))
        kept = {key: value for key, value in self.attributes.items() if key != "labels"}
        return xr.DataArray(pixels, dims=("I", "Y", "X"), attrs=kept)
