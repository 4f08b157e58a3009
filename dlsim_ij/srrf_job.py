"""`dlsim srrf` on one input: frames read when they are needed, to images, parameters and a drift table."""

from __future__ import annotations

import inspect
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.files import make_folder, write_json, write_text
from dlsim_ij.images import read_image, write_image
from dlsim_ij.images.plane_source import PlaneSource
from dlsim_ij.reconstruction import esrrf, estimate_drift, srrf

if TYPE_CHECKING:
    from dlsim_ij.images import ImageInput

DriftTable = dict[int, tuple[float, float]]  # frame, from 1: y and x in raw pixels
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SrrfRequest:
    """What is asked of every stack."""

    method: str
    settings: dict[str, Any]
    frames: tuple[int, int] | None
    per_time_point: int | None
    drift: DriftTable | str | None
    pixel_size_um: float | None
    ome: bool
    overwrite: bool


def srrf_outputs(output: Path, item: ImageInput, method: str, find_drift: bool, ome: bool) -> dict[str, Path]:
    """Return the files of an input by role."""
    stem = output / item.subfolder / f"{item.name}_{method}"
    paths = {"output": Path(f"{stem}{'.ome.tif' if ome else '.tif'}"), "parameters": Path(f"{stem}.json")}
    if find_drift:
        paths["drift"] = Path(f"{stem}_drift.csv")
    return paths


def srrf_input(
    item: ImageInput, paths: dict[str, Path], request: SrrfRequest, *, progress: Progress | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Reconstruct one stack and write its files; return its JSON row and its warnings.

    Raises
    ------
    DlsimError
        The stack cannot be used, or an output exists.
    """
    start = time.perf_counter()
    warnings = []
    with ExitStack() as open_files:
        chosen, pixel_size_um = open_files.enter_context(_open(item.path, request.frames))
        pixel_size_um = request.pixel_size_um or pixel_size_um
        if pixel_size_um is None:
            warnings.append("the file does not tell the pixel size, so the image has none: give --pixel-size")
        per_image = request.per_time_point or len(chosen)
        n_images, left = divmod(len(chosen), per_image)
        if n_images == 0:
            raise ImageError(
                f"{len(chosen)} frames do not make one time point of {per_image}",
                "lower --frames-per-time-point",
            )
        if left:
            warnings.append(f"the last {left} of {len(chosen)} frames, no whole time point, were left out")
            chosen = chosen.part(0, n_images * per_image)
        drift_px = _drift(chosen, request)
        image: xr.DataArray | None = None
        for number, plane in enumerate(_planes(chosen, n_images, drift_px, request, progress)):
            if image is None:  # by now all is known to be in order
                make_folder(paths["output"].parent)
                image = _empty_image(n_images, plane.shape, paths["output"].parent, open_files)
            image[number] = plane
        assert image is not None
        parameters = {
            **_parameters(request),
            "frames": [chosen.first + 1, chosen.first + len(chosen)],
            "frames_per_time_point": per_image,
            "time_points": n_images,
            "drift": "table" if isinstance(request.drift, dict) else request.drift,
            "pixel_size_um": pixel_size_um,
        }
        write_image(
            paths["output"], image if n_images > 1 else image[0], overwrite=request.overwrite,
            ome=request.ome,
            pixel_size_um=None if pixel_size_um is None else pixel_size_um / parameters["magnification"],
        )  # fmt: skip
    if drift_px is not None:
        parameters["longest_drift_px"] = round(float((drift_px**2).sum(axis=1).max() ** 0.5), 3)
    if drift_px is not None and "drift" in paths:
        rows = zip(chosen.numbers(), drift_px, strict=True)
        lines = [f"{number + 1},{y:.4f},{x:.4f}\n" for number, (y, x) in rows]
        write_text(paths["drift"], "frame,y_px,x_px\n" + "".join(lines), overwrite=request.overwrite)
    write_json(paths["parameters"], {"input": str(item.path), **parameters}, overwrite=request.overwrite)
    row = {"input": str(item.path), "output": str(paths["output"]), "parameters": parameters}
    return {**row, "seconds": round(time.perf_counter() - start, 3)}, warnings


def _method(request: SrrfRequest) -> Callable[..., NDArray[np.float32]]:
    return srrf if request.method == "srrf" else esrrf


def _parameters(request: SrrfRequest) -> dict[str, Any]:
    """Return all settings, those left at their defaults too."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(_method(request)).parameters.items()
        if name not in ("frames", "drift", "threads", "progress")
    }
    return {"method": request.method, **defaults, **request.settings}


