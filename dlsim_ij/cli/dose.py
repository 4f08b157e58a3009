"""``dlsim dose``: how little light is enough, asked of the user's own stack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.inputs import part_bar, warn, work_through
from dlsim_ij.errors import ConfigError

if TYPE_CHECKING:
    from dlsim_ij.acquisition.thinning import CountsCamera
    from dlsim_ij.dose import DoseCurve
    from dlsim_ij.images import ImageInput


def _fractions(_: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    found = []
    for word in value.split(","):
        top, _slash, bottom = word.partition("/")
        try:
            found.append(float(top) / float(bottom or 1))
        except (ValueError, ZeroDivisionError):
            raise click.BadParameter(f"'{word}' is no share of the light such as 1/20 or 0.05") from None
    return tuple(found)


@click.command(epilog="Example: dlsim dose bright_stack.tif -o dose --levels 1/5,1/20,1/100")
@click.argument("raw", nargs=-1, required=True, type=options.ExistingPath, metavar="RAW...")
@click.option("-o", "--output", required=True, type=options.OutputPath, metavar="DIR", help="Output folder.")
@click.option(
    "--levels", callback=_fractions, metavar="F,F",
    help="Shares of the light: 1/2,1/5,1/10,1/20,1/50,1/100 by default. The full light is always looked at.",
)  # fmt: skip
@click.option(
    "--draws", type=click.IntRange(1), default=3, show_default=True, metavar="N",
    help="Thinned stacks per level.",
)  # fmt: skip
@click.option(
    "--models", metavar="NAME,NAME",
    help="Networks, by name or folder; none: Wiener images alone (default: all shipped ones that take the "
    "stack).",
)  # fmt: skip
@click.option(
    "--truth", type=options.ExistingPath, metavar="T",
    help="Score against this image instead of the Wiener image at full light.",
)  # fmt: skip
@click.option(
    "--within", "within_db", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True,
    metavar="DB", help="Loss against its own full light that a method may have.",
)  # fmt: skip
@click.option(
    "--quality", "quality_db", type=float, metavar="DB",
    help="PSNR whose smallest light is told for all methods (default: what all have at full light, less "
    "--within).",
)  # fmt: skip
@click.option(
    "--fit-each", is_flag=True,
    help="Fit the patterns to each thinned stack anew, as without a calibration (default: once, at full "
    "light).",
)  # fmt: skip
@click.option("--gain", type=float, metavar="G", help="Counts per photo-electron (default: measured).")
@click.option("--offset", type=float, metavar="O", help="Counts without light; goes with --gain.")
@click.option("--read-noise", type=float, metavar="E", help="In electrons; goes with --gain (0.7).")
@click.option("--pictures/--no-pictures", default=True, show_default=True, help="Draw the images too.")
@options.acquisition
@options.seed
@options.only
@options.threads
@options.overwrite
@options.dry_run
@options.common
def command(
    raw: tuple[Path, ...],
    only: str | None,
    output: Path,
    levels: tuple[float, ...] | None,
    models: str | None,
    gain: float | None,
    offset: float | None,
    read_noise: float | None,
    pictures: bool,
    threads: int | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """How little light is enough: quality against photons, from one bright stack.

    Photons are taken away from the frames of a bright RAW stack at random, the thinned stacks are
    reconstructed conventionally and by networks, and scored against the conventional image at full light.
    Written are NAME_dose.csv, .json, .png, .svg (the curve) and NAME_dose_images.png.
    """
    from dlsim_ij.images import expand_inputs

    items = expand_inputs(raw, only=only)
    if given["truth"] is not None and len(items) > 1:
        raise ConfigError("--truth goes with one stack", "run the stacks one by one")
    camera = _camera(gain, offset, read_noise)
    options.set_threads(None if dry_run else threads)
    from dlsim_ij.dose import FRACTIONS
    from dlsim_ij.dose_job import DoseRequest, dose_input, dose_outputs
    from dlsim_ij.files import refuse_existing

    paths = {item: dose_outputs(output, item, pictures) for item in items}
    if dry_run:
        for item, own in paths.items():
            outputs = {role: str(path) for role, path in own.items()}
            text = f"{item.path} -> {', '.join(outputs.values())}"
            row = {"input": str(item.path), "outputs": outputs, "dry_run": True}
            options.print_result(row, as_json, text)
        return 0
    for own in paths.values():
        for path in own.values():
            refuse_existing(path, overwrite)
    request = DoseRequest(
        models=_models(models), fractions=levels or FRACTIONS, camera=camera, pictures=pictures,
        threads=threads, overwrite=overwrite, **given,
    )  # fmt: skip

    def work(item: ImageInput) -> None:
        with part_bar("dose") as progress:
            row, curve = dose_input(item, paths[item], request, progress=progress)
        options.print_result(row, as_json, _text(row, curve))
        warn(item.path, row["warnings"])

    return work_through(items, work)


def _models(names: str | None) -> list[Any] | None:
    """Load the networks that were named, once for all stacks."""
    if names is None:
        return None
    if names == "none":
        return []
    from dlsim_ij.inference import load_model

    return [load_model(name.strip()) for name in names.split(",")]


def _camera(gain: float | None, offset: float | None, read_noise: float | None) -> CountsCamera | None:
    if gain is None and offset is None and read_noise is None:
        return None
    if gain is None or offset is None:
        raise ConfigError(
            "gain and offset of the camera belong together, one is missing",
            "give --gain and --offset, and --read-noise if you know it; or none of them",
        )
    from dlsim_ij.acquisition.light import USUAL_READ_NOISE_ELECTRONS
    from dlsim_ij.acquisition.thinning import CountsCamera

    return CountsCamera(
        gain_adu_per_electron=gain,
        offset_adu=offset,
        read_noise_electrons=USUAL_READ_NOISE_ELECTRONS if read_noise is None else read_noise,
        source="given",
        read_noise_supposed=read_noise is None,
    )


def _text(row: dict[str, Any], curve: DoseCurve) -> str:
    """Return the summary for people."""
    from dlsim_ij.dose_job import reference_words
    from dlsim_ij.report.dose_figure import fraction_name, need_text

    summary, photons = curve.summary, curve.photons_per_pixel
    registered = " after the best shift" if summary.score == "registered_psnr_db" else ""
    fractions = sorted({level["fraction"] for level in summary.levels}, reverse=True)
    width = max(len("method"), *map(len, curve.methods))
    lines = [
        f"{row['input']}: {photons:.3g} photo-electrons per pixel and frame in bright parts, "
        f"{curve.photons_mean_per_pixel:.3g} on average",
        f"PSNR{registered} against {reference_words(curve)}, mean of {row['draws']} draws, in dB "
        f"(widefield at full light: {curve.widefield_db:.1f})",
        f"  {'method':{width}}" + "".join(f"{fraction_name(f):>8}" for f in fractions),
        f"  {'photons':{width}}" + "".join(f"{f * photons:8.3g}" for f in fractions),
    ]
    for method in curve.methods:
        at = {fraction: mean for fraction, mean, _ in summary.curve(method)}
        cells = "".join(f"{at[f]:8.2f}" if f in at else f"{'-':>8}" for f in fractions)
        lines.append(f"  {method:{width}}{cells}")
    lines.append(
        "the smallest light that is enough, in photons per pixel and frame (share of the full light):"
    )
    heads = f"for {summary.target_db:.1f} dB", f"for {summary.within_db:g} dB less than its own full light"
    texts = [need_text(needed, photons, target=True) for needed in summary.needed]
    wide = max(map(len, [heads[0], *texts]))
    lines.append(f"  {'method':{width}}  frames  {heads[0]:{wide}}  {heads[1]}")
    for needed, text in zip(summary.needed, texts, strict=True):
        own = need_text(needed, photons, target=False)
        lines.append(
            f"  {needed.method:{width}}  {curve.methods[needed.method]:6}  {text:{wide}}  {own}".rstrip()
        )
    return "\n".join([*lines, row["outputs"]["curve"]])
