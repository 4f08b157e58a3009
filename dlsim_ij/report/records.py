"""Run records on disk: written beside the images, read back to build the report again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from dlsim_ij.errors import DataError, ImageError
from dlsim_ij.files import write_json
from dlsim_ij.report.curves import CurveSet, load_curves
from dlsim_ij.report.document import LEVEL_WORDS, FloatImage, Level, Notice, RunImage, RunRecord

SUFFIX = "_run.json"
FORMAT = "dlsim-run/1"


def save_record(record: RunRecord, folder: Path, *, overwrite: bool = False) -> Path:
    """Write ``<name>_run.json`` into a results folder.

    Parameters
    ----------
    record : RunRecord
        The files of its images lie in `folder` already, or will.
    folder : Path
        Where the images are.
    overwrite : bool
        Replace an older record.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    OutputError
        The file exists or cannot be written.
    """
    if not record.name or "/" in record.name or "\\" in record.name:
        raise DataError(f"'{record.name}' cannot name output files", "use the stem of the input")
    path = folder / f"{record.name}{SUFFIX}"
    write_json(path, {"format": FORMAT, **record.to_dict()}, overwrite=overwrite)
    return path


def find_records(folder: Path) -> list[Path]:
    """Return the records of a results folder and its sub-folders, in the order of their names.

    Raises
    ------
    DataError
        The folder is missing or holds no record.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder", "give the folder that dlsim run wrote (-o)")
    found = sorted(path for path in folder.rglob(f"*{SUFFIX}") if not path.name.startswith("."))
    if not found:
        raise DataError(f"{folder} holds no '*{SUFFIX}' file", "give the folder that dlsim run wrote (-o)")
    return found


def load_record(path: Path) -> RunRecord:
    """Read a record and the images it names.

    A missing side image, or missing curves, become a warning of the record; the result itself must be there.

    Raises
    ------
    DataError
        The record is damaged, of another format, or its result image is gone.
    ImageError
        An image cannot be read.
    """
    record = _parse(path)
    images, warnings = {}, list(record.warnings)
    for role, image in record.images.items():
        file = path.parent / image.file
        if file.exists():
            images[role] = _with_pixels(image, file)
        elif role == "sr":
            raise DataError(f"{path}: its result {image.file} is gone", "run dlsim run again")
        else:
            warnings.append(_missing(image.file))
    plots = CurveSet()
    if record.curves:
        file = path.parent / record.curves
        if file.exists():
            plots = load_curves(file)
        else:
            warnings.append(_missing(record.curves))
    return replace(record, images=images, plots=plots, warnings=tuple(warnings))


def _missing(file: str) -> Notice:
    return Notice(
        message=f"The file {file} is missing, so the report shows less.",
        hint="Put it back into the folder and run dlsim report again.",
    )


def _parse(path: Path) -> RunRecord:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", "check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path} is not a run record (no JSON)", "delete it, then run dlsim run again"
        ) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DataError(
            f"{path} is not a run record of the format {FORMAT}", "was it written by a newer dlsim?"
        )
    try:
        record = RunRecord(
            name=_text(data["name"]),
            input=_text(data["input"]),
            model=_text(data["model"]),
            images={role: _image(entry) for role, entry in data["images"].items()},
            verdict=_text(data["verdict"]),
            verdict_level=_level(data["verdict_level"]),
            metrics=_mapping(data["metrics"]),
            acquisition=tuple((_text(label), _text(value)) for label, value in data["acquisition"]),
            parameters=_mapping(data["parameters"]),
            engine=_mapping(data["engine"]),
            warnings=tuple(
                Notice(message=_text(w["message"]), hint=_text(w["hint"])) for w in data["warnings"]
            ),
            curves=_file(data["curves"])
            if data.get("curves")
            else "",  # records before version 0.2 have none
            command=_text(data["command"]),
            created=_text(data["created"]),
            dlsim_version=_text(data["dlsim_version"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} is damaged ({error})", "delete it, then run dlsim run again") from error
    if path.name != f"{record.name}{SUFFIX}":
        raise DataError(f"{path} is the record of '{record.name}'", "give the file its old name back")
    if "sr" not in record.images:
        raise DataError(f"{path} names no result image", "run dlsim run again")
    return record


def _image(entry: Mapping[str, Any]) -> RunImage:
    file = _file(entry["file"])
    size = entry["pixel_size_um"]
    if size is not None and not (isinstance(size, (int, float)) and math.isfinite(size) and size > 0):
        raise ValueError(f"pixel size {size}")
    return RunImage(file=file, pixel_size_um=size, note=_text(entry["note"]))


def _file(value: Any) -> str:
    file = _text(value)
    parts = PurePosixPath(file).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in file:
        raise ValueError(f"file '{file}' outside the folder")
    return file


def _with_pixels(image: RunImage, file: Path) -> RunImage:
    from dlsim_ij.images import read_image

    array = read_image(file)
    more = {dim: 0 for dim in array.dims if dim not in ("Y", "X")}
    planes = math.prod(array.sizes[dim] for dim in more)
    pixels: FloatImage = np.asarray(array.isel(more).transpose("Y", "X").values, dtype=np.float64)
    if not np.isfinite(pixels).all():
        raise ImageError(f"{file} holds NaN or infinity", "run dlsim run again; if it stays, report the bug")
    note = f"first of {planes} planes" if planes > 1 else ""
    return replace(image, pixels=pixels, note="; ".join(filter(None, (image.note, note))))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, found {value!r:.40}")
    return value


def _level(value: Any) -> Level:
    for level in LEVEL_WORDS:
        if value == level:
            return level
    raise ValueError(f"verdict level {value!r:.40}")


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"mapping expected, found {value!r:.40}")
    return value