def _planes(
    frames: _Frames,
    n_images: int,
    drift_px: NDArray[np.float64] | None,
    request: SrrfRequest,
    progress: Progress | None,
) -> Iterator[NDArray[np.float32]]:
    """Yield the image of each time point."""
    method, per_image = _method(request), len(frames) // n_images

    def told(first: int) -> Progress | None:
        return None if progress is None else lambda done, _: progress(first + done, len(frames))

    for first in range(0, len(frames), per_image):
        yield method(
            frames.part(first, per_image),
            drift=None if drift_px is None else drift_px[first : first + per_image],
            progress=told(first),
            **request.settings,
        )


def _empty_image(n_images: int, shape: tuple[int, ...], folder: Path, open_files: ExitStack) -> xr.DataArray:
    """Return an array for the time points; that of a series lies in a nameless file, not in the memory."""
    if n_images == 1:
        return xr.DataArray(np.empty((1, *shape), np.float32), dims=("T", "Y", "X"))
    scratch = open_files.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 (it is one)
    return xr.DataArray(np.memmap(scratch, np.float32, "w+", shape=(n_images, *shape)), dims=("T", "Y", "X"))


class _Frames:
    """Frames of a file that are read each time they are asked for."""

    def __init__(self, read: Callable[[int], NDArray[Any]], first: int, count: int) -> None:
        self._read, self.first, self._count = read, first, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self._read(number) for number in self.numbers())

    def numbers(self) -> range:
        """Return where the frames stand in the file, counted from 0."""
        return range(self.first, self.first + self._count)

    def part(self, first: int, count: int) -> _Frames:
        """Return `count` of these frames from the one called `first` on."""
        return _Frames(self._read, self.first + first, count)


@contextmanager
def _open(path: Path, chosen: tuple[int, int] | None) -> Iterator[tuple[_Frames, float | None]]:
    """Give the chosen frames of a file, or of a folder of frames, and their pixel size in micrometres."""
    if path.is_dir():
        stack = read_image(path)
        yield (
            _selected(_Frames(stack.values.__getitem__, 0, len(stack)), chosen),
            stack.attrs["pixel_size_um"],
        )
        return
    with PlaneSource(path) as source:
        last = source.position(len(source) - 1)
        sizes = {"channels": last.channel, "slices": last.slice, "frames": last.frame}
        long = [f"{count} {name}" for name, count in sizes.items() if count > 1]
        if len(long) > 1:
            raise ImageError(
                f"{path} holds {' x '.join(long)}, SRRF takes a time series of one channel and one plane",
                "save each channel and each slice as a stack of its own",
            )
        yield _selected(_Frames(source.read, 0, len(source)), chosen), source.pixel_size_um


def _selected(frames: _Frames, chosen: tuple[int, int] | None) -> _Frames:
    if chosen is None:
        return frames
    first, last = chosen
    if last > len(frames):
        raise ConfigError(
            f"--frames {first}-{last}: the stack has {len(frames)} frames", "give a range within them"
        )
    return frames.part(first - 1, last - first + 1)


def _drift(frames: _Frames, request: SrrfRequest) -> NDArray[np.float64] | None:
    """Return the drift of the frames, found or from the table."""
    if request.drift is None:
        return None
    if not isinstance(request.drift, dict):  # "auto"
        return estimate_drift(frames)
    missing = [n + 1 for n in frames.numbers() if n + 1 not in request.drift]
    if missing:
        raise ConfigError(
            f"the drift table has no row for frame {missing[0]}", "give one row per frame, or choose --frames"
        )
    return np.array([request.drift[n + 1] for n in frames.numbers()])
