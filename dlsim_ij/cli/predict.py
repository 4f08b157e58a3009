"""``dlsim predict``: the network alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.inputs import part_bar, warn, work_through
from dlsim_ij.errors import ConfigError

if TYPE_CHECKING:
    import xarray as xr

    from dlsim_ij.images import ImageInput


@click.command(epilog="Example: dlsim predict raw_stack.tif -o images --model sim15 --pixel-size 0.06")
@click.argument("inputs", nargs=-1, required=True, type=options.ExistingPath, metavar="INPUT...")
@click.option("-o", "--output", required=True, type=options.OutputPath, metavar="DIR", help="Output folder.")
@click.option("--model", default="sim15", show_default=True, metavar="NAME", help="Model name or folder.")
@options.acquisition
@click.option("--tile-px", type=click.IntRange(32), metavar="N", help="Side of the network's tiles.")
@click.option(
    "--batchnorm", type=click.Choice(["running", "per-image"]),
    help="Statistics for a network of the seed's kind (default: as its model card says).",
)  # fmt: skip
@click.option("--ome", is_flag=True, help="Write OME-TIFF instead of ImageJ hyperstacks.")
@options.threads
@options.overwrite
@options.dry_run
@options.common
def command(
    inputs: tuple[Path, ...],
    output: Path,
    model: str,
    pixel_size_um: float | None,
    na: float,
    emission_nm: float,
    layout: str,
    force: bool,
    tile_px: int | None,
    batchnorm: Literal["running", "per-image"] | None,
    ome: bool,
    threads: int | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Super-resolved images only: no comparison, no report.

    Time series and channels are predicted stack by stack; sub-folders of the input are mirrored. With the
    model srrf5, inputs are frames of a blinking sample, and every five of them make one image.
    """
    from dlsim_ij.images import expand_inputs

    items = expand_inputs(inputs)
    ending = "_sr.ome.tif" if ome else "_sr.tif"
    targets = [output / item.subfolder / f"{item.name}{ending}" for item in items]
    if dry_run:
        for item, target in zip(items, targets, strict=True):
            row = {"input": str(item.path), "output": str(target), "dry_run": True}
            options.print_result(row, as_json, f"{item.path} -> {target}")
        return 0
    options.set_threads(threads)
    from dlsim_ij.files import make_folder, refuse_existing
    from dlsim_ij.images import read_image, write_image
    from dlsim_ij.inference import load_model
    from dlsim_ij.pipeline import reconstruct

    for target in targets:
        refuse_existing(target, overwrite)
    loaded = load_model(model, batchnorm=batchnorm)
    paths = dict(zip(items, targets, strict=True))
    blinking = loaded.card.input["kind"] == "srrf-channels"
    if blinking:
        _refuse_sim_options(loaded.name)

    def blinking_image(item: ImageInput) -> tuple[xr.DataArray, list[str], float]:
        from dlsim_ij.blinking_series import predict_series

        with part_bar(item.name) as progress:
            series = predict_series(
                read_image(item.path), model=loaded, pixel_size_um=pixel_size_um, tile_px=tile_px,
                threads=threads, progress=progress,
            )  # fmt: skip
        return series.image, list(series.warnings), series.seconds

    def sim_image(item: ImageInput) -> tuple[xr.DataArray, list[str], float]:
        done = reconstruct(
            read_image(item.path), model=loaded, pixel_size_um=pixel_size_um, na=na,
            emission_nm=emission_nm, layout=layout, tile_px=tile_px, threads=threads,
            force=force, compare=False,
        )  # fmt: skip
        return done.sr, [message for message, _ in done.warnings], done.seconds

    def work(item: ImageInput) -> None:
        image, warnings, seconds = (blinking_image if blinking else sim_image)(item)
        target = paths[item]
        make_folder(target.parent)
        write_image(target, image, overwrite=overwrite, ome=ome)
        row = {"input": str(item.path), "output": str(target), "seconds": round(seconds, 3)}
        options.print_result({**row, "warnings": warnings}, as_json, str(target))
        warn(item.path, warnings)

    return work_through(items, work, label="predict")


def _refuse_sim_options(model: str) -> None:
    """Refuse what only a SIM model can heed, if it was given."""
    context = click.get_current_context()
    given = click.core.ParameterSource.COMMANDLINE
    for name, flag in (
        ("layout", "layout"),
        ("na", "na"),
        ("emission_nm", "emission-nm"),
        ("force", "force"),
    ):
        if context.get_parameter_source(name) == given:
            raise ConfigError(
                f"--{flag} belongs to SIM models, '{model}' takes frames of a blinking sample", "leave it out"
            )
