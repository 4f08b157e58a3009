"""``dlsim resolution``: the resolution of every plane, from the image itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.plugin_engine import open_plugin, plugin_engine
from dlsim_ij.cli.resolution_text import record_text, spread_text
from dlsim_ij.errors import ConfigError, DlsimError, OutputError

if TYPE_CHECKING:
    from dlsim_ij.fiji import Fiji
    from dlsim_ij.resolution_job import Journal, Plan
    from dlsim_ij.resolution_job.tables import Table

_VERSIONS = ("1.1.8-nocap", "1.1.8", "1.1.7-2019")
_THRESHOLDS = ("1/7", "half-bit", "3-sigma")
_MOST_WARNINGS = 5  # shown of a file; all are in the table and in the JSON


def _rectangle(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int, int, int] | None:
    if value is None:
        return None
    try:
        x, y, width, height = (int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"'{value}' is not a rectangle X,Y,WIDTH,HEIGHT in pixels") from None
    if x < 0 or y < 0 or width < 1 or height < 1:
        raise click.BadParameter(f"'{value}' lies in no image: X and Y start at 0, WIDTH and HEIGHT at 1")
    return x, y, width, height


@click.command(epilog="Example: dlsim resolution stack.tif --pixel-size 0.03 --csv resolution.csv")
@click.argument("images", nargs=-1, required=True, type=options.ExistingPath, metavar="IMG...")
@click.option(
    "--pixel-size", "pixel_size_um", type=click.FloatRange(0, 10, min_open=True), metavar="UM",
    help="Pixel in micrometres, instead of the files' own.",
)  # fmt: skip
@click.option(
    "--version", type=click.Choice(_VERSIONS), default=_VERSIONS[0], show_default=True,
    help="The ImageJ plugin's release whose numbers are given; 1.1.8 has none for images finer than 3.6 px.",
)  # fmt: skip
@click.option(
    "--rmin",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Smallest radius; 1 is Nyquist.",
)
@click.option("--rmax", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Largest radius.")
@click.option(
    "--nr", "n_radii", type=click.IntRange(10), default=50, show_default=True, help="Points of each curve."
)
@click.option(
    "--ng", "n_gaussians", type=click.IntRange(5), default=10, show_default=True,
    help="High-pass filters of each of the two passes.",
)  # fmt: skip
@click.option(
    "--roi", callback=_rectangle, metavar="X,Y,W,H", help="Measure this rectangle of each plane, in px."
)
@click.option(
    "--no-guard", "guard", is_flag=True, flag_value=False, default=True,
    help="Give the plugin's number even for an enlarged image, as if its pixels were real.",
)  # fmt: skip
@click.option(
    "--spread", "n_thinnings", type=click.IntRange(5), default=None, metavar="N",
    help="Error bar of each raw camera plane: its photons thinned out at random N times; 20 are good.",
)  # fmt: skip
@click.option(
    "--sectors", "n_sectors", type=click.IntRange(1, 36), default=None, metavar="N",
    help="Also the resolution along N directions (always of 1.1.8-nocap, all radii).",
)  # fmt: skip
@click.option(
    "--map", "map_path", type=options.OutputPath, metavar="FILE",
    help="Image of the local resolution in nm (px if the pixel size is unknown), one pixel a tile; .tif.",
)  # fmt: skip
@click.option(
    "--tile", "tile_px", type=click.IntRange(64), default=128, show_default=True, metavar="PX",
    help="Side of the tiles of --map; they overlap by half.",
)  # fmt: skip
@click.option(
    "--pair", type=options.ExistingPath, metavar="IMG",
    help="A second exposure of the one IMG: Fourier ring correlation (FRC) of the two, plane by plane.",
)  # fmt: skip
@click.option(
    "--frc", is_flag=True, help="FRC of each raw camera plane with itself, its photons split in two."
)
@click.option(
    "--frc-threshold", type=click.Choice(_THRESHOLDS), default=_THRESHOLDS[0], show_default=True,
    help="Where the FRC curve is read.",
)  # fmt: skip
@click.option(
    "--gain", type=click.FloatRange(0, min_open=True), metavar="COUNTS",
    help="Counts per photo-electron, for --spread and --frc; estimated from the image otherwise.",
)  # fmt: skip
@click.option("--offset", type=float, metavar="COUNTS", help="Counts without light; goes with --gain.")
@click.option("--align", is_flag=True, help="With --pair: undo the shift between the two first.")
@click.option("--csv", "csv_path", type=options.OutputPath, metavar="FILE", help="Table, one row per plane.")
@click.option(
    "--plugin-table", type=options.OutputPath, metavar="FILE",
    help="Table with the columns of the ImageJ plugin: Label, Res., units, A0, Kc, Kc GM, ...",
)  # fmt: skip
@click.option(
    "--curves", type=options.OutputPath, metavar="FILE",
    help="Drawing of all curves, .svg, .png or .pdf; of several planes FILE_p001.svg and so on.",
)  # fmt: skip
@plugin_engine
@options.seed
@options.only
@options.threads
@options.overwrite
@options.dry_run
@options.common
def command(
    images: tuple[Path, ...],
    only: str | None,
    csv_path: Path | None,
    plugin_table: Path | None,
    curves: Path | None,
    map_path: Path | None,
    pair: Path | None,
    frc: bool,
    n_thinnings: int | None,
    n_sectors: int | None,
    engine: str,
    fiji_path: str | None,
    threads: int | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    **settings: Any,
) -> int:
    """Resolution of every plane from the image itself: decorrelation analysis, and FRC.

    An IMG is a file (TIFF of any kind, .npy) or a folder of files. Stacks are read plane by plane, and
    measured on all processors. A line says the resolution, kc (the highest frequency with detail, 1 is
    Nyquist), its steering value kc GM, and A0 (the height of the unfiltered curve's peak, which the plugin
    calls SNR); a stack ends with mean, standard deviation and median.

    \b
    Status:
      ok       there is a resolution
      no-peak  noise only: there is none
      crash    the plugin 1.1.8 stops on this image; use 1.1.8-nocap
      refused  the plane cannot be measured (constant, NaN ...); exit code 1

    --engine fiji adds what the published plugin says, run in that Fiji at its defaults; it does not look for
    enlarged pixels.

    An enlarged image is recognised and measured at its native pixels (enlarged, factor; naive_... is what the
    plugin would say).

    Ctrl-C leaves the finished planes in FILE.partial.csv beside the table FILE.csv; the same command goes on
    from there.
    """  # noqa: D301
    _one_thread_for_sums()
    from dlsim_ij.images import expand_inputs
    from dlsim_ij.resolution_job import OwnTable, PluginTable, Settings, check_plugin_settings, plan_job

    if settings["align"] and pair is None:
        raise ConfigError("--align undoes a shift between two images, one is given", "give --pair too")
    if (settings["gain"] is None) != (settings["offset"] is None):
        raise ConfigError("--gain and --offset belong together, one is missing", "give both, or neither")
    if settings["gain"] is not None and not (n_thinnings or (frc and pair is None)):
        raise ConfigError("--gain and --offset play a part in --spread and --frc only", "give one of these")
    paths = [
        item.path for item in expand_inputs(images, only=only, frame_folders=False, distinct_names=False)
    ]
    wanted = Settings(
        frc=frc or pair is not None, n_thinnings=n_thinnings or 0, n_sectors=n_sectors or 0,
        plugin=engine in ("fiji", "imagej"), **settings,
    )  # fmt: skip
    tables: list[Table] = [OwnTable(csv_path, wanted.columns())] if csv_path else []
    if plugin_table:
        tables.append(PluginTable(plugin_table))
    if wanted.plugin:
        check_plugin_settings(wanted)
    plan = plan_job(paths, wanted, pair=pair, figure=curves, map_path=map_path)
    _check_outputs(plan, [table.path for table in tables], [*paths, *([pair] if pair else [])], overwrite)
    if dry_run:
        return _show_plan(plan, [table.path for table in tables], as_json)
    for path, error in plan.unreadable:
        _show_error(str(path), error.message, error.hint)
    if not plan.jobs:
        raise DlsimError("none of the images could be read", "see the lines above")
    _say_what_is_unknown(plan)
    fiji = open_plugin("ImDecorr", engine, fiji_path)
    if not tables:
        return _measure(plan, None, threads, overwrite, as_json, fiji)
    from dlsim_ij.resolution_job import Journal

    with Journal(tables, plan.identity(), overwrite=overwrite) as journal:
        try:
            code = _measure(plan, journal, threads, overwrite, as_json, fiji)
        except KeyboardInterrupt:
            return _interrupted(journal, len(plan.jobs))
        journal.finish(overwrite=overwrite)
    return code


def _one_thread_for_sums() -> None:
    """Keep OpenBLAS from spinning in its own threads: on a busy machine that took five times the work."""
    if "numpy" not in sys.modules:  # it looks once, when it is imported
        for library in ("OPENBLAS", "MKL"):
            os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def _check_outputs(plan: Plan, tables: Sequence[Path], inputs: Sequence[Path], overwrite: bool) -> None:
    """Refuse before any work what could not be written after it."""
    from dlsim_ij.files import refuse_existing
    from dlsim_ij.report.decorrelation_figure import check_format

    for job in plan.jobs[:1]:
        if job.figure is not None:
            check_format(job.figure)
        if job.map is not None and job.map.suffix.lower() not in (".tif", ".tiff", ".npy"):
            raise OutputError(f"{job.map}: a map cannot be written as '{job.map.suffix}'", "use .tif")
    outputs = [*tables, *plan.drawings()]
    taken = {path.resolve() for path in inputs}
    for path in outputs:
        if path.resolve() in taken:
            raise OutputError(f"{path} is used twice, as an output too", "give another name")
        taken.add(path.resolve())
        if not path.parent.is_dir():
            raise OutputError(f"the folder {path.parent} does not exist", "make it first")
    for path in tables:
        refuse_existing(path, overwrite)


def _measure(
    plan: Plan,
    journal: Journal | None,
    threads: int | None,
    overwrite: bool,
    as_json: bool,
    fiji: Fiji | None,
) -> int:
    from dlsim_ij.files import refuse_existing
    from dlsim_ij.resolution_job import measure_with_plugin, run_job, summaries

    show = _Printer(plan, as_json)
    records: list[Mapping[str, Any]] = []
    done = journal.done[:] if journal is not None else []
    if done:
        click.echo(f"going on: {len(done)} of {len(plan.jobs)} planes are done", err=True)
        overwrite = True  # what an interrupted process drew of its last plane is ours
    for path in plan.drawings():
        refuse_existing(path, overwrite)
    with ExitStack() as stack:
        running = stack.enter_context(
            closing(run_job(plan, skip=len(done), threads=threads, overwrite=overwrite))
        )
        bar = stack.enter_context(
            click.progressbar(
                length=len(plan.jobs) - len(done), label="resolution", file=sys.stderr, show_pos=True,
                hidden=not options.show_progress() or len(plan.jobs) < 2,
            )
        )  # fmt: skip
        for record in done:
            show.record(record)
            records.append(record)
        for record in running:
            if fiji is not None:
                record["plugin"] = measure_with_plugin(fiji, record, plan.settings)
            if journal is not None:
                journal.add(record)
            records.append(record)
            if sys.stderr.isatty() and not bar.hidden:
                click.echo("\r\x1b[K", nl=False, err=True)  # so that a row does not end up behind the bar
            show.record(record)
            bar.update(1)
    for what, spread in summaries(records):
        if options.show_progress() or not as_json:
            click.echo(spread_text(what, spread), err=as_json)
    refused = sum(record["status"] == "refused" for record in records)
    if refused == len(records):
        raise DlsimError("none of the planes could be measured", "see the lines above")
    return 1 if refused or plan.unreadable else 0


class _Printer:
    """Prints records: results on stdout, warnings on stderr."""

    def __init__(self, plan: Plan, as_json: bool) -> None:
        self.as_json = as_json
        self.alone = len(plan.jobs) == 1 and not plan.unreadable
        self.stacks = {str(file.path) for file in plan.files if file.n_planes > 1}
        self.warned: dict[str, set[str]] = {}
        self.heading = True

    def record(self, record: Mapping[str, Any]) -> None:
        """Print one record."""
        name = _place(record) if record["file"] in self.stacks else record["file"]
        if record["status"] == "refused":
            if self.alone:
                raise DlsimError(f"{record['file']}: {record['error']}", record["hint"])
            _show_error(name, record["error"], None)
        text = None
        if not self.as_json:
            text = record_text(record, name, self.heading)
            self.heading = False
        options.print_result(record, self.as_json, text)
        if not options.show_progress():
            return
        seen = self.warned.setdefault(record["file"], set())
        for warning in record["warnings"]:
            if warning not in seen and len(seen) <= _MOST_WARNINGS:
                more = len(seen) == _MOST_WARNINGS
                message = "more warnings, see --csv or --json" if more else warning
                click.echo(f"warning: {record['file'] if more else name}: {message}", err=True)
                seen.add(warning)


def _place(record: Mapping[str, Any]) -> str:
    places = [f"{axis} {record[axis]}" for axis in ("slice", "frame", "channel") if record[axis] > 1]
    where = f" ({', '.join(places)})" if places else ""
    return f"{record['file']}, plane {record['plane']}{where}"


def _show_error(name: str, message: str, hint: str | None) -> None:
    text = " ".join(message.split())
    options.show_failure(text if name in text else f"{name}: {text}", hint)


def _say_what_is_unknown(plan: Plan) -> None:
    unknown = [file for file in plan.files if file.pixel_size_um is None]
    if plan.settings.pixel_size_um is None and unknown and options.show_progress():
        others = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        click.echo(
            f"warning: {unknown[0].path}{others}: no pixel size in the file, so lengths are in px; "
            "--pixel-size UM gives it",
            err=True,
        )


def _show_plan(plan: Plan, tables: Sequence[Path], as_json: bool) -> int:
    for file in plan.files:
        mine = [path for job in plan.jobs if job.path == file.path for path in (job.figure, job.map) if path]
        outputs = [str(path) for path in (*tables, *mine)]
        text = f"{file.path}: {file.n_planes} planes of {file.width} x {file.height} px"
        text += f" -> {', '.join(outputs)}" if outputs else ""
        row = {"file": str(file.path), "planes": file.n_planes, "outputs": outputs, "dry_run": True}
        options.print_result(row, as_json, text)
    for path, error in plan.unreadable:
        _show_error(str(path), error.message, error.hint)
    return 1 if plan.unreadable else 0


def _interrupted(journal: Journal, n_planes: int) -> int:
    if journal.done:
        click.echo(
            f"interrupted: {len(journal.done)} of {n_planes} planes are in {journal.partial[0]}; "
            "the same command goes on from there",
            err=True,
        )
    else:
        click.echo("interrupted: nothing is half written", err=True)
    return 130
