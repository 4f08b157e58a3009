"""Reading TIFF: plain, ImageJ hyperstack, OME-TIFF and BigTIFF, in either byte order."""

from __future__ import annotations

import json
import logging
import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite, prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.images.axes import ORDER, check_axes
from dlsim_ij.images.calibration import LARGEST_DPI_PIXEL_UM, to_um

logger = logging.getLogger(__name__)

# Above this size contiguous pixels stay on disk until they are used; below, a copy in memory is quicker.
MAP_FROM_BYTES = 64 * 2**20
# The best deflate can do is 1032 times smaller; more is a damaged header (or a bomb).
MOST_COMPRESSION = 2000
RESAVE = "open it in ImageJ and save it as an uncompressed TIFF"

PALETTE, MINISWHITE = 3, 0
# In strips or in tiles; everything else has a default.
_NEEDED_TAGS = {"width": (256, 256), "height": (257, 257), "pixel position": (273, 324)}
NOTES = "dlsim_ij"  # name space of what write_image notes in OME-XML
DAMAGED = "the copy or download may be incomplete: get the file again"


@dataclass(slots=True)
class Contents:
    """What a file holds, before the axes have their final order.

    Attributes
    ----------
    pixels : ndarray
        In native byte order; memory-mapped (copy on write) when large and contiguous.
    axes : str
        One letter per axis of `pixels`.
    known : dict
        The attributes that the file tells.
    """

    pixels: NDArray[Any]
    axes: str
    known: dict[str, Any] = field(default_factory=dict)


def read_tiff(path: Path, axes: str | None) -> Contents:
    """Read the one image of a TIFF file.

    Raises
    ------
    ImageError
        The file is damaged, holds several images, or its pixels are not intensities.
    """
    with tiff_messages(path), open_tiff(path) as tiff:
        series, letters, shape, known = describe_tiff(tiff, path, axes)
        pixels = _pixels(tiff, series, path)
    return Contents(pixels.reshape(shape), letters, known)


def describe_tiff(
    tiff: tifffile.TiffFile, path: Path, axes: str | None = None
) -> tuple[tifffile.TiffPageSeries, str, tuple[int, ...], dict[str, Any]]:
    """Return the one image of an open file, its axes and shape, and its attributes; no pixel is read.

    Raises
    ------
    ImageError
        As for :func:`read_tiff`.
    """
    series = _only_series(tiff, path)
    _check_pages(tiff, series, path)
    letters, shape = _axes(series, axes, path)
    known = _metadata(tiff, series, path)
    return series, _noted_axes(letters, known.pop("axes", ""), axes), shape, known


def tiff_axes(path: Path) -> str:
    """Return the axes of a TIFF file without reading its pixels."""
    with tiff_messages(path), open_tiff(path) as tiff:
        return _axes(_only_series(tiff, path), None, path)[0]


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF file; what tifffile cannot read becomes an `ImageError`."""
    with tiff_errors(path), tifffile.TiffFile(path) as tiff:
        yield tiff


@contextmanager
def tiff_errors(path: Path) -> Iterator[None]:
    """Turn what tifffile raises into an `ImageError`; an `OSError` stays one."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{path} does not fit into memory", "cut it, or use a larger computer") from error
    except OSError:
        raise  # missing, forbidden: the caller says it in its own words
    except Exception as error:  # tifffile raises dozens of kinds for damaged files; all of them end here
        if "requires the 'imagecodecs'" in str(error):
            kind = str(error).split("requires")[0].strip(" <>").replace("COMPRESSION.", "")
            raise ImageError(f"{path} has a compression that is not supported, {kind}", RESAVE) from error
        raise ImageError(f"{path} is a damaged TIFF ({_one_line(error)})", DAMAGED) from error


