"""What the batch macro of Jin et al. 2020 did: raw frames and the frames a network made of dark ones.

The macro compares, for each sample, every normal-light frame with the low-light frame of its number and with
the predicted frame, and lists the RSP of both. Its folders::

    HE/<sample>/HE_00.tif ...          the references
    LE/<sample>/LE_00.tif ...          the same numbers
    PRED/<sample>_pred/HE_00.tif ...   the names of the references

Two departures: all frames are compared, not the first fifteen, and predictions counted from 1, as the
authors' own prediction script writes them, are recognised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlsim_ij.errors import DataError
from dlsim_ij.images.frames import image_files, natural_key
from dlsim_ij.images.read import image_name
from dlsim_ij.squirrel_job.job import Comparison
from dlsim_ij.squirrel_job.tables import rows_to_csv

COLUMNS = ("Sample", "Image", "RSP-LE", "RSP-Pred", "RSE-LE", "RSE-Pred")
_MEASURES = (("rsp", "RSP"), ("rse", "RSE"))


@dataclass(frozen=True, kw_only=True)
class SeedFrame:
    """One normal-light frame and what is compared with it."""

    sample: str
    reference: Path
    low_light: Path | None
    predicted: Path | None

    def comparisons(self) -> list[Comparison]:
        """Return the comparisons of this frame; what is missing is left out."""
        return [
            Comparison(
                reference=self.reference,
                image=path,
                tags=(("sample", self.sample), ("frame", self.reference.name), ("role", role)),
            )
            for role, path in (("LE", self.low_light), ("Pred", self.predicted))
            if path is not None
        ]


def find_seed_frames(high: Path, low: Path, predicted: Path) -> list[SeedFrame]:
    """Find the frames of all samples.

    Parameters
    ----------
    high, low, predicted : Path
        Folders of samples: normal light, low light, predictions.

    Returns
    -------
    list of SeedFrame
        In natural order. The mean of all frames, which some sets hold as the last file, takes no part where
        there is no prediction of it.

    Raises
    ------
    DataError
        A folder is missing, or nothing in it belongs together.
    """
    for folder in (high, low, predicted):
        if not folder.is_dir():
            raise DataError(
                f"{folder} is no folder", "give the folders of normal light, low light, predictions"
            )
    samples = sorted((path for path in high.iterdir() if path.is_dir()), key=natural_key)
    frames = [frame for sample in samples for frame in _frames_of(sample, low, predicted)]
    if not any(frame.low_light or frame.predicted for frame in frames):
        raise DataError(
            f"nothing in {low} or {predicted} belongs to a sample of {high}",
            "expected HE/<sample>/HE_00.tif, LE/<sample>/LE_00.tif, PRED/<sample>_pred/HE_00.tif",
        )
    return frames


def _frames_of(sample: Path, low: Path, predicted: Path) -> list[SeedFrame]:
    references = _by_number(image_files(sample))
    dark = _by_number(_listed(low / sample.name))
    folder = predicted / f"{sample.name}_pred"
    made = _listed(folder if folder.is_dir() else predicted / sample.name)
    if {image_name(path) for path in made} & {image_name(path) for path in references.values()}:
        by_name = {image_name(path): path for path in made}
        predictions = {number: by_name.get(image_name(path)) for number, path in references.items()}
    else:
        by_number = _by_number(made)
        # the authors' prediction script counts from 1, their frames from 0
        step = min(by_number, default=0) - min(references, default=0)
        predictions = {number: by_number.get(number + step) for number in references}
    frames = [
        SeedFrame(
            sample=sample.name,
            reference=path,
            low_light=dark.get(number),
            predicted=predictions[number],
        )
        for number, path in references.items()
    ]
    if len(frames) > 1 and frames[-1].predicted is None and all(frame.predicted for frame in frames[:-1]):
        frames.pop()  # the mean
    return frames


def _listed(folder: Path) -> list[Path]:
    return image_files(folder) if folder.is_dir() else []


def _by_number(paths: Sequence[Path]) -> dict[int, Path]:
    """Return files by the number at the end of their name."""
    found = {}
    for path in paths:
        match = re.search(r"(\d+)$", image_name(path))
        if match is not None:
            found[int(match[1])] = path
    return dict(sorted(found.items()))


def seed_table(frames: Sequence[SeedFrame], records: Sequence[Mapping[str, Any]]) -> str:
    """Return the macro's table as CSV, with the averages of each sample below its frames.

    Parameters
    ----------
    frames : sequence of SeedFrame
    records : sequence of mapping
        Of their comparisons, in any order.
    """
    found = {(record["sample"], record["frame"], record["role"]): record for record in records}
    rows: list[dict[str, Any]] = []
    for sample in dict.fromkeys(frame.sample for frame in frames):
        mine = []
        for frame in frames:
            if frame.sample != sample:
                continue
            row: dict[str, Any] = {"Sample": sample, "Image": frame.reference.name}
            for role in ("LE", "Pred"):
                record = found.get((sample, frame.reference.name, role), {})
                row |= {f"{heading}-{role}": record.get(name) for name, heading in _MEASURES}
            mine.append(row)
        rows += mine
        rows.append({"Sample": sample, "Image": "Average", **_averages(mine)})
    return rows_to_csv(COLUMNS, rows)


def _averages(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the mean of each column over the frames that have a number."""
    averages: dict[str, float | None] = {}
    for column in COLUMNS[2:]:
        values = [row[column] for row in rows if row[column] is not None]
        averages[column] = sum(values) / len(values) if values else None
    return averages
