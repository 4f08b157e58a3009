"""`dlsim predict` on one input: the network alone, images written.

A single stack that fits into memory is read, computed and written whole. Series go stack by stack, fields of
more than 2048 x 2048 pixels block by block (`dlsim_ij.large_fields`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlsim_ij.acquisition.layout import parse_layout
from dlsim_ij.errors import ConfigError, ImageError, LayoutError, ModelError
from dlsim_ij.files import ZARR, make_folder
from dlsim_ij.images import read_image, require_frames, write_image

if TYPE_CHECKING:
    import xarray as xr

    from dlsim_ij.images import ImageInput
    from dlsim_ij.images.regions import RegionSource
    from dlsim_ij.inference import Model
    from dlsim_ij.large_fields.stacks import StackSource

Progress = Callable[[int, int], None]

_OF_SIM = {
    "layout": "--layout", "na": "--na", "emission_nm": "--emission-nm", "force": "--force",
    "parameters_file": "--parameters", "target": "--target", "denoiser": "--denoiser",
}  # fmt: skip


def predict_outputs(
    output: Path,
    item: ImageInput,
    uncertainty: bool,
    ome: bool,
    *,
    ome_zarr: bool = False,
    block_px: int | None = None,
) -> dict[str, Path]:
    """Return the files of an input by role; what is computed in blocks becomes OME-TIFF in tiles."""
    from dlsim_ij.large_fields.plan import is_large

    if ome_zarr:
        return _named(output, item, uncertainty, ".ome.zarr")
    return _named(output, item, uncertainty, ".ome.tif" if ome or is_large(item.path, block_px) else ".tif")


def possible_outputs(
    output: Path, item: ImageInput, *, uncertainty: bool, ome: bool, ome_zarr: bool
) -> list[Path]:
    """Return every file that may be written for an input, without a look at it."""
    kinds = [".ome.zarr"] if ome_zarr else [".ome.tif"] if ome else [".tif", ".ome.tif"]
    return [path for kind in kinds for path in _named(output, item, uncertainty, kind).values()]


def _named(output: Path, item: ImageInput, uncertainty: bool, kind: str) -> dict[str, Path]:
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
    block_px: int | None = None,
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
    block_px : int, optional
        Side of the blocks in which a field is computed; 0: whole, however large. By default fields of
        more than 2048 x 2048 pixels are computed in blocks of 512.
    ome : bool
        Write OME-TIFF instead of ImageJ hyperstacks.
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
    start = time.perf_counter()
    warnings: list[str]
    with _streamed(item.path, model, layout, block_px) as opened:
        if opened is not None:
            from dlsim_ij.large_fields.stream import StreamRequest, stream_blinking, stream_stacks

            asked = StreamRequest(
                paths=paths, model=model, denoiser=denoiser, target=target, pixel_size_um=pixel_size_um,
                na=na, emission_nm=emission_nm, layout=layout, calibration=calibration, block_px=block_px,
                tile_px=tile_px, threads=threads, force=force, ome=ome, overwrite=overwrite,
            )  # fmt: skip
            source, stacks = opened
            if stacks is None:
                warnings = stream_blinking(source, asked, progress)
            else:
                warnings = stream_stacks(source, stacks, asked, progress)
            seconds = time.perf_counter() - start
    if opened is None:
        from dlsim_ij.large_fields.plan import PREDICT_BYTES_PER_PIXEL, refuse_too_large

        refuse_too_large(
            item.path, bytes_per_pixel=PREDICT_BYTES_PER_PIXEL, outputs=len(paths),
            frames_per_stack=_frames_per_stack(model, layout),
            hint="save it as one uncompressed TIFF stack, which is read in parts (without --block-px 0)",
        )  # fmt: skip
        images, warnings, seconds = _whole(
            item.path, model=model, denoiser=denoiser, target=target, pixel_size_um=pixel_size_um, na=na,
            emission_nm=emission_nm, layout=layout, calibration=calibration, tile_px=tile_px, threads=threads,
            force=force, progress=progress,
        )  # fmt: skip
        for role, path in paths.items():
            image = images[role]
            assert image is not None  # the model tells it, see check_request
            if path.suffix == ZARR:
                from dlsim_ij.images.region_write import write_zarr

                write_zarr(make_folder(path.parent) / path.name, image, overwrite=overwrite)
            else:
                write_image(make_folder(path.parent) / path.name, image, overwrite=overwrite, ome=ome)
    row = {"input": str(item.path), **{role: str(path) for role, path in paths.items()}}
    return {**row, "seconds": round(seconds, 3)}, warnings


def _frames_per_stack(model: Model, layout: str) -> int:
    if takes_blinking(model):
        assert model.card.frames is not None  # load_model has seen to it
        return model.card.frames.total
    return prod(parse_layout(layout))


@contextmanager
def _streamed(
    path: Path, model: Model, layout: str, block_px: int | None
) -> Iterator[tuple[RegionSource, StackSource | None] | None]:
    """Open what is to be streamed; None for a single stack of usual size.

    Nothing that is wrong with a file is told here: whoever reads it whole says it as it always did.
    """
    from dlsim_ij.images.regions import RegionSource
    from dlsim_ij.images.zarr_image import is_zarr
    from dlsim_ij.large_fields.plan import in_blocks
    from dlsim_ij.large_fields.stacks import StackSource

    with ExitStack() as opened:
        source = None
        if not path.is_dir() or is_zarr(path):
            with suppress(ImageError):
                source = opened.enter_context(RegionSource(path))
        if source is None:
            yield None
        elif takes_blinking(model):
            yield (source, None) if _is_blinking_series(source, model) else None
        elif in_blocks(source.height, source.width, block_px):
            yield source, StackSource(source, layout)
        else:
            stacks = None
            with suppress(ImageError, LayoutError):
                stacks = StackSource(source, layout)
            yield (source, stacks) if stacks is not None and len(stacks) > 1 else None


def _is_blinking_series(source: RegionSource, model: Model) -> bool:
    assert model.card.frames is not None  # load_model has seen to it
    with suppress(ImageError, LayoutError):
        return len(require_frames(source.plane_numbers())) >= 2 * model.card.frames.total
    return False


def _whole(
    path: Path,
    *,
    model: Model,
    pixel_size_um: float | None,
    tile_px: int | None,
    threads: int | None,
    progress: Progress | None,
    **settings: Any,
) -> tuple[dict[str, xr.DataArray | None], list[str], float]:
    """Read and compute an input whole; return images, warnings and seconds."""
    raw = read_image(path)
    if takes_blinking(model):
        from dlsim_ij.blinking_series import predict_series

        series = predict_series(
            raw, model=model, pixel_size_um=pixel_size_um, tile_px=tile_px, threads=threads,
            progress=progress,
        )  # fmt: skip
        return {"output": series.image}, list(series.warnings), series.seconds
    from dlsim_ij.pipeline import reconstruct

    done = reconstruct(
        raw, model=model, pixel_size_um=pixel_size_um, tile_px=tile_px, threads=threads, compare=False,
        **settings,
    )  # fmt: skip
    warnings = [message for message, _ in done.warnings]
    return {"output": done.sr, "uncertainty": done.uncertainty}, warnings, done.seconds