@contextmanager
def tiff_messages(path: Path) -> Iterator[None]:
    """Turn what tifffile logs into our own words: its errors refuse the file, its warnings are INFO.

    Raises
    ------
    ImageError
        tifffile found the file to be inconsistent.
    """
    thread = threading.get_ident()
    warnings: list[str] = []
    errors: list[str] = []

    def collect(record: logging.LogRecord) -> bool:
        if threading.get_ident() != thread:
            return True
        (errors if record.levelno >= logging.ERROR else warnings).append(_one_line(record.getMessage()))
        return False

    source = logging.getLogger("tifffile")
    source.addFilter(collect)
    try:
        yield
    finally:
        source.removeFilter(collect)
    for message in warnings:
        logger.info("%s: %s", path, message)
    if errors:
        raise ImageError(f"{path} is a damaged TIFF ({errors[0]})", DAMAGED)


def _one_line(message: object) -> str:
    """Say in users' words what tifffile found, or in its own without the names of its classes."""
    if isinstance(message, struct.error) or "page offset" in str(message):
        return "it ends before its last page"
    text = re.sub(r"<tifffile\.\w+[^>]*>\s*", "", " ".join(str(message).split()))
    return text[:150] or type(message).__name__


def _only_series(tiff: tifffile.TiffFile, path: Path) -> tifffile.TiffPageSeries:
    if not len(tiff.pages):
        raise ImageError(f"{path} is a damaged TIFF (it ends before its last page)", DAMAGED)
    series = [one for one in tiff.series if not one.keyframe.is_reduced] or tiff.series
    if len(series) > 1:
        sizes = ", ".join("x".join(map(str, one.shape)) for one in series[:3])
        more = " ..." if len(series) > 3 else ""
        raise ImageError(
            f"{path} holds {len(series)} images of different kinds ({sizes}{more})",
            "save the one to use as a file of its own",
        )
    return series[0]


def _check_pages(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path) -> None:
    """Refuse what is incomplete: tifffile would fill the missing pixels with zeros."""
    page = series.keyframe
    absent = [name for name, (tag, other) in _NEEDED_TAGS.items() if not {tag, other} & set(page.tags.keys())]
    if absent:
        raise ImageError(f"{path} is a damaged TIFF (no {', '.join(absent)} in it)", DAMAGED)
    shown = " x ".join(map(str, series.shape))
    if 0 in series.shape:
        raise ImageError(f"{path} is an empty image of {shown} pixels", DAMAGED)
    _check_kind(page, path)
    if any(one is None for one in series.pages):
        raise ImageError(f"{path}: other files of this OME-TIFF set are missing", "keep them in one folder")
    size, expected = tiff.filehandle.size, series.nbytes
    uncompressed = page.compression == 1
    if (uncompressed and size < expected) or expected > max(MOST_COMPRESSION * size, 2**20):
        raise ImageError(
            f"{path} is truncated: {shown} pixels of {series.dtype} are not in its {size} bytes", DAMAGED
        )
    if len(series.pages) < prod(series.shape) // max(1, prod(page.shape)):
        # ImageJ's way beyond 4 GB: one page describes a contiguous run of planes
        complete = series.dataoffset is not None and series.dataoffset + expected <= size
    else:
        complete = all(_is_complete(one, size) for one in series.pages)
    if not complete:
        raise ImageError(f"{path} is truncated: some of its pixels lie beyond its {size} bytes", DAMAGED)


def _is_complete(page: tifffile.TiffPage | tifffile.TiffFrame, file_size: int) -> bool:
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    inside = all(offset + count <= file_size and (offset or not count) for offset, count in segments)
    stored = sum(count for _, count in segments)
    return inside and bool(segments) and (page.keyframe.compression != 1 or stored >= page.keyframe.nbytes)


