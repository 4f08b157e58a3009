"""``dlsim recon``: Wiener SIM, with parameters that are found, written, and can be used again."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.errors import ConfigError, DlsimError, ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dlsim_ij.acquisition.layout import RawStacks
    from dlsim_ij.images import Enlargement, ImageInput
    from dlsim_ij.reconstruction import SimParameters, WienerFilter
    from dlsim_ij.reconstruction.wiener_series import Position

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
@options.threads
@options.overwrite
@options.dry_run
@options.common
def command(
    stacks: tuple[Path, ...],
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

    filter_options = {name: given.pop(name) for name in _FILTER_OPTIONS}
    items = expand_inputs(stacks)
    if save_parameters is not None and len(items) > 1:
        raise ConfigError(
            "--save-parameters goes with one stack", "every image has its NAME_wiener.json anyway"
        )
    jobs = [(item, _outputs(output, item, given["with_widefield"], given["ome"])) for item in items]
    if dry_run:
        for item, paths in jobs:
            row = {"input": str(item.path), **{role: str(path) for role, path in paths.items()}}
            options.print_result({**row, "dry_run": True}, as_json, f"{item.path} -> {paths['output']}")
        return 0
    for _, paths in jobs:
        for path in [*paths.values(), *([save_parameters] if save_parameters else [])]:
            refuse_existing(path, overwrite)
    request = _Request(
        preset=preset, filter=_filter(preset, filter_options), known=_read(parameters_file),
        known_path=parameters_file, save_parameters=save_parameters, threads=threads, overwrite=overwrite,
        optics_given=_given_optics(), **given,
    )  # fmt: skip
    failed = 0
    for item, paths in jobs:
        try:
            row, warnings = _work(item, paths, request)
        except DlsimError as error:
            if len(jobs) == 1:
                raise
            failed += 1
            click.echo(f"error: {item.path}: {error.message}", err=True)
            if error.hint:
                click.echo(f"hint: {error.hint}", err=True)
            continue
        options.print_result({**row, "warnings": warnings}, as_json, row["output"])
        if options.show_progress():
            for warning in warnings:
                click.echo(f"warning: {item.path.name}: {warning}", err=True)
    if failed == len(jobs):
        raise DlsimError("none of the inputs could be used", "see the lines above")
    return 1 if failed else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What is asked of every stack."""

    preset: str
    filter: WienerFilter
    known: dict[str, Any] | None
    known_path: Path | None
    save_parameters: Path | None
    phases: Any
    estimate: Any
    channel_emission_nm: tuple[float, ...] | None
    with_widefield: bool
    pixel_size_um: float | None
    na: float
    emission_nm: float
    optics_given: bool
    layout: str
    force: bool
    ome: bool
    threads: int | None
    overwrite: bool


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


