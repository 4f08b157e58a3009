"""``dlsim predict``: the network alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.inputs import part_bar, warn, work_through
from dlsim_ij.cli.parameters import calibration, read_parameters
from dlsim_ij.cli.seed_weights import load_given, seed_weights

if TYPE_CHECKING:
    from dlsim_ij.images import ImageInput


@click.command(epilog="Example: dlsim predict raw_stack.tif -o images --model sim15 --pixel-size 0.06")
@click.argument("inputs", nargs=-1, required=True, type=options.ExistingPath, metavar="INPUT...")
@click.option("-o", "--output", required=True, type=options.OutputPath, metavar="DIR", help="Output folder.")
@click.option("--model", default="sim15", show_default=True, metavar="NAME", help="Model name or folder.")
@click.option(
    "--target",
    metavar="NAME",
    help="Which of the model's images: wiener (as a bright stack looks), or object (no haze, no halos).",
)
@click.option(
    "--denoiser", metavar="NAME",
    help="A network that makes bright frames of dark ones, such as seed-snr: --model then sees its frames.",
)  # fmt: skip
@seed_weights
@options.acquisition
@calibration
@click.option("--tile-px", type=click.IntRange(32), metavar="N", help="Side of the network's tiles.")
@click.option(
    "--block-px", type=click.IntRange(0), metavar="N",
    help="Compute a larger field in blocks of N x N pixels, which need not fit into memory together "
    "(default: 512 for fields of more than 2048 x 2048; 0: whole, whatever its size).",
)  # fmt: skip
@click.option(
    "--batchnorm", type=click.Choice(["running", "per-image"]),
    help="Statistics for a network of the seed's kind (default: as its model card says).",
)  # fmt: skip
@click.option(
    "--uncertainty",
    is_flag=True,
    help="Also write the standard deviation of the result's error (NAME_sd.tif).",
)
@click.option(
    "--ensemble",
    is_flag=True,
    help="Mean over the eight turnings of the input: eight times the time, slightly better in the dark.",
)
@click.option("--ome", is_flag=True, help="Write OME-TIFF instead of ImageJ hyperstacks.")
@click.option("--ome-zarr", is_flag=True, help="Write OME-Zarr folders (needs the extra zarr).")
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
    target: str | None,
    denoiser: str | None,
    trust_pickle: bool,
    recipe: str | None,
    maxima: tuple[float, float] | None,
    parameters_file: Path | None,
    pixel_size_um: float | None,
    na: float,
    emission_nm: float,
    layout: str,
    force: bool,
    tile_px: int | None,
    block_px: int | None,
    batchnorm: Literal["running", "per-image"] | None,
    uncertainty: bool,
    ensemble: bool,
    ome: bool,
    ome_zarr: bool,
    threads: int | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Super-resolved images only: no comparison, no report.

    Time series and channels are predicted stack by stack, fields of more than 2048 x 2048 pixels block by
    block, so neither need fit into memory. Sub-folders of the input are mirrored. With the model srrf5,
    inputs are frames of a blinking sample, and every five of them make one image.
    """
    from dlsim_ij.images import expand_inputs
    from dlsim_ij.predict_job import check_request, predict_input, predict_outputs

    items = expand_inputs(inputs, only=only)
    if ome_zarr:
        from dlsim_ij.images.zarr_image import zarr_library

        zarr_library()
    paths = {
        item: predict_outputs(output, item, uncertainty, ome, ome_zarr=ome_zarr, block_px=block_px)
        for item in items
    }
    if dry_run:
        for item, own in paths.items():
            row = {"input": str(item.path), **{role: str(path) for role, path in own.items()}}
            text = f"{item.path} -> {', '.join(map(str, own.values()))}"
            options.print_result({**row, "dry_run": True}, as_json, text)
        return 0
    options.set_threads(threads)
    from dlsim_ij.files import refuse_existing
    from dlsim_ij.inference import load_model

    for own in paths.values():
        for path in own.values():
            refuse_existing(path, overwrite)
    known = read_parameters(parameters_file)
    loaded = load_given(
        model, trust_pickle=trust_pickle, recipe=recipe, maxima=maxima, batchnorm=batchnorm, ensemble=ensemble
    )
    first = None if denoiser is None else load_model(denoiser, batchnorm=batchnorm)
    check_request(loaded, first, uncertainty, _given())

    def work(item: ImageInput) -> None:
        with part_bar(item.name) as progress:
            row, warnings = predict_input(
                item, paths[item], model=loaded, denoiser=first, target=target, pixel_size_um=pixel_size_um,
                na=na, emission_nm=emission_nm, layout=layout, calibration=known, tile_px=tile_px,
                block_px=block_px, threads=threads, force=force, ome=ome, overwrite=overwrite,
                progress=progress,
            )  # fmt: skip
        options.print_result({**row, "warnings": warnings}, as_json, row["output"])
        warn(item.path, warnings)

    return work_through(items, work, label="predict")


def _given() -> set[str]:
    """Return the names of the options that stand on the command line."""
    context = click.get_current_context()
    given = click.core.ParameterSource.COMMANDLINE
    return {name for name in context.params if context.get_parameter_source(name) == given}
