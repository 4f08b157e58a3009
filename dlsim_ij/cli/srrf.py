"""``dlsim srrf``: fluctuations of a time series to a super-resolution image."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.inputs import part_bar, warn, work_through
from dlsim_ij.errors import ConfigError

if TYPE_CHECKING:
    from dlsim_ij.images import ImageInput
    from dlsim_ij.srrf_job import DriftTable

_SRRF_MODES = ("TRM", "TRA", "TRPPM", "TRAC2", "TRAC3", "TRAC4")
_ESRRF_MODES = ("AVG", "VAR", "TAC2")
_SRRF_ONLY = ("n_axes", "integrate", "gradient_weighting", "psf_fwhm_px")
_ESRRF_ONLY = ("sensitivity",)


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
@options.only
@options.threads
@options.overwrite
@options.dry_run
@options.common
def command(
    stacks: tuple[Path, ...],
    only: str | None,
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
    from dlsim_ij.files import refuse_existing
    from dlsim_ij.images import expand_inputs
    from dlsim_ij.srrf_job import SrrfRequest, srrf_input, srrf_outputs

    settings = _settings(method, mode, radius_px, given)
    items = expand_inputs(stacks, only=only)
    paths = {item: srrf_outputs(output, item, method, drift == "auto", ome) for item in items}
    if dry_run:
        for item, own in paths.items():
            row = {"input": str(item.path), "output": str(own["output"]), "parameters": settings}
            options.print_result({**row, "dry_run": True}, as_json, f"{item.path} -> {own['output']}")
        return 0
    for own in paths.values():
        for path in own.values():
            refuse_existing(path, overwrite)
    drift_table = drift if drift in (None, "auto") else _read_drift(Path(str(drift)))
    options.set_threads(threads)
    request = SrrfRequest(
        method=method, settings=settings, frames=frames, per_time_point=frames_per_time_point,
        drift=drift_table, pixel_size_um=pixel_size_um, ome=ome, overwrite=overwrite,
    )  # fmt: skip

    def work(item: ImageInput) -> None:
        with part_bar(method) as progress:
            row, warnings = srrf_input(item, paths[item], request, progress=progress)
        options.print_result({**row, "warnings": warnings}, as_json, row["output"])
        warn(item.path, warnings)

    return work_through(items, work)


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
