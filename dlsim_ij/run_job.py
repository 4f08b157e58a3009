"""`dlsim run` on one input: reconstruct, judge, write images, numbers and the record for the report."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlsim_ij
from dlsim_ij.acquisition.layout import parse_layout
from dlsim_ij.errors import ImageError
from dlsim_ij.files import make_folder, refuse_existing
from dlsim_ij.images import read_image
from dlsim_ij.images.lookup_tables import error_colours, signed_error_colours
from dlsim_ij.images.write import write_image
from dlsim_ij.large_fields.plan import RUN_BYTES_PER_PIXEL, refuse_too_large
from dlsim_ij.optics.otf import PAPER_EMISSION_NM, PAPER_NA
from dlsim_ij.pipeline import Reconstruction, Resize, reconstruct
from dlsim_ij.quality import scores
from dlsim_ij.report import Notice, RunImage, RunRecord, save_curves, save_record
from dlsim_ij.report.acquisition_table import acquisition_rows
from dlsim_ij.report.curves import curve_set
from dlsim_ij.report.verdict import judge

if TYPE_CHECKING:
    import xarray as xr

    from dlsim_ij.images import ImageInput
    from dlsim_ij.inference import Model


def run_input(
    item: ImageInput,
    output: Path,
    *,
    model: Model,
    target: str | None = None,
    pixel_size_um: float | None = None,
    na: float = PAPER_NA,
    emission_nm: float = PAPER_EMISSION_NM,
    layout: str = "3x5",
    calibration: Mapping[str, Any] | None = None,
    truth: Path | None = None,
    resize: Resize | None = None,
    other: Callable[[Path], xr.DataArray] | None = None,
    engine: Mapping[str, Any] | None = None,
    tile_px: int | None = None,
    threads: int | None = None,
    force: bool = False,
    measures: bool = True,
    frc: bool = False,
    ome: bool = False,
    overwrite: bool = False,
    command: str = "",
) -> dict[str, Any]:
    """Do the main job for one input: images and their record, ready for the report.

    Parameters
    ----------
    item : ImageInput
        From `dlsim_ij.images.expand_inputs`.
    output : Path
        Results folder; the input's sub-folder is made below it.
    truth : Path, optional
        Image to score the result against.
    other : callable, optional
        Reads inputs that are no TIFF, see `read_image`.
    engine : mapping, optional
        Name and version of whoever enlarges, for the record.
    ome : bool
        Write OME-TIFF instead of ImageJ hyperstacks.
    overwrite : bool
        Replace existing outputs.
    command : str
        For the record.
    **others
        See `reconstruct`.

    Returns
    -------
    dict
        ``input, model, outputs, metrics, warnings``, as ``dlsim run --json`` prints it.

    Raises
    ------
    DlsimError
        See `reconstruct`; also an output that exists.
    """
    folder = make_folder(output / item.subfolder)
    names = output_names(ome, measures, uncertainty=model.tells_uncertainty)
    paths = {role: folder / f"{item.name}{ending}" for role, ending in names.items()}
    for path in [*paths.values(), folder / f"{item.name}_run.json"]:
        refuse_existing(path, overwrite)
    refuse_too_large(
        item.path,
        bytes_per_pixel=RUN_BYTES_PER_PIXEL,
        frames_per_stack=prod(parse_layout(layout)),
        outputs=4,
    )
    raw = read_image(item.path, other=other)
    done = reconstruct(
        raw, model=model, target=target, pixel_size_um=pixel_size_um, na=na, emission_nm=emission_nm,
        layout=layout, calibration=calibration, resize=resize,
        tile_px=tile_px, threads=threads, force=force, measures=measures, frc=frc,
    )  # fmt: skip
    metrics = dict(done.metrics)
    if truth is not None:
        metrics |= _truth_scores(truth, done.sr)
    images = {
        "sr": done.sr,
        "widefield": done.widefield,
        "wiener": done.wiener,
        "uncertainty": done.uncertainty,
        "error": done.error,
        "residual": done.residual,
    }
    colours = {"error": error_colours, "residual": signed_error_colours}
    for role, image in images.items():
        if image is not None:
            lut = colours[role]() if role in colours else None
            write_image(paths[role], image, overwrite=overwrite, ome=ome, lut=lut)
    written = {role: str(paths[role]) for role, image in images.items() if image is not None}
    if done.measures is not None:
        found = done.measures
        curves = curve_set(found.resolution, found.frc, widefield_pixel_px=found.magnification)
        save_curves(curves, paths["curves"], overwrite=overwrite)
        written["curves"] = str(paths["curves"])
    level, verdict = judge(
        metrics,
        pattern_snr=min(pattern.snr[0] for pattern in done.acquisition.patterns),
        fit=done.acquisition.fit,
        doubts=[message for message, _ in done.acquisition.warnings],
    )
    record = RunRecord(
        name=item.name,
        input=str(item.path),
        model=done.model,
        images={
            role: RunImage(
                file=paths[role].name, pixel_size_um=image.attrs.get("pixel_size_um"), note=_note(role, done)
            )
            for role, image in images.items()
            if image is not None
        },
        verdict=verdict,
        verdict_level=level,
        metrics=metrics,
        acquisition=acquisition_rows(
            {str(dim): size for dim, size in raw.sizes.items()}, str(raw.dtype), done.acquisition
        ),
        parameters={
            "model": model.describe(),
            "na": na,
            "emission_nm": emission_nm,
            "native_pixel_size_um": done.acquisition.optics.pixel_size_um,
            "layout": layout,
            "enlargement": done.enlargement.to_dict() if done.enlargement else None,
            "patterns": [pattern.to_dict() for pattern in done.acquisition.patterns],
        },
        engine=dict(engine or {"name": "none", "version": ""}),
        warnings=tuple(Notice(message=message, hint=hint) for message, hint in done.warnings),
        curves=paths["curves"].name if done.measures is not None else "",
        command=command,
        created=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        dlsim_version=dlsim_ij.__version__,
    )
    save_record(record, folder, overwrite=overwrite)
    return {
        "input": str(item.path),
        "model": done.model,
        "outputs": written,
        "metrics": metrics,
        "warnings": [message for message, _ in done.warnings],
    }


def output_names(ome: bool = False, measures: bool = True, *, uncertainty: bool = True) -> dict[str, str]:
    """Return the endings of the outputs of a run by role (interface.md, section 1)."""
    kind = ".ome.tif" if ome else ".tif"
    names = {"sr": f"_sr{kind}", "widefield": f"_wf{kind}", "wiener": f"_wiener{kind}"}
    if uncertainty:
        names["uncertainty"] = f"_sd{kind}"
    if measures:
        names |= {"error": f"_error{kind}", "residual": f"_resid{kind}", "curves": "_curves.json"}
    return names


def _truth_scores(truth: Path, sr: xr.DataArray) -> dict[str, Any]:
    true = read_image(truth)
    if true.ndim != 2 or sr.ndim != 2:
        raise ImageError(
            f"{truth} or the result is a series, scores need two single images", "use dlsim score"
        )
    return scores(true.values, sr.values).to_dict()


def _note(role: str, done: Reconstruction) -> str:
    n_frames = done.acquisition.n_angles * done.acquisition.n_phases
    return {
        "sr": f"network {done.model}",
        "uncertainty": "standard deviation of the result's error, as the network tells it",
        "widefield": f"mean of {n_frames} raw frames",
        "wiener": "conventional reconstruction of the same frames",
        "error": "blurred result against the mean of the raw frames",
        "residual": "raw frames against those that the result predicts",
    }[role]