def _read(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except ValueError as error:
        raise ConfigError(
            f"{path} is not JSON: {error}", "dlsim recon writes parameters as NAME_wiener.json"
        ) from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds no parameters", "dlsim recon writes them as NAME_wiener.json")
    return data


def _outputs(output: Path, item: ImageInput, with_widefield: bool, ome: bool) -> dict[str, Path]:
    folder, ending = output / item.subfolder, ".ome.tif" if ome else ".tif"
    paths = {"output": folder / f"{item.name}_wiener{ending}"}
    if with_widefield:
        paths["widefield"] = folder / f"{item.name}_wf{ending}"
    paths["parameters_file"] = folder / f"{item.name}_wiener.json"
    return paths


def _work(item: ImageInput, paths: dict[str, Path], request: _Request) -> tuple[dict[str, Any], list[str]]:
    """Reconstruct one input and write its files; return its JSON row and its warnings."""
    import os

    import scipy.fft

    import dlsim_ij
    from dlsim_ij.files import make_folder, write_json
    from dlsim_ij.images import write_image

    start = time.perf_counter()
    with scipy.fft.set_workers(request.threads or os.cpu_count() or 1):
        made = _reconstructed(item, request)
    make_folder(paths["output"].parent)
    write_image(paths["output"], made.image, overwrite=request.overwrite, ome=request.ome)
    if made.widefield is not None:
        write_image(paths["widefield"], made.widefield, overwrite=request.overwrite, ome=request.ome)
    parameters = {
        "layout": request.layout,
        "order": "angle-major",
        "filter": {"preset": request.preset, **request.filter.to_dict()},
        "phases": request.phases,
        "estimate": request.estimate,
        "enlargement": made.enlargement.to_dict() if made.enlargement else None,
        "stacks": made.stacks,
    }
    kept = {"input": str(item.path), "dlsim_version": dlsim_ij.__version__, **parameters}
    write_json(paths["parameters_file"], kept, overwrite=request.overwrite)
    if request.save_parameters is not None:
        write_json(request.save_parameters, kept, overwrite=request.overwrite)
    row = {"input": str(item.path), **{role: str(path) for role, path in paths.items()}}
    seconds = round(time.perf_counter() - start, 3)
    return {**row, "parameters": parameters, "seconds": seconds}, made.warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    image: Any
    widefield: Any
    stacks: list[dict[str, Any]]
    enlargement: Enlargement | None
    warnings: list[str]


def _reconstructed(item: ImageInput, request: _Request) -> _Made:
    import numpy as np

    from dlsim_ij.acquisition import split_stack
    from dlsim_ij.images import (
        bicubic_enlarge,
        read_image,
        require_finite,
        require_grey,
        undo_enlargement,
    )
    from dlsim_ij.optics.otf import PAPER_PIXEL_SIZE_UM
    from dlsim_ij.reconstruction import equalise_frames, estimate_offset, widefield, wiener_sim
    from dlsim_ij.reconstruction.wiener_series import series_parameters

    array = read_image(item.path)
    require_finite(require_grey(array))
    stacks = split_stack(array, layout=request.layout)
    warnings: list[str] = []
    examined = undo_enlargement(stacks.first())
    enlargement = examined if examined.was_enlarged else None
    pixel = request.pixel_size_um or array.attrs.get("pixel_size_um")
    if pixel is None:
        warnings.append(
            f"the file does not tell the pixel size: {1000 * PAPER_PIXEL_SIZE_UM:g} nm was assumed for a "
            "camera pixel in the sample, and the image carries no scale (--pixel-size)"
        )
    native_pixel = PAPER_PIXEL_SIZE_UM if pixel is None else pixel * (enlargement.scale if enlargement else 1)
    if enlargement is not None:
        warnings.append(
            f"the frames had been enlarged {enlargement.scale} times before: the image was made from the "
            f"native pixels, recovered to within {enlargement.misfit_rms:.2g} counts, and lies on their grid"
        )
    images: list[NDArray[Any]] = []
    wide: list[NDArray[Any]] = []
    reports: list[dict[str, Any]] = []
    _check_emissions(stacks, request.channel_emission_nm)
    names = [name for name, _ in stacks.series]
    places = list(np.ndindex(*(size for _, size in stacks.series)))
    positions = [dict(zip(names, place, strict=True)) for place in places]
    estimates = series_parameters(
        positions,
        lambda number: _undone(stacks.frames[places[number]], enlargement),
        lambda native, position: _found(native, position, stacks, native_pixel, request),
        estimate=request.estimate, phases=request.phases,
    )  # fmt: skip
    hidden = not options.show_progress() or len(stacks) == 1
    with click.progressbar(estimates, len(stacks), "recon", file=sys.stderr, hidden=hidden) as bar:
        for number, (native, parameters) in enumerate(bar):
            used = request.filter
            if used.otf_damping is None:
                used = dataclasses.replace(used, otf_damping=parameters.otf_damping)
            signal = equalise_frames(native, estimate_offset(native))
            image = wiener_sim(signal, parameters.patterns, parameters.optics, filter=used)
            images.append(image if enlargement is None else enlargement.to_input_grid(image))
            if request.with_widefield:
                even = widefield(stacks.frames[places[number]])
                wide.append(even if enlargement else bicubic_enlarge(even, 2))
            reports.append({"position": positions[number], **parameters.to_dict()})
            warnings += [m for m, _ in parameters.warnings if m not in warnings]
    output_pixel = None if pixel is None else native_pixel / 2
    return _Made(
        image=stacks.join(images, pixel_size_um=output_pixel),
        widefield=stacks.join(wide, pixel_size_um=output_pixel) if wide else None,
        stacks=reports,
        enlargement=enlargement,
        warnings=warnings,
    )


def _undone(stack: NDArray[Any], expected: Enlargement | None) -> NDArray[Any]:
    """Return the native frames of a stack that was enlarged as the first one was, or not."""
    if expected is None:
        return stack
    from dlsim_ij.images import undo_enlargement

    undone = undo_enlargement(stack, expected.scale)
    if not undone.was_enlarged or undone.offset_px != expected.offset_px:
        raise ImageError(
            "some stacks of the series were enlarged before, others not or otherwise",
            "split the file and run the parts one by one",
        )
    return undone.frames


def _found(
    native: NDArray[Any], position: Position, stacks: RawStacks, pixel_um: float, request: _Request
) -> SimParameters:
    """Estimate the parameters of one stack, with what is known of its channel."""
    from dlsim_ij.optics import Optics
    from dlsim_ij.reconstruction import estimate_parameters
    from dlsim_ij.reconstruction.wiener_parameters import check_same_pixel, parameters_from_dict

    channel, emissions = position.get("C", 0), request.channel_emission_nm
    emission_nm = request.emission_nm if emissions is None else emissions[channel]
    optics = Optics(na=request.na, emission_nm=emission_nm, pixel_size_um=pixel_um)
    patterns = None
    if request.known is not None:
        where = str(request.known_path)
        known = parameters_from_dict(request.known, n_phases=stacks.n_phases, where=where, channel=channel)
        check_same_pixel(known, pixel_um, where)
        patterns = known.patterns
        if not request.optics_given and emissions is None:
            optics = known.optics
    try:
        return estimate_parameters(
            native, optics, n_angles=stacks.n_angles, n_phases=stacks.n_phases, known=patterns,
            phases=request.phases, force=request.force,
        )  # fmt: skip
    except DlsimError as error:
        if not position:
            raise
        where = ", ".join(f"{name} {number + 1}" for name, number in position.items())
        raise type(error)(f"{where}: {error.message}", error.hint) from error


def _check_emissions(stacks: RawStacks, emissions: tuple[float, ...] | None) -> None:
    channels = dict(stacks.series).get("C", 1)
    if emissions is not None and len(emissions) != channels:
        raise ConfigError(
            f"{len(emissions)} emissions for {channels} channels",
            "give --channel-emission-nm one per channel",
        )
