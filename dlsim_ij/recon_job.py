"""`dlsim recon` on one input: the stacks of a file or folder to Wiener images and their parameters."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scipy.fft
import xarray as xr
from numpy.typing import NDArray

import dlsim_ij
from dlsim_ij.acquisition.native import NativeStacks, native_stacks
from dlsim_ij.errors import ConfigError, DlsimError
from dlsim_ij.files import make_folder, write_json
from dlsim_ij.images import bicubic_enlarge, read_image, write_image
from dlsim_ij.optics import Optics
from dlsim_ij.reconstruction import (
    SimParameters,
    WienerFilter,
    equalise_frames,
    estimate_offset,
    estimate_parameters,
    widefield,
    wiener_sim,
)
from dlsim_ij.reconstruction.wiener_parameters import check_same_pixel, parameters_from_dict
from dlsim_ij.reconstruction.wiener_series import Position, series_parameters

if TYPE_CHECKING:
    from dlsim_ij.images import ImageInput

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconRequest:
    """What is asked of every input.

    Attributes
    ----------
    preset : str
        Name of the filter, for the record.
    filter : WienerFilter
    known, known_path : mapping and Path, or None
        Parameters of another stack, as read, and where they came from.
    save_parameters : Path or None
        Where to write the parameters as well.
    phases, estimate : str
        See `estimate_parameters` and `series_parameters`.
    channel_emission_nm : tuple of float or None
        One per channel.
    with_widefield : bool
    pixel_size_um, na, emission_nm, layout, force
        Of the acquisition.
    optics_given : bool
        The user stated the optics, which then win over those of `known`.
    ome, threads, overwrite
    """

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


def recon_outputs(output: Path, item: ImageInput, with_widefield: bool, ome: bool) -> dict[str, Path]:
    """Return the files of an input by role."""
    folder, ending = output / item.subfolder, ".ome.tif" if ome else ".tif"
    paths = {"output": folder / f"{item.name}_wiener{ending}"}
    if with_widefield:
        paths["widefield"] = folder / f"{item.name}_wf{ending}"
    paths["parameters_file"] = folder / f"{item.name}_wiener.json"
    return paths


def recon_input(
    item: ImageInput, paths: dict[str, Path], request: ReconRequest, *, progress: Progress | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Reconstruct one input and write its files.

    Returns
    -------
    row : dict
        As ``dlsim recon --json`` prints it.
    warnings : list of str

    Raises
    ------
    DlsimError
        The input cannot be used, or an output exists.
    """
    start = time.perf_counter()
    with scipy.fft.set_workers(request.threads or os.cpu_count() or 1):
        made = wiener_images(read_image(item.path), request, progress)
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
        "enlargement": made.source.enlargement.to_dict() if made.source.enlargement else None,
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
class WienerImages:
    """What is made of the stacks of one image."""

    source: NativeStacks
    image: xr.DataArray
    widefield: xr.DataArray | None
    stacks: list[dict[str, Any]]
    warnings: list[str]


def wiener_images(raw: xr.DataArray, request: ReconRequest, progress: Progress | None = None) -> WienerImages:
    """Reconstruct the stacks of one image; nothing is written.

    Raises
    ------
    DlsimError
        The image cannot be used.
    """
    source = native_stacks(raw, layout=request.layout, pixel_size_um=request.pixel_size_um)
    warnings = [message for message, _ in source.notices()]
    positions = source.stacks.positions()
    _check_emissions(source, request.channel_emission_nm)
    estimates = series_parameters(
        positions,
        source.native,
        lambda native, position: _found(native, position, source, request),
        estimate=request.estimate,
        phases=request.phases,
    )
    images: list[NDArray[Any]] = []
    wide: list[NDArray[Any]] = []
    reports: list[dict[str, Any]] = []
    for number, (native, parameters) in enumerate(estimates):
        used = request.filter
        if used.otf_damping is None:
            used = dataclasses.replace(used, otf_damping=parameters.otf_damping)
        signal = equalise_frames(native, estimate_offset(native))
        image = wiener_sim(signal, parameters.patterns, parameters.optics, filter=used)
        images.append(source.to_input_grid(image))
        if request.with_widefield:
            even = widefield(source.stacks[number])
            wide.append(even if source.enlargement else bicubic_enlarge(even, 2))
        reports.append({"position": positions[number], **parameters.to_dict()})
        warnings += [m for m, _ in parameters.warnings if m not in warnings]
        if progress is not None:
            progress(number + 1, len(source))
    return WienerImages(
        source=source,
        image=source.join(images),
        widefield=source.join(wide) if wide else None,
        stacks=reports,
        warnings=warnings,
    )


def _found(
    native: NDArray[Any], position: Position, source: NativeStacks, request: ReconRequest
) -> SimParameters:
    """Estimate the parameters of one stack, with what is known of its channel."""
    stacks, pixel_um = source.stacks, source.pixel_size_um
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


def _check_emissions(source: NativeStacks, emissions: tuple[float, ...] | None) -> None:
    channels = dict(source.stacks.series).get("C", 1)
    if emissions is not None and len(emissions) != channels:
        raise ConfigError(
            f"{len(emissions)} emissions for {channels} channels",
            "give --channel-emission-nm one per channel",
        )
