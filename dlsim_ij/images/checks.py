"""Refusing arrays that a step cannot use, in the words of the file they came from."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dlsim_ij.errors import ImageError, LayoutError
from dlsim_ij.images.axes import MEANING, planes, stack_dims


def _name(image: xr.DataArray) -> str:
    return str(image.attrs.get("source") or image.attrs.get("name") or "the image")


def require_grey(image: xr.DataArray) -> xr.DataArray:
    """Return the image without its colour axis, which must have a single sample.

    Raises
    ------
    ImageError
        It is a colour picture.
    """
    if "S" not in image.dims:
        return image
    if image.sizes["S"] > 1:
        raise ImageError(
            f"{_name(image)} is a colour picture ({image.sizes['S']} samples a pixel), not grey",
            "give the camera's own file, or split it in ImageJ: Image > Color > Split Channels",
        )
    return image.isel(S=0)


def require_frames(image: xr.DataArray, n_frames: int | None = None) -> xr.DataArray:
    """Return a stack of grey frames, (frame, Y, X), without axes of length one.

    Parameters
    ----------
    image : DataArray
        With one axis besides Y and X that is longer than 1, whatever it is called.
    n_frames : int, optional
        The number of frames there must be.

    Raises
    ------
    ImageError
        Colour, a single plane, or more than one stack axis.
    LayoutError
        Another number of frames.
    """
    grey = require_grey(image)
    long = [dim for dim in stack_dims(grey) if grey.sizes[dim] > 1]
    if len(long) > 1:
        sizes = ", ".join(f"{grey.sizes[dim]} along {dim} ({MEANING.get(str(dim), dim)})" for dim in long)
        raise ImageError(
            f"{_name(image)} has {len(long)} axes besides Y and X: {sizes}; one stack of frames is needed",
            "choose a channel and a time point in ImageJ: Image > Duplicate",
        )
    if not long:
        height, width = grey.sizes["Y"], grey.sizes["X"]
        raise ImageError(
            f"{_name(image)} is a single plane of {width} x {height} pixels, frames are needed",
            "give a stack, or the folder that holds the frames",
        )
    frames = grey.squeeze([dim for dim in stack_dims(grey) if dim != long[0]], drop=True)
    frames = frames.transpose(long[0], "Y", "X")
    if n_frames is not None and len(frames) != n_frames:
        raise LayoutError(
            f"{_name(image)} has {len(frames)} frames, {n_frames} are needed", "is it the right file?"
        )
    return frames


def require_finite(image: xr.DataArray) -> xr.DataArray:
    """Return the image if no pixel is NaN or infinite; integers are never looked at.

    Raises
    ------
    ImageError
        With the number of such pixels and the place of the first.
    """
    if image.dtype.kind != "f":
        return image
    bad, first = 0, ""
    for index, plane in planes(image):
        finite = np.isfinite(plane)
        if not finite.all():
            if not bad:
                y, x = (int(i) for i in np.argwhere(~finite)[0][:2])
                where = "".join(f"{dim} {i}, " for dim, i in index.items())
                first = f"{where}y {y}, x {x}"
            bad += int((~finite).sum())
    if bad:
        raise ImageError(
            f"{_name(image)} has {bad} NaN or infinite pixels, the first at {first} (counted from 0)",
            "replace them in ImageJ: Process > Noise > Remove NaNs",
        )
    return image