def _check_kind(page: tifffile.TiffPage, path: Path) -> None:
    """Refuse pixels that are no intensities."""
    if page.dtype is None or page.dtype.kind not in "uif" or page.bitspersample < 8:
        kind = "complex" if page.dtype is not None and page.dtype.kind == "c" else f"{page.bitspersample}-bit"
        raise ImageError(f"{path} holds {kind} pixels, not intensities", "save 8, 16 or 32 bit grey values")
    if page.is_imagej:
        return  # ImageJ's look-up tables colour the display; the pixels are intensities
    photometric = page.tags.valueof("PhotometricInterpretation")
    if photometric == PALETTE:
        raise ImageError(f"{path} holds palette colours, not intensities", RESAVE + " of 16 bits")
    if photometric == MINISWHITE:
        raise ImageError(f"{path} stores white as zero, so bright is dark", "invert it in ImageJ and save it")


def _axes(series: tifffile.TiffPageSeries, axes: str | None, path: Path) -> tuple[str, tuple[int, ...]]:
    """Name the axes; those of length 1 without a meaning are dropped."""
    found, shape = series.axes, series.shape
    kept = [i for i, letter in enumerate(found) if shape[i] > 1 or letter in "YXTZC"]
    found, shape = "".join(found[i] for i in kept), tuple(shape[i] for i in kept)
    if axes is not None:
        return check_axes(axes, len(shape), str(path)), shape
    if series.kind == "imagej" and "Z" in found and "T" not in found and "C" not in found:
        told = series.keyframe.parent.imagej_metadata or {}
        if not told.get("hyperstack") and "spacing" not in told:
            found = found.replace("Z", "I")  # ImageJ calls any plain stack "slices"
    if series.kind == "shaped" and found == "SYX":
        found = "IYX"  # tifffile takes any three planes for red, green and blue
    unknown = [letter for letter in found if letter not in ORDER]
    if len(unknown) == 1 and "I" not in found:
        found = found.replace(unknown[0], "I")
    elif unknown or len(set(found)) < len(found):
        size = " x ".join(map(str, shape))
        raise ImageError(
            f"{path}: the meaning of the axes of {size} pixels is not in the file",
            "name them: read_image(path, axes='TZYX'), or save an ImageJ hyperstack",
        )
    return found, shape


def _noted_axes(found: str, noted: str, asked: str | None) -> str:
    """Give the axis "I" its name back, for which OME and ImageJ have no letter."""
    stack = [letter for letter in found if letter in "TZC"]
    if asked is None and "I" in noted and len(stack) == len(set(noted) & set("TZCI")):
        replaced = set(stack) - set(noted)
        if len(replaced) == 1:
            return found.replace(replaced.pop(), "I")
    return found


def _pixels(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path) -> NDArray[Any]:
    dtype = stored_dtype(tiff, series)
    large = series.nbytes >= MAP_FROM_BYTES
    if large and series.dataoffset is not None and dtype.isnative and not _is_signed(tiff):
        return np.memmap(path, dtype, mode="c", offset=series.dataoffset, shape=series.shape)
    return true_values(tiff, series.asarray())  # in native byte order


