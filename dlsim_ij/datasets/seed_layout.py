"""Writing a prepared dataset the way the original scripts did, for whoever still runs them.

Below ``seed/`` in the dataset; k numbers the kept tiles of all fields from 1.

tif, as mycrop_images.py wrote, and the enlarged frames that the training scripts read:
    HE/Sample_k/HE_1.tif ..       native frames, 1-based (absent when the input was enlarged already)
    HE_X2/Sample_k/HE_00.tif ..   enlarged frames, then their mean, rounded down, and their maximum
    HER/Sample_k.tif              reconstructed image; LE, LE_X2 and LER likewise
npy, as SIM_prepare_dataset.py and SRRF_prepare_dataset.py wrote (float64, channels last):
    256/Sample_k.npy   HER, LER, HE frames, mean, max, LE frames, mean, max (SIM; the side names the folder)
    128/Sample_k.npy   native HE frames, native LE frames (SIM)
    Sample_k.npy       SRRF normal, SRRF low, HE frames, LE frames (SRRF)
    MITO_Max_intensity.npy, Microtubule_max_intensity.npy   maxima of HER, LER, HE, LE

Two defects of the originals are left out: the maxima come from all frames, and their file holds no pickle.
One is kept, since it is in the data that networks were trained on: mean and max in the npy files miss the
last frame.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.datasets.field_file import open_field
from dlsim_ij.datasets.index import DatasetIndex, FieldEntry
from dlsim_ij.datasets.layouts import SEED_NAMES
from dlsim_ij.datasets.plan import Plan
from dlsim_ij.datasets.raw_field import load_field
from dlsim_ij.errors import DataError, OutputError

FORMATS = ("tif", "npy")
FOLDER = "seed"
_PART = ".seed.part"
_LIGHTS = ("normal", "low")
_IMAGES = ("truth", "low_truth")

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tile:
    """One tile: native frames, enlarged frames and reconstructed images by kind."""

    number: int
    native: dict[str, Array]
    enlarged: dict[str, Array]
    images: dict[str, Array]
    pixel_size_um: float | None


def check_formats(plan: Plan, formats: tuple[str, ...]) -> None:
    """Raise `DataError` unless the original's files can be written from these fields."""
    files, shape = plan.fields[0]
    if not formats:
        return
    if plan.enlargement != shape.ratio:
        raise DataError(
            "the original's files hold frames on the grid of the truth, but --scale leaves them smaller",
            "leave --scale out, or --seed-layout",
        )
    if "npy" in formats and (files.low is None or files.low_truth is None or files.normal is None):
        raise DataError(
            "the original's npy files hold both light levels (HE, LE, HER, LER), these fields do not",
            "write the tif files alone: --seed-format tif",
        )


