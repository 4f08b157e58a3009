"""How microscopes put angles, phases, slices, channels and times into a file, and the way back.

| storage | who | how |
|---|---|---|
| ``flat`` | exports | frames along one axis, or along two that hold angles and phases; others are a series |
| ``mosaic`` | Nikon N-SIM | one picture: phases side by side (X), angles one below the other (Y) |
| ``CZTAP``, ``CZAPT`` | Zeiss ELYRA | pages in this order, the first letter changes fastest |
| ``CPZAT`` | GE OMX | the same |

Any order of the five letters is understood: channel, z, time, angle, phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.acquisition.layout import Acquisition, RawStacks, parse_layout, split_stack
from dlsim_ij.errors import LayoutError

Frames = TypeVar("Frames", xr.DataArray, NDArray[Any])

PAGE_ORDERS = ("CPZAT", "CZTAP", "CZAPT")
STORAGES = ("flat", "mosaic", *PAGE_ORDERS)


def arrange(frames: Frames, acquisition: Acquisition | Sequence[int]) -> Frames:
    """Put frames into angle-major order: all phases of the first angle, then of the second, and so on.

    Parameters
    ----------
    frames : (..., N, Y, X) ndarray or DataArray
        In the order in which `acquisition` was detected; a series has the same order in all stacks.
    acquisition : Acquisition or sequence of int
        From `detect_acquisition`, or the numbers (from 0) of the frames in the wanted order.

    Returns
    -------
    The same kind and shape, sorted.

    Raises
    ------
    LayoutError
        Another number of frames, or an order that was not found.

    Examples
    --------
    >>> arrange(np.array([[[1]], [[2]], [[3]]]), (2, 0, 1)).ravel().tolist()
    [3, 1, 2]
    """
    order = list(acquisition.permutation if isinstance(acquisition, Acquisition) else acquisition)
    if not order or order == list(range(frames.shape[-3] if frames.ndim > 2 else 0)):
        return frames
    if isinstance(acquisition, Acquisition) and acquisition.order == "unknown":
        raise LayoutError(
            f"the order of the frames was not found (confidence {acquisition.confidence:.2f})",
            "more light, or frames in a known order, would help",
        )
    if frames.ndim < 3 or frames.shape[-3] != len(order) or sorted(order) != list(range(len(order))):
        raise LayoutError(
            f"{frames.shape[-3] if frames.ndim > 2 else 1} frames cannot be put in the order of {len(order)}",
            "detect the order on a stack of this series",
        )
    if isinstance(frames, xr.DataArray):
        return frames.isel({frames.dims[-3]: order})
    return frames[..., order, :, :]


def split_storage(image: xr.DataArray, layout: str = "3x5", storage: str = "flat") -> RawStacks:
    """Take an image apart into its raw stacks, given how they are stored.

    Parameters
    ----------
    image : DataArray
        From `read_image`; dims out of I, T, Z, C, Y, X.
    layout : str
        Angles x phases.
    storage : str
        See the table of this module.

    Returns
    -------
    RawStacks
        Angle-major where the storage tells angles from phases; a flat stack is left as it is.

    Raises
    ------
    LayoutError
        The image does not hold such stacks, or the storage is unknown.

    Notes
    -----
    Of page orders: the C axis is the channels, the T axis the times if the pages are a whole number of
    stacks for each, and what remains are slices.
    """
    if storage == "flat":
        return _flat(image, layout)
    if storage == "mosaic":
        return _mosaic(image, layout)
    if sorted(storage.upper()) != sorted("CZTAP"):
        raise LayoutError(
            f"no storage is called '{storage}'",
            f"use one of {', '.join(STORAGES)}, or five letters like these",
        )
    return _pages(image, layout, storage.upper())


def _flat(image: xr.DataArray, layout: str) -> RawStacks:
    wanted = prod(parse_layout(layout))
    others = [dim for dim in image.dims if dim not in ("Y", "X")]
    split = [d for d in others if d != "C" and image.sizes[d] > 1]
    lengths = [image.sizes[d] for d in split]
    if len(split) == 2 and prod(lengths) == wanted and wanted not in lengths:
        # angles along one axis, phases along the other; which is which shows in the order of the frames
        order = [d for d in others if d not in split]
        pixels = image.transpose(*order, *split, "Y", "X")
        merged = xr.DataArray(
            pixels.values.reshape(*(image.sizes[d] for d in order), wanted, *pixels.shape[-2:]),
            dims=(*order, "I", "Y", "X"), attrs=image.attrs,
        )  # fmt: skip
        return split_stack(merged, layout)
    return split_stack(image, layout)


def _mosaic(image: xr.DataArray, layout: str) -> RawStacks:
    n_angles, n_phases = parse_layout(layout)
    height, width = image.sizes["Y"], image.sizes["X"]
    if height % n_angles or width % n_phases:
        raise LayoutError(
            f"a picture of {width} x {height} pixels is no mosaic of {n_phases} phases by {n_angles} angles",
            "was it cropped? Give the picture as the microscope wrote it",
        )
    dims = [d for d in image.dims if d not in ("Y", "X")]
    pixels = image.transpose(*dims, "Y", "X").values
    tiles = pixels.reshape(*pixels.shape[:-2], n_angles, height // n_angles, n_phases, width // n_phases)
    frames = np.moveaxis(tiles, -2, -3).reshape(
        *pixels.shape[:-2], n_angles * n_phases, height // n_angles, width // n_phases
    )
    return _stacks(image, (n_angles, n_phases), [(str(d), image.sizes[d]) for d in dims], frames, "mosaic")


def _pages(image: xr.DataArray, layout: str, storage: str) -> RawStacks:
    n_angles, n_phases = parse_layout(layout)
    dims = [str(d) for d in image.dims if d not in ("Y", "X")]
    pages = image.transpose(*dims, "Y", "X").values.reshape(-1, image.sizes["Y"], image.sizes["X"])
    sizes = {"A": n_angles, "P": n_phases, "C": image.sizes.get("C", 1)}
    per_stack = prod(sizes.values())
    times = image.sizes.get("T", 1)
    sizes["T"] = times if len(pages) % (per_stack * times) == 0 else 1
    sizes["Z"] = len(pages) // (per_stack * sizes["T"])
    if not sizes["Z"] or prod(sizes.values()) != len(pages):
        raise LayoutError(
            f"{len(pages)} pages are no whole number of {n_angles} angles x {n_phases} phases x "
            f"{sizes['C']} channels",
            "check --layout and how the microscope stores its frames",
        )
    slowest_first = storage[::-1]
    cube = pages.reshape(*(sizes[letter] for letter in slowest_first), *pages.shape[1:])
    wanted = [slowest_first.index(letter) for letter in "TZCAP"]
    cube = cube.transpose(*wanted, 5, 6)
    frames = cube.reshape(sizes["T"], sizes["Z"], sizes["C"], n_angles * n_phases, *pages.shape[1:])
    return _stacks(image, (n_angles, n_phases), [(d, sizes[d]) for d in "TZC"], frames, storage)


def _stacks(
    image: xr.DataArray,
    layout: tuple[int, int],
    series: list[tuple[str, int]],
    frames: NDArray[Any],
    storage: str,
) -> RawStacks:
    long = [(name, size) for name, size in series if size > 1]
    return RawStacks(
        n_angles=layout[0],
        n_phases=layout[1],
        series=tuple(long),
        attributes={str(key): value for key, value in image.attrs.items()},
        frames=frames.reshape(*(size for _, size in long), *frames.shape[-3:]),
        storage=storage,
    )
