"""Where the pixels of an image file lie: what reading it in parts begins with, no pixel read."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from dlsim_ij.errors import ImageError
from dlsim_ij.images.read import is_tiff, map_npy
from dlsim_ij.images.tiff import describe_tiff, open_tiff, stored_dtype, tiff_errors, tiff_messages


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPixels:
    """An opened file.

    Attributes
    ----------
    axes : str
        One letter per axis, in the file's order.
    shape : tuple of int
    dtype : dtype or None
        As stored; None where they do not lie in one run.
    offset : int or None
        Where they begin in the file; None where they do not lie in one run.
    known : dict
        Attributes that the file tells.
    tiff, series
        Of a TIFF, else None.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None = None
    offset: int | None = None
    known: dict[str, Any] = field(default_factory=dict)
    tiff: tifffile.TiffFile | None = None
    series: tifffile.TiffPageSeries | None = None


def open_stored(path: Path, opened: ExitStack) -> StoredPixels:
    """Look where the pixels of a TIFF or ``.npy`` file lie.

    Parameters
    ----------
    path : Path
    opened : ExitStack
        Keeps the file open.

    Raises
    ------
    ImageError, OSError
        The file is damaged or no image; it cannot be read.
    """
    if not is_tiff(path):
        contents = map_npy(path, None)
        pixels = contents.pixels
        if pixels.flags.c_contiguous and isinstance(pixels, np.memmap):
            return StoredPixels(
                axes=contents.axes, shape=pixels.shape, dtype=pixels.dtype, offset=pixels.offset
            )
        return StoredPixels(axes=contents.axes, shape=pixels.shape)
    with tiff_messages(path):
        tiff = opened.enter_context(open_tiff(path))
        with tiff_errors(path):
            series, axes, shape, known = describe_tiff(tiff, path)
    run = series.dataoffset is not None
    return StoredPixels(
        axes=axes, shape=tuple(shape), dtype=stored_dtype(tiff, series) if run else None,
        offset=series.dataoffset, known=known, tiff=tiff, series=series,
    )  # fmt: skip


def changed(path: Path) -> ImageError:
    """Return what to raise where a file ends before its pixels do."""
    return ImageError(f"{path} is truncated", "it has changed while it was read: start again")
