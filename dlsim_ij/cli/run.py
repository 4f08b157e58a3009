"""``dlsim run``: the main job."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.inputs import warn, work_through
from dlsim_ij.cli.parameters import calibration, read_parameters
from dlsim_ij.errors import DlsimError

if TYPE_CHECKING:
    from dlsim_ij.images import ImageInput


@click.command(epilog="Example: dlsim run raw_stack.tif -o results --pixel-size 0.06")
@click.argument("inputs", nargs=-1, required=True, type=options.ExistingPath, metavar="INPUT...")
@click.option("-o", "--output", required=True, type=options.OutputPath, metavar="DIR", help="Results folder.")
@click.option("--model", default="sim15", show_default=True, metavar="NAME", help="Model name or folder.")
@click.option(
    "--target",
    metavar="NAME",
    help="Which of the model's images: wiener (as a bright stack looks), or object (no haze, no halos).",
)
@options.acquisition
@calibration
@click.option("--truth", type=options.ExistingPath, metavar="T", help="Score the result against this image.")
@click.option("--tile-px", type=click.IntRange(32), metavar="N", help="Side of the network's tiles.")
@click.option(
    "--measures/--no-measures", default=True, show_default=True,
    help="Measure resolution, RSP and RSE (of the first frame of a series).",
)  # fmt: skip
@click.option(
    "--frc", is_flag=True,
    help="Also reconstruct twice from half of the light, and measure what repeats (takes twice as long).",
)  # fmt: skip
@click.option("--ome", is_flag=True, help="Write OME-TIFF instead of ImageJ hyperstacks.")
@options.engine
@options.only
@options.threads
@options.overwrite
@options.dry_run
@options.common
def command(
    inputs: tuple[Path, ...],
    only: str | None,
    output: Path,
    model: str,
    parameters_file: Path | None,
    engine: str,
    fiji_path: str | None,
    threads: int | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    truth: Path | None,
    measures: bool,
    frc: bool,
    ome: bool,
    **settings: Any,
) -> int:
    """Raw SIM stacks in, super-resolved images and a quality report out.

    An INPUT is a stack, a folder of single frames, or a folder of either. Frames are expected
    angle-major: all phases of the first angle first.
    """
    from dlsim_ij.images import expand_inputs
    from dlsim_ij.run_job import output_names

    items = expand_inputs(inputs, only=only)
    if truth is not None and len(items) > 1:
        raise DlsimError("--truth goes with one input", "use dlsim score for many")
    if frc and not measures:
        raise DlsimError("--frc is one of the measures that --no-measures leaves out", "give one of the two")
    if dry_run:
        return _plan(items, output, output_names(ome, measures), as_json)
    options.set_threads(threads)
    from dlsim_ij.fiji import Fiji
    from dlsim_ij.inference import load_model
    from dlsim_ij.report import write_report
    from dlsim_ij.run_job import run_input

    known = read_parameters(parameters_file)
    loaded = load_model(model)
    results: list[dict[str, Any]] = []
    with Fiji(engine=engine, path=fiji_path) as fiji:

        def work(item: ImageInput) -> None:
            result = run_input(
                item, output, model=loaded, calibration=known, truth=truth, measures=measures, frc=frc,
                ome=ome, overwrite=overwrite, threads=threads, resize=fiji.resize,
                other=fiji.open if fiji.name == "fiji" else None,
                engine=_engine(fiji.describe()), command=_command_line(), **settings,
            )  # fmt: skip
            results.append(result)

        code = work_through(items, work, label="run")
    report = write_report(output, overwrite=overwrite)
    for result in results:
        result["outputs"]["report"] = str(report)
        options.print_result(result, as_json)
        warn(Path(result["input"]), result["warnings"])
    if not as_json:
        click.echo(str(report))
    return code


def _plan(items: list[Any], output: Path, names: dict[str, str], as_json: bool) -> int:
    for item in items:
        folder = output / item.subfolder
        outputs = {role: str(folder / f"{item.name}{end}") for role, end in names.items()}
        text = f"{item.path} -> {', '.join(outputs.values())}"
        options.print_result({"input": str(item.path), "outputs": outputs, "dry_run": True}, as_json, text)
    return 0


def _engine(described: dict[str, Any]) -> dict[str, Any]:
    return {"name": described["engine"], **{k: v for k, v in described.items() if k != "engine"}}


def _command_line() -> str:
    return shlex.join(["dlsim", *sys.argv[1:]])
