"""Reading: a file or a folder of frames in, one array with named axes out."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlsim_ij.errors import ImageError
from dlsim_ij.images.axes import check_axes, in_order
from dlsim_ij.images.tiff import DAMAGED, MAP_FROM_BYTES, Contents, read_tiff, tiff_axes
from dlsim_ij.images.zarr_image import is_zarr, read_zarr

if TYPE_CHECKING:
    import xarray as xr

_BY_FIRST_BYTES = (
    (b"\xff\xd8\xff", "a JPEG picture, whose pixels are no measurements any more"),
    (b"\x89PNG", "a PNG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive (perhaps .npz)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"ZISRAWFILE", "a Zeiss CZI file"),
    (b"\xda\xce\xbe\x0a", "a Nikon ND2 file"),
    (b"<", "a web page or XML text, not an image (was the download refused?)"),
)
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ZARR = (".ome.zarr", ".zarr")
_NPY_START = b"\x93NUMPY"
ATTRIBUTES = ("pixel_size_um", "z_step_um", "frame_interval_s", "labels", "display_range")


def read_image(
    path: str | os.PathLike[str],
    *,
    axes: str | None = None,
    other: Callable[[Path], xr.DataArray] | None = None,
) -> xr.DataArray:
    """Read an image: TIFF, ImageJ hyperstack, OME-TIFF, BigTIFF, ``.npy``, zarr, or a folder of frames.

    Parameters
    ----------
    path : path-like
        A file, a zarr folder, or a folder of single frames with numbered names (`dlsim_ij.images.frames`).
    axes : str, optional
        One letter per axis, in the file's order, where the file does not tell or tells it wrong: "TYX".
    other : callable, optional
        Reads files of other formats: ``Fiji().open`` of a Fiji with Bio-Formats.

    Returns
    -------
    DataArray
        Dims out of T, Z, C, I, Y, X, S in this order (`dlsim_ij.images.axes`), the file's own type in
        native byte order. Attributes, None where the file does not tell: ``pixel_size_um``,
        ``z_step_um``, ``frame_interval_s``, ``labels`` (one per plane, the last stack axis fastest),
        ``display_range`` (low, high); and ``source``, ``name``. A folder adds ``left_out``.

    Raises
    ------
    ImageError
        The file is missing, damaged or no image; message and hint say which and what to do.

    Notes
    -----
    Contiguous pixels of 64 MiB and more are memory-mapped, copy on write: planes are read when they
    are used, and changing the array never changes the file.
    """
    path = Path(path)
    if is_folder(path):
        from dlsim_ij.images.frames import read_frames

        contents = read_zarr(path, axes) if is_zarr(path) else read_frames(path, axes)
    elif other is not None and not _is_known(path):
        return other(path)
    else:
        contents = read_file(path, axes)
    return _as_data_array(contents, path)


def is_folder(path: Path) -> bool:
    """Tell a folder from a file; what is neither is refused.

    Raises
    ------
    ImageError
        `path` does not exist, cannot be reached or is a device.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise unreachable(path, error) from error
    if stat.S_ISDIR(mode):
        return True
    if stat.S_ISREG(mode):
        return False
    raise ImageError(f"{path} is neither a file nor a folder", "give an image file or a folder of frames")


def unreachable(path: Path, error: OSError) -> ImageError:
    """Say why a file or folder cannot be reached."""
    if error.errno == errno.ENOENT:
        return ImageError(f"{path} does not exist", "check the spelling; relative to where you are now?")
    if error.errno == errno.ELOOP:
        return ImageError(f"{path} is a link that leads to itself", "remove the link")
    if error.errno in (errno.EACCES, errno.EPERM):
        return ImageError(f"{path} may not be read by this user", "check its permissions")
    return ImageError(f"{path} cannot be read: {error.strerror or error}", "check the disk or network drive")


def read_file(path: Path, axes: str | None) -> Contents:
    """Read a single file."""
    try:
        return read_tiff(path, axes) if is_tiff(path) else _read_npy(path, axes)
    except OSError as error:
        raise unreachable(path, error) from error


def file_axes(path: Path) -> str:
    """Return the axes of a single file; of a TIFF, no pixel is read for it."""
    try:
        return tiff_axes(path) if is_tiff(path) else _read_npy(path, None).axes
    except OSError as error:
        raise unreachable(path, error) from error


def _is_known(path: Path) -> bool:
    """Tell from the first bytes whether a file is TIFF or .npy."""
    try:
        with open(path, "rb") as file:
            return file.read(16).startswith((*_TIFF_STARTS, _NPY_START))
    except OSError as error:
        raise unreachable(path, error) from error


