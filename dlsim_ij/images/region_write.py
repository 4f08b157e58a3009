"""An image of any size, written part by part: nothing but the part is in memory.

The file is made with room for all pixels first, then parts are put into their places. It gets its final name
when the last one is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import FileIO
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tifffile
import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.errors import OutputError
from dlsim_ij.files import ZARR, atomic_folder, atomic_path
from dlsim_ij.images.axes import in_order, planes
from dlsim_ij.images.calibration import check_pixel_size
from dlsim_ij.images.tiff import tiff_messages
from dlsim_ij.images.write import hyperstack_axes, plane_order, save_tiff
from dlsim_ij.images.zarr_image import CHUNK_PX, ome_metadata, zarr_library

TILE_PX = 512


class RegionWriter(Protocol):
    """Where parts of an image go."""

    def write(self, number: int, top: int, left: int, part: NDArray[np.float32]) -> None:
        """Put a part of the plane `number` (stack axes in the image's order, the last fastest) in place."""


@contextmanager
def write_regions(
    path: Path,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    attributes: Mapping[str, Any],
    *,
    ome: bool = False,
    tiled: bool = False,
    overwrite: bool = False,
) -> Iterator[RegionWriter]:
    """Make a float32 image whose parts come one at a time.

    Parameters
    ----------
    path : Path
        ``.tif`` (ImageJ hyperstack), ``.ome.tif``, or ``.ome.zarr``.
    dims : tuple of str
        Letters of the axes, Y and X last.
    shape : tuple of int
    attributes : mapping
        As those of `write_image`.
    ome : bool
        OME-TIFF whatever the name says.
    tiled : bool
        Tiles in a BigTIFF (OME-TIFF only), as viewers of large images like them.
    overwrite : bool
        Replace what exists.

    Yields
    ------
    RegionWriter

    Raises
    ------
    OutputError
        The file exists, or cannot be written.
    """
    told: dict[str, Any] = {"labels": None, **attributes}
    check_pixel_size(told.get("pixel_size_um"))
    # tells shape and type, and needs no memory
    outline = xr.DataArray(np.broadcast_to(np.zeros((), np.float32), shape), dims=dims, attrs=told)
    if path.suffix == ZARR:
        with atomic_folder(path, overwrite=overwrite) as folder:
            yield _ZarrFolder(folder, outline, path.name)
        return
    tile = (TILE_PX, TILE_PX) if tiled else None
    with atomic_path(path, overwrite=overwrite) as temporary, tiff_messages(path), ExitStack() as opened:
        ordered = outline.transpose(*in_order("".join(dims)))
        save_tiff(temporary, ordered, None, told, ome or ".ome." in path.name, tile=tile)
        yield opened.enter_context(_tiff_file(temporary, outline))


def write_zarr(path: Path, image: xr.DataArray, *, overwrite: bool = False) -> None:
    """Write a whole image as OME-Zarr."""
    dims = tuple(map(str, image.dims))
    with write_regions(path, dims, image.shape, image.attrs, overwrite=overwrite) as writer:
        for number, (_, plane) in enumerate(planes(image)):
            writer.write(number, 0, 0, np.asarray(plane, dtype=np.float32))


class _ZarrFolder:
    def __init__(self, folder: Path, outline: xr.DataArray, name: str) -> None:
        zarr = zarr_library()
        named = {own: letter for letter, own in hyperstack_axes(outline).items()}
        ordered = outline.transpose(*plane_order(outline), "Y", "X")
        letters = "".join(named.get(str(dim), str(dim)) for dim in ordered.dims)
        self._numbers = _plane_numbers(outline)
        self._sizes = ordered.shape[:-2]
        size = outline.attrs.get("pixel_size_um")
        steps = {
            "Y": size, "X": size, "Z": outline.attrs.get("z_step_um"),
            "T": outline.attrs.get("frame_interval_s"),
        }  # fmt: skip
        group = zarr.open_group(str(folder), mode="w", zarr_format=2)
        group.attrs.update(ome_metadata(name.removesuffix(ZARR).removesuffix(".ome"), letters, steps))
        self._array = group.create_array(
            "0", shape=ordered.shape, dtype="float32", fill_value=0,
            chunks=(*(1 for _ in self._sizes), CHUNK_PX, CHUNK_PX),
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )  # fmt: skip

    def write(self, number: int, top: int, left: int, part: NDArray[np.float32]) -> None:
        place = np.unravel_index(self._numbers[number], self._sizes) if self._sizes else ()
        height, width = part.shape
        self._array[(*map(int, place), slice(top, top + height), slice(left, left + width))] = part


class _TiffFile:
    def __init__(self, file: FileIO, offsets: list[list[int]], sides: tuple[int, int], width: int,
                 numbers: NDArray[np.intp]) -> None:  # fmt: skip
        self._file, self._offsets, self._sides, self._width = file, offsets, sides, width
        self._numbers = numbers

    def write(self, number: int, top: int, left: int, part: NDArray[np.float32]) -> None:
        offsets = self._offsets[int(self._numbers[number])]
        high, wide = self._sides
        across = -(-self._width // wide)
        bottom, right = top + part.shape[0], left + part.shape[1]
        for y in range(top // high, -(-bottom // high)):
            for x in range(left // wide, -(-right // wide)):
                rows = slice(max(top, y * high), min(bottom, (y + 1) * high))
                columns = slice(max(left, x * wide), min(right, (x + 1) * wide))
                piece = part[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
                self._put(
                    offsets[y * across + x], rows.start - y * high, columns.start - x * wide, wide, piece
                )

    def _put(self, offset: int, row: int, column: int, wide: int, piece: NDArray[np.float32]) -> None:
        piece = np.ascontiguousarray(piece, dtype="<f4")
        first = offset + 4 * (row * wide + column)
        if piece.shape[1] == wide:
            self._all(first, piece)
            return
        for number, line in enumerate(piece):
            self._all(first + 4 * number * wide, line)

    def _all(self, offset: int, values: NDArray[np.float32]) -> None:
        view = memoryview(values.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        done = 0
        self._file.seek(offset)
        while done < len(view):
            done += self._file.write(view[done:])


@contextmanager
def _tiff_file(path: Path, outline: xr.DataArray) -> Iterator[_TiffFile]:
    """Open a file that has room for its pixels; where, is read from its own directory."""
    height, width = outline.shape[-2:]
    with tifffile.TiffFile(path) as tiff:
        page, series = tiff.pages.first, tiff.series[0]
        sides = (page.tilelength, page.tilewidth) if page.is_tiled else (height, width)
        if page.is_tiled:
            offsets = [list(map(int, one.dataoffsets)) for one in series.pages]
        elif series.dataoffset is not None:
            offsets = [
                [series.dataoffset + 4 * number * height * width]
                for number in range(prod(outline.shape[:-2]))
            ]  # fmt: skip
        else:
            raise OutputError(f"{path}: its planes do not follow each other", "this is a bug of dlsim")
    with open(path, "r+b", buffering=0) as file:
        yield _TiffFile(file, offsets, sides, width, _plane_numbers(outline))


def _plane_numbers(outline: xr.DataArray) -> NDArray[np.intp]:
    """Return where the file has each plane of the image."""
    stack = outline.shape[:-2]
    names = [str(dim) for dim in outline.dims[:-2]]
    order = [names.index(name) for name in plane_order(outline)]
    in_file = np.arange(prod(stack)).reshape([stack[i] for i in order])
    numbers: NDArray[np.intp] = in_file.transpose(np.argsort(order)).ravel()
    return numbers
