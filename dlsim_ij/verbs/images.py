"""Titles, planes and selections of a macro's images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.fiji import Options
from dlsim_ij.images.axes import planes
from dlsim_ij.images.read import image_name

Plane = NDArray[Any]


def titled(image: xr.DataArray, source: xr.DataArray, ending: str) -> xr.DataArray:
    """Name a result after the image it was made of, as files are: ``cell.tif`` gives ``cell_sr``."""
    return image.assign_attrs(name=f"{title_stem(source)}{ending}")


def title_stem(image: xr.DataArray) -> str:
    """Return the title of an image without a file's ending.

    Examples
    --------
    >>> title_stem(xr.DataArray(np.zeros((1, 1)), attrs={"name": "cell 1.ome.tif"}))
    'cell 1'
    """
    return image_name(Path(str(image.attrs.get("name") or "image")))


def chosen_planes(image: xr.DataArray, options: Options) -> list[tuple[int, Plane]]:
    """Return the plane that is shown, or with the option ``all`` every one, with its number from 0."""
    every = [plane for _, plane in planes(image)]
    if options.switch("all"):
        return list(enumerate(every))
    shown = min(options.scene.shown_plane(), len(every) - 1)
    return [(shown, every[shown])]


def partners(other: xr.DataArray, key: str, image: xr.DataArray, options: Options) -> Iterator[Plane]:
    """Yield the plane of a second image that belongs to each of `chosen_planes`.

    One plane belongs to all; of as many as the image has, each belongs to its own; of any other stack, the
    one that is shown.

    Raises
    ------
    ImageError
        With ``all``, the stack is no partner of the image's planes.
    """
    every = [plane for _, plane in planes(other)]
    n_planes = sum(1 for _ in planes(image))
    for number, _ in chosen_planes(image, options):
        if len(every) == 1:
            yield every[0]
        elif len(every) == n_planes:
            yield every[number]
        elif not options.switch("all"):
            yield every[min(options.scene.shown_plane(options[key]), len(every) - 1)]
        else:
            raise ImageError(
                f"'{options[key]}' has {len(every)} planes, the image {n_planes}",
                "give one plane, or as many as the image has",
            )


def grey_plane(plane: Plane, what: str) -> Plane:
    """Refuse a colour plane."""
    if plane.ndim != 2:
        raise ImageError(f"{what} is a colour picture", "Image > Type > 32-bit first, of the channel meant")
    return plane


def selected(plane: Plane, options: Options) -> tuple[Plane, list[str]]:
    """Cut out a rectangular selection; another kind is told and not heeded, as by the plugin."""
    found = options.scene.selection()
    if found is None:
        return plane, []
    kind, (x, y, width, height) = found
    if kind != "rectangle":
        return plane, ["the selection is no rectangle, so the whole plane was measured"]
    return np.ascontiguousarray(plane[y : y + height, x : x + width]), []


def without_selection(options: Options) -> list[str]:
    """Say that a selection was not heeded, by a verb that takes whole planes."""
    return [] if options.scene.selection() is None else ["the whole plane was compared, not the selection"]
