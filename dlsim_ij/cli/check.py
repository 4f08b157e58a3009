"""``dlsim check``: what a raw stack is, before anything is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.inputs import work_through
from dlsim_ij.errors import ConfigError

if TYPE_CHECKING:
    from dlsim_ij.acquisition import Acquisition, Examined
    from dlsim_ij.bundles.card import ModelCard
    from dlsim_ij.images import ImageInput

Notice = tuple[str, str]


@click.command(epilog="Example: dlsim check cell.tif --pixel-size 0.06")
@click.argument("raw", nargs=-1, required=True, type=options.ExistingPath, metavar="RAW...")
@click.option(
    "--pixel-size", "pixel_size_um", type=click.FloatRange(0, 10, min_open=True), metavar="UM",
    help="Pixel of the frames in micrometres, if the files do not tell.",
)  # fmt: skip
@click.option("--na", type=float, default=1.49, show_default=True, help="Numerical aperture.")
@click.option("--emission-nm", type=float, default=525.0, show_default=True, help="Emission wavelength.")
@click.option(
    "--layout", metavar="AxP", help="Angles x phases that it must be (default: found from the pixels)."
)
@click.option(
    "--storage", metavar="NAME",
    help="How the file holds the frames: flat, mosaic (N-SIM), CPZAT (OMX), CZTAP or CZAPT (ELYRA), or "
    "other orders of these letters, fastest first (default: found).",
)  # fmt: skip
@click.option(
    "--model", "model_name", default="sim15", show_default=True, metavar="NAME",
    help="Whether the stack suits this model too; none: reconstruction alone.",
)  # fmt: skip
@click.option("--every", is_flag=True, help="Look at every stack of a series, not the first only.")
@click.option(
    "--fix-order", is_flag=True, help="Write stacks in another order sorted, NAME_sorted.tif in -o."
)
@click.option("-o", "--output", type=options.OutputPath, metavar="DIR", help="Folder for --fix-order.")
@options.only
@options.overwrite
@options.common
def command(
    raw: tuple[Path, ...],
    only: str | None,
    pixel_size_um: float | None,
    na: float,
    emission_nm: float,
    layout: str | None,
    storage: str | None,
    model_name: str,
    every: bool,
    fix_order: bool,
    output: Path | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Say what raw SIM stacks are, and whether they can be reconstructed.

    Angles, phases and their order are found from the pixels, with directions, periods, phases and strength
    of the illumination; so are light level, camera, bleaching, drift, saturation and hot pixels. Exit code 1:
    a stack is not fit for reconstruction or for the model, and was not sorted either.
    """
    from dlsim_ij.acquisition.examine import examine, examine_stack
    from dlsim_ij.acquisition.layout import parse_layout
    from dlsim_ij.bundles.bundle import read_bundle
    from dlsim_ij.files import refuse_existing
    from dlsim_ij.images import expand_inputs, read_image

    if layout is not None:
        parse_layout(layout)
    if fix_order != (output is not None):
        raise ConfigError(
            "--fix-order and -o DIR go together", "give both to write sorted stacks, or neither"
        )
    card = None if model_name == "none" else read_bundle(model_name).card
    items = expand_inputs(raw, only=only, distinct_names=fix_order)
    if output is not None:
        for item in items:
            refuse_existing(_sorted_path(item, output), overwrite)
    unfit: list[Path] = []

    def work(item: ImageInput) -> None:
        examined = examine(
            read_image(item.path), pixel_size_um=pixel_size_um, na=na, emission_nm=emission_nm,
            layout=layout, storage=storage,
        )  # fmt: skip
        for number in range(len(examined.source) if every else 1):
            acquisition = examine_stack(examined, number) if number else examined.acquisition
            row = _row(item, examined, acquisition, card, number)
            if output is not None and number == 0:
                row["sorted"] = _fix(item, examined, output, overwrite, pixel_size_um)
            if row["verdict"] == "not fit" and not row.get("sorted"):
                unfit.append(item.path)
            options.print_result(row, as_json, _text(row))

    failed = work_through(items, work)
    return 1 if unfit else failed


def _row(
    item: ImageInput, examined: Examined, found: Acquisition, card: ModelCard | None, number: int
) -> dict[str, Any]:
    """Return all that was found, ready for JSON."""
    from dlsim_ij.results import plain

    pixel_um = found.optics.pixel_size_um
    told = [*examined.source.notices(), *_about_the_model(found, card)]
    misfit = [notice for notice in told if notice[0].startswith("The model")]
    verdict = (
        "not fit" if misfit or not found.fit else "fit with warnings" if told or found.warnings else "fit"
    )
    light = found.light.to_dict() if found.light else {}
    checks = found.checks.to_dict() if found.checks else {}
    stacks, enlargement = examined.source.stacks, examined.source.enlargement
    fields: dict[str, Any] = plain({
        "input": str(item.path),
        "stack": number + 1,
        "stacks": len(stacks),
        "storage": stacks.storage,
        "layout": found.layout,
        "order": found.order,
        "permutation": list(found.permutation),
        "confidence": round(found.confidence, 3),
        "beams": found.beams,
        "beams_confidence": round(found.beams_confidence, 3),
        "angles_deg": [round(float(p.angle_deg), 2) for p in found.patterns],
        "periods_um": [round(p.period_px * pixel_um, 5) for p in found.patterns],
        "finest_periods_um": [round(p.period_px * pixel_um / p.orders, 5) for p in found.patterns],
        "phases_rad": [[round(phase, 3) for phase in p.phases_rad] for p in found.patterns],
        "modulation": [[round(c, 3) for c in p.modulation] for p in found.patterns],
        "snr": [[round(snr, 1) for snr in p.snr] for p in found.patterns],
        "native_pixel_size_um": pixel_um,
        "enlarged": None if enlargement is None else {
            "scale": enlargement.scale, "offset_px": enlargement.offset_px,
            "misfit_rms": round(enlargement.misfit_rms, 3),
        },
        **light,
        **checks,
        "verdict": verdict,
        "warnings": [
            {"message": message, "advice": advice} for message, advice in [*found.warnings, *told]
        ],
    })  # fmt: skip
    return fields


