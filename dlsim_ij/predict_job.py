"""`dlsim predict` on one input: the network alone, images written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlsim_ij.errors import ConfigError, ModelError
from dlsim_ij.files import make_folder
from dlsim_ij.images import read_image, write_image

if TYPE_CHECKING:
    import xarray as xr

    from dlsim_ij.images import ImageInput
    from dlsim_ij.inference import Model

Progress = Callable[[int, int], None]

_OF_SIM = {
    "layout": "--layout", "na": "--na", "emission_nm": "--emission-nm", "force": "--force",
    "parameters_file": "--parameters", "target": "--target", "denoiser": "--denoiser",
}  # fmt: skip


def predict_outputs(output: Path, item: ImageInput, uncertainty: bool, ome: bool) -> dict[str, Path]:
    """Return the files of an input by role."""
    kind = ".ome.tif" if ome else ".tif"
    roles = {"output": "_sr", **({"uncertainty": "_sd"} if uncertainty else {})}
    return {role: output / item.subfolder / f"{item.name}{end}{kind}" for role, end in roles.items()}


def check_request(model: Model, first: Model | None, uncertainty: bool, given: Collection[str]) -> None:
    """Refuse what a model cannot do, before any work.

    Parameters
    ----------
    model : Model
    first : Model or None
        The denoiser.
    uncertainty : bool
    given : collection of str
        Names of the options that the user gave.

    Raises
    ------
    ConfigError, ModelError
    """
    from dlsim_ij.inference.chain import check_cascade

    if first is not None:
        check_cascade(first, model)
    if uncertainty and not model.tells_uncertainty:
        raise ModelError(f"the model '{model.name}' does not tell how sure it is", "leave --uncertainty away")
    for name, flag in _OF_SIM.items():
        if takes_blinking(model) and name in given:
            raise ConfigError(
                f"{flag} belongs to SIM models, '{model.name}' takes frames of a blinking sample",
                "leave it out",
            )


def takes_blinking(model: Model) -> bool:
    """Tell whether the inputs of a model are frames of a blinking sample."""
    return bool(model.card.input["kind"] == "srrf-channels")


def predict_input(
    item: ImageInput,
    paths: Mapping[str, Path],
    *,
    model: Model,
    denoiser: Model | None = None,
    target: str | None = None,
    pixel_size_um: float | None = None,
    na: float,
    emission_nm: float,
    layout: str,
    calibration: Mapping[str, Any] | None = None,
    tile_px: int | None = None,
    threads: int | None = None,
    force: bool = False,
    ome: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Predict one input and write its images.

    Parameters
    ----------
    item : ImageInput
    paths : mapping
        From `predict_outputs`.
    **others
        See `dlsim_ij.pipeline.reconstruct`.

    Returns
    -------
    row : dict
        ``input``, the files by role, and ``seconds``.
    warnings : list of str

    Raises
    ------
    DlsimError
        The input cannot be used, or an output exists.
    """
    raw = read_image(item.path)
    images: dict[str, xr.DataArray | None]
    if takes_blinking(model):
        from dlsim_ij.blinking_series import predict_series

        series = predict_series(
            raw, model=model, pixel_size_um=pixel_size_um, tile_px=tile_px, threads=threads,
            progress=progress,
        )  # fmt: skip
        images, warnings, seconds = {"output": series.image}, list(series.warnings), series.seconds
    else:
        from dlsim_ij.pipeline import reconstruct

        done = reconstruct(
            raw, model=model, target=target, denoiser=denoiser, pixel_size_um=pixel_size_um, na=na,
            emission_nm=emission_nm, layout=layout, calibration=calibration, tile_px=tile_px,
            threads=threads, force=force, compare=False,
        )  # fmt: skip
        images = {"output": done.sr, "uncertainty": done.uncertainty}
        warnings, seconds = [message for message, _ in done.warnings], done.seconds
    for role, path in paths.items():
        image = images[role]
        assert image is not None  # the model tells it, see check_request
        write_image(make_folder(path.parent) / path.name, image, overwrite=overwrite, ome=ome)
    row = {"input": str(item.path), **{role: str(path) for role, path in paths.items()}}
    return {**row, "seconds": round(seconds, 3)}, warnings
