"""``dlsim squirrel``: super-resolved images against their diffraction-limited references."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.plugin_engine import open_plugin, plugin_engine
from dlsim_ij.errors import ConfigError, DlsimError, OutputError

if TYPE_CHECKING:
    from dlsim_ij.fiji import Fiji
    from dlsim_ij.squirrel_job import Comparison, Plan, SeedFrame

_LENGTH = click.FloatRange(0, min_open=True)


@click.command(epilog="Example: dlsim squirrel --reference cell_wf.tif --image cell_sr.tif --maps maps")
@click.option(
    "--reference", type=options.ExistingPath, metavar="REF",
    help="The diffraction-limited image; or a folder of them, paired with the images by name.",
)  # fmt: skip
@click.option(
    "--image", "images", multiple=True, type=options.ExistingPath, metavar="SR",
    help="A super-resolved image, or a folder of them; may be given several times.",
)  # fmt: skip
@click.option(
    "--seed-batch", nargs=3, type=options.ExistingPath, metavar="HE LE PRED",
    help="In place of both: three folders of samples, as the batch macro of Jin et al. 2020 takes them.",
)  # fmt: skip
@click.option(
    "--mode", type=click.Choice(["exact", "compat"]),
    help="exact: what the method describes (default). compat: the published plugin's numbers "
    "(default of --seed-batch).",
)  # fmt: skip
@click.option(
    "--maps", "maps", type=options.OutputPath, metavar="DIR",
    help="Write error maps there: STEM_error.tif and STEM_error_signed.tif (missing in SR is positive).",
)  # fmt: skip
@click.option("--csv", "csv_path", type=options.OutputPath, metavar="FILE", help="Also write a table.")
@click.option("--sigma", "sigma_px", type=_LENGTH, metavar="PX", help="Known blur, in pixels of REF.")
@click.option("--sigma-um", type=_LENGTH, metavar="UM", help="Known blur, in micrometres.")
@click.option(
    "--rsf", type=options.ExistingPath, metavar="IMG", help="Known blur as a picture, on pixels of REF."
)
@click.option(
    "--mask", type=options.ExistingPath, metavar="IMG",
    help="Compare only where this is not 0; as large as REF.",
)  # fmt: skip
@click.option(
    "--no-register", "register", is_flag=True, flag_value=False, default=True, help="Look for no shift."
)
@click.option(
    "--no-crop", "crop_zero_border", is_flag=True, flag_value=False, default=True,
    help="Keep a border of SR that was not computed.",
)  # fmt: skip
@click.option(
    "--pixel-size", "pixel_size_um", type=click.FloatRange(0, 10, min_open=True), metavar="UM",
    help="Pixel of SR in micrometres, instead of the files' own.",
)  # fmt: skip
@click.option(
    "--emission-nm", type=_LENGTH, help="With --na: warn where the blur is wider than the microscope's."
)
@click.option("--na", type=_LENGTH, help="Numerical aperture, see --emission-nm.")
@click.option(
    "--max-magnification", type=click.IntRange(1), default=5, show_default=True,
    help="The plugin's Max. Mag. in Optimization (compat).",
)  # fmt: skip
@click.option(
    "--max-shift", "max_shift_px", type=click.IntRange(0), default=0, show_default=True, metavar="PX",
    help="The plugin's maximum expected misalignment, in pixels of SR; 0: any (compat).",
)  # fmt: skip
@plugin_engine
@options.threads
@options.overwrite
@options.dry_run
@options.common
def command(
    reference: Path | None,
    images: tuple[Path, ...],
    seed_batch: tuple[Path, Path, Path] | None,
    mode: str | None,
    maps: Path | None,
    csv_path: Path | None,
    rsf: Path | None,
    mask: Path | None,
    engine: str,
    fiji_path: str | None,
    threads: int | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    **numbers: Any,
) -> int:
    """Compare super-resolved images with diffraction-limited ones: RSP, RSE, error maps.

    SR has an integer number of pixels per pixel of REF. RSP is the correlation, RSE the root mean square
    difference in counts of REF, after gain, offset, blur and shift that fit best. Stacks are compared plane
    by plane: with a REF of one plane, or of as many. In folders 'cell.tif' or 'cell_wf.tif' is the reference
    of 'cell.tif', 'cell_sr.tif', 'cell_wiener.tif' and 'cell_pred.tif'.

    --engine fiji adds what the published plugin says, run in that Fiji at its defaults; --mode compat
    computes the same without it.

    --seed-batch compares HE/<sample>/HE_00.tif ... with LE/<sample>/LE_00.tif ... and with
    PRED/<sample>_pred/HE_00.tif ..., frame by frame, and needs --csv for its table: Sample, Image, RSP-LE,
    RSP-Pred, RSE-LE, RSE-Pred, with the averages of each sample.
    """
    from dlsim_ij.squirrel_job import Settings, check_plugin_settings, plan_comparisons

    mode = mode or ("compat" if seed_batch else "exact")
    _check(reference, images, seed_batch, mode, csv_path, rsf, numbers)
    settings = Settings(
        mode=mode,
        maps=maps is not None,
        rsf=None if rsf is None else _plane(rsf),
        mask=None if mask is None else _plane(mask) != 0,
        **numbers,
    )
    if engine in ("fiji", "imagej"):
        check_plugin_settings(settings)
    frames, comparisons, alone = _comparisons(reference, images, seed_batch)
    _check_outputs(comparisons, maps, csv_path, [rsf, mask], overwrite)
    plan = plan_comparisons(comparisons, settings)
    for image in alone:
        _show_error(str(image), f"no reference of that name in {reference}")
    for comparison, error in plan.refused:
        if len(comparisons) == 1 and not alone:
            raise error
        _show_error(str(comparison.image), error.message)
    if dry_run:
        return _show_plan(plan, maps, csv_path, as_json)
    failed = (
        len(alone) + len(plan.refused) + sum((f.low_light is None) + (f.predicted is None) for f in frames)
    )
    for frame in frames:
        for path, what in ((frame.low_light, "low-light frame"), (frame.predicted, "prediction")):
            if path is None:
                _show_error(str(frame.reference), f"no {what} belongs to it")
    fiji = open_plugin("NanoJ-SQUIRREL", engine, fiji_path)
    records = _compare(plan, maps, threads, overwrite, as_json, fiji)
    if csv_path is not None and records:
        _write_table(csv_path, frames, records, overwrite)
    failed += sum("error" in record for record in records)
    if records and all("error" in record for record in records):
        raise DlsimError("none of the images could be compared", "see the lines above")
    return 1 if failed else 0


def _check(
    reference: Path | None, images: Sequence[Path], seed_batch: Sequence[Path] | None, mode: str,
    csv_path: Path | None, rsf: Path | None, numbers: Mapping[str, Any],
) -> None:  # fmt: skip
    from dlsim_ij.quality.squirrel import MAX_MAGNIFICATION

    if seed_batch:
        if reference is not None or images:
            raise ConfigError(
                "--seed-batch takes the place of --reference and --image", "give one or the other"
            )
        if csv_path is None:
            raise ConfigError("--seed-batch makes a table", "say where it goes: --csv FILE")
    elif reference is None or not images:
        missing = "--image" if reference is not None else "--reference"
        raise ConfigError(
            f"{missing} is missing", "give --reference REF --image SR, or --seed-batch HE LE PRED"
        )
    if (numbers["emission_nm"] is None) != (numbers["na"] is None):
        raise ConfigError("--emission-nm and --na belong together, one is missing", "give both, or neither")
    if sum(value is not None for value in (numbers["sigma_px"], numbers["sigma_um"], rsf)) > 1:
        raise ConfigError("the blur is given twice", "give one of --sigma, --sigma-um and --rsf")
    if mode != "compat" and (numbers["max_magnification"] != MAX_MAGNIFICATION or numbers["max_shift_px"]):
        raise ConfigError(
            "--max-magnification and --max-shift are the plugin's", "they go with --mode compat"
        )


def _plane(path: Path) -> Any:
    """Return the one grey plane of a file."""
    from dlsim_ij.errors import ImageError
    from dlsim_ij.images.plane_source import PlaneSource

    with PlaneSource(path) as source:
        plane = source.read(0)
        if len(source) > 1 or plane.ndim > 2:
            raise ImageError(f"{path} is not one grey plane", "save the plane that is meant as a file")
        return plane


def _comparisons(
    reference: Path | None, images: Sequence[Path], seed_batch: tuple[Path, Path, Path] | None
) -> tuple[list[SeedFrame], list[Comparison], list[Path]]:
    from dlsim_ij.images.pairing import pair_by_name
    from dlsim_ij.squirrel_job import Comparison, find_seed_frames

    if seed_batch:
        frames = find_seed_frames(*seed_batch)
        return frames, [comparison for frame in frames for comparison in frame.comparisons()], []
    assert reference is not None
    pairs, alone = pair_by_name(reference, images, what="reference", target_endings=("_wf",))
    return [], [Comparison(reference=target, image=image) for target, image in pairs], alone


def _check_outputs(
    comparisons: Sequence[Comparison], maps: Path | None, csv_path: Path | None,
    others: Sequence[Path | None], overwrite: bool,
) -> None:  # fmt: skip
    """Refuse before any work what could not be written after it."""
    from dlsim_ij.files import make_folder, refuse_existing
    from dlsim_ij.squirrel_job import map_paths

    inputs = [path for comparison in comparisons for path in (comparison.reference, comparison.image)]
    taken = {path.resolve() for path in [*inputs, *(path for path in others if path is not None)]}
    outputs = [] if csv_path is None else [csv_path]
    if maps is not None:
        outputs += [path for comparison in comparisons for path in map_paths(maps, comparison.image)]
    for path in outputs:
        if path.resolve() in taken:
            raise OutputError(
                f"{path} would be written twice, or over an input",
                "give the images different names, or another place",
            )
        taken.add(path.resolve())
        refuse_existing(path, overwrite)
    if csv_path is not None and not csv_path.parent.is_dir():
        raise OutputError(f"the folder {csv_path.parent} does not exist", "make it first")
    if maps is not None and maps.exists() and not maps.is_dir():
        make_folder(maps)  # says what is in the way


def _compare(
    plan: Plan, maps: Path | None, threads: int | None, overwrite: bool, as_json: bool, fiji: Fiji | None
) -> list[Mapping[str, Any]]:
    from dlsim_ij.files import make_folder
    from dlsim_ij.squirrel_job import MapWriter, compare_with_plugin, run_comparisons

    if not plan.jobs:
        raise DlsimError("none of the images could be read", "see the lines above")
    alone = len(plan.jobs) == 1 and not plan.refused
    show = _Printer(as_json)
    records: list[Mapping[str, Any]] = []
    with ExitStack() as stack:
        writer = None
        if maps is not None:
            writer = stack.enter_context(MapWriter(make_folder(maps), overwrite=overwrite))
        running = stack.enter_context(closing(run_comparisons(plan, threads=threads)))
        bar = stack.enter_context(
            click.progressbar(
                length=len(plan.jobs), label="squirrel", file=sys.stderr, show_pos=True,
                hidden=not options.show_progress() or alone,
            )
        )  # fmt: skip
        for job, answer in running:
            if "error" in answer.record and alone:
                raise DlsimError(f"{answer.record['error']}", answer.record["hint"])
            written = None if writer is None else writer.add(job, answer)
            if fiji is not None and "error" not in answer.record:
                answer.record["plugin"] = compare_with_plugin(fiji, job, plan.settings)
            records.append(answer.record)
            if sys.stderr.isatty() and not bar.hidden:
                click.echo("\r\x1b[K", nl=False, err=True)  # so that a row does not end up behind the bar
            show.record(answer.record, job.n_planes, written)
            bar.update(1)
    show.means()
    return records


class _Printer:
    """Prints records: results on stdout, warnings on stderr."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.rows: list[Mapping[str, Any]] = []

    def record(self, record: Mapping[str, Any], n_planes: int, maps: tuple[Path, Path] | None) -> None:
        """Print one record."""
        name = f"{record['image']}, plane {record['plane']}" if n_planes > 1 else record["image"]
        if "error" in record:
            _show_error(name, record["error"])
            return
        shown = dict(record)
        if maps is not None:
            shown["maps"] = {"error": str(maps[0]), "signed": str(maps[1])}
        options.print_result(shown, self.as_json, _text(record, name, heading=not self.rows))
        self.rows.append(record)
        if options.show_progress():
            for warning in record["warnings"]:
                click.echo(f"warning: {name}: {warning}", err=True)

    def means(self) -> None:
        """Print the means of several records."""
        import statistics

        if len(self.rows) < 2 or not options.show_progress():
            return
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for row in self.rows:
            groups.setdefault(row.get("role", "all"), []).append(row)
        for role, rows in groups.items():
            parts = []
            for key, style in (("rsp", ".5f"), ("rse", ".5g")):
                values = [row[key] for row in rows]
                spread = f" ± {statistics.stdev(values):{style}} (SD)" if len(values) > 1 else ""
                parts.append(f"{key.upper()} {statistics.fmean(values):{style}}{spread}")
            click.echo(f"mean of {role}: {', '.join(parts)}, n = {len(rows)}", err=True)


