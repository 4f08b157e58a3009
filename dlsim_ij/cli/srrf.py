"""``dlsim srrf``: fluctuations of a time series to a super-resolution image."""

from __future__ import annotations

import csv
import inspect
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.errors import ConfigError, DlsimError, ImageError

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray

    from dlsim_ij.images import ImageInput

_SRRF_MODES = ("TRM", "TRA", "TRPPM", "TRAC2", "TRAC3", "TRAC4")
_ESRRF_MODES = ("AVG", "VAR", "TAC2")
_SRRF_ONLY = ("n_axes", "integrate", "gradient_weighting", "psf_fwhm_px")
_ESRRF_ONLY = ("sensitivity",)

DriftTable = dict[int, tuple[float, float]]  # frame, from 1: y and x in raw pixels


def _frame_range(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    first, dash, last = value.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        raise click.BadParameter(f"'{value}' is no range of frames such as 1-200, the first frame is 1")
    return int(first), int(last)


@click.command(epilog="Example: dlsim srrf blinking.tif -o images --mode TRAC2 --drift auto")
@click.argument("stacks", nargs=-1, required=True, type=options.ExistingPath, metavar="STACK...")
@click.option("-o", "--output", required=True, type=options.OutputPath, metavar="DIR", help="Output folder.")
@click.option("--method", type=click.Choice(["srrf", "esrrf"]), default="srrf", show_default=True)
@click.option(
    "--mode", type=click.Choice(_SRRF_MODES + _ESRRF_MODES, case_sensitive=False),
    metavar="NAME",
    help="Over time. srrf: TRM, TRA (default), TRPPM, TRAC2-4; esrrf: AVG (default), VAR, TAC2.",
)  # fmt: skip
@click.option(
    "--magnification", type=click.IntRange(1, 10), default=5, show_default=True, metavar="M",
    help="Output pixels per raw pixel, along each axis.",
)  # fmt: skip
@click.option(
    "--radius", "radius_px", type=float, metavar="PX",
    help="In raw pixels: of the ring (srrf: 0.5), or the width that votes (esrrf: 1.5).",
)  # fmt: skip
@click.option("--axes", "n_axes", type=int, metavar="N", help="srrf: half the points of the ring (6).")
@click.option(
    "--integrate", is_flag=True, default=None, help="srrf, TRAC: add correlations over longer times."
)
@click.option(
    "--gradient-weighting", is_flag=True, default=None, help="srrf: favour sharp structures over haze."
)
@click.option(
    "--psf-fwhm", "psf_fwhm_px", type=float, metavar="PX", help="Width of the PSF for that weighting (3.17)."
)
@click.option("--sensitivity", type=float, metavar="P", help="esrrf: power of the convergence (1).")
@click.option(
    "--intensity-weighting/--no-intensity-weighting", default=True, show_default=True,
    help="Multiply by the interpolated frame.",
)  # fmt: skip
@click.option(
    "--minimise-patterning/--keep-patterning", default=None,
    help="Remove the grid of raw pixels from the image (srrf: kept by default, esrrf: removed).",
)  # fmt: skip
@click.option("--frames", callback=_frame_range, metavar="A-B", help="Use these frames only, counted from 1.")
@click.option(
    "--frames-per-time-point", type=click.IntRange(1), metavar="N",
    help="One image of every N frames, a time series (default: one image of all).",
)  # fmt: skip
@click.option(
    "--block", type=click.IntRange(1), default=100, show_default=True, metavar="N",
    help="Most frames analysed together; the image is the mean of the blocks.",
)  # fmt: skip
@click.option(
    "--drift", metavar="auto|FILE",
    help="Correct drift: found by correlation, or from a CSV table (y_px, x_px; one row per frame).",
)  # fmt: skip
@click.option(
    "--extend-edges", is_flag=True, help="Fill the image up to its edges instead of leaving them black."
)
@click.option(
    "--pixel-size", "pixel_size_um", type=click.FloatRange(0, 10, min_open=True), metavar="UM",
    help="Pixel of the frames in micrometres, if the files do not tell.",
)  # fmt: skip
@click.option("--ome", is_flag=True, help="Write OME-TIFF instead of ImageJ hyperstacks.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@options.threads
@options.overwrite
@options.dry_run
@options.common
def command(
    stacks: tuple[Path, ...],
    output: Path,
    method: str,
    mode: str | None,
    radius_px: float | None,
    frames: tuple[int, int] | None,
    frames_per_time_point: int | None,
    drift: str | None,
    pixel_size_um: float | None,
    ome: bool,
    threads: int | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Super-resolution images from the blinking in a time series: SRRF and eSRRF.

    Of each stack are written NAME_srrf.tif (or NAME_esrrf.tif) with the calibration of its smaller pixels,
    NAME_srrf.json with all parameters, and NAME_srrf_drift.csv where drift was looked for. Frames are read
    when they are needed, so a stack may be larger than the memory.
    """
    from dlsim_ij.images import expand_inputs

    settings = _settings(method, mode, radius_px, given)
    items = expand_inputs(stacks)
    jobs = [(item, _outputs(output, item, method, drift == "auto", ome)) for item in items]
    if dry_run:
        for item, paths in jobs:
            row = {"input": str(item.path), "output": str(paths["output"]), "parameters": settings}
            options.print_result({**row, "dry_run": True}, as_json, f"{item.path} -> {paths['output']}")
        return 0
    from dlsim_ij.files import refuse_existing

    for _, paths in jobs:
        for path in paths.values():
            refuse_existing(path, overwrite)
    drift_table = drift if drift in (None, "auto") else _read_drift(Path(str(drift)))
    options.set_threads(threads)
    request = _Request(
        method=method, settings=settings, frames=frames, per_time_point=frames_per_time_point,
        drift=drift_table, pixel_size_um=pixel_size_um, ome=ome, overwrite=overwrite,
    )  # fmt: skip
    failed = 0
    for item, paths in jobs:
        try:
            row, warnings = _work(item, paths, request)
        except DlsimError as error:
            if len(jobs) == 1:
                raise
            failed += 1
            click.echo(f"error: {item.path}: {error.message}", err=True)
            if error.hint:
                click.echo(f"hint: {error.hint}", err=True)
            continue
        options.print_result({**row, "warnings": warnings}, as_json, str(paths["output"]))
        if options.show_progress():
            for warning in warnings:
                click.echo(f"warning: {item.path.name}: {warning}", err=True)
    if failed == len(jobs):
        raise DlsimError("none of the inputs could be used", "see the lines above")
    return 1 if failed else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What is asked of every stack."""

    method: str
    settings: dict[str, Any]
    frames: tuple[int, int] | None
    per_time_point: int | None
    drift: DriftTable | str | None
    pixel_size_um: float | None
    ome: bool
    overwrite: bool


def _settings(
    method: str, mode: str | None, radius_px: float | None, given: dict[str, Any]
) -> dict[str, Any]:
    """Return the keywords for `srrf` or `esrrf`, refusing those of the other."""
    own = {"srrf": _SRRF_ONLY, "esrrf": _ESRRF_ONLY}[method]
    for name in {*_SRRF_ONLY, *_ESRRF_ONLY} - {*own}:
        if given[name] is not None:
            word = {"n_axes": "axes", "psf_fwhm_px": "psf-fwhm"}.get(name, name.replace("_", "-"))
            raise ConfigError(f"--{word} is no option of {method}", "leave it out, or change --method")
    settings = {name: value for name, value in given.items() if value is not None}
    modes = {"srrf": _SRRF_MODES, "esrrf": _ESRRF_MODES}[method]
    if mode is not None:
        if mode not in modes:
            raise ConfigError(
                f"{mode} is no mode of {method}", f"choose {', '.join(modes)}, or change --method"
            )
        settings["mode"] = mode
    if radius_px is not None:
        settings["ring_radius_px" if method == "srrf" else "radius_px"] = radius_px
    return settings


def _outputs(output: Path, item: ImageInput, method: str, find_drift: bool, ome: bool) -> dict[str, Path]:
    stem = output / item.subfolder / f"{item.name}_{method}"
    paths = {"output": Path(f"{stem}{'.ome.tif' if ome else '.tif'}"), "parameters": Path(f"{stem}.json")}
    if find_drift:
        paths["drift"] = Path(f"{stem}_drift.csv")
    return paths


def _work(item: ImageInput, paths: dict[str, Path], request: _Request) -> tuple[dict[str, Any], list[str]]:
    """Reconstruct one stack and write its files; return its JSON row and its warnings."""
    from dlsim_ij.files import make_folder, write_json, write_text
    from dlsim_ij.images import write_image

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
        for number, plane in enumerate(_planes(chosen, n_images, drift_px, request)):
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


def _method(request: _Request) -> Callable[..., NDArray[np.float32]]:
    from dlsim_ij.reconstruction import esrrf, srrf

    return srrf if request.method == "srrf" else esrrf


def _parameters(request: _Request) -> dict[str, Any]:
    """Return all settings, those left at their defaults too."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(_method(request)).parameters.items()
        if name not in ("frames", "drift", "threads", "progress")
    }
    return {"method": request.method, **defaults, **request.settings}


def _planes(
    frames: _Frames, n_images: int, drift_px: NDArray[np.float64] | None, request: _Request
) -> Iterator[NDArray[np.float32]]:
    """Yield the image of each time point."""
    method, per_image = _method(request), len(frames) // n_images
    bar: Any = click.progressbar(
        length=len(frames), label=request.method, file=sys.stderr, hidden=not options.show_progress()
    )
    with bar:
        for first in range(0, len(frames), per_image):
            yield method(
                frames.part(first, per_image),
                drift=None if drift_px is None else drift_px[first : first + per_image],
                progress=lambda done, _, first=first: bar.update(first + done - bar.pos),
                **request.settings,
            )


def _empty_image(n_images: int, shape: tuple[int, ...], folder: Path, open_files: ExitStack) -> xr.DataArray:
    """Return an array for the time points; that of a series lies in a nameless file, not in the memory."""
    import numpy as np
    import xarray as xr

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
    from dlsim_ij.images import read_image
    from dlsim_ij.images.plane_source import PlaneSource

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


def _read_drift(path: Path) -> DriftTable:
    """Read a table with the columns y_px and x_px, and frame (from 1) if it does not hold every frame."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {
            int(row.get("frame", number)): (float(row["y_px"]), float(row["x_px"]))
            for number, row in enumerate(rows, start=1)
        }
    except OSError as error:
        raise ConfigError(
            f"the drift table {path} cannot be read: {error.strerror}", "give a CSV file, or --drift auto"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path} is no drift table: it needs the columns y_px and x_px with a number in every row",
            "--drift auto writes such a table",
        ) from error


def _drift(frames: _Frames, request: _Request) -> NDArray[np.float64] | None:
    """Return the drift of the frames, found or from the table."""
    import numpy as np

    if request.drift is None:
        return None
    if not isinstance(request.drift, dict):  # "auto"
        from dlsim_ij.reconstruction import estimate_drift

        return estimate_drift(frames)
    missing = [n + 1 for n in frames.numbers() if n + 1 not in request.drift]
    if missing:
        raise ConfigError(
            f"the drift table has no row for frame {missing[0]}", "give one row per frame, or choose --frames"
        )
    return np.array([request.drift[n + 1] for n in frames.numbers()])
