"""Raw folder in, prepared dataset out: enlarge each field once, index its tiles, find the constants.

Stages of one field (pixels of its arrays):

    raw frames (n, Y, X) --robust scale--> header
        --resize, once per frame--> normal, low (n, e * Y, e * X) in the field file
    truth (s * Y, s * X) --> truth in the field file --grid, background test--> tiles in dataset.json

A field file carries the fingerprint of its inputs and of the parameters that shaped it, so an interrupted
or repeated preparation keeps what is still true. Everything else (tiles, split, constants) is worked out
from the field files at the end, in one quick pass.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dlsim_ij
from dlsim_ij.datasets import background
from dlsim_ij.datasets.field_file import SUFFIX, Planes, open_field, read_header, write_field
from dlsim_ij.datasets.index import (
    FIELDS_NAME,
    INDEX_NAME,
    UNFINISHED_NAME,
    DatasetIndex,
    FieldEntry,
    FieldScaling,
)
from dlsim_ij.datasets.layouts import SEED_NAMES, FieldFiles
from dlsim_ij.datasets.normalise import robust_scaling
from dlsim_ij.datasets.plan import KERNEL, Plan, PrepareSettings, kinds_of, plan_dataset
from dlsim_ij.datasets.raw_field import FieldShape, RawField, hash_files, load_field
from dlsim_ij.datasets.seed_layout import FOLDER as SEED_FOLDER
from dlsim_ij.datasets.seed_layout import check_formats, write_seed_layout
from dlsim_ij.errors import DataError, ImageError, OutputError
from dlsim_ij.files import make_folder, write_json
from dlsim_ij.results import Result

logger = logging.getLogger(__name__)

Array = NDArray[Any]
Resize = Callable[[Array, int], Array]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedDataset(Result):
    """A finished dataset.

    Attributes
    ----------
    patches, patches_in_grid : int
        Tiles kept, and tiles before the background test.
    constants : dict
        Maximum over all frames and fields under the seed's names HE, LE, HER, LER.
    split : dict
        Names of the fields of each part.
    fields_made, fields_kept : int
        Fields written now, and those found finished.
    """

    dataset: Path
    patches: int
    patches_in_grid: int
    constants: dict[str, float]
    split: dict[str, list[str]]
    patches_by_part: dict[str, int]
    fields_made: int
    fields_kept: int
    warnings: tuple[str, ...]
    index: DatasetIndex = field(repr=False, compare=False)


def prepare_dataset(
    raw_dir: Path,
    output: Path,
    settings: PrepareSettings | None = None,
    *,
    resize: Resize,
    engine: str = "none",
    overwrite: bool = False,
    resume: bool = False,
    seed_formats: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> PreparedDataset:
    """Prepare a training dataset from raw fields of view.

    Parameters
    ----------
    raw_dir : Path
        Raw folder, in one of the layouts.
    output : Path
        Folder of the dataset; new, empty, or holding an unfinished preparation of the same folder with
        the same settings, which is then continued.
    settings : PrepareSettings, optional
        Default: all defaults.
    resize : callable
        ``resize(image, scale)`` with ImageJ's bicubic: `dlsim_ij.images.bicubic_enlarge` or
        `dlsim_ij.fiji.Fiji.resize`.
    engine : str
        Whose `resize` it is; written into the dataset.
    overwrite : bool
        Replace a dataset in `output`; nothing but our own files is ever removed.
    resume : bool
        Take up any dataset in `output`, finished or not: fields whose inputs and shaping parameters are
        unchanged are kept, changed and new ones made, vanished ones removed.
    seed_formats : tuple of {"tif", "npy"}
        Also write the original's files, see `seed_layout`.
    progress : callable, optional
        Called with (steps done, steps): one per field, twice as many with `seed_formats`.

    Raises
    ------
    DataError, LayoutError, ImageError
        The input cannot be used; the file is named.
    OutputError
        `output` is in the way or cannot be written.
    """
    plan = plan_dataset(raw_dir, settings or PrepareSettings())
    check_formats(plan, seed_formats)
    check_output(output, plan, overwrite=overwrite, resume=resume)
    _check_space(output, plan)
    _claim(output, plan, overwrite=overwrite)
    n_fields = len(plan.fields)
    steps = n_fields * (2 if seed_formats else 1)
    report = progress or (lambda _done, _steps: None)
    made = 0
    inputs: dict[str, dict[str, str]] = {}
    report(0, steps)
    for done, (files, shape) in enumerate(plan.fields, start=1):
        inputs[files.name] = hash_files(files, raw_dir)
        made += _make_field(_field_path(output, files.name), plan, files, shape, inputs[files.name], resize)
        report(done, steps)
    _remove_vanished(output, plan)
    index = _index(output, plan, inputs, engine)
    index.write(output)
    if seed_formats:
        write_seed_layout(output, plan, index, seed_formats, lambda done: report(n_fields + done, steps))
    (output / UNFINISHED_NAME).unlink()
    by_part = {part: sum(len(entry.tiles) for entry in index.of_part(part)) for part in index.split()}
    return PreparedDataset(
        dataset=output,
        patches=sum(by_part.values()),
        patches_in_grid=plan.patches_in_grid,
        constants=index.constants,
        split=index.split(),
        patches_by_part=by_part,
        fields_made=made,
        fields_kept=n_fields - made,
        warnings=index.warnings,
        index=index,
    )


def check_output(output: Path, plan: Plan, *, overwrite: bool, resume: bool) -> None:
    """Raise `OutputError` unless the dataset may go to `output`; changes nothing."""
    if not output.exists():
        return
    if not output.is_dir():
        raise OutputError(f"{output} is a file, the dataset is a folder", "give another -o")
    if not any(output.iterdir()):
        return
    unfinished = output / UNFINISHED_NAME
    if not unfinished.exists() and not (output / INDEX_NAME).exists():
        raise OutputError(
            f"{output} holds files, but no dataset of dlsim", "give a new or empty folder to -o"
        )
    if overwrite or resume:
        return
    if not unfinished.exists():
        raise OutputError(
            f"{output} holds a finished dataset already",
            "bring it up to date with --resume, or --overwrite it",
        )
    try:
        started = json.loads(unfinished.read_bytes())
    except (ValueError, RecursionError):
        started = None
    if started != _claim_note(plan):
        raise OutputError(
            f"{output} holds an unfinished dataset of another folder or with other settings",
            "take its fields over as far as they fit with --resume, or start again with --overwrite",
        )


def _claim(output: Path, plan: Plan, *, overwrite: bool) -> None:
    """Mark the folder as unfinished, so that from here on every interruption can be continued."""
    make_folder(make_folder(output) / FIELDS_NAME)
    write_json(output / UNFINISHED_NAME, _claim_note(plan), overwrite=True)
    (output / INDEX_NAME).unlink(missing_ok=True)
    for left in (output / FIELDS_NAME).glob(f".*.part{SUFFIX}"):  # of a process that was killed
        left.unlink()
    if overwrite:
        for file in (output / FIELDS_NAME).glob(f"*{SUFFIX}"):
            file.unlink()
    shutil.rmtree(output / SEED_FOLDER, ignore_errors=True)  # its tiles are those of the old index


def _check_space(output: Path, plan: Plan) -> None:
    """Refuse before anything is touched what the disk cannot hold; our old fields make room or are kept."""
    there = sum(file.stat().st_size for file in (output / FIELDS_NAME).glob(f"*{SUFFIX}"))
    disk = next(folder for folder in (output, *output.resolve().parents) if folder.is_dir())
    free = shutil.disk_usage(disk).free
    if plan.nbytes - there > free:
        raise OutputError(
            f"the dataset needs {plan.nbytes / 1e9:.2f} GB, the disk of {output} has {free / 1e9:.2f} left",
            "free some space, give another -o, or keep native pixels with --scale 1",
        )


def _claim_note(plan: Plan) -> dict[str, Any]:
    return {"format": "dlsim-dataset-unfinished", "raw_dir": str(plan.raw_dir.resolve()), **plan.parameters()}


def _field_path(output: Path, name: str) -> Path:
    return output / FIELDS_NAME / f"{name}{SUFFIX}"


def _fingerprint(inputs: dict[str, str], plan: Plan) -> str:
    """Hash all that a field file depends on: its inputs and what shaped it, but not tiles or split."""
    shaped_by = {"inputs": inputs, "enlargement": plan.enlargement, "kernel": KERNEL, "version": 1}
    return hashlib.sha256(json.dumps(shaped_by, sort_keys=True).encode()).hexdigest()


def _make_field(
    path: Path, plan: Plan, files: FieldFiles, shape: FieldShape, inputs: dict[str, str], resize: Resize
) -> bool:
    """Write a field file unless a finished one with the same fingerprint is there; tell which."""
    fingerprint = _fingerprint(inputs, plan)
    if path.exists():
        try:
            if read_header(path).get("fingerprint") == fingerprint:
                logger.info("%s: kept", files.name)
                return False
        except DataError:
            logger.warning("%s is damaged and is made again", path)
    loaded = load_field(files, shape)
    scaling = {}
    for kind in kinds_of(files):
        try:
            scaling[kind] = robust_scaling(getattr(loaded, kind)).to_dict()
        except ImageError as error:
            if kind in ("normal", "low"):
                raise ImageError(f"field {files.name}, {kind} frames: {error.message}", error.hint) from error
            # a truth that is zero nearly everywhere: the field is empty, which its tiles will tell
    header = {
        "format": "dlsim-field",
        "fingerprint": fingerprint,
        "scaling": json.dumps(scaling),
        "pixel_size_um": json.dumps(loaded.truth_pixel_size_um),
    }
    write_field(path, _tensors(loaded, kinds_of(files), plan.enlargement, resize), header)
    logger.info("%s: made", files.name)
    return True


def _tensors(loaded: RawField, kinds: Sequence[str], enlargement: int, resize: Resize) -> dict[str, Planes]:
    tensors = {}
    for kind in kinds:
        stack: Array = getattr(loaded, kind)
        scale = enlargement if kind in ("normal", "low") else 1
        shape = (*stack.shape[:-2], *(scale * side for side in stack.shape[-2:]))
        tensors[kind] = Planes(shape=shape, dtype=stack.dtype.name, planes=_Enlarged(stack, scale, resize))
    return tensors


@dataclass(frozen=True, slots=True)
class _Enlarged:
    """The planes of a stack, each enlarged when its turn comes."""

    stack: Array
    scale: int
    resize: Resize

    def __call__(self) -> Iterator[Array]:
        for plane in self.stack.reshape(-1, *self.stack.shape[-2:]):
            yield enlarge(plane, self.scale, self.resize)


def enlarge(plane: Array, scale: int, resize: Resize) -> Array:
    """Enlarge one plane and keep its type: 16-bit images are rounded and clipped as ImageJ does.

    Parameters
    ----------
    plane : (Y, X) ndarray of uint16 or float32
        One frame.
    scale : int
        1 returns the plane itself.
    resize : callable
        ``resize(plane, scale)``.
    """
    if scale == 1:
        return plane
    large = resize(plane, scale)
    if plane.dtype == np.uint16 and large.dtype != np.uint16:
        limits = np.iinfo(np.uint16)
        large = np.clip(np.floor(large + 0.5), limits.min, limits.max)
    return large.astype(plane.dtype, copy=False)


def _remove_vanished(output: Path, plan: Plan) -> None:
    wanted = {_field_path(output, files.name) for files, _ in plan.fields}
    for file in (output / FIELDS_NAME).glob(f"*{SUFFIX}"):
        if file not in wanted:
            logger.info("%s: its raw field is gone, removed", file)
            file.unlink()


def _index(output: Path, plan: Plan, inputs: dict[str, dict[str, str]], engine: str) -> DatasetIndex:
    entries = [_entry(output, plan, files, shape, inputs[files.name]) for files, shape in plan.fields]
    kinds = kinds_of(plan.fields[0][0])
    constants = {SEED_NAMES[kind]: max(entry.maxima[kind] for entry in entries) for kind in kinds}
    return DatasetIndex(
        created_by=f"dlsim_ij {dlsim_ij.__version__}",
        frames=plan.frames,
        kinds=kinds,
        enlargement=plan.enlargement,
        truth_scale=plan.truth_scale,
        tile_px=plan.tile_px,
        constants=constants,
        parameters={**plan.parameters(), "engine": engine, "raw_dir": str(plan.raw_dir)},
        warnings=(*plan.split.warnings, *_tile_warnings(entries)),
        fields=tuple(entries),
    )


def _entry(
    output: Path, plan: Plan, files: FieldFiles, shape: FieldShape, inputs: dict[str, str]
) -> FieldEntry:
    path = _field_path(output, files.name)
    header = read_header(path)
    tensors = open_field(path)
    corners = plan.grid(shape)
    keep = _keep(np.asarray(tensors["truth"]), corners, plan)
    try:
        scaling = {kind: FieldScaling(**values) for kind, values in json.loads(header["scaling"]).items()}
        pixel_size_um = json.loads(header["pixel_size_um"])
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"the header of {path} is damaged", "delete this file and prepare with --resume"
        ) from error
    return FieldEntry(
        name=files.name,
        file=path.relative_to(output).as_posix(),
        part=plan.split.part_of(files.name),
        shape=shape.truth,
        tiles=tuple(corner for corner, kept in zip(corners, keep, strict=True) if kept),
        tiles_in_grid=len(corners),
        maxima={kind: _maximum(stack, shape, plan.settings.border_px) for kind, stack in tensors.items()},
        scaling=scaling,
        pixel_size_um=pixel_size_um,
        inputs=inputs,
    )


def _keep(truth: Array, corners: list[tuple[int, int]], plan: Plan) -> NDArray[np.bool_]:
    if plan.settings.background == "none":
        return np.ones(len(corners), dtype=bool)
    if plan.settings.background == "max":
        return background.tiles_above(truth, corners, plan.tile_px, plan.settings.min_max_counts)
    return background.tiles_with_signal(truth, corners, plan.tile_px)


def _maximum(stack: Array, shape: FieldShape, border_px: int) -> float:
    """Return the maximum of all planes inside the border, one plane in memory at a time."""
    border = border_px * stack.shape[-1] // shape.truth[1]
    inside = slice(border, -border or None)
    return max(float(plane[inside, inside].max()) for plane in stack.reshape(-1, *stack.shape[-2:]))


def _tile_warnings(entries: list[FieldEntry]) -> Iterator[str]:
    empty = [entry.name for entry in entries if not entry.tiles]
    if empty:
        more = f" and {len(empty) - 3} more" if len(empty) > 3 else ""
        yield f"no tile passed the background test in {', '.join(empty[:3])}{more}"