def _about_the_model(found: Acquisition, card: ModelCard | None) -> list[Notice]:
    if card is None or card.frames is None or not found.fit:
        return []
    n_angles = card.input.get("n_angles", found.n_angles)
    if card.takes(found.n_angles, found.n_phases):
        return []
    sizes = " or ".join(map(str, card.stack_sizes))
    return [(
        f"The model '{card.name}' takes {sizes} frames of {n_angles} angles, this stack has "
        f"{found.n_angles} angles x {found.n_phases} phases.",
        "Choose another model (dlsim models), or judge it for reconstruction alone: --model none.",
    )]  # fmt: skip


def _text(row: dict[str, Any]) -> str:
    """Return the table for people."""
    which = f", stack {row['stack']} of {row['stacks']}" if row["stacks"] > 1 else ""
    lines = [
        f"{row['input']}{which}: {row['verdict']}",
        f"  frames      {row['layout']} (angles x phases), {row['order']}, stored {row['storage']}; "
        f"confidence {row['confidence']:.2f}",
        f"  beams       {row['beams']} (confidence {row['beams_confidence']:.2f})",
        "  angle      direction   period    finest    phase      modulation   peak S/N",
    ]
    columns = ("angles_deg", "periods_um", "finest_periods_um", "phases_rad", "modulation", "snr")
    for number, values in enumerate(zip(*(row[name] for name in columns), strict=True), start=1):
        angle, period, finest, phase, modulation, snr = values
        lines.append(
            f"  {number:<10} {angle:7.1f}    {1000 * period:5.0f} nm  {1000 * finest:5.0f} nm  "
            f"{phase[0]:5.2f} rad  {_joined(modulation, 2):12} {_joined(snr, 0)}"
        )
    if row["gain_adu_per_electron"] is not None:
        read = row["read_noise_electrons"]
        lines.append(
            f"  light       {row['photons']:.3g} photo-electrons per pixel and frame (bright parts), "
            f"{row['photons_mean']:.3g} (mean)"
        )
        lines.append(
            f"  camera      {row['gain_adu_per_electron']:.2f} counts per electron, offset "
            f"{row['offset_adu']:.0f} +- {row['offset_error']:.0f}, read noise "
            + ("not measurable" if read is None else f"{read:.1f} electrons")
        )
    else:
        lines.append("  light       not measurable: no part of the spectrum holds noise only")
    far = max(
        (sum(v * v for v in shift) ** 0.5 for shift in row["drift_px"] if None not in shift), default=0.0
    )
    lines.append(
        f"  steadiness  bleaching {100 * row['bleaching']:.0f} %, flicker {100 * row['flicker']:.1f} %, "
        f"drift {far:.2f} px, unevenness {100 * row['unevenness']:.0f} %"
    )
    lines.append(f"  pixels      {100 * row['saturated']:.2g} % saturated, {row['hot_pixels']} hot")
    sorted_into = row.get("sorted")
    for notice in row["warnings"]:
        lines.append(f"  note        {notice['message']}")
        if not (sorted_into and "--fix-order" in notice["advice"]):  # that was done
            lines.append(f"              {notice['advice']}")
    if sorted_into:
        lines.append(f"  sorted      {sorted_into}: go on with this file")
    return "\n".join(lines)


def _joined(values: list[float], digits: int) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in values)


def _sorted_path(item: ImageInput, output: Path) -> Path:
    return output / item.subfolder / f"{item.name}_sorted.tif"


def _fix(
    item: ImageInput, examined: Examined, output: Path, overwrite: bool, pixel_size_um: float | None
) -> str | None:
    """Write a stack whose order was found and is not the needed one, sorted; return the path."""
    import xarray as xr

    from dlsim_ij.acquisition import arrange
    from dlsim_ij.files import make_folder
    from dlsim_ij.images import write_image

    found, stacks = examined.acquisition, examined.source.stacks
    if found.order == "unknown":
        click.echo(f"{item.path}: not written, its order was not found", err=True)
        return None
    if found.order == "angle-major" and stacks.storage == "flat":
        click.echo(f"{item.path}: not written, it is in order", err=True)
        return None
    path = _sorted_path(item, output)
    make_folder(path.parent)
    dims = (*(name for name, _ in stacks.series), "I", "Y", "X")
    kept = {key: stacks.attributes.get(key) for key in ("pixel_size_um", "frame_interval_s")}
    if pixel_size_um is not None:  # said once, it need not be said again for the sorted file
        kept["pixel_size_um"] = pixel_size_um
    image = xr.DataArray(arrange(stacks.frames, found), dims=dims, attrs=kept)
    labels = [f"a{a}p{p}" for a in range(found.n_angles) for p in range(found.n_phases)]
    write_image(path, image, overwrite=overwrite, labels=None if stacks.series else labels)
    if options.show_progress():
        click.echo(f"wrote {path}", err=True)
    return str(path)
