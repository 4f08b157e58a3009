"""Arrays to ImageJ images and back: one copy each way, through direct buffers.

=========================  ==========================================================================
numpy                      ImageJ
=========================  ==========================================================================
uint8, uint16, float32     8-bit, 16-bit, 32-bit: the same numbers
uint8 with the axis "S"    RGB
bool                       8-bit, 0 and 255: ImageJ's masks
other integers             32-bit if none is beyond 16777216, up to where it is exact; else refused
float16                    32-bit: the same numbers
float64                    32-bit if each value survives, else refused: ``astype("float32")`` says you know
complex                    refused
=========================  ==========================================================================

Back come uint8, uint16 (int16 where the image says "signed 16-bit"), float32, and uint8 with "S" for RGB.
ImageJ's pixels live in Java's own memory, which moves; so a copy each way is the least there is.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.images.axes import in_order, planes, stack_dims
from dlsim_ij.images.calibration import to_um

logger = logging.getLogger(__name__)

Array = xr.DataArray | NDArray[Any]

_SECONDS = {"sec": 1.0, "s": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "min": 60.0,
            "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0}  # fmt: skip


def as_data_array(array: Array) -> xr.DataArray:
    """Name the axes of an array and bring them into ImageJ's order.

    A plain ndarray is (Y, X) or (frame, Y, X); more axes must be named by a DataArray.

    Raises
    ------
    ImageError
        The axes are unknown, Y or X is missing, or there are no pixels.
    """
    if not isinstance(array, xr.DataArray):
        values = np.asarray(array)
        if values.ndim not in (2, 3):
            raise ImageError(
                f"an array of {values.ndim} axes does not tell what they are",
                "name them: xarray.DataArray(array, dims=('T', 'Z', 'Y', 'X'))",
            )
        array = xr.DataArray(values, dims=("I", "Y", "X")[3 - values.ndim :])
    dims = "".join(map(str, array.dims))
    if not {"Y", "X"} <= set(dims) or set(dims) - set("TZCIYXS") or any(len(str(d)) != 1 for d in array.dims):
        raise ImageError(
            f"the axes {', '.join(map(str, array.dims))} are not those of an image", "use letters of TZCIYXS"
        )
    if array.size == 0:
        raise ImageError(f"an image of {' x '.join(map(str, array.shape))} pixels is empty")
    return array.transpose(*in_order(dims))


def to_imageplus(array: Array, title: str | None = None) -> Any:
    """Copy an array into a new ``ij.ImagePlus``.

    Parameters
    ----------
    array : DataArray, or (Y, X) or (frame, Y, X) ndarray
        Types as in the table above. Axes T, Z, C make a hyperstack, "I" a plain stack. Calibration, slice
        labels and display range are taken from the attributes.
    title : str, optional
        Name of the image; the attribute "name" by default.

    Returns
    -------
    ij.ImagePlus
        Not shown. It belongs to you; ImageJ keeps no reference to it.

    Raises
    ------
    ImageError
        A value would not survive, or the axes do not fit a hyperstack.
    """
    from jpype import JClass

    image = as_data_array(array)
    kind = _stored_type(image.values, "S" in image.dims)
    axes = _hyperstack(image)
    labels = _labels(image, axes)
    image = image.transpose(*axes.values(), "Y", "X", ...)
    stack = JClass("ij.ImageStack")(image.sizes["X"], image.sizes["Y"])
    for label, (_, plane) in zip(labels, planes(image), strict=True):
        stack.addSlice(label, _to_java(_converted(plane, kind), kind))
    result = JClass("ij.ImagePlus")(title or str(image.attrs.get("name") or "image"), stack)
    sizes = [image.sizes[axes[letter]] if letter in axes else 1 for letter in "CZT"]
    result.setDimensions(*sizes)
    if set(stack_dims(image)) - {"I"}:
        result.setOpenAsHyperStack(True)
    _set_calibration(result, image, kind)
    return result


def from_imageplus(image: Any) -> xr.DataArray:
    """Copy an ``ij.ImagePlus`` into a new array with named axes, calibration and labels.

    Raises
    ------
    ImageError
        The image holds no pixels.
    """
    from jpype import JClass

    width, height, n_channels, n_slices, n_frames = (int(n) for n in image.getDimensions())
    stack = image.getStack()
    n_planes = int(stack.getSize())
    if min(width, height, n_planes) < 1 or image.getProcessor() is None:
        raise ImageError(f"the image '{image.getTitle()}' holds no pixels", "was it closed?")
    calibration = image.getCalibration()
    kind = {8: "uint8", 16: "uint16", 32: "float32", 24: "rgb"}[int(image.getBitDepth())]
    out = np.empty((n_planes, height, width), np.int32 if kind == "rgb" else kind)
    for i in range(n_planes):
        _from_java(stack.getPixels(i + 1), out[i], kind)
    if kind == "rgb":
        channels = [(out >> shift).astype(np.uint8) for shift in (16, 8, 0)]
        out = np.stack(channels, axis=-1)
    elif kind == "uint16" and calibration.isSigned16Bit():
        out = (out.astype(np.int32) - 32768).astype(np.int16)
    elif calibration.calibrated():
        logger.warning("'%s' has a density calibration; its raw values are returned", image.getTitle())
    shape = {"T": n_frames, "Z": n_slices, "C": n_channels}
    if n_frames * n_slices * n_channels != n_planes:  # a stack under construction, or a broken file
        shape = {"I": n_planes}
    kept = {letter: size for letter, size in shape.items() if size > 1}
    if set(kept) == {"Z"} and not image.getOpenAsHyperStack() and float(calibration.pixelDepth) == 1:
        kept = {"I": n_planes}  # ImageJ calls any plain stack "slices"
    tail = (height, width, 3) if kind == "rgb" else (height, width)
    dims = (*kept, *("Y", "X", "S")[: len(tail)])
    array = xr.DataArray(out.reshape(*kept.values(), *tail), dims=dims)
    labels = [stack.getSliceLabel(i + 1) for i in range(n_planes)]
    info = image.getOriginalFileInfo()
    source = None
    if info is not None and info.directory is not None and info.fileName is not None:
        source = str(Path(str(info.directory)) / str(info.fileName))
    array.attrs = {
        "pixel_size_um": _pixel_size_um(image, calibration),
        "z_step_um": _length_um(calibration.pixelDepth, calibration.getZUnit()) if "Z" in kept else None,
        "frame_interval_s": _interval_s(calibration),
        "labels": [str(label) if label is not None else None for label in labels] if any(labels) else None,
        "display_range": (float(image.getDisplayRangeMin()), float(image.getDisplayRangeMax())),
        "source": source,
        "name": str(JClass("java.lang.String").valueOf(image.getTitle())),
    }
    return array


def to_processor(plane: NDArray[Any]) -> Any:
    """Copy one (Y, X) plane of uint8, uint16 or float32 into a new ``ij.process.ImageProcessor``."""
    from jpype import JClass

    kind = plane.dtype.name
    height, width = plane.shape
    name = {"uint8": "ByteProcessor", "uint16": "ShortProcessor", "float32": "FloatProcessor"}[kind]
    return JClass(f"ij.process.{name}")(width, height, _to_java(np.ascontiguousarray(plane), kind), None)


def from_processor(processor: Any, out: NDArray[Any]) -> None:
    """Copy the pixels of a processor into `out`, a contiguous (Y, X) array of its type."""
    _from_java(processor.getPixels(), out, out.dtype.name)


def _stored_type(values: NDArray[Any], colour: bool) -> str:
    """Return what ImageJ stores: "uint8", "uint16", "float32" or "rgb"."""
    dtype = values.dtype
    if colour:
        if dtype != np.uint8 or values.shape[-1] != 3:
            raise ImageError(
                f"colour of type {dtype} with {values.shape[-1]} samples is not ImageJ's RGB",
                "give uint8 with 3 samples, or name the axis C",
            )
        return "rgb"
    if dtype.name in ("bool", "uint8"):
        return "uint8"
    if dtype.name in ("uint16", "float32"):
        return dtype.name
    if dtype.kind not in "iuf":
        raise ImageError(f"ImageJ has no {dtype} pixels", "give real numbers: magnitude and phase apart")
    if dtype.kind in "iu":
        largest = max(int(values.max()), -int(values.min()))
        if largest > 2**24:
            raise ImageError(
                f"{dtype} values up to {largest} change in ImageJ's 32-bit pixels",
                "subtract an offset or divide first; 16777216 is the largest exact one",
            )
    elif not all(_survives(plane) for plane in values.reshape(-1, *values.shape[-2:])):
        raise ImageError(
            f"{dtype} values of this image change in ImageJ's 32-bit pixels",
            "if seven digits are enough: array.astype('float32')",
        )
    return "float32"


def _survives(plane: NDArray[Any]) -> bool:
    with np.errstate(over="ignore"):
        converted = plane.astype(np.float32)
    return bool(np.array_equal(converted.astype(plane.dtype), plane, equal_nan=True))


def _converted(plane: NDArray[Any], kind: str) -> NDArray[Any]:
    if kind == "rgb":
        red, green, blue = (plane[..., i].astype(np.int32) for i in range(3))
        return np.ascontiguousarray(red << 16 | green << 8 | blue)
    if plane.dtype == bool:
        return plane.astype(np.uint8) * np.uint8(255)
    native = plane.dtype.newbyteorder("=")
    return np.ascontiguousarray(plane, dtype=kind if plane.dtype.name != kind else native)


_SIGNED = {"uint8": np.int8, "uint16": np.int16, "float32": np.float32, "rgb": np.int32}


def _buffer(array: NDArray[Any], kind: str) -> Any:
    """View a contiguous array as a typed Java buffer; the buffer keeps the array alive."""
    from jpype import JClass, nio

    buffer = nio.convertToDirectBuffer(array.reshape(-1).view(np.uint8))
    buffer = buffer.order(JClass("java.nio.ByteOrder").nativeOrder())
    if kind == "uint8":
        return buffer
    if kind == "uint16":
        return buffer.asShortBuffer()
    return buffer.asIntBuffer() if kind == "rgb" else buffer.asFloatBuffer()


def _to_java(plane: NDArray[Any], kind: str) -> Any:
    import jpype

    types = {"uint8": jpype.JByte, "uint16": jpype.JShort, "float32": jpype.JFloat, "rgb": jpype.JInt}
    pixels = types[kind][plane.size]
    _buffer(plane, kind).get(pixels)
    return pixels


def _from_java(pixels: Any, out: NDArray[Any], kind: str) -> None:
    _buffer(out, kind).put(pixels)


def _hyperstack(image: xr.DataArray) -> dict[str, str]:
    """Say which axis of the image is ImageJ's frame, slice and channel, in the order of its planes."""
    axes = {letter: letter for letter in "TZC" if letter in image.dims}
    if "I" in image.dims:
        free = [letter for letter in "ZTC" if letter not in axes]
        if not free:
            raise ImageError(
                "T, Z, C and I together are one axis more than a hyperstack has", "select one of I"
            )
        axes[free[0]] = "I"
    return {letter: axes[letter] for letter in "TZC" if letter in axes}


