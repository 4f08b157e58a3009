"""``dlsim predict``: the network alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.inputs import part_bar, warn, work_through
from dlsim_ij.cli.parameters import calibration, read_parameters
from dlsim_ij.cli.seed_weights import load_given, seed_weights
from dlsim_ij.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import xarray as xr

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
@options.threads
@options.overwrite
@options.dry_run
@options.common
def command(
    inputs: tuple[Path, ...],
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
    batchnorm: Literal["running", "per-image"] | None,
    uncertainty: bool,
    ensemble: bool,
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
    kind = ".ome.tif" if ome else ".tif"
    roles = {"output": "_sr", **({"uncertainty": "_sd"} if uncertainty else {})}
    paths = {
        item: {role: output / item.subfolder / f"{item.name}{end}{kind}" for role, end in roles.items()}
        for item in items
    }
    if dry_run:
        for item, own in paths.items():
            row = {"input": str(item.path), **{role: str(path) for role, path in own.items()}}
            text = f"{item.path} -> {', '.join(map(str, own.values()))}"
            options.print_result({**row, "dry_run": True}, as_json, text)
        return 0
    options.set_threads(threads)
    from dlsim_ij.files import make_folder, refuse_existing
    from dlsim_ij.images import read_image, write_image
    from dlsim_ij.inference import load_model
    from dlsim_ij.inference.chain import check_cascade
    from dlsim_ij.pipeline import reconstruct

    for own in paths.values():
        for path in own.values():
            refuse_existing(path, overwrite)
    known = read_parameters(parameters_file)
    loaded = load_given(
        model, trust_pickle=trust_pickle, recipe=recipe, maxima=maxima, batchnorm=batchnorm, ensemble=ensemble
    )
    first = None if denoiser is None else load_model(denoiser, batchnorm=batchnorm)
    if first is not None:
        check_cascade(first, loaded)
    if uncertainty and not loaded.tells_uncertainty:
        raise ModelError(
            f"the model '{loaded.name}' does not tell how sure it is", "leave --uncertainty away"
        )

    blinking = loaded.card.input["kind"] == "srrf-channels"
    if blinking:
        _refuse_sim_options(loaded.name)

    def blinking_images(item: ImageInput) -> tuple[dict[str, xr.DataArray | None], list[str], float]:
        from dlsim_ij.blinking_series import predict_series

        with part_bar(item.name) as progress:
            series = predict_series(
                read_image(item.path), model=loaded, pixel_size_um=pixel_size_um, tile_px=tile_px,
                threads=threads, progress=progress,
            )  # fmt: skip
        return {"output": series.image}, list(series.warnings), series.seconds

    def sim_images(item: ImageInput) -> tuple[dict[str, xr.DataArray | None], list[str], float]:
        done = reconstruct(
            read_image(item.path), model=loaded, target=target, denoiser=first,
            pixel_size_um=pixel_size_um, na=na, emission_nm=emission_nm, layout=layout, calibration=known,
            tile_px=tile_px, threads=threads, force=force, compare=False,
        )  # fmt: skip
        images = {"output": done.sr, "uncertainty": done.uncertainty}
        return images, [message for message, _ in done.warnings], done.seconds

    def work(item: ImageInput) -> None:
        images, warnings, seconds = (blinking_images if blinking else sim_images)(item)
        for role, path in paths[item].items():
            image = images[role]
            assert image is not None  # the model tells it, as was asked above
            write_image(make_folder(path.parent) / path.name, image, overwrite=overwrite, ome=ome)
        written = {role: str(path) for role, path in paths[item].items()}
        row = {"input": str(item.path), **written, "seconds": round(seconds, 3)}
        options.print_result({**row, "warnings": warnings}, as_json, written["output"])
        warn(item.path, warnings)

    return work_through(items, work, label="predict")


def _refuse_sim_options(model: str) -> None:
    """Refuse what only a SIM model can heed, if it was given."""
    context = click.get_current_context()
    given = click.core.ParameterSource.COMMANDLINE
    options_of_sim = {
        "layout": "--layout", "na": "--na", "emission_nm": "--emission-nm", "force": "--force",
        "parameters_file": "--parameters", "target": "--target", "denoiser": "--denoiser",
    }  # fmt: skip
    for name, flag in options_of_sim.items():
        if context.get_parameter_source(name) == given:
            raise ConfigError(
                f"{flag} belongs to SIM models, '{model}' takes frames of a blinking sample", "leave it out"
            )
