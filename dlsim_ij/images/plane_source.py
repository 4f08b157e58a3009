"""Planes of a file one at a time: a stack of any length in the memory of one plane.

:func:`dlsim_ij.images.read_image` gives a whole image at once. What looks at each plane by itself opens
the file here instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import tifffile
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.images.axes import ORDER, STACK_AXES
from dlsim_ij.images.read import image_name, is_folder, read_file, unreachable
from dlsim_ij.images.stored import changed, open_stored
from dlsim_ij.images.tiff import tiff_errors, tiff_messages, true_values

_IMAGEJ_NAMES = {"T": "frame", "Z": "slice", "C": "channel"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanePosition:
    """Where a plane lies in its image, counted from 1 as ImageJ does."""

    plane: int  # channels fastest, then slices, then frames
    slice: int = 1
    frame: int = 1
    channel: int = 1
    label: str | None = None


class PlaneSource:
    """An open image file whose planes are read when they are asked for.

    Parameters
    ----------
    path : Path
        TIFF of any kind, or ``.npy``; no folder.

    Attributes
    ----------
    height, width : int
        Of each plane in px.
    pixel_size_um : float or None
        None when the file does not tell.
    name : str
        Of the file, without folder and ending.

    Raises
    ------
    ImageError
        The file is missing, damaged or no image.

    Notes
    -----
    The planes of an uncompressed file and the pages of a compressed one are read by themselves. Only a file
    whose rows and columns are not its innermost axes is loaded as a whole.
    """

    def __init__(self, path: Path) -> None:
        if is_folder(path):
            raise ImageError(f"{path} is a folder, one file is needed", "give a file of it")
        self.path = path
        self.name = image_name(path)
        self._open = ExitStack()
        try:
            with ExitStack() as on_failure:
                on_failure.callback(self._open.close)
                self._reader = self._make_reader()
                on_failure.pop_all()
        except OSError as error:
            raise unreachable(path, error) from error
        sizes = dict(zip(self._reader.axes, self._reader.shape, strict=True))
        self.height, self.width = sizes["Y"], sizes["X"]
        self._stack = {letter: sizes[letter] for letter in STACK_AXES if letter in sizes}
        self._names = _names(self._stack)
        self.pixel_size_um: float | None = self._reader.known.get("pixel_size_um")
        labels = self._reader.known.get("labels")
        self._labels: list[str] | None = labels if labels and len(labels) == len(self) else None

    def __len__(self) -> int:
        return prod(self._stack.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self.read(number) for number in range(len(self)))

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def position(self, number: int) -> PlanePosition:
        """Return where the plane `number` lies; the first is 0, as for :meth:`read`."""
        found = {self._names[letter]: i + 1 for letter, i in self._index(number).items()}
        label = self._labels[number] if self._labels else None
        return PlanePosition(plane=number + 1, label=label, **found)

    def read(self, number: int) -> NDArray[Any]:
        """Read one plane.

        Returns
        -------
        (Y, X) or (Y, X, S) ndarray
            In the file's type and native byte order; a copy.

        Raises
        ------
        ImageError
            The file is damaged at that place, or has been taken away.
        """
        try:
            return self._reader.read(self._index(number))
        except OSError as error:
            raise unreachable(self.path, error) from error

    def _index(self, number: int) -> dict[str, int]:
        if not 0 <= number < len(self):
            raise IndexError(f"{self.path} has {len(self)} planes, there is no number {number}")
        index = np.unravel_index(number, tuple(self._stack.values()) or (1,))
        return {letter: int(i) for letter, i in zip(self._stack, index, strict=False)}

    def _make_reader(self) -> _Reader:
        found = open_stored(self.path, self._open)
        if not found.axes.endswith(("YX", "YXS")):
            return _Loaded(self.path)
        place = self.path, found.axes, found.shape, found.known
        if found.dtype is not None and found.offset is not None:
            return _Contiguous(*place, found.dtype, found.offset, found.tiff)
        if found.tiff is None or found.series is None:
            return _Loaded(self.path)
        return _Pages(*place, found.tiff, found.series)


def _names(stack: dict[str, int]) -> dict[str, str]:
    """Give each stack axis ImageJ's name; frames of unknown meaning are what ImageJ calls slices, if free."""
    names = {letter: _IMAGEJ_NAMES[letter] for letter in stack if letter != "I"}
    if "I" in stack:
        names["I"] = next(name for name in ("slice", "frame", "channel") if name not in names.values())
    return names