def _labels(image: xr.DataArray, axes: dict[str, str]) -> list[str | None]:
    """Return one slice label per plane, in ImageJ's order of planes."""
    dims = stack_dims(image)
    sizes = [image.sizes[dim] for dim in dims]
    given = image.attrs.get("labels") or [None] * int(np.prod(sizes))
    if len(given) != np.prod(sizes):
        raise ImageError(
            f"{len(given)} labels do not fit {int(np.prod(sizes))} planes", "one label per plane"
        )
    table = np.empty(len(given), object)
    table[:] = [None if label is None else str(label) for label in given]
    order = [dims.index(axis) for axis in axes.values()]
    return list(table.reshape(sizes).transpose(order).ravel())


def _set_calibration(result: Any, image: xr.DataArray, kind: str) -> None:
    attributes = image.attrs
    calibration = result.getCalibration()
    size, step, interval = (attributes.get(k) for k in ("pixel_size_um", "z_step_um", "frame_interval_s"))
    if size is not None:
        calibration.setUnit("micron")
        calibration.pixelWidth = calibration.pixelHeight = float(size)
    if step is not None:
        calibration.setUnit("micron") if size is not None else calibration.setZUnit("micron")
        calibration.pixelDepth = float(step)
    if interval is not None:
        calibration.frameInterval = float(interval)
        calibration.setTimeUnit("sec")
    shown = attributes.get("display_range")
    if shown is not None and kind != "rgb":
        result.setDisplayRange(float(shown[0]), float(shown[1]))


def _pixel_size_um(image: Any, calibration: Any) -> float | None:
    width = _length_um(calibration.pixelWidth, calibration.getXUnit())
    height = _length_um(calibration.pixelHeight, calibration.getYUnit())
    if width is not None and height is not None and abs(width - height) > 1e-6 * width:
        logger.warning(
            "'%s' has pixels of %g x %g um; no pixel size is kept", image.getTitle(), width, height
        )
        return None
    return width


def _length_um(value: Any, unit: Any) -> float | None:
    return to_um(float(value), str(unit) if unit is not None else None)


def _interval_s(calibration: Any) -> float | None:
    factor = _SECONDS.get(str(calibration.getTimeUnit() or "").strip())
    interval = float(calibration.frameInterval)
    return interval * factor if factor is not None and interval > 0 else None
