"""Writing: one array with named axes in, one file out that ImageJ and Fiji open with its calibration."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError, OutputError
from dlsim_ij.files import atomic_path
from dlsim_ij.images.axes import ORDER, planes, stack_dims
from dlsim_ij.images.calibration import check_pixel_size
from dlsim_ij.images.tiff import NOTES, tiff_messages

# A classic TIFF counts bytes in 32 bits; 32 MiB are left for the tags.
CLASSIC_TIFF_BYTES = 2**32 - 2**25

# What each format stores of each type. ImageJ knows three kinds of grey pixels and signed 16-bit numbers;
# where a type becomes another, every value is kept, except for float64, which is rounded to float32.
_IMAGEJ_TYPES = {
    "bool": "uint8",
    "uint8": "uint8",
    "uint16": "uint16",
    "int8": "int16",
    "int16": "int16",
    "float16": "float32",
    "float32": "float32",
    "float64": "float32",
}
_OME_TYPES = {
    **{name: name for name in ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")},
    "bool": "uint8",
    "float16": "float32",
}
_COLOR_MAP = 320  # TIFF tag
_TIFF_ENDINGS = (".tif", ".tiff", ".btf", ".tf8")


def write_image(
    path: str | os.PathLike[str],
    array: xr.DataArray | NDArray[Any],
    *,
    pixel_size_um: float | None = None,
    overwrite: bool = False,
    ome: bool = False,
    labels: Sequence[str] | None = None,
    display_range: tuple[float, float] | None = None,
    lut: NDArray[np.uint8] | None = None,
) -> Path:
    """Write an image as ImageJ hyperstack, OME-TIFF or ``.npy``; whole or not at all.

    Parameters
    ----------
    path : path-like
        ``.tif`` or ``.tiff``; ``.ome.tif`` for OME-TIFF; ``.npy`` for the pixels alone, without calibration.
    array : DataArray, or (Y, X) or (frame, Y, X) ndarray
        Attributes as `read_image` gives them are the defaults of the options.
    pixel_size_um : float, optional
        Width and height of a pixel.
    overwrite : bool
        Replace an existing file.
    ome : bool
        Write OME-TIFF whatever the name says.
    labels : sequence of str, optional
        One per plane, the last stack axis fastest.
    display_range : (float, float), optional
        Values shown as black and white.
    lut : (3, 256) ndarray of uint8, optional
        Red, green and blue in which ImageJ shows a grey image, from the lower end of the range to the upper.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ImageError
        The array cannot be stored in this format; the hint names one that can.
    OutputError
        The file exists, or cannot be written.

    Notes
    -----
    ImageJ: bool becomes 0 and 255, int8 int16, float16 and float64 float32; wider integers are refused.
    The axis "I" becomes a plain stack of slices; beside other stack axes it takes the place of a free one
    (Z, T, C). Beyond 4 GB the planes follow one another after a single header, as ImageJ itself writes
    them, and OME-TIFF becomes BigTIFF. Planes are converted and written one at a time.
    """
    return _write(
        Path(path), _data_array(array), None, ome=ome, overwrite=overwrite, labels=labels, lut=lut,
        pixel_size_um=pixel_size_um, display_range=display_range,
    )  # fmt: skip


def write_planes(
    path: str | os.PathLike[str],
    planes: Iterable[NDArray[Any]],
    *,
    shape: tuple[int, int, int],
    dtype: str = "float32",
    pixel_size_um: float | None = None,
    overwrite: bool = False,
    labels: Sequence[str] | None = None,
    display_range: tuple[float, float] | None = None,
    lut: NDArray[np.uint8] | None = None,
) -> Path:
    """Write a stack whose planes come one at a time, so that it is never in memory.

    Parameters
    ----------
    path : path-like
        ``.tif`` or ``.tiff``, an ImageJ stack.
    planes : iterable of (Y, X) ndarray
    shape : (int, int, int)
        Planes, rows and columns.
    dtype : str
        Of the planes.
    pixel_size_um, overwrite, labels, display_range, lut
        As for :func:`write_image`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ImageError
        The planes cannot be stored in this format.
    OutputError
        The file exists, or cannot be written.
    """
    # tells shape and type, and needs no memory
    outline = xr.DataArray(np.broadcast_to(np.zeros((), dtype), shape), dims=("I", "Y", "X"))
    return _write(
        Path(path), outline, planes, overwrite=overwrite, labels=labels, lut=lut,
        pixel_size_um=pixel_size_um, display_range=display_range,
    )  # fmt: skip


def _write(
    path: Path, image: xr.DataArray, pixels: Iterable[NDArray[Any]] | None, *, ome: bool = False,
    overwrite: bool, labels: Sequence[str] | None, lut: NDArray[np.uint8] | None,
    pixel_size_um: float | None, display_range: tuple[float, float] | None,
) -> Path:  # fmt: skip
    """Write `image`, or planes of its shape and type."""
    attributes = dict(image.attrs)
    if pixel_size_um is not None:
        attributes["pixel_size_um"] = pixel_size_um
    if display_range is not None:
        attributes["display_range"] = display_range
    attributes["labels"] = _labels(image, labels)
    check_pixel_size(attributes.get("pixel_size_um"))
    if lut is not None:
        attributes["lut"] = _checked_lut(lut, image)
    name = path.name.lower()
    ome = ome or name.endswith((".ome.tif", ".ome.tiff", ".ome.btf"))
    if name.endswith(".npy") and not ome and pixels is None:
        with atomic_path(path, overwrite=overwrite) as temporary:
            np.save(temporary, image.values, allow_pickle=False)
    elif name.endswith(_TIFF_ENDINGS):
        if ome and lut is not None:
            raise OutputError(
                f"{path}: OME-TIFF has no place for a lookup table", "write an ImageJ TIFF, .tif"
            )
        _write_tiff(path, image, pixels, attributes, ome, overwrite)
    else:
        raise OutputError(
            f"{path}: the ending names no format that can be written", "use .tif, .ome.tif or .npy"
        )
    return path


def _data_array(array: xr.DataArray | NDArray[Any]) -> xr.DataArray:
    """Return the array with its axes named and in order, refusing what is no image."""
    if not isinstance(array, xr.DataArray):
        array = np.asarray(array)
        if array.ndim not in (2, 3):
            raise ImageError(
                f"an array of {array.ndim} axes does not tell what they are",
                "name them: xarray.DataArray(array, dims=('T', 'Z', 'Y', 'X'))",
            )
        array = xr.DataArray(array, dims=("I", "Y", "X")[3 - array.ndim :])
    dims = [str(dim) for dim in array.dims]
    if not {"Y", "X"} <= set(dims) or set(dims) - set(ORDER):
        raise ImageError(f"the axes {', '.join(dims)} are not those of an image", f"use letters of {ORDER}")
    if array.size == 0:
        raise ImageError(
            f"an empty image, {' x '.join(map(str, array.shape))}, cannot be written", "give pixels"
        )
    if array.dtype.kind not in "buif":
        raise ImageError(
            f"{array.dtype} values cannot be written as an image", "write their real part or modulus"
        )
    return array.transpose(*sorted(dims, key=ORDER.index))


def _checked_lut(lut: NDArray[np.uint8], image: xr.DataArray) -> NDArray[np.uint8]:
    if lut.shape != (3, 256) or lut.dtype != np.uint8:
        raise ImageError(
            f"a lookup table of shape {lut.shape} and type {lut.dtype}", "give (3, 256) values of uint8"
        )
    if "S" in image.dims or image.sizes.get("C", 1) > 1:
        raise ImageError("an image of several colours takes no lookup table", "write each channel by itself")
    return lut


def _labels(image: xr.DataArray, labels: Sequence[str] | None) -> list[str] | None:
    n_planes = prod(size for dim, size in image.sizes.items() if dim not in ("Y", "X", "S"))
    if labels is not None:
        if len(labels) != n_planes:
            raise ImageError(f"{len(labels)} labels for {n_planes} planes", "give one per plane")
        return [str(label) for label in labels]
    inherited = image.attrs.get("labels")
    # after a selection of planes the labels of the whole stack fit no more
    return [str(label) for label in inherited] if inherited and len(inherited) == n_planes else None


def _write_tiff(
    path: Path, image: xr.DataArray, pixels: Iterable[NDArray[Any]] | None, attributes: dict[str, Any],
    ome: bool, overwrite: bool,
) -> None:  # fmt: skip
    stored = _stored_type(image.dtype, ome)
    with atomic_path(path, overwrite=overwrite) as temporary, tiff_messages(path):
        # the axes that ImageJ knows, slowest first; the planes are walked through in this order
        ordered = image.transpose(*plane_order(image), "Y", "X", ...)
        data = _converted(ordered, stored) if pixels is None else _as_stored(pixels, stored)
        save_tiff(temporary, image, data, attributes, ome)


def plane_order(image: xr.DataArray) -> list[str]:
    """Return the stack axes of an image in the order in which a TIFF of ours holds its planes."""
    axes = hyperstack_axes(image)
    return [axes[letter] for letter in "TZC" if letter in axes]


def save_tiff(
    path: Path, image: xr.DataArray, planes: Iterable[NDArray[Any]] | None, attributes: dict[str, Any],
    ome: bool, *, tile: tuple[int, int] | None = None,
) -> None:  # fmt: skip
    """Write a file that need not be whole or new.

    Parameters
    ----------
    path : Path
    image : DataArray
        For shape, axes and type.
    planes : iterable of ndarray or None
        In `plane_order`; None leaves room for them, which holds zeros.
    attributes : dict
        As `write_image` gathers them.
    ome : bool
        OME-TIFF, not an ImageJ hyperstack.
    tile : (int, int), optional
        Tiles of this size in a BigTIFF, not rows.
    """
    stored = _stored_type(image.dtype, ome)
    colour = "S" in image.dims
    if colour and (image.sizes["S"] not in (3, 4) or stored != "uint8"):
        raise ImageError("a colour picture has 3 or 4 samples of 8 bits", "write each colour as a channel, C")
    axes = hyperstack_axes(image)
    letters = "TZCYX" if ome and not colour else "TZCYXS"  # to ImageJ, a grey pixel has one sample
    shape = [image.sizes.get(axes.get(letter, letter), 1) for letter in letters]
    large = prod(shape) * np.dtype(stored).itemsize > CLASSIC_TIFF_BYTES
    describe = _ome_tags if ome else _imagej_tags
    big = ome and (large or tile is not None)
    with tifffile.TiffWriter(path, bigtiff=big, imagej=not ome, ome=ome, byteorder="<") as tiff:
        tiff.write(
            planes,
            shape=tuple(shape),
            dtype=stored,
            photometric="rgb" if colour else "minisblack",
            truncate=large and not ome,
            software="dlsim_ij",
            tile=tile,
            **describe(image, attributes, letters),
        )


def _stored_type(dtype: np.dtype[Any], ome: bool) -> str:
    stored = (_OME_TYPES if ome else _IMAGEJ_TYPES).get(dtype.name)
    if stored is None:
        other = ".npy" if dtype.name not in _OME_TYPES else "OME-TIFF (--ome, or the ending .ome.tif)"
        raise ImageError(
            f"{dtype} pixels do not exist in {'OME-TIFF' if ome else 'ImageJ'}",
            f"convert to float32, which is exact up to 16777216, or write {other}",
        )
    return stored


def hyperstack_axes(image: xr.DataArray) -> dict[str, str]:
    """Map ImageJ's stack axes to those of the image: "I" takes the place of a free one."""
    axes = {letter: letter for letter in "TZC" if letter in image.dims}
    if "I" in image.dims:
        free = [letter for letter in "ZTC" if letter not in axes]
        if not free:
            raise ImageError("a hyperstack has no axis left beside T, Z and C for I", "select one of I")
        axes[free[0]] = "I"
    return axes


