"""Parts of an image file, read when they are asked for: a field of any size in the memory of one part.

| stored | how a part is read |
|---|---|
| uncompressed TIFF, ImageJ, OME, BigTIFF, ``.npy`` | its rows, from where they lie in the file |
| TIFF in tiles or strips, compressed or not | the tiles that it touches are decoded; the last ones are kept |
| zarr, OME-Zarr | by zarr, chunk by chunk (`dlsim_ij.images.zarr_image`) |

Nothing is memory-mapped: pages of a map, once touched, count as memory of the process.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from contextlib import ExitStack
from io import FileIO
from math import prod
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import tifffile
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.images.read import ATTRIBUTES, image_name, is_folder, unreachable
from dlsim_ij.images.stored import changed, open_stored
from dlsim_ij.images.tiff import tiff_errors, tiff_messages, true_values
from dlsim_ij.images.zarr_image import is_zarr, open_zarr

if TYPE_CHECKING:
    import xarray as xr

_KEPT_BYTES = 128 * 2**20  # of decoded tiles: neighbouring parts share some
_LARGEST_SEGMENT = 256 * 2**20


class RegionSource:
    """An open image whose parts are read when they are asked for.

    Parameters
    ----------
    path : Path
        TIFF of any kind, ``.npy``, or a zarr folder.

    Attributes
    ----------
    axes : str
        One letter per axis, in the file's order.
    shape : tuple of int
    dtype : dtype
        In native byte order.
    attributes : dict
        As those of `dlsim_ij.images.read_image`.

    Raises
    ------
    ImageError
        The file is missing, damaged or no image.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open = ExitStack()
        try:
            with ExitStack() as on_failure:
                on_failure.callback(self._open.close)
                self._reader, known = self._make_reader()
                on_failure.pop_all()
        except OSError as error:
            raise unreachable(path, error) from error
        self.axes, self.shape, self.dtype = self._reader.axes, self._reader.shape, self._reader.dtype
        sizes = dict(zip(self.axes, self.shape, strict=True))
        self.height, self.width = sizes["Y"], sizes["X"]
        self.attributes: dict[str, Any] = {name: known.get(name) for name in ATTRIBUTES}
        self.attributes |= {"source": str(path), "name": image_name(path)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def outer(self) -> dict[str, int]:
        """Lengths of the axes other than rows and columns, in the file's order."""
        pairs = zip(self.axes, self.shape, strict=True)
        return {letter: size for letter, size in pairs if letter not in "YX"}

    def plane_numbers(self) -> xr.DataArray:
        """Return an image of one pixel a plane: the number of that plane for :meth:`read`."""
        import xarray as xr

        outer = self.outer
        numbers = np.arange(prod(outer.values())).reshape(*outer.values(), 1, 1)
        return xr.DataArray(numbers, dims=(*outer, "Y", "X"), attrs=self.attributes)

    def read(self, plane: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a part of one plane.

        Parameters
        ----------
        plane : int
            The outer axes counted in the file's order, the last fastest.
        rows, columns : slice
            Inside the field, with start and stop.

        Returns
        -------
        (rows, columns) ndarray
            In native byte order; a copy.
        """
        try:
            return self._reader.read(plane, rows, columns)
        except OSError as error:
            raise unreachable(self.path, error) from error

    def stack(self, planes: NDArray[np.intp], rows: slice, columns: slice) -> NDArray[Any]:
        """Read the same part of several planes: (planes, rows, columns)."""
        made = np.empty((len(planes), rows.stop - rows.start, columns.stop - columns.start), self.dtype)
        for part, plane in zip(made, planes, strict=True):
            part[...] = self.read(int(plane), rows, columns)
        return made

    def _make_reader(self) -> tuple[_Reader, dict[str, Any]]:
        if is_zarr(self.path):
            opened = open_zarr(self.path)
            return _Zarr(self.path, opened.axes, opened.array), opened.known
        if is_folder(self.path):
            raise ImageError(f"{self.path} is a folder, one file is needed", "give a file of it")
        found = open_stored(self.path, self._open)
        if not found.axes.endswith("YX"):
            raise ImageError(
                f"{self.path}: its rows and columns are not its last axes ({found.axes}), so it cannot be "
                "read in parts",
                "save it in ImageJ as a grey stack",
            )
        place = self.path, found.axes, found.shape
        if found.dtype is not None and found.offset is not None:
            file = self._open.enter_context(open(self.path, "rb", buffering=0))  # noqa: SIM115
            return _Rows(*place, found.dtype, found.offset, file, found.tiff), found.known
        if found.tiff is None or found.series is None:
            raise ImageError(f"{self.path}: its axes do not lie in C order", "save it again with numpy")
        return _Segments(*place, found.tiff, found.series), found.known


class _Reader(ABC):
    """Reads parts of planes."""

    def __init__(self, axes: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.axes, self.shape, self.dtype = axes, tuple(shape), np.dtype(dtype).newbyteorder("=")

    @abstractmethod
    def read(self, plane: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a copy of a part."""


class _Rows(_Reader):
    """Numbers that lie in the file in one run."""

    def __init__(
        self, path: Path, axes: str, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int,
        file: FileIO, tiff: tifffile.TiffFile | None,
    ) -> None:  # fmt: skip
        super().__init__(axes, shape, dtype)
        self._path, self._stored, self._offset = path, dtype, offset
        self._file, self._tiff = file, tiff
        if tiff is not None:
            self.dtype = true_values(tiff, np.zeros(1, self.dtype)).dtype

    def read(self, plane: int, rows: slice, columns: slice) -> NDArray[Any]:
        height, width = self.shape[-2:]
        size = self._stored.itemsize
        count = columns.stop - columns.start
        part = np.empty((rows.stop - rows.start, count), self._stored)
        first = self._offset + ((plane * height + rows.start) * width + columns.start) * size
        if count == width:
            self._fill(part.reshape(-1), first)
        else:
            for number, row in enumerate(part):
                self._fill(row, first + number * width * size)
        part = part.astype(self._stored.newbyteorder("="), copy=False)
        return part if self._tiff is None else true_values(self._tiff, part)

    def _fill(self, values: NDArray[Any], offset: int) -> None:
        view = memoryview(values.view(np.uint8))  # type: ignore[arg-type]
        done = 0
        self._file.seek(offset)
        while done < len(view):
            count = self._file.readinto(view[done:])
            if not count:
                raise changed(self._path)
            done += count


class _Segments(_Reader):
    """The tiles or strips of a TIFF, decoded one at a time."""

    def __init__(
        self, path: Path, axes: str, shape: tuple[int, ...], tiff: tifffile.TiffFile,
        series: tifffile.TiffPageSeries,
    ) -> None:  # fmt: skip
        super().__init__(axes, shape, series.dtype)
        self._path, self._tiff, self._series = path, tiff, series
        page = series.keyframe
        if page.shape != tuple(shape[-2:]):
            raise ImageError(
                f"{path}: its pages are no planes of {shape[-2]} x {shape[-1]} pixels, so it cannot be "
                "read in parts",
                "save it in ImageJ as a grey stack",
            )
        self._sides = page.chunks[-2:]
        if prod(self._sides) * self.dtype.itemsize > _LARGEST_SEGMENT:
            raise ImageError(
                f"{path}: a compressed plane of {shape[-2]} x {shape[-1]} pixels in one piece cannot be "
                "read in parts",
                "save it without compression, or in tiles",
            )
        self.dtype = true_values(tiff, np.zeros(1, self.dtype)).dtype
        self._across = -(-shape[-1] // self._sides[1])
        self._kept: OrderedDict[tuple[int, int], NDArray[Any]] = OrderedDict()
        self._kept_bytes = 0

    def read(self, plane: int, rows: slice, columns: slice) -> NDArray[Any]:
        part = np.zeros((rows.stop - rows.start, columns.stop - columns.start), self.dtype)
        high, wide = self._sides
        for y in range(rows.start // high, -(-rows.stop // high)):
            for x in range(columns.start // wide, -(-columns.stop // wide)):
                tile = self._segment(plane, y * self._across + x)
                top, left = y * high, x * wide
                inside_y = slice(max(rows.start, top), min(rows.stop, top + tile.shape[0]))
                inside_x = slice(max(columns.start, left), min(columns.stop, left + tile.shape[1]))
                part[
                    inside_y.start - rows.start : inside_y.stop - rows.start,
                    inside_x.start - columns.start : inside_x.stop - columns.start,
                ] = tile[
                    inside_y.start - top : inside_y.stop - top, inside_x.start - left : inside_x.stop - left
                ]
        return part

    def _segment(self, plane: int, number: int) -> NDArray[Any]:
        key = plane, number
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        with tiff_messages(self._path), tiff_errors(self._path):
            page = self._series.pages[plane]
            handle = self._tiff.filehandle
            handle.seek(page.dataoffsets[number])
            count = page.databytecounts[number]
            decoded = self._decoded(page, handle.read(count) if count else None, number)
        tile = true_values(self._tiff, decoded)
        self._kept[key] = tile
        self._kept_bytes += tile.nbytes
        while self._kept_bytes > _KEPT_BYTES and len(self._kept) > 1:
            self._kept_bytes -= self._kept.popitem(last=False)[1].nbytes
        return tile

    def _decoded(self, page: Any, data: bytes | None, number: int) -> NDArray[Any]:
        values, _, shape = page.keyframe.decode(data, number, jpegtables=page.jpegtables)
        if values is None:  # a tile that was left out is empty
            return np.zeros(shape[1:3], self._series.dtype)
        tile: NDArray[Any] = np.array(values[0, ..., 0], self._series.dtype.newbyteorder("="))
        return tile[: shape[1], : shape[2]]


class _Zarr(_Reader):
    """A zarr array; it reads and keeps chunks as it likes."""

    def __init__(self, path: Path, axes: str, array: Any) -> None:
        super().__init__(axes, array.shape, array.dtype)
        self._path, self._array, shape = path, array, array.shape
        self._outer = [size for letter, size in zip(axes, shape, strict=True) if letter not in "YX"]

    def read(self, plane: int, rows: slice, columns: slice) -> NDArray[Any]:
        outer = iter(np.unravel_index(plane, self._outer) if self._outer else ())
        places = {"Y": rows, "X": columns}
        index = tuple(places[letter] if letter in places else int(next(outer)) for letter in self.axes)
        try:
            part: NDArray[Any] = np.array(self._array[index], self.dtype)
        except OSError:
            raise
        except Exception as error:  # every codec has its own for a damaged chunk
            raise ImageError(
                f"{self._path} has a damaged chunk ({type(error).__name__})", "get the folder again"
            ) from error
        return part if self.axes.index("Y") < self.axes.index("X") else part.T
