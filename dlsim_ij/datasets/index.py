"""`dataset.json`: what a prepared dataset holds, and how it was made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pydantic

from dlsim_ij.config import Settings
from dlsim_ij.datasets.layouts import Kind
from dlsim_ij.datasets.split import PARTS, Part
from dlsim_ij.errors import DataError
from dlsim_ij.files import write_json

INDEX_NAME = "dataset.json"
UNFINISHED_NAME = "unfinished.json"
FIELDS_NAME = "fields"


class FieldScaling(Settings):
    """Offset and scale of one kind of image of one field (`normalise.Scaling`)."""

    offset: float
    scale: pydantic.PositiveFloat


class FieldEntry(Settings):
    """One field of view.

    Attributes
    ----------
    name, file : str
        File below the dataset's folder.
    part : {"train", "validation", "test"}
        All tiles of a field belong to one part.
    shape : (int, int)
        Height and width of the truth.
    tiles : tuple of (int, int)
        Corners (y, x) of the kept tiles, in pixels of the truth.
    tiles_in_grid : int
        Tiles before the background test.
    maxima : dict
        Maximum of all frames, by kind, inside the border.
    scaling : dict
        Robust offset and scale, by kind.
    pixel_size_um : float or None
        Of the truth, as its file tells.
    inputs : dict
        SHA-256 of every input file, by its path below the raw folder.
    """

    name: str
    file: str
    part: Part
    shape: tuple[int, int]
    tiles: tuple[tuple[int, int], ...]
    tiles_in_grid: int
    maxima: dict[str, float]
    scaling: dict[str, FieldScaling]
    pixel_size_um: float | None
    inputs: dict[str, str]


class DatasetIndex(Settings):
    """The whole of `dataset.json`.

    Attributes
    ----------
    frames : int
        Raw frames per stack.
    kinds : tuple of str
        Which of normal, low, truth, low_truth every field has.
    enlargement : int
        How many times the stored frames were enlarged here.
    truth_scale : int
        Side of the truth over side of the stored frames.
    tile_px : int
        Side of a tile, in pixels of the truth.
    constants : dict
        Dataset maxima under the seed's names HE, LE, HER, LER.
    parameters : dict
        Settings, engine and raw folder of the preparation.
    """

    format: Literal["dlsim-dataset"] = "dlsim-dataset"
    version: Literal[1] = 1
    created_by: str
    frames: pydantic.PositiveInt
    kinds: tuple[Kind, ...]
    enlargement: pydantic.PositiveInt
    truth_scale: pydantic.PositiveInt
    tile_px: pydantic.PositiveInt
    constants: dict[str, float]
    parameters: dict[str, Any]
    warnings: tuple[str, ...]
    fields: tuple[FieldEntry, ...]

    def of_part(self, part: str) -> Iterator[FieldEntry]:
        """Return the fields of a part that have tiles."""
        return (entry for entry in self.fields if entry.part == part and entry.tiles)

    def split(self) -> dict[str, list[str]]:
        """Return the names of the fields of each part."""
        return {part: [entry.name for entry in self.fields if entry.part == part] for part in PARTS}

    def write(self, dataset: Path) -> None:
        """Write `dataset.json` into the folder `dataset`, in one step."""
        write_json(dataset / INDEX_NAME, self.model_dump(mode="json"), overwrite=True)


def read_index(dataset: Path) -> DatasetIndex:
    """Read `dataset.json` of a prepared dataset.

    Raises
    ------
    DataError
        The folder holds no dataset, an unfinished one, one of another version, or a damaged index.
    """
    path = dataset / INDEX_NAME
    if (dataset / UNFINISHED_NAME).exists():
        raise DataError(
            f"the dataset {dataset} is not finished",
            "run the same dlsim prepare again: it goes on where it stopped",
        )
    if not path.is_file():
        raise DataError(
            f"{dataset} is no prepared dataset: it has no {INDEX_NAME}", "make one: dlsim prepare"
        )
    try:
        return DatasetIndex.model_validate_json(path.read_bytes())
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise DataError(
            f"{path} cannot be used: {where}: {problem['msg']}", "prepare the dataset again, with --resume"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", "check its permissions") from error