def _converted(image: xr.DataArray, stored: str) -> Iterator[NDArray[Any]]:
    return _as_stored((plane for _, plane in planes(image)), stored)


def _as_stored(pixels: Iterable[NDArray[Any]], stored: str) -> Iterator[NDArray[Any]]:
    for plane in pixels:
        if plane.dtype == bool:
            yield plane.astype(stored) * np.uint8(255)
            continue
        with np.errstate(over="ignore"):
            converted = plane.astype(stored, copy=False)
        if (
            plane.dtype == np.float64
            and stored == "float32"
            and (np.isinf(converted) & np.isfinite(plane)).any()
        ):
            raise ImageError("values beyond 3.4e38 do not fit into float32", "scale them, or write .ome.tif")
        yield np.ascontiguousarray(converted)


def _imagej_tags(image: xr.DataArray, attributes: dict[str, Any], axes: str) -> dict[str, Any]:
    stack = {str(dim) for dim in stack_dims(image) if image.sizes[dim] > 1}
    # ImageJ writes "hyperstack" only where the axes mean something; a plain stack is our axis "I"
    metadata: dict[str, Any] = {"axes": axes, "hyperstack": bool(stack - {"I"})}
    if "C" in stack:
        metadata["mode"] = "composite"
    size, step = attributes.get("pixel_size_um"), attributes.get("z_step_um") if "Z" in stack else None
    if size is not None or step is not None:
        metadata["unit"] = "um"
    if step is not None:
        metadata["spacing"] = float(step)
    if attributes.get("frame_interval_s") is not None:
        metadata |= {"finterval": float(attributes["frame_interval_s"]), "tunit": "sec"}
    if attributes.get("display_range") is not None:
        low, high = map(float, attributes["display_range"])
        metadata |= {"min": low, "max": high}
        if image.sizes.get("C", 1) > 1:
            metadata["Ranges"] = (low, high) * image.sizes["C"]
    if attributes["labels"] is not None:
        metadata["Labels"] = attributes["labels"]
    tags: dict[str, Any] = {"metadata": metadata}
    if size is not None:
        tags["resolution"] = (1 / size, 1 / size)
    if attributes.get("lut") is not None:
        # where ImageJ itself keeps it; TIFF counts colours to 65535
        colours = (257 * attributes["lut"].astype(np.uint16)).ravel().tolist()
        tags["extratags"] = [(_COLOR_MAP, "H", len(colours), colours, True)]
    return tags