def write_seed_layout(
    output: Path,
    plan: Plan,
    index: DatasetIndex,
    formats: tuple[str, ...],
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write the tiles of a dataset in the original's layout; the folder appears when it is complete.

    Parameters
    ----------
    output : Path
        Folder of the dataset.
    plan, index
        What was prepared.
    formats : tuple of {"tif", "npy"}
        Which of the original's files.
    progress : callable, optional
        Called with the number of fields done.

    Raises
    ------
    OutputError
        The files cannot be written.
    """
    part = output / _PART
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for tile in _all_tiles(output, plan, index, progress):
            if "tif" in formats:
                _write_tifs(part, tile)
            if "npy" in formats:
                _write_npys(part, tile, srrf=plan.layout == "seed-srrf")
        if "npy" in formats:
            _write_maxima(part, index.constants, srrf=plan.layout == "seed-srrf")
        shutil.rmtree(output / FOLDER, ignore_errors=True)
        part.rename(output / FOLDER)
    except OSError as error:
        raise OutputError(
            f"cannot write {output / FOLDER}: {error.strerror or error}", "check space and permissions"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _all_tiles(
    output: Path, plan: Plan, index: DatasetIndex, progress: Callable[[int], None] | None
) -> Iterator[_Tile]:
    numbers = count(1)
    for done, ((files, shape), entry) in enumerate(zip(plan.fields, index.fields, strict=True), start=1):
        raw = load_field(files, shape) if shape.ratio > 1 else None
        native = {kind: getattr(raw, kind) for kind in _LIGHTS if raw and getattr(raw, kind) is not None}
        yield from _tiles_of_field(output, entry, plan, native, shape.ratio, numbers)
        if progress:
            progress(done)


def _tiles_of_field(
    output: Path, entry: FieldEntry, plan: Plan, native: dict[str, Array], ratio: int, numbers: Iterator[int]
) -> Iterator[_Tile]:
    tensors = open_field(output / entry.file)
    side = plan.tile_px
    for y, x in entry.tiles:
        here = np.s_[..., y : y + side, x : x + side]
        there = np.s_[..., y // ratio : (y + side) // ratio, x // ratio : (x + side) // ratio]
        yield _Tile(
            number=next(numbers),
            native={kind: stack[there] for kind, stack in native.items()},
            enlarged={kind: tensors[kind][here] for kind in _LIGHTS if kind in tensors},
            images={kind: tensors[kind][here] for kind in _IMAGES if kind in tensors},
            pixel_size_um=entry.pixel_size_um,
        )


def _write_tifs(folder: Path, tile: _Tile) -> None:
    sample = f"Sample_{tile.number}"
    for kind, frames in tile.native.items():
        name = SEED_NAMES[kind]
        ratio = tile.enlarged[kind].shape[-1] // frames.shape[-1]
        pixel_size_um = None if tile.pixel_size_um is None else tile.pixel_size_um * ratio
        for number, frame in enumerate(frames, start=1):
            _write_tif(folder / name / sample / f"{name}_{number}.tif", frame, pixel_size_um)
    for kind, frames in tile.enlarged.items():
        name = SEED_NAMES[kind]
        mean = np.floor(frames.mean(axis=0, dtype=np.float64)).astype(frames.dtype)
        for number, frame in enumerate([*frames, mean, frames.max(axis=0)]):
            path = folder / f"{name}_X2" / sample / f"{name}_{number:02d}.tif"
            _write_tif(path, frame, tile.pixel_size_um)
    for kind, image in tile.images.items():
        _write_tif(folder / SEED_NAMES[kind] / f"{sample}.tif", image, tile.pixel_size_um)


def _write_tif(path: Path, image: Array, pixel_size_um: float | None) -> None:
    import tifffile

    path.parent.mkdir(parents=True, exist_ok=True)
    calibration: dict[str, Any] = {}
    if pixel_size_um is not None:
        calibration = {"resolution": (1 / pixel_size_um,) * 2, "metadata": {"unit": "micron"}}
    tifffile.imwrite(path, np.ascontiguousarray(image), imagej=True, **calibration)


def _write_npys(folder: Path, tile: _Tile, *, srrf: bool) -> None:
    images = [tile.images[kind][None] for kind in _IMAGES]
    if srrf:
        _write_channels(folder, tile.number, [*images, *(tile.enlarged[kind] for kind in _LIGHTS)])
        return
    stacks = []
    for kind in _LIGHTS:
        frames = tile.enlarged[kind]
        seen = frames[:-1]  # sic, as in the original
        stacks += [frames, seen.mean(axis=0, dtype=np.float64)[None], seen.max(axis=0)[None]]
    side = images[0].shape[-1]
    _write_channels(folder / str(side), tile.number, [*images, *stacks])
    if tile.native:
        native = [tile.native[kind] for kind in _LIGHTS]
        _write_channels(folder / str(native[0].shape[-1]), tile.number, native)


def _write_channels(folder: Path, number: int, stacks: list[Array]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    channels = np.concatenate([stack.astype(np.float64) for stack in stacks])
    np.save(folder / f"Sample_{number}.npy", np.moveaxis(channels, 0, -1), allow_pickle=False)


def _write_maxima(folder: Path, constants: dict[str, float], *, srrf: bool) -> None:
    values = [(name[:2].encode(), constants[name]) for name in ("HER", "LER", "HE", "LE")]
    name = "Microtubule_max_intensity.npy" if srrf else "MITO_Max_intensity.npy"
    np.save(folder / name, np.array(values, dtype=[("name", "S2"), ("value", "f8")]), allow_pickle=False)
