"""Reading one raw field of view, and refusing what does not fit together, by file name."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.datasets.layouts import FieldFiles, RawFiles
from dlsim_ij.errors import DataError, ImageError, LayoutError
from dlsim_ij.images import read_image
from dlsim_ij.images.tiff import open_tiff

Array = NDArray[Any]
Shape = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldShape:
    """Sizes of one field.

    Attributes
    ----------
    frames : int
        Frames of each raw stack.
    raw, truth : (int, int)
        Height and width.
    """

    frames: int
    raw: Shape
    truth: Shape

    @property
    def ratio(self) -> int:
        """How many times larger the truth is."""
        return self.truth[0] // self.raw[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawField:
    """One field of view in memory, uint16 where the files hold such numbers, else float32.

    Attributes
    ----------
    normal, low : (n_frames, Y, X) ndarray or None
        Raw frames of each light level, native pixels.
    truth, low_truth : (s * Y, s * X) ndarray; the latter may be None
        Reconstructed images.
    truth_pixel_size_um : float or None
        As the truth's file tells.
    """

    normal: Array | None = field(repr=False)
    low: Array | None = field(repr=False)
    truth: Array = field(repr=False)
    low_truth: Array | None = field(repr=False)
    truth_pixel_size_um: float | None


def survey(files: FieldFiles, frames: int | None) -> FieldShape:
    """Look at the sizes of a field, reading as little as possible.

    Raises
    ------
    LayoutError
        A stack has another number of frames.
    DataError
        Sizes do not fit together.
    """
    raws = [raw for raw in (files.normal, files.low) if raw is not None]
    counts = [len(raw.files) if len(raw.files) > 1 else _planes(raw.files[0])[0] for raw in raws]
    expected = frames or counts[0]
    for raw, count in zip(raws, counts, strict=True):
        _check_count(raw.where, count, expected)
    shapes = [_planes(raw.files[0])[1] for raw in raws]
    if len(set(shapes)) > 1:
        _refuse_shape(raws[1].files[0], shapes[1], raws[0].files[0], shapes[0])
    truth = _planes(files.truth)[1]
    _check_ratio(files.truth, truth, shapes[0])
    if files.low_truth is not None and (low := _planes(files.low_truth)[1]) != truth:
        _refuse_shape(files.low_truth, low, files.truth, truth)
    return FieldShape(frames=expected, raw=shapes[0], truth=truth)


def load_field(files: FieldFiles, shape: FieldShape) -> RawField:
    """Read all images of a field; every plane must have the surveyed size.

    Raises
    ------
    ImageError
        A file is no usable image.
    LayoutError
        The number of frames is wrong, or the file behind the last frame is neither mean nor maximum.
    DataError
        A file has another size.
    """
    truth, pixel_size_um = _read_single(files.truth, shape.truth)
    return RawField(
        normal=_read_stack(files.normal, shape) if files.normal else None,
        low=_read_stack(files.low, shape) if files.low else None,
        truth=truth,
        low_truth=_read_single(files.low_truth, shape.truth)[0] if files.low_truth else None,
        truth_pixel_size_um=pixel_size_um,
    )


def hash_files(files: FieldFiles, root: Path) -> dict[str, str]:
    """Return the SHA-256 of every input file of a field, by its path below `root`."""
    hashes = {}
    for _, file in files.all_files():
        try:
            with open(file, "rb") as opened:
                hashes[file.relative_to(root).as_posix()] = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            raise ImageError(f"cannot read {file}: {error.strerror}", "check its permissions") from error
    return hashes


def _read_stack(raw: RawFiles, shape: FieldShape) -> Array:
    if len(raw.files) == 1:
        planes = _stored(_leading_flat(read_image(raw.files[0]), raw.files[0]), raw.files[0])
        _check_count(raw.where, len(planes), shape.frames)
        if planes.shape[1:] != shape.raw:
            _refuse_shape(raw.files[0], planes.shape[1:], None, shape.raw)
    else:
        frames = [_read_single(file, shape.raw, raw.files[0])[0] for file in raw.files]
        planes = np.stack(frames)
    for file in raw.summaries:
        _check_summary(file, _read_single(file, shape.raw, raw.files[0])[0], planes)
    return planes


def _read_single(file: Path, expected: Shape, like: Path | None = None) -> tuple[Array, float | None]:
    image = read_image(file)
    planes = _leading_flat(image, file)
    if len(planes) != 1:
        raise LayoutError(f"{file} holds {len(planes)} planes, one was expected", "give single images")
    if planes.shape[1:] != expected:
        _refuse_shape(file, planes.shape[1:], like, expected)
    pixel_size_um = image.attrs.get("pixel_size_um")
    return _stored(planes[0], file), None if pixel_size_um is None else float(pixel_size_um)


def _leading_flat(image: Any, file: Path) -> Array:
    """Return (planes, Y, X) of a DataArray that has at most one long axis besides Y and X."""
    if "S" in image.dims:
        raise ImageError(f"{file} is a colour picture", "give the raw grey frames")
    long = {
        dim: size for dim, size in zip(image.dims, image.shape, strict=True) if dim not in "YX" and size > 1
    }
    if len(long) > 1 or "C" in long:
        shown = " x ".join(f"{dim}={size}" for dim, size in long.items())
        raise LayoutError(
            f"{file} holds {shown}: which of them are the frames?", "save one raw stack per file, frames only"
        )
    values = np.asarray(image.values)
    flat: Array = values.reshape(-1, *values.shape[-2:])
    return flat


def _stored(values: Array, file: Path) -> Array:
    """Return uint16 for whole numbers of a 16-bit range, float32 for the rest."""
    if values.dtype.kind not in "iuf":
        raise ImageError(f"{file} holds values of type {values.dtype}", "give the raw grey frames")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ImageError(f"{file} holds NaN or infinity", "replace them first")
        return values.astype(np.float32, copy=False)
    low, high = (
        (0, 65535)
        if values.dtype.kind == "u" and values.dtype.itemsize <= 2
        else (values.min(), values.max())
    )
    return values.astype(np.uint16 if low >= 0 and high <= 65535 else np.float32, copy=False)


def _check_summary(file: Path, summary: Array, planes: Array) -> None:
    """Raise unless `summary` is the mean (rounded either way) or the maximum of the frames."""
    mean = planes.mean(axis=0, dtype=np.float64)
    if np.abs(summary - mean).max() >= 1 and not np.array_equal(summary, planes.max(axis=0)):
        raise LayoutError(
            f"{file} is behind the last of {len(planes)} frames, but is neither their mean nor their maximum",
            f"is it a frame? then say --frames {len(planes) + 1}; else remove it",
        )


def _planes(file: Path) -> tuple[int, Shape]:
    """Return the number of planes of a file and their size, from its header where that is enough."""
    if file.suffix.lower() in (".tif", ".tiff"):
        with suppress(ImageError), open_tiff(file) as tiff:  # the reader below has the better words for it
            series = tiff.series[0]
            if len(tiff.series) == 1 and set(series.axes[:-2]) <= set("TZQI") and series.axes[-2:] == "YX":
                *leading, height, width = series.shape
                return prod(leading), (height, width)
    planes = _leading_flat(read_image(file), file)
    return len(planes), planes.shape[1:]


def _check_count(where: Path, count: int, expected: int) -> None:
    if count != expected:
        raise LayoutError(
            f"{where} holds {count} frames, {expected} were expected",
            f"take it out, or say --frames {count} if all stacks have {count}",
        )


def _check_ratio(file: Path, truth: Shape, raw: Shape) -> None:
    ratios = {truth[0] / raw[0], truth[1] / raw[1]}
    if len(ratios) > 1 or not min(ratios).is_integer() or min(ratios) < 1:
        raise DataError(
            f"{file} has {truth[0]} x {truth[1]} pixels, its frames {raw[0]} x {raw[1]}: no whole multiple",
            "were both cut from the same field?",
        )


def _refuse_shape(file: Path, shape: Any, like: Path | None, expected: Shape) -> None:
    other = f"as {like}" if like else "as expected"
    raise DataError(
        f"{file} has {shape[0]} x {shape[1]} pixels, not {expected[0]} x {expected[1]} {other}",
        "all images of a field need one size",
    )