def _ome_tags(image: xr.DataArray, attributes: dict[str, Any], axes: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": axes}
    size, step = attributes.get("pixel_size_um"), attributes.get("z_step_um")
    for axis, length in (("X", size), ("Y", size), ("Z", step)):
        if length is not None:
            metadata |= {f"PhysicalSize{axis}": float(length), f"PhysicalSize{axis}Unit": "µm"}
    if attributes.get("frame_interval_s") is not None:
        metadata |= {"TimeIncrement": float(attributes["frame_interval_s"]), "TimeIncrementUnit": "s"}
    # OME has no place for these three
    notes: dict[str, str] = {"axes": "".join(map(str, image.dims))}
    if attributes["labels"] is not None:
        notes["labels"] = json.dumps(attributes["labels"])
    if attributes.get("display_range") is not None:
        notes["display_range"] = json.dumps([float(value) for value in attributes["display_range"]])
    metadata["MapAnnotation"] = {"Namespace": NOTES, "Value": notes}
    # a number from what is described, and not by chance: the same image twice is the same file twice
    described = json.dumps([metadata, list(image.shape), str(attributes.get("source"))], sort_keys=True)
    metadata["UUID"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, described)}"
    tags: dict[str, Any] = {"metadata": metadata}
    if size is not None:
        tags |= {"resolution": (1e4 / size, 1e4 / size), "resolutionunit": "CENTIMETER"}
    return tags
