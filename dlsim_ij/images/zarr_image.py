"""OME-Zarr and plain zarr arrays: folders of chunks (the extra `zarr`).

Read are zarr 2 and 3 and OME-NGFF 0.1 to 0.5, the finest level; written is OME-NGFF 0.4 with one level, which
most programs read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dlsim_ij.errors import ImageError
from dlsim_ij.images.axes import ORDER, check_axes
from dlsim_ij.images.calibration import to_um

if TYPE_CHECKING:
    from dlsim_ij.images.tiff import Contents

# As for a TIFF: what is compressed further is a damaged header.
MOST_COMPRESSION = 2000
_SMALL_BYTES = 64 * 2**20
_SIGNS = ("zarr.json", ".zarray", ".zgroup")
_SECONDS = {"second": 1.0, "s": 1.0, "millisecond": 1e-3, "ms": 1e-3, "minute": 60.0, "hour": 3600.0}
CHUNK_PX = 512


@dataclass(frozen=True, slots=True)
class OpenedZarr:
    """An array on disk, its axes, and the attributes that its metadata tell."""

    array: Any
    axes: str
    known: dict[str, Any] = field(default_factory=dict)


def is_zarr(path: Path) -> bool:
    """Tell whether a path is a zarr folder; the library is not needed for it."""
    return any((path / sign).is_file() for sign in _SIGNS)


def zarr_library() -> ModuleType:
    """Return the library.

    Raises
    ------
    ImageError
        It is not installed.
    """
    try:
        import zarr
    except ImportError as error:
        raise ImageError("zarr folders need the zarr library", 'pip install "dlsim-ij[zarr]"') from error
    return zarr


def open_zarr(path: Path) -> OpenedZarr:
    """Open the one image of a zarr folder; no pixel is read.

    Raises
    ------
    ImageError
        It is damaged, holds several images, or no intensities; or zarr is not installed.
    """
    zarr = zarr_library()
    try:
        opened = _image(zarr, zarr.open(path, mode="r"), path)
    except (ImageError, OSError):
        raise
    except Exception as error:  # damaged metadata end in many kinds of errors
        raise ImageError(
            f"{path} is a damaged zarr folder ({type(error).__name__}: {str(error)[:100]})",
            "the copy may be incomplete: get it again",
        ) from error
    if opened.array.dtype.kind not in "uif":
        raise ImageError(f"{path} holds {opened.array.dtype} values, not intensities", "save grey values")
    if opened.array.size == 0:
        raise ImageError(f"{path} is an empty array of shape {opened.array.shape}", "save it with pixels")
    _refuse_bomb(opened.array, path)
    return opened


def _refuse_bomb(array: Any, path: Path) -> None:
    """Refuse a header that claims more than compression can hide; absent chunks count as zeros."""
    claimed = array.size * array.dtype.itemsize
    if claimed < _SMALL_BYTES:
        return
    stored = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    if claimed > MOST_COMPRESSION * stored:
        shown = " x ".join(map(str, array.shape))
        raise ImageError(f"{path} claims {shown} pixels, but holds {stored} bytes", "get the folder again")


def read_zarr(path: Path, axes: str | None) -> Contents:
    """Read a zarr folder as a whole."""
    from dlsim_ij.images.tiff import Contents

    opened = open_zarr(path)
    letters = opened.axes if axes is None else check_axes(axes, opened.array.ndim, str(path))
    try:
        return Contents(opened.array[...], letters, opened.known)
    except OSError:
        raise
    except Exception as error:  # a damaged chunk
        raise ImageError(f"{path} is damaged ({str(error)[:100]})", "get the folder again") from error


def _image(zarr: ModuleType, found: Any, path: Path) -> OpenedZarr:
    if isinstance(found, zarr.Array):
        return OpenedZarr(found, _guess(found.ndim, path))
    scales = _multiscales(found)
    if scales is None and "0" in found and not isinstance(found["0"], zarr.Array):
        if "1" in found:
            raise ImageError(f"{path} holds several images", "give the folder of one, such as 0")
        found = found["0"]  # as bioformats2raw lays it out
        scales = _multiscales(found)
    if scales is None:
        raise ImageError(f"{path} is a zarr group without an image of OME-NGFF", "give the array in it")
    if len(scales) > 1:
        raise ImageError(f"{path} holds {len(scales)} images", "save the one to use by itself")
    finest = scales[0]["datasets"][0]
    array = found[finest["path"]]
    described = scales[0].get("axes") or list("tczyx")[-array.ndim :]
    axes = [{"name": one} if isinstance(one, str) else one for one in described]
    letters = "".join(str(one["name"]).upper() for one in axes)
    if len(letters) != array.ndim or set(letters) - set(ORDER):
        raise ImageError(f"{path} has the axes {letters}", f"letters are those of {ORDER}")
    return OpenedZarr(array, check_axes(letters, array.ndim, str(path)), _known(axes, letters, finest, path))


def _multiscales(group: Any) -> list[Any] | None:
    attributes = dict(group.attrs)
    scales = attributes.get("ome", attributes).get("multiscales")
    return scales if scales else None


def _known(axes: list[dict[str, Any]], letters: str, finest: dict[str, Any], path: Path) -> dict[str, Any]:
    told = finest.get("coordinateTransformations", [])
    steps = next((one["scale"] for one in told if one.get("type") == "scale"), None)
    if steps is None:
        return {}
    known: dict[str, Any] = {}
    by_letter = {
        letter: (float(step), axis.get("unit"))
        for letter, step, axis in zip(letters, steps, axes, strict=True)
    }
    lengths = {
        letter: to_um(step, unit) if unit else None for letter, (step, unit) in by_letter.items()
        if letter in "XYZ"
    }  # fmt: skip
    x, y = lengths.get("X"), lengths.get("Y")
    if x is not None and y is not None:
        if abs(x - y) > 1e-3 * x:
            raise ImageError(f"{path}: pixels of {x:g} x {y:g} um are not square", "correct its metadata")
        known["pixel_size_um"] = float(f"{x:.7g}")
    known["z_step_um"] = lengths.get("Z")
    if "T" in by_letter and by_letter["T"][1] in _SECONDS:
        known["frame_interval_s"] = by_letter["T"][0] * _SECONDS[by_letter["T"][1]]
    return known


def _guess(ndim: int, path: Path) -> str:
    if ndim not in (2, 3):
        raise ImageError(
            f"{path}: a zarr array of {ndim} axes does not tell what they are",
            "name them: read_image(path, axes='TZYX'), or save OME-Zarr",
        )
    return "IYX"[3 - ndim :]


def ome_metadata(name: str, axes: str, steps: dict[str, float | None]) -> dict[str, Any]:
    """Return the attributes of an OME-NGFF 0.4 image with one level, "0".

    Parameters
    ----------
    name : str
    axes : str
        Letters out of TCZYX, in this order.
    steps : dict
        Length of a step in micrometres, or seconds for T; None where it is not known.
    """
    kinds = {"T": "time", "C": "channel"}
    described: list[dict[str, str]] = []
    for letter in axes:
        axis = {"name": letter.lower(), "type": kinds.get(letter, "space")}
        if steps.get(letter) is not None:
            axis["unit"] = "second" if letter == "T" else "micrometer"
        described.append(axis)
    scale = [float(steps.get(letter) or 1.0) for letter in axes]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    return {"multiscales": [{"version": "0.4", "name": name, "axes": described, "datasets": [level]}]}