# ----------------------------------------------------------------------------------------------- the readers


class _Reader(ABC):
    """Reads the planes of one file.

    The axes in front of the rows and columns are walked through in the file's own order; a colour axis
    among them is read sample by sample.
    """

    def __init__(self, path: Path, axes: str, shape: tuple[int, ...], known: dict[str, Any]) -> None:
        self.path, self.axes, self.shape, self.known = path, axes, shape, known
        inner = axes.index("Y")
        self.outer_axes, self.outer_shape, self.plane_shape = axes[:inner], shape[:inner], shape[inner:]

    def read(self, index: dict[str, int]) -> NDArray[Any]:
        if "S" not in self.outer_axes:
            return self._one(index)
        n_samples = self.shape[self.axes.index("S")]
        return np.stack([self._one({**index, "S": sample}) for sample in range(n_samples)], axis=-1)

    def _one(self, index: dict[str, int]) -> NDArray[Any]:
        place = 0
        for letter, size in zip(self.outer_axes, self.outer_shape, strict=True):
            place = place * size + index[letter]
        return self.read_pixels(place * prod(self.plane_shape), prod(self.plane_shape)).reshape(
            self.plane_shape
        )

    @abstractmethod
    def read_pixels(self, first: int, count: int) -> NDArray[Any]:
        """Return `count` numbers of the file from `first` on."""


class _Contiguous(_Reader):
    """Numbers that lie in the file in one run. Not mapped: pages of a map once touched count as memory."""

    def __init__(
        self, path: Path, axes: str, shape: tuple[int, ...], known: dict[str, Any],
        dtype: np.dtype[Any], offset: int, tiff: tifffile.TiffFile | None = None,
    ) -> None:  # fmt: skip
        super().__init__(path, axes, shape, known)
        self.dtype, self.offset, self.tiff = dtype, offset, tiff

    def read_pixels(self, first: int, count: int) -> NDArray[Any]:
        offset = self.offset + first * self.dtype.itemsize
        pixels = np.fromfile(self.path, self.dtype, count, offset=offset)
        if pixels.size < count:
            raise changed(self.path)
        pixels = pixels.astype(self.dtype.newbyteorder("="), copy=False)
        return pixels if self.tiff is None else true_values(self.tiff, pixels)


class _Pages(_Reader):
    """The pages of a TIFF whose numbers are compressed or lie apart."""

    def __init__(
        self, path: Path, axes: str, shape: tuple[int, ...], known: dict[str, Any],
        tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries,
    ) -> None:  # fmt: skip
        super().__init__(path, axes, shape, known)
        self.tiff, self.series = tiff, series

    def read_pixels(self, first: int, count: int) -> NDArray[Any]:
        per_page = prod(self.series.keyframe.shape)
        with tiff_messages(self.path), tiff_errors(self.path):
            parts = []
            while count:
                page, start = divmod(first, per_page)
                part = self.series.pages[page].asarray(maxworkers=1).ravel()[start : start + count]
                parts.append(part)
                first, count = first + part.size, count - part.size
            pixels = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return true_values(self.tiff, pixels)


class _Loaded(_Reader):
    """A whole image in memory, for files whose planes do not lie in one piece."""

    def __init__(self, path: Path) -> None:
        contents = read_file(path, None)
        order = sorted(range(len(contents.axes)), key=lambda i: ORDER.index(contents.axes[i]))
        self.pixels = contents.pixels.transpose(order)
        super().__init__(
            path, "".join(contents.axes[i] for i in order), self.pixels.shape, dict(contents.known)
        )

    def read_pixels(self, first: int, count: int) -> NDArray[Any]:
        return self.pixels.flat[first : first + count]
