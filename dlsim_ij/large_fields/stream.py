"""`dlsim predict` on what does not fit: one stack, or one block of one, in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.blinking_series import left_out, predict_series
from dlsim_ij.errors import ImageError
from dlsim_ij.files import ZARR, make_folder, refuse_existing, require_space
from dlsim_ij.images import require_frames
from dlsim_ij.images.region_write import TILE_PX, RegionWriter, write_regions
from dlsim_ij.images.regions import RegionSource
from dlsim_ij.large_fields.blocks import BLOCK_PX
from dlsim_ij.large_fields.field import FieldSettings, Notice, Progress, check_model, predict_field
from dlsim_ij.large_fields.plan import BLINKING_BYTES_PER_PIXEL, in_blocks, refuse_too_large
from dlsim_ij.large_fields.stacks import StackSource
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.optics.otf import PAPER_PIXEL_SIZE_UM
from dlsim_ij.pipeline import Reconstruction, reconstruct
from dlsim_ij.reconstruction.wiener_parameters import check_same_pixel, parameters_from_dict

if TYPE_CHECKING:
    from dlsim_ij.inference import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """What is asked of an input; see `dlsim_ij.pipeline.reconstruct` and `dlsim_ij.predict_job`.

    Attributes
    ----------
    paths : mapping
        Files by role, ``output`` and ``uncertainty``.
    """

    paths: Mapping[str, Path]
    model: Model
    denoiser: Model | None
    target: str | None
    pixel_size_um: float | None
    na: float
    emission_nm: float
    layout: str
    calibration: Mapping[str, Any] | None
    block_px: int | None
    tile_px: int | None
    threads: int | None
    force: bool
    ome: bool
    overwrite: bool


class _Outputs:
    """The files of an input, opened when the size of an image is known."""

    def __init__(self, asked: StreamRequest, opened: ExitStack, series: Sequence[tuple[str, int]]) -> None:
        self._asked, self._opened, self._series = asked, opened, series
        self.writers: dict[str, RegionWriter] = {}

    def require_space(self, height: int, width: int) -> None:
        sides = (-(-side // TILE_PX) * TILE_PX for side in (height, width))
        count = prod(length for _, length in self._series) * len(self._asked.paths)
        first = next(iter(self._asked.paths.values()))
        require_space(
            make_folder(first.parent), 4 * count * prod(sides), f"{first.name} (with all its parts)"
        )

    def open(self, height: int, width: int, attributes: Mapping[str, Any], *, tiled: bool) -> None:
        self.require_space(height, width)
        dims = (*(name for name, _ in self._series), "Y", "X")
        shape = (*(length for _, length in self._series), height, width)
        for role, path in self._asked.paths.items():
            ome = self._asked.ome or tiled
            self.writers[role] = self._opened.enter_context(
                write_regions(
                    path,
                    dims,
                    shape,
                    attributes,
                    ome=ome,
                    tiled=tiled and path.suffix != ZARR,
                    overwrite=self._asked.overwrite,
                )
            )

    def write(self, number: int, images: Mapping[str, NDArray[np.float32]]) -> None:
        for role, writer in self.writers.items():
            writer.write(number, 0, 0, images[role])


def stream_stacks(
    source: RegionSource, stacks: StackSource, asked: StreamRequest, progress: Progress | None = None
) -> list[str]:
    """Predict the stacks of an open file and write the images.

    Returns
    -------
    list of str
        Warnings.

    Raises
    ------
    DlsimError
        As `reconstruct` does; an output exists or does not fit on the disk.
    """
    for path in asked.paths.values():
        refuse_existing(path, asked.overwrite)
    with ExitStack() as opened:
        outputs = _Outputs(asked, opened, stacks.series)
        if in_blocks(stacks.height, stacks.width, asked.block_px):
            return _told(_by_blocks(stacks, outputs, asked, progress))
        return _told(_by_stacks(stacks, outputs, asked, progress))


def _told(notices: Sequence[Notice]) -> list[str]:
    return [message for message, _ in dict.fromkeys(notices)]


def _by_stacks(
    stacks: StackSource, outputs: _Outputs, asked: StreamRequest, progress: Progress | None
) -> list[Notice]:
    """One stack after the other, each as if it were alone."""
    notices: list[Notice] = []
    first: Reconstruction | None = None
    for number, position in enumerate(stacks.positions):
        done = reconstruct(
            stacks.image(number), model=asked.model, target=asked.target, denoiser=asked.denoiser,
            pixel_size_um=asked.pixel_size_um, na=asked.na, emission_nm=asked.emission_nm,
            layout=asked.layout, calibration=asked.calibration, channel=position.get("C", 0),
            tile_px=asked.tile_px, threads=asked.threads, force=asked.force, compare=False,
        )  # fmt: skip
        if first is None:
            first = done
            kept = {key: done.sr.attrs.get(key) for key in ("pixel_size_um", "name", "source")}
            kept["frame_interval_s"] = stacks.attributes.get("frame_interval_s")
            outputs.open(done.sr.sizes["Y"], done.sr.sizes["X"], kept, tiled=False)
        elif _place(done) != _place(first):
            raise ImageError(
                "some stacks of the series were enlarged before, others not or otherwise",
                "split the file and run the parts one by one",
            )
        images = {"output": done.sr.values}
        if done.uncertainty is not None:
            images["uncertainty"] = done.uncertainty.values
        outputs.write(number, images)
        notices += done.warnings
        if progress is not None:
            progress(number + 1, len(stacks))
    return notices


def _place(done: Reconstruction) -> object:
    return None if done.enlargement is None else (done.enlargement.scale, done.enlargement.offset_px)


def _by_blocks(
    stacks: StackSource, outputs: _Outputs, asked: StreamRequest, progress: Progress | None
) -> list[Notice]:
    """One stack after the other, each block by block."""
    check_model(asked.model, asked.denoiser)
    pixel = asked.pixel_size_um or stacks.attributes.get("pixel_size_um")
    notices: list[Notice] = []
    if pixel is None:
        notices.append((
            f"The pixel size is not known; {PAPER_PIXEL_SIZE_UM * 1000:g} nm was assumed for a camera pixel "
            "in the sample, and results carry no scale.",
            "Give the pixel size of the frames in micrometres, for example --pixel-size 0.06.",
        ))  # fmt: skip
    settings = FieldSettings(
        model=asked.model, target=asked.target, block_px=asked.block_px or BLOCK_PX, tile_px=asked.tile_px,
        threads=asked.threads, force=asked.force,
        optics=Optics(na=asked.na, emission_nm=asked.emission_nm, pixel_size_um=pixel or PAPER_PIXEL_SIZE_UM),
    )  # fmt: skip
    scale = asked.model.card.scale * int(asked.model.card.input.get("enlargement", 1))
    kept = {key: stacks.attributes.get(key) for key in ("frame_interval_s", "name", "source")}
    kept["pixel_size_um"] = None if pixel is None else pixel / scale
    sides = scale * stacks.height, scale * stacks.width
    outputs.require_space(*sides)

    def writers() -> Mapping[str, RegionWriter]:
        if not outputs.writers:
            outputs.open(*sides, kept, tiled=True)
        return outputs.writers

    for number in range(len(stacks)):
        told: Callable[[int, int], None] | None = None
        if progress is not None:

            def told(done: int, of: int, number: int = number) -> None:
                assert progress is not None
                progress(number * of + done, len(stacks) * of)

        notices += predict_field(
            stacks, number, settings, writers, known=_known(asked, stacks, number, settings.optics),
            progress=told,
        )  # fmt: skip
    return notices


def _known(
    asked: StreamRequest, stacks: StackSource, number: int, optics: Optics
) -> tuple[Pattern, ...] | None:
    if asked.calibration is None:
        return None
    known = parameters_from_dict(
        asked.calibration, n_phases=max(stacks.n_phases, 3), where="the calibration",
        channel=stacks.positions[number].get("C", 0),
    )  # fmt: skip
    check_same_pixel(known, optics.pixel_size_um, "the calibration")
    return known.patterns


def stream_blinking(
    source: RegionSource, asked: StreamRequest, progress: Progress | None = None
) -> list[str]:
    """Predict the frames of a blinking sample in an open file, five at a time, and write the images."""
    numbers = require_frames(source.plane_numbers())
    planes = np.asarray(numbers).ravel()
    refuse_too_large(
        source.path, bytes_per_pixel=BLINKING_BYTES_PER_PIXEL, frames_per_stack=len(planes), outputs=1,
        hint="cut the field in ImageJ: such models compute it whole",
    )  # fmt: skip
    assert asked.model.card.frames is not None  # load_model has seen to it
    per_image, scale = asked.model.card.frames.total, asked.model.card.scale
    n_images = len(planes) // per_image
    whole = slice(0, source.height), slice(0, source.width)
    warnings: list[str] = []
    with ExitStack() as opened:
        outputs = _Outputs(asked, opened, [("T", n_images)])
        for number in range(n_images):
            chosen = planes[number * per_image : (number + 1) * per_image]
            few = xr.DataArray(
                source.stack(chosen, *whole),
                dims=("I", "Y", "X"),
                attrs={**source.attributes, "labels": None},
            )
            done = predict_series(
                few, model=asked.model, pixel_size_um=asked.pixel_size_um, tile_px=asked.tile_px,
                threads=asked.threads,
            )  # fmt: skip
            if number == 0:
                interval = source.attributes.get("frame_interval_s")
                kept = {
                    **done.image.attrs,
                    "frame_interval_s": None if interval is None else interval * per_image,
                }
                outputs.open(scale * source.height, scale * source.width, kept, tiled=False)
            outputs.write(number, {"output": done.image.values})
            warnings += [text for text in done.warnings if text not in warnings]
            if progress is not None:
                progress(number + 1, n_images)
    left = len(planes) - n_images * per_image
    if left:
        warnings.append(left_out(left, len(planes)))
    return warnings