def is_tiff(path: Path) -> bool:
    """Tell TIFF from .npy by the first bytes; what is neither, or pretends to be the other, is refused."""
    with open(path, "rb") as file:
        start = file.read(16)
    npy_name = path.suffix.lower() == ".npy"
    if start.startswith(_TIFF_STARTS):
        if npy_name:
            raise ImageError(f"{path} is a TIFF with the name of a numpy file", "rename it to .tif")
        return True
    if start.startswith(_NPY_START):
        if not npy_name:
            raise ImageError(f"{path} is a numpy file with another name", "rename it to .npy")
        return False
    others = "other formats with a Fiji, see docs/fiji.md"
    raise ImageError(f"{path} is {_what_it_is(start)}", f"TIFF, OME-TIFF and .npy can be read; {others}")


def _what_it_is(start: bytes) -> str:
    if not start:
        return "empty (0 bytes)"
    for magic, kind in _BY_FIRST_BYTES:
        if start.startswith(magic):
            return kind
    if start.isascii() and all(byte >= 32 or byte in b"\t\r\n" for byte in start):
        return "a text file, not an image"
    return f"not an image that can be read here (it starts with {start[:4].hex(' ')})"


def _read_npy(path: Path, axes: str | None) -> Contents:
    contents = map_npy(path, axes)
    pixels = contents.pixels
    if pixels.nbytes < MAP_FROM_BYTES or not pixels.dtype.isnative:
        contents.pixels = np.array(pixels, pixels.dtype.newbyteorder("="))
    return contents


def map_npy(path: Path, axes: str | None) -> Contents:
    """Name the axes of a numpy file; its pixels stay on disk, in the file's byte order."""
    try:
        # mapped first, so that a header that claims more than the file holds allocates nothing
        pixels: Any = np.load(path, mmap_mode="c", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # numpy evaluates the header, which fails in many ways; all end here
        if "Python objects" in str(error):
            raise ImageError(
                f"{path} holds Python objects, which are not loaded: they could run code",
                "save a plain array: numpy.save(path, numpy.stack(frames))",
            ) from error
        message = f"{path} is a damaged numpy file: its header does not fit its contents"
        raise ImageError(message, DAMAGED) from error
    if pixels.dtype.kind not in "uif":
        raise ImageError(f"{path} holds {pixels.dtype} values, not intensities", "save grey values")
    if pixels.size == 0:
        raise ImageError(f"{path} is an empty array of shape {pixels.shape}", "save it again with pixels")
    if axes is None:
        pixels, axes = _guess_npy_axes(pixels, path)
    return Contents(pixels, check_axes(axes, pixels.ndim, str(path)))


def _guess_npy_axes(pixels: Any, path: Path) -> tuple[Any, str]:
    """Name the axes of a numpy file: (Y, X) or (frame, Y, X)."""
    if pixels.ndim > 3:
        pixels = pixels.reshape([n for n in pixels.shape[:-2] if n > 1] + list(pixels.shape[-2:]))
    shape = " x ".join(map(str, pixels.shape))
    if pixels.ndim not in (2, 3):
        raise ImageError(
            f"{path}: a numpy file of {pixels.ndim} axes ({shape}) does not tell what they are",
            "name them: read_image(path, axes='TZYX'), or save an ImageJ hyperstack",
        )
    if pixels.ndim == 3 and pixels.shape[0] == pixels.shape[1] > pixels.shape[2]:
        raise ImageError(
            f"{path}: {shape} looks like frames along the last axis",
            "name the axes: read_image(path, axes='YXI'), or 'IYX' if frames come first",
        )
    return pixels, "YX" if pixels.ndim == 2 else "IYX"


def _as_data_array(contents: Contents, path: Path) -> xr.DataArray:
    import xarray as xr  # here: who reads plane by plane needs none of it

    attributes: dict[str, Any] = {name: contents.known.get(name) for name in ATTRIBUTES}
    array = xr.DataArray(contents.pixels, dims=tuple(contents.axes)).transpose(*in_order(contents.axes))
    labels = attributes["labels"]
    n_planes = array.size // (array.sizes["Y"] * array.sizes["X"] * array.sizes.get("S", 1))
    if labels is not None and len(labels) != n_planes:
        attributes["labels"] = None  # they cannot be told apart any more
    attributes |= {"source": str(path), "name": image_name(path)}
    attributes |= {key: value for key, value in contents.known.items() if key not in ATTRIBUTES}
    return array.assign_attrs(attributes)


def image_name(path: Path) -> str:
    """Return the name of an image without folders and ending.

    Examples
    --------
    >>> image_name(Path("a/cell.01.ome.tif")), image_name(Path("HE_X2/Sample_1"))
    ('cell.01', 'Sample_1')
    """
    name = path.name
    for ending in (".ome.tiff", ".ome.tif", ".ome.btf", ".tiff", ".tif", ".btf", ".tf8", ".npy", *_ZARR):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name