def _text(record: Mapping[str, Any], name: str, heading: bool) -> str:
    y, x = record["shift_px"]
    um = record["sigma_um"]
    columns = [
        ("RSP", format(record["rsp"], ".6f"), 9),
        ("RSE", format(record["rse"], ".5g"), 9),
        ("alpha", format(record["alpha"], ".5g"), 10),
        ("beta", format(record["beta"], ".5g"), 10),
        ("sigma px", format(record["sigma_px"], ".4f"), 8),
        ("nm", "-" if um is None else format(1000 * um, ".1f"), 6),
        ("shift y", format(y, "+.2f"), 7),
        ("shift x", format(x, "+.2f"), 7),
    ]
    if "plugin" in record:
        columns[2:2] = [
            ("plugin's RSP", format(record["plugin"]["rsp"], ".6f"), 12),
            ("RSE", format(record["plugin"]["rse"], ".5g"), 9),
        ]
    line = " ".join(f"{cell:>{width}}" for _, cell, width in columns) + f"  {name}"
    if not heading:
        return line
    return (
        " ".join(f"{title:>{width}}" for title, _, width in columns) + f"  image ({record['mode']})\n{line}"
    )


def _show_error(name: str, message: str) -> None:
    text = " ".join(message.split())
    options.show_failure(text if name in text else f"{name}: {text}")


def _show_plan(plan: Plan, maps: Path | None, csv_path: Path | None, as_json: bool) -> int:
    from dlsim_ij.squirrel_job import map_paths

    for job in plan.jobs:
        if job.plane:
            continue
        outputs = [] if maps is None else [str(path) for path in map_paths(maps, job.image)]
        outputs += [str(csv_path)] if csv_path else []
        row = {
            **dict(job.tags), "reference": str(job.reference), "image": str(job.image),
            "planes": job.n_planes, "outputs": outputs, "dry_run": True,
        }  # fmt: skip
        text = f"{job.image}: {job.n_planes} planes against {job.reference}"
        options.print_result(row, as_json, text + (f" -> {', '.join(outputs)}" if outputs else ""))
    return 1 if plan.refused else 0


def _write_table(
    path: Path, frames: Sequence[SeedFrame], records: Sequence[Mapping[str, Any]], overwrite: bool
) -> None:
    from dlsim_ij.files import write_text
    from dlsim_ij.squirrel_job import seed_table, to_csv

    write_text(path, seed_table(frames, records) if frames else to_csv(records), overwrite=overwrite)