def stored_dtype(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> np.dtype[Any]:
    """Return the type of the numbers in the file, with their byte order."""
    return np.dtype(tiff.byteorder + series.dtype.char)


def true_values(tiff: tifffile.TiffFile, pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the signed numbers that ImageJ stored as unsigned ones; others as they are."""
    if pixels.dtype == np.uint16 and _is_signed(tiff):
        pixels ^= 0x8000  # takes 32768 off, seen as int16
        pixels = pixels.view(np.int16)
    return pixels


def _is_signed(tiff: tifffile.TiffFile) -> bool:
    """Tell whether ImageJ stored signed numbers as unsigned ones and a calibration function."""
    told = tiff.imagej_metadata or {} if tiff.is_imagej else {}
    return (told.get("cf"), told.get("c0"), told.get("c1")) == (0, -32768, 1)


def _metadata(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path) -> dict[str, Any]:
    if series.kind == "ome":
        return _ome_metadata(tiff.ome_metadata, path)
    if tiff.is_imagej:
        return _imagej_metadata(tiff, series, path)
    page = series.keyframe
    unit = {2: "inch", 3: "cm"}.get(int(page.resolutionunit))
    size = _resolution_um(page, unit, path)
    return {"pixel_size_um": size if size is not None and size <= LARGEST_DPI_PIXEL_UM else None}


def _resolution_um(page: tifffile.TiffPage, unit: str | None, path: Path) -> float | None:
    """Return the pixel size from the resolution tags, which count pixels per `unit`."""
    sizes = []
    for tag in ("XResolution", "YResolution"):
        value = page.tags.valueof(tag)
        if not value or not value[0] or not value[1]:
            return None
        sizes.append(to_um(value[1] / value[0], unit))
    return _square(sizes[0], sizes[1], path)


def _square(x_um: float | None, y_um: float | None, path: Path) -> float | None:
    if x_um is None or y_um is None:
        return None
    if abs(x_um - y_um) > 1e-3 * x_um:
        raise ImageError(
            f"{path}: pixels of {x_um:g} x {y_um:g} um are not square",
            "correct it in Image > Properties of ImageJ",
        )
    # ImageJ keeps six decimals of the resolution: 0.03, not 0.0300000003
    return float(f"{x_um:.7g}")


def _imagej_metadata(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path) -> dict[str, Any]:
    told = tiff.imagej_metadata or {}
    unit = told.get("unit")
    known: dict[str, Any] = {"pixel_size_um": _resolution_um(series.keyframe, unit, path)}
    spacing = _number(told.get("spacing"))
    known["z_step_um"] = to_um(spacing, unit) if spacing is not None else None
    interval = _number(told.get("finterval"))
    known["frame_interval_s"] = interval if interval else None
    # ImageJ keeps the label of a single plane among the properties until somebody looks at it
    labels = told.get("Labels") or (told.get("Properties") or {}).get("Slice_Label")
    if labels is not None:
        labels = [labels] if isinstance(labels, str) else list(labels)
        known["labels"] = [str(label) for label in labels]
    low, high = _number(told.get("min")), _number(told.get("max"))
    ranges = told.get("Ranges")
    if ranges is not None and len(ranges) >= 2:  # of every channel; the first speaks for all
        low, high = float(ranges[0]), float(ranges[1])
    if low is not None and high is not None and high > low:
        known["display_range"] = (low, high)
    return known


def _number(value: Any) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value):
        return float(value)
    return None


def _ome_metadata(xml: str | None, path: Path) -> dict[str, Any]:
    """Read OME-XML: pixel sizes, interval, and the notes that `write_image` leaves."""
    root = ElementTree.fromstring(xml or "<OME/>")
    pixels = root.find(".//{*}Pixels")
    known: dict[str, Any] = {}
    if pixels is None:
        return known

    def length(axis: str) -> float | None:
        value = pixels.get(f"PhysicalSize{axis}")
        return to_um(float(value), pixels.get(f"PhysicalSize{axis}Unit", "um")) if value else None

    known["pixel_size_um"] = _square(length("X"), length("Y"), path)
    known["z_step_um"] = length("Z")
    seconds = {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}.get(pixels.get("TimeIncrementUnit", "s"))
    interval = pixels.get("TimeIncrement")
    known["frame_interval_s"] = float(interval) * seconds if interval and seconds else None
    return known | _ome_notes(root)


def _ome_notes(root: ElementTree.Element) -> dict[str, Any]:
    """Return what `write_image` left in OME-XML because OME has no place for it."""
    for annotation in root.iterfind(".//{*}MapAnnotation"):
        if annotation.get("Namespace") == NOTES:
            notes = {entry.get("K"): entry.text or "" for entry in annotation.iterfind(".//{*}M")}
            known: dict[str, Any] = {"axes": notes.get("axes", "")}
            if "labels" in notes:
                known["labels"] = [str(label) for label in json.loads(notes["labels"])]
            if "display_range" in notes:
                low, high = json.loads(notes["display_range"])
                known["display_range"] = (float(low), float(high))
            return known
    return {}
