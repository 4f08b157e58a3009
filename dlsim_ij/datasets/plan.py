"""What a preparation will do: settings, the fields that were found, their sizes; nothing is written here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pydantic

from dlsim_ij.config import Settings
from dlsim_ij.datasets.background import SEED_MIN_MAX_COUNTS
from dlsim_ij.datasets.layouts import KINDS, FieldFiles, FolderNames, Kind, RawFolder, find_fields
from dlsim_ij.datasets.patches import tile_grid
from dlsim_ij.datasets.raw_field import FieldShape, survey
from dlsim_ij.datasets.split import Split, split_fields
from dlsim_ij.errors import DataError
from dlsim_ij.results import Result

KERNEL = "imagej-bicubic"  # all engines give the same numbers, so a change of engine redoes nothing
_TILE_PX = {"seed-srrf": 320}


class PrepareSettings(Settings):
    """How a dataset is prepared.

    Attributes
    ----------
    layout : {"auto", "seed-sim", "seed-srrf", "stacks"}
        See `layouts`.
    raw_name, low_name, truth_name, low_truth_name : str
        Sub-folders of the stacks layout.
    frames : int or None
        Frames of every raw stack; None: 15 (seed-sim), 20 (seed-srrf), or what the first stack holds.
    scale : int or None
        How many times the frames are enlarged; None: onto the grid of the truth, 1: not at all.
    tile_px, border_px : int
        Side of a tile and margin left out, in pixels of the truth; tile None: 256, for seed-srrf 320.
    background : {"signal", "max", "none"}
        Which tiles are kept; see `background`.
    min_max_counts : float
        For ``max``: a tile is kept when the maximum of its truth is above.
    fractions : (float, float, float)
        Training, validation, test, of the fields.
    seed : int
        Of the split.
    allow_mixed_sizes : bool
        Accept fields of different sizes (within a field all sizes must fit in any case).
    """

    layout: Literal["auto", "seed-sim", "seed-srrf", "stacks"] = "auto"
    raw_name: str = "raw"
    low_name: str = "low"
    truth_name: str = "truth"
    low_truth_name: str = "low_truth"
    frames: pydantic.PositiveInt | None = None
    scale: pydantic.PositiveInt | None = None
    tile_px: pydantic.PositiveInt | None = None
    border_px: pydantic.NonNegativeInt = 0
    background: Literal["signal", "max", "none"] = "signal"
    min_max_counts: float = SEED_MIN_MAX_COUNTS
    fractions: tuple[float, float, float] = (0.7, 0.2, 0.1)
    seed: pydantic.NonNegativeInt = 0
    allow_mixed_sizes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Result):
    """What a preparation will do; nothing has been written.

    Attributes
    ----------
    frames, enlargement, truth_scale, tile_px, patches_in_grid : int
        As in `dataset.json`.
    nbytes : int
        Size of all field files.
    """

    raw_dir: Path
    layout: str
    frames: int
    enlargement: int
    truth_scale: int
    tile_px: int
    patches_in_grid: int
    nbytes: int
    split: Split
    settings: PrepareSettings = field(repr=False)
    fields: tuple[tuple[FieldFiles, FieldShape], ...] = field(repr=False)

    def parameters(self) -> dict[str, Any]:
        """Return what decides the content of the dataset, besides the files."""
        settings = self.settings.model_dump(mode="json", exclude={"allow_mixed_sizes"})
        return {**settings, "layout": self.layout, "kernel": KERNEL}

    def grid(self, shape: FieldShape) -> list[tuple[int, int]]:
        """Return the tiles of one field, before the background test; they sit on native pixels."""
        return tile_grid(shape.truth, self.tile_px, border_px=self.settings.border_px, multiple=shape.ratio)


def plan_dataset(raw_dir: Path, settings: PrepareSettings) -> Plan:
    """Find the fields, look at their sizes and refuse what does not fit, before any work.

    Parameters
    ----------
    raw_dir : Path
        Raw folder, in one of the layouts.
    settings : PrepareSettings
        What is wanted.

    Raises
    ------
    DataError, LayoutError, ImageError
        Something is missing or does not fit; the file is named.
    """
    names = FolderNames(
        normal=settings.raw_name,
        low=settings.low_name,
        truth=settings.truth_name,
        low_truth=settings.low_truth_name,
    )
    folder = find_fields(raw_dir, settings.layout, frames=settings.frames, names=names)
    split = split_fields([files.name for files in folder.fields], settings.fractions, seed=settings.seed)
    fields = tuple(_survey_all(folder, settings.allow_mixed_sizes))
    ratio = fields[0][1].ratio
    enlargement = ratio if settings.scale is None else settings.scale
    if ratio % enlargement:
        raise DataError(
            f"frames enlarged {enlargement} times do not fit a truth {ratio} times larger than they are",
            f"give --scale {ratio}, or --scale 1 to keep native pixels",
        )
    plan = Plan(
        raw_dir=raw_dir,
        layout=folder.layout,
        frames=fields[0][1].frames,
        enlargement=enlargement,
        truth_scale=ratio // enlargement,
        tile_px=settings.tile_px or _TILE_PX.get(folder.layout, 256),
        patches_in_grid=0,
        nbytes=sum(_field_bytes(files, shape, enlargement) for files, shape in fields),
        split=split,
        settings=settings,
        fields=fields,
    )
    patches = 0
    for files, shape in fields:
        try:
            patches += len(plan.grid(shape))
        except DataError as error:
            raise DataError(f"field {files.name}: {error.message}", error.hint) from error
    return replace(plan, patches_in_grid=patches)


def _survey_all(folder: RawFolder, allow_mixed_sizes: bool) -> Iterator[tuple[FieldFiles, FieldShape]]:
    frames = folder.frames
    first: tuple[FieldFiles, FieldShape] | None = None
    for files in folder.fields:
        shape = survey(files, frames)
        frames = shape.frames
        if first is None:
            first = (files, shape)
        _check_alike(files, shape, *first, allow_mixed_sizes=allow_mixed_sizes)
        yield files, shape


def _check_alike(
    files: FieldFiles, shape: FieldShape, first: FieldFiles, expected: FieldShape, *, allow_mixed_sizes: bool
) -> None:
    if shape.ratio != expected.ratio:
        raise DataError(
            f"{files.truth} is {shape.ratio} times larger than its raw frames, "
            f"{first.truth} {expected.ratio} times",
            "prepare them as two datasets",
        )
    if shape.truth != expected.truth and not allow_mixed_sizes:
        raise DataError(
            f"{files.truth} has {shape.truth[0]} x {shape.truth[1]} pixels, "
            f"{first.truth} has {expected.truth[0]} x {expected.truth[1]}",
            "if fields of several sizes are meant, say so with --allow-mixed-sizes",
        )


def kinds_of(files: FieldFiles) -> tuple[Kind, ...]:
    """Return which kinds of images a field has."""
    return tuple(kind for kind in KINDS if getattr(files, kind) is not None)


def _field_bytes(files: FieldFiles, shape: FieldShape, enlargement: int) -> int:
    """Return the size of a field file whose images are all 16 bit."""
    kinds = kinds_of(files)
    stacks = sum(kind in ("normal", "low") for kind in kinds)
    raw = shape.raw[0] * shape.raw[1] * enlargement**2 * shape.frames * stacks
    return 2 * (raw + shape.truth[0] * shape.truth[1] * (len(kinds) - stacks))
