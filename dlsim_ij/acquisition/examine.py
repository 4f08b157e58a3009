"""From an image as read to its raw stacks: how they are stored, enlarged or not, and what they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.acquisition.detect import detect_acquisition
from dlsim_ij.acquisition.layout import Acquisition, RawStacks
from dlsim_ij.acquisition.native import NativeStacks, on_native_pixels
from dlsim_ij.acquisition.order import possible_readings
from dlsim_ij.acquisition.storage import PAGE_ORDERS, split_storage
from dlsim_ij.errors import ConfigError, LayoutError
from dlsim_ij.images import require_finite, require_grey
from dlsim_ij.optics import Optics
from dlsim_ij.optics.otf import PAPER_EMISSION_NM, PAPER_NA
from dlsim_ij.results import Result

# what microscopes make, the commonest first: tried where the number of planes does not say it
_USUAL = ((3, 5), (3, 3), (2, 5), (5, 5), (4, 5), (4, 3), (2, 3), (5, 3), (3, 4))
_ENOUGH = 0.99
_MOST_TRIALS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined(Result):
    """An image, taken apart.

    Attributes
    ----------
    source : NativeStacks
        As stored: `arrange` with `acquisition` puts them in angle-major order.
    acquisition : Acquisition
        Of the first stack, in native pixels.
    """

    acquisition: Acquisition
    source: NativeStacks


def examine(
    image: xr.DataArray,
    *,
    pixel_size_um: float | None = None,
    na: float = PAPER_NA,
    emission_nm: float = PAPER_EMISSION_NM,
    layout: str | None = None,
    storage: str | None = None,
) -> Examined:
    """Find the raw stacks of an image and say what the first one is.

    Parameters
    ----------
    image : DataArray
        From `read_image`.
    pixel_size_um : float, optional
        Of the image as it is; its own by default.
    na, emission_nm : float
        Objective and light.
    layout : str, optional
        Angles x phases, such as ``3x5``; found from the pixels by default.
    storage : str, optional
        See `split_storage`; found from axes and pixels by default.

    Returns
    -------
    Examined

    Raises
    ------
    ImageError
        Colour, or pixels that are no numbers.
    LayoutError
        Nothing in the image can be a raw stack.
    """
    require_finite(require_grey(image))
    image = require_grey(image)
    if min(image.sizes["Y"], image.sizes["X"]) < 16:
        raise LayoutError(
            f"a field of {image.sizes['X']} x {image.sizes['Y']} pixels is too small to show a pattern",
            "give at least 16 x 16 pixels, better 128 x 128",
        )
    pixel = pixel_size_um if pixel_size_um is not None else image.attrs.get("pixel_size_um")
    best: Examined | None = None
    last: LayoutError | None = None
    for number, stacks in enumerate(_candidates(image, layout, storage)):
        try:
            found = _examined(stacks, pixel, na, emission_nm, given=layout is not None)
        except LayoutError as error:
            last = last or error
            continue
        if best is None or _merit(found) > _merit(best):
            best = found
        if _merit(best) > 1 + _ENOUGH or number >= _MOST_TRIALS:
            break
    if best is None:
        raise last or _nothing(image)
    return best


def examine_stack(examined: Examined, number: int) -> Acquisition:
    """Look at another stack of the same series, counted from 0, read in the same way."""
    first = examined.acquisition
    return detect_acquisition(
        examined.source.native(number), first.optics.pixel_size_um, optics=first.optics,
        n_angles=first.n_angles, n_phases=first.n_phases,
    )  # fmt: skip


def _merit(found: Examined) -> float:
    """Patterns that stand the test count most, then how sure the reading is."""
    acquisition = found.acquisition
    return (acquisition.order != "unknown" and acquisition.confidence > 0.5) + acquisition.confidence


def _examined(
    stacks: RawStacks, pixel: float | None, na: float, emission_nm: float, *, given: bool
) -> Examined:
    source = on_native_pixels(stacks, pixel)
    try:
        optics = Optics(na=na, emission_nm=emission_nm, pixel_size_um=source.pixel_size_um)
    except ConfigError as error:
        raise LayoutError(error.message, error.hint) from error
    acquisition = detect_acquisition(
        source.native(0), optics.pixel_size_um, optics=optics,
        n_angles=stacks.n_angles if given else None, n_phases=stacks.n_phases if given else None,
    )  # fmt: skip
    return Examined(acquisition=acquisition, source=source)


def _candidates(image: xr.DataArray, layout: str | None, storage: str | None) -> Iterator[RawStacks]:
    """Yield the ways to take the image apart, the likeliest first."""
    single = all(image.sizes[d] == 1 for d in image.dims if d not in ("Y", "X"))
    storages = [storage] if storage else ["mosaic"] if single else ["flat", *PAGE_ORDERS]
    problem: LayoutError | None = None
    for one in [layout] if layout else _layouts(image, flat="flat" in storages):
        for how in storages:
            try:
                stacks = split_storage(image, one, how)
            except LayoutError as error:
                problem = problem or error
                continue
            if how in PAGE_ORDERS and storage is None and "Z" not in dict(stacks.series):
                continue  # without slices these say no more than a flat stack
            if how != "mosaic" or storage is not None or _alike(stacks.first()):
                yield stacks
    if (layout or storage) and problem is not None:
        raise problem


def _layouts(image: xr.DataArray, *, flat: bool) -> list[str]:
    """Return the layouts worth a trial; in a flat stack one for each number of frames is enough."""
    if not flat:
        return [f"{a}x{p}" for a, p in _USUAL]
    lengths = [image.sizes[d] for d in image.dims if d not in ("Y", "X")]
    split = [image.sizes[d] for d in image.dims if d not in ("Y", "X", "C") and image.sizes[d] > 1]
    exact = [n for n in lengths if possible_readings(n)]
    merged = [prod(split)] if len(split) == 2 and possible_readings(prod(split)) else []
    found = []
    for count in dict.fromkeys([*exact, *merged, *(a * p for a, p in _USUAL)]):
        fitting = [(r.n_angles, r.n_phases) for r in possible_readings(count)]
        n_angles, n_phases = min(fitting, key=lambda one: _USUAL.index(one) if one in _USUAL else len(_USUAL))
        found.append(f"{n_angles}x{n_phases}")
    return found


def _alike(tiles: NDArray[Any]) -> bool:
    """Whether the tiles of a picture show the same field, as those of a mosaic do."""
    rows, columns = (max(1, side // 32) for side in tiles.shape[1:])
    height, width = (side // step * step for side, step in zip(tiles.shape[1:], (rows, columns), strict=True))
    small = tiles[:, :height, :width].reshape(len(tiles), height // rows, rows, width // columns, columns)
    flat = small.mean(axis=(2, 4)).reshape(len(tiles), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    between = (flat @ flat.T)[~np.eye(len(flat), dtype=bool)]
    return bool(np.median(between) > 0.3)


def _nothing(image: xr.DataArray) -> LayoutError:
    name = image.attrs.get("name") or "the image"
    seen = " x ".join(f"{image.sizes[d]} along {d}" for d in image.dims if d not in ("Y", "X"))
    return LayoutError(
        f"{name} has {seen or 'a single plane'}: that is no raw SIM stack of 2 to 5 angles x 3 to 5 phases",
        "give the frames as the microscope wrote them, or name --layout and --storage",
    )
