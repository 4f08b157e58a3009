"""``dlsim recon``: Wiener SIM, with parameters that are found, written, and can be used again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.inputs import part_bar, warn, work_through
from dlsim_ij.cli.parameters import read_parameters
from dlsim_ij.errors import ConfigError

if TYPE_CHECKING:
    from dlsim_ij.images import ImageInput
    from dlsim_ij.reconstruction import WienerFilter

_FILTERS = ("standard", "vendor", "soft")
_FILTER_OPTIONS = (
    "wiener", "otf_damping", "order_weights", "notch_strength", "notch_width", "apodisation_end",
    "apodisation_bend",
)  # fmt: skip


def _numbers(_: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        return tuple(float(word) for word in value.split(","))
    except ValueError:
        raise click.BadParameter(f"'{value}' is no list of numbers such as 0.67,0.33") from None


@click.command(epilog="Example: dlsim recon raw_stack.tif -o images --filter vendor")
@click.argument("stacks", nargs=-1, required=True, type=options.ExistingPath, metavar="RAW...")
@click.option("-o", "--output", required=True, type=options.OutputPath, metavar="DIR", help="Output folder.")
@click.option(
    "--filter", "preset", type=click.Choice(_FILTERS), default="standard", show_default=True,
    help="standard: strengths and transfer as measured; vendor: as the software of the paper's microscope "
    "shows it; soft: for dim stacks.",
)  # fmt: skip
@click.option("--wiener", type=float, metavar="W", help="Wiener parameter: larger is smoother (0.06).")
@click.option(
    "--apodisation-cutoff", "apodisation_end", type=float, metavar="F",
    help="Where the spectrum ends, in units of the optics' cut-off (1.8).",
)  # fmt: skip
@click.option("--apodisation-bend", type=float, metavar="P", help="Power of the apodisation (1).")
@click.option("--notch-strength", type=float, metavar="S", help="OTF attenuation at the centre of bands (1).")
@click.option("--notch-width", type=float, metavar="F", help="Its sigma, in units of the cut-off (0.25).")
@click.option("--otf-damping", type=float, metavar="A", help="Loss of the optics at the cut-off (measured).")
@click.option(
    "--order-weights", callback=_numbers, metavar="W1,W2", help="Assumed strength of the orders (measured)."
)
@click.option(
    "--phases", type=click.Choice(["known", "estimated", "fixed"]), default="known", show_default=True,
    help="Even steps between frames; each frame's phase measured; or as in --parameters, nothing measured.",
)  # fmt: skip
@click.option(
    "--estimate", type=click.Choice(["each", "first", "mean"]), default="each", show_default=True,
    help="Pattern of a series: found in each stack, in the first, or in the mean; phases always in each.",
)  # fmt: skip
@click.option(
    "--parameters", "parameters_file", type=options.ExistingPath, metavar="FILE",
    help="Use directions and periods of such a file (a NAME_wiener.json); phases are measured.",
)  # fmt: skip
@click.option(
    "--save-parameters", type=options.OutputPath, metavar="FILE",
    help="Write the parameters to this file too; with one stack only.",
)  # fmt: skip
@click.option(
    "--channel-emission-nm", callback=_numbers, metavar="NM,NM", help="Emission of each channel of a series."
)
@click.option(
    "--widefield", "with_widefield", is_flag=True, help="Write the mean of the frames: NAME_wf.tif."
)
@options.acquisition
@click.option("--ome", is_flag=True, help="Write OME-TIFF instead of ImageJ hyperstacks.")
@options.only
@options.threads
@options.overwrite
@options.dry_run
@options.common
def command(
    stacks: tuple[Path, ...],
    only: str | None,
    output: Path,
    preset: str,
    parameters_file: Path | None,
    save_parameters: Path | None,
    threads: int | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Conventional super-resolution images of raw SIM stacks: Wiener SIM.

    Of each stack are written NAME_wiener.tif, on pixels half as large, and NAME_wiener.json with all
    parameters: directions, periods, phases, modulation, quality. A stack in the wrong order is refused.
    """
    from dlsim_ij.files import refuse_existing
    from dlsim_ij.images import expand_inputs
    from dlsim_ij.recon_job import ReconRequest, recon_input, recon_outputs

    filter_options = {name: given.pop(name) for name in _FILTER_OPTIONS}
    items = expand_inputs(stacks, only=only)
    if save_parameters is not None and len(items) > 1:
        raise ConfigError(
            "--save-parameters goes with one stack", "every image has its NAME_wiener.json anyway"
        )
    paths = {item: recon_outputs(output, item, given["with_widefield"], given["ome"]) for item in items}
    if dry_run:
        for item, own in paths.items():
            row = {"input": str(item.path), **{role: str(path) for role, path in own.items()}}
            options.print_result({**row, "dry_run": True}, as_json, f"{item.path} -> {own['output']}")
        return 0
    for own in paths.values():
        for path in [*own.values(), *([save_parameters] if save_parameters else [])]:
            refuse_existing(path, overwrite)
    request = ReconRequest(
        preset=preset, filter=_filter(preset, filter_options), known=read_parameters(parameters_file),
        known_path=parameters_file, save_parameters=save_parameters, threads=threads, overwrite=overwrite,
        optics_given=_given_optics(), **given,
    )  # fmt: skip

    def work(item: ImageInput) -> None:
        with part_bar("recon") as progress:
            row, warnings = recon_input(item, paths[item], request, progress=progress)
        options.print_result({**row, "warnings": warnings}, as_json, row["output"])
        warn(item.path, warnings)

    return work_through(items, work)


def _filter(preset: str, given: dict[str, Any]) -> WienerFilter:
    from dlsim_ij.reconstruction import FILTERS

    return dataclasses.replace(FILTERS[preset], **{k: v for k, v in given.items() if v is not None})


def _given_optics() -> bool:
    """Whether the user stated the optics, which then win over a file of parameters."""
    context = click.get_current_context()
    return any(
        context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        for name in ("na", "emission_nm")
    )
