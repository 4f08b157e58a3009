"""``dlsim prepare``: raw fields of view to a training dataset."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options

if TYPE_CHECKING:
    from dlsim_ij.datasets.plan import Plan
    from dlsim_ij.datasets.prepare import PreparedDataset, Progress, Resize


class Fractions(click.ParamType[tuple[float, ...]]):
    """Three numbers with commas, as ``0.7,0.2,0.1``."""

    name = "A,B,C"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Return the numbers; whether they are sensible fractions is checked with the fields."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(word) for word in value.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != 3:
            self.fail(f"'{value}' is not three numbers such as 0.7,0.2,0.1", param, ctx)
        return numbers


@click.command(epilog="Example: dlsim prepare raw_fields -o dataset --tile-px 256")
@click.argument("raw_dir", type=options.ExistingPath)
@click.option("-o", "--output", required=True, type=options.OutputPath, help="Folder of the dataset.")
@click.option(
    "--layout", type=click.Choice(["auto", "seed-sim", "seed-srrf", "stacks"]),
    default="auto", show_default=True,
    help="How RAW_DIR is laid out: HE/ and HER/, or <sample>/SRRF_100ms.tif, or raw/ and truth/.",
)  # fmt: skip
@click.option("--raw-name", default="raw", show_default=True, help="stacks: folder of the raw stacks.")
@click.option("--truth-name", default="truth", show_default=True, help="stacks: folder of the truths.")
@click.option("--low-name", default="low", show_default=True, help="stacks: folder of low-light stacks.")
@click.option("--low-truth-name", default="low_truth", show_default=True, help="stacks: and of their truths.")
@click.option(
    "--frames", type=click.IntRange(1), metavar="N",
    help="Frames of every raw stack.  [default: 15, seed-srrf 20, stacks: as the first]",
)  # fmt: skip
@click.option(
    "--scale", type=click.IntRange(1), metavar="N",
    help="Enlarge the frames N times; 1 keeps native pixels.  [default: onto the truth's grid]",
)  # fmt: skip
@click.option(
    "--tile-px", type=click.IntRange(1), metavar="N",
    help="Side of a tile, in pixels of the truth.  [default: 256, seed-srrf 320]",
)  # fmt: skip
@click.option(
    "--border-px", type=click.IntRange(0), default=0, show_default=True, metavar="N",
    help="Margin of the truth to leave out (SIM_prepare_dataset.py: 50).",
)  # fmt: skip
@click.option(
    "--background", type=click.Choice(["signal", "max", "none"]), default=None,
    help="Which tiles to keep: signal above the field's own noise; maximum above --min-max-counts (the "
    "seed's test); or all.  [default: signal, or max when --min-max-counts is given]",
)  # fmt: skip
@click.option(
    "--min-max-counts", type=float, default=None, metavar="COUNTS",
    help="Keep a tile only if the maximum of its truth is above.  [default: 500]",
)  # fmt: skip
@click.option(
    "--fractions", type=Fractions(), default="0.7,0.2,0.1", show_default=True,
    help="Fields of view for training, validation and test.",
)  # fmt: skip
@click.option("--allow-mixed-sizes", is_flag=True, help="Accept fields of view of different sizes.")
@click.option("--seed-layout", is_flag=True, help="Also write the original's folders and names, to seed/.")
@click.option(
    "--seed-format", type=click.Choice(["tif", "npy", "both"]), default="tif", show_default=True,
    help="Which of the original's files (npy: 20 MB a tile).",
)  # fmt: skip
@click.option(
    "--resume", is_flag=True,
    help="Bring a finished dataset up to date: unchanged fields are kept. An interrupted preparation goes on "
    "without it when the same command is given again.",
)  # fmt: skip
@options.overwrite
@options.dry_run
@options.seed
@options.engine
@options.common
def command(
    raw_dir: Path,
    output: Path,
    background: str | None,
    min_max_counts: float | None,
    seed_layout: bool,
    seed_format: str,
    resume: bool,
    overwrite: bool,
    dry_run: bool,
    engine: str,
    fiji_path: str | None,
    as_json: bool,
    **choices: Any,
) -> None:
    """Cut raw fields of view into a training dataset.

    RAW_DIR holds raw frames and reconstructed images of many fields of view. The dataset has one file per
    field (frames enlarged once, with ImageJ's bicubic), the tiles as an index, the intensity constants, and a
    split into training, validation and test by field. See docs/datasets.md.

    The kernel is the same in Python and in Java, so --engine auto starts no Java here.
    """
    from dlsim_ij.datasets.plan import PrepareSettings, plan_dataset
    from dlsim_ij.datasets.prepare import check_output, prepare_dataset
    from dlsim_ij.datasets.seed_layout import FORMATS, check_formats
    from dlsim_ij.errors import ConfigError

    if resume and overwrite:
        raise ConfigError("--resume keeps what --overwrite throws away", "give one of them")
    if min_max_counts is not None and background not in (None, "max"):
        raise ConfigError(
            f"--min-max-counts belongs to --background max, not to {background}", "leave one of them out"
        )
    if background is not None:
        choices["background"] = background
    if min_max_counts is not None:
        choices |= {"background": "max", "min_max_counts": min_max_counts}
    settings = PrepareSettings(**choices)
    formats: tuple[str, ...] = ()
    if seed_layout:
        formats = FORMATS if seed_format == "both" else (seed_format,)
    if dry_run:
        plan = plan_dataset(raw_dir, settings)
        check_formats(plan, formats)
        check_output(output, plan, overwrite=overwrite, resume=resume)
        options.print_result(_plan_facts(plan, output), as_json, _plan_text(plan, output))
        return
    with _resize(engine, fiji_path) as (resize, engine_name), _progress() as progress:
        prepared = prepare_dataset(
            raw_dir, output, settings, resize=resize, engine=engine_name, overwrite=overwrite, resume=resume,
            seed_formats=formats, progress=progress,
        )  # fmt: skip
    if options.show_progress():  # not under --quiet
        for warning in prepared.warnings:
            click.echo(f"warning: {warning}", err=True)
    options.print_result(prepared.to_dict(), as_json, _text(prepared))


@contextmanager
def _resize(engine: str, fiji_path: str | None) -> Iterator[tuple[Resize, str]]:
    """Give ImageJ's bicubic: Python's, unless Java was asked for."""
    if engine in ("auto", "none"):
        from dlsim_ij.images import bicubic_enlarge

        yield bicubic_enlarge, "none"
        return
    from dlsim_ij.fiji import Fiji

    with Fiji(engine=engine, path=fiji_path) as fiji:
        yield fiji.resize, f"{fiji.name} {fiji.version}"


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """Give a callback that moves a bar on stderr, once the number of steps is known."""
    if not options.show_progress():
        yield None
        return
    with ExitStack() as stack:
        bar: Any = None

        def advance(done: int, steps: int) -> None:
            nonlocal bar
            if bar is None:
                bar = stack.enter_context(click.progressbar(length=steps, label="prepare", file=sys.stderr))
            bar.update(done - bar.pos)

        yield advance


def _plan_facts(plan: Plan, output: Path) -> dict[str, Any]:
    """Return what a real run would report, as far as headers tell: no background test, no constants."""
    split = plan.split.to_dict()
    return {
        "dry_run": True,
        "dataset": str(output),
        "patches": plan.patches_in_grid,
        "constants": None,
        "split": {part: names for part, names in split.items() if part != "warnings"},
        "warnings": split["warnings"],
        "layout": plan.layout,
        "frames": plan.frames,
        "enlargement": plan.enlargement,
        "truth_scale": plan.truth_scale,
        "tile_px": plan.tile_px,
        "bytes": plan.nbytes,
    }


def _plan_text(plan: Plan, output: Path) -> str:
    warnings = "".join(f"\nwarning: {warning}" for warning in plan.split.warnings)
    return (
        f"would write {output}: {len(plan.fields)} fields ({plan.layout}, {plan.frames} frames, enlarged "
        f"x{plan.enlargement}), {plan.nbytes / 1e6:.1f} MB, at most {plan.patches_in_grid} tiles of "
        f"{plan.tile_px} px; {_counts(plan.split.to_dict())}{warnings}"
    )


def _text(prepared: PreparedDataset) -> str:
    constants = ", ".join(f"{name} {value:g}" for name, value in prepared.constants.items())
    kept = f" ({prepared.fields_kept} of them kept)" if prepared.fields_kept else ""
    return (
        f"{prepared.dataset}: {prepared.patches} of {prepared.patches_in_grid} tiles hold signal, from "
        f"{prepared.fields_made + prepared.fields_kept} fields{kept}\n"
        f"fields: {_counts(prepared.split)}\nmaxima: {constants}"
    )


def _counts(split: Mapping[str, Any]) -> str:
    return ", ".join(f"{len(split[part])} {part}" for part in ("train", "validation", "test"))
