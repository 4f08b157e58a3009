"""Finding fields of view in a raw folder: the seed's two layouts, and plain stacks beside their truths.

Layouts (``normal`` and ``low`` are the two light levels of the paper):

seed-sim    HE/<s>/HE_1.tif ..   LE/<s>/LE_1.tif ..   HER/<s>.tif   LER/<s>.tif
            also HE_X2 and LE_X2 (frames enlarged already), also HE_00 .. HE_14
seed-srrf   <s>/100ms/HE_00.tif ..   <s>/1ms/LE_00.tif ..   <s>/SRRF_100ms.tif   <s>/SRRF_1ms.tif
stacks      raw/<s>.tif   truth/<s>.tif, and low/<s>.tif, low_truth/<s>.tif when there are such folders

Nothing is read here, only listed; a partner that is missing is named before any work starts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dlsim_ij.errors import DataError, LayoutError

LAYOUTS = ("seed-sim", "seed-srrf", "stacks")
Kind = Literal["normal", "low", "truth", "low_truth"]
KINDS: tuple[Kind, ...] = ("normal", "low", "truth", "low_truth")
SEED_NAMES: dict[str, str] = {"normal": "HE", "low": "LE", "truth": "HER", "low_truth": "LER"}
_SUFFIXES = (".tif", ".tiff", ".npy")
_NUMBERED = re.compile(r"(?P<prefix>.*?)_?(?P<number>\d+)")
_DEFAULT_FRAMES = {"seed-sim": 15, "seed-srrf": 20}


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFiles:
    """Files of one raw stack: one file for all frames, or one per frame in order.

    Attributes
    ----------
    files : tuple of Path
        In the order of the frames.
    summaries : tuple of Path
        Files behind the last frame, as the seed's ``HE_15`` (mean) and ``HE_16`` (maximum): no frames.
    """

    files: tuple[Path, ...]
    summaries: tuple[Path, ...] = ()

    @property
    def where(self) -> Path:
        """The stack file, or the folder of frames."""
        return self.files[0] if len(self.files) == 1 else self.files[0].parent


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFiles:
    """Files of one field of view."""

    name: str
    normal: RawFiles | None = None
    low: RawFiles | None = None
    truth: Path
    low_truth: Path | None = None

    def all_files(self) -> list[tuple[str, Path]]:
        """Return (kind, file) of everything that belongs to the field, in a fixed order."""
        found = [
            (kind, file) for kind in ("normal", "low") for file in getattr(getattr(self, kind), "files", ())
        ]
        return found + [(kind, file) for kind in ("truth", "low_truth") if (file := getattr(self, kind))]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderNames:
    """Names of the sub-folders of the ``stacks`` layout."""

    normal: str = "raw"
    low: str = "low"
    truth: str = "truth"
    low_truth: str = "low_truth"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFolder:
    """What was found.

    Attributes
    ----------
    layout : str
        One of `LAYOUTS`.
    fields : tuple of FieldFiles
        In natural order of their names (Sample_2 before Sample_10).
    frames : int or None
        Frames of every stack; None when only the files can tell.
    """

    layout: str
    fields: tuple[FieldFiles, ...] = field(repr=False)
    frames: int | None


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key that counts: ``Sample_2`` comes before ``Sample_10``.

    Examples
    --------
    >>> sorted(["Sample_10", "Sample_2"], key=natural_key)
    ['Sample_2', 'Sample_10']
    """
    parts = re.split(r"(\d+)", name.casefold())
    key = [(1, int(part), part) if part.isdigit() else (0, 0, part) for part in parts if part]
    return [*key, (-1, 0, name)]  # names that differ in case alone keep a fixed order


def find_fields(
    raw_dir: Path, layout: str = "auto", *, frames: int | None = None, names: FolderNames | None = None
) -> RawFolder:
    """Find the fields of view of a raw folder and check that nothing is missing.

    Parameters
    ----------
    raw_dir : Path
        The folder.
    layout : {"auto", "seed-sim", "seed-srrf", "stacks"}
        ``auto`` looks which sub-folders there are.
    frames : int, optional
        Frames of every raw stack; default 15 for seed-sim, 20 for seed-srrf, for stacks what the first
        file holds.
    names : FolderNames, optional
        Sub-folders of the stacks layout.

    Raises
    ------
    DataError
        The folder is missing or empty, follows no layout, or a partner file is missing.
    LayoutError
        A folder of frames has a gap or another number of frames.
    """
    names = names or FolderNames()
    if not raw_dir.is_dir():
        problem = "is no folder" if raw_dir.exists() else "does not exist"
        raise DataError(f"{raw_dir} {problem}", "give the folder that holds the raw fields")
    if layout == "auto":
        layout = _detect(raw_dir, names)
    expected = frames or _DEFAULT_FRAMES.get(layout)
    finder = {"seed-sim": _find_seed_sim, "seed-srrf": _find_seed_srrf}.get(layout)
    found = finder(raw_dir, expected or 0) if finder else _find_stacks(raw_dir, names, expected)
    return RawFolder(layout=layout, fields=tuple(found), frames=expected)


def _detect(raw_dir: Path, names: FolderNames) -> str:
    if any((raw_dir / name).is_dir() for name in ("HE", "HE_X2", "LE", "LE_X2")):
        return "seed-sim"
    if (raw_dir / names.normal).is_dir() or (raw_dir / names.low).is_dir():
        return "stacks"
    if _srrf_samples(raw_dir):
        return "seed-srrf"
    inside = ", ".join([path.name for path in _visible(raw_dir)][:5])
    raise DataError(
        f"{raw_dir} holds no fields of view that dlsim knows: {inside or 'it is empty'}",
        f"expected HE/ and HER/, or <sample>/SRRF_100ms.tif, or {names.normal}/ and {names.truth}/; "
        "other names: --raw-name, --truth-name",
    )


def _find_seed_sim(raw_dir: Path, frames: int) -> list[FieldFiles]:
    folders: dict[str, Path | None] = {}
    for kind in ("normal", "low"):
        name = SEED_NAMES[kind]
        candidates = [raw_dir / name, raw_dir / f"{name}_X2"]  # native frames win over enlarged ones
        folders[kind] = next((folder for folder in candidates if folder.is_dir()), None)
    for kind in ("truth", "low_truth"):
        folder = raw_dir / SEED_NAMES[kind]
        folders[kind] = folder if folder.is_dir() else None
    return _pair(raw_dir, folders, frames, "HER")


def _find_stacks(raw_dir: Path, names: FolderNames, frames: int | None) -> list[FieldFiles]:
    folders: dict[str, Path | None] = {
        kind: folder if (folder := raw_dir / getattr(names, kind)).is_dir() else None for kind in KINDS
    }
    return _pair(raw_dir, folders, frames, names.truth)


def _pair(
    raw_dir: Path, folders: dict[str, Path | None], frames: int | None, truth_name: str
) -> list[FieldFiles]:
    """Pair the entries of the folders by name; each folder that exists must hold every field."""
    if folders["truth"] is None:
        raise DataError(
            f"{raw_dir} holds raw frames but no folder {truth_name}/ with the reconstructed images",
            "training pairs need a truth; its folder can be named with --truth-name",
        )
    if folders["normal"] is None and folders["low"] is None:
        raise DataError(f"{raw_dir} holds no folder of raw frames", "its name can be given with --raw-name")
    present = {kind: _entries(folder) for kind, folder in folders.items() if folder is not None}
    samples = sorted(set().union(*present.values()), key=natural_key)
    if not samples:
        looked = ", ".join(f"{folder.name}/" for folder in folders.values() if folder)
        raise DataError(f"{raw_dir}: {looked} hold no TIFF or .npy file", "check the input folder")
    _refuse_missing(
        [
            f"{folders[kind]}/{sample}" + (".tif" if kind.endswith("truth") else "")
            for sample in samples
            for kind in present
            if sample not in present[kind]
        ]
    )
    found = []
    for sample in samples:
        for kind in ("truth", "low_truth"):
            if kind in present and present[kind][sample].is_dir():
                raise DataError(f"{present[kind][sample]} is a folder, not a reconstructed image", "one file")
        found.append(
            FieldFiles(
                name=sample,
                normal=_raw_files(present["normal"][sample], frames) if "normal" in present else None,
                low=_raw_files(present["low"][sample], frames) if "low" in present else None,
                truth=present["truth"][sample],
                low_truth=present["low_truth"][sample] if "low_truth" in present else None,
            )
        )
    return found


def _find_seed_srrf(raw_dir: Path, frames: int) -> list[FieldFiles]:
    samples = _srrf_samples(raw_dir)
    if not samples:
        raise DataError(f"no folder in {raw_dir} holds SRRF_100ms.tif and 100ms/", "check the input folder")
    parts = {"normal": "100ms", "truth": "SRRF_100ms.tif", "low": "1ms", "low_truth": "SRRF_1ms.tif"}
    # the low-light half is optional, but then for all samples alike
    wanted = {
        kind: name
        for kind, name in parts.items()
        if kind in ("normal", "truth") or any((sample / name).exists() for sample in samples)
    }
    _refuse_missing(
        [str(sample / name) for sample in samples for name in wanted.values() if not (sample / name).exists()]
    )
    return [
        FieldFiles(
            name=sample.name,
            normal=_raw_files(sample / "100ms", frames),
            low=_raw_files(sample / "1ms", frames) if "low" in wanted else None,
            truth=sample / "SRRF_100ms.tif",
            low_truth=sample / "SRRF_1ms.tif" if "low_truth" in wanted else None,
        )
        for sample in samples
    ]


def _srrf_samples(raw_dir: Path) -> list[Path]:
    samples = [
        folder
        for folder in _folders(raw_dir)
        if (folder / "SRRF_100ms.tif").exists() or (folder / "100ms").is_dir()
    ]
    return sorted(samples, key=lambda folder: natural_key(folder.name))


def _raw_files(path: Path, frames: int | None) -> RawFiles:
    """Return the frames of a stack file, or of a folder of numbered files."""
    if not path.is_dir():
        return RawFiles(files=(path,))
    matches = [(_NUMBERED.fullmatch(file.stem), file) for file in _images(path)]
    if not matches:
        raise LayoutError(f"the folder {path} holds no frame", "expected files as HE_00.tif or HE_1.tif")
    series: dict[str, Path] = {}
    numbered: dict[int, Path] = {}
    for match, file in matches:
        if match is None:
            raise LayoutError(f"{file} has no frame number in its name", "expected HE_00.tif or HE_1.tif")
        series.setdefault(match["prefix"], file)
        if len(series) > 1:
            first, second = series.values()
            raise LayoutError(
                f"{path} mixes two series: {first.name} and {second.name}", "keep one series per folder"
            )
        other = numbered.setdefault(int(match["number"]), file)
        if other is not file:
            raise LayoutError(f"{path}: {other.name} and {file.name} are the same frame", "keep one of them")
    return _in_order(path, numbered, frames)


def _in_order(folder: Path, numbered: dict[int, Path], frames: int | None) -> RawFiles:
    base = 0 if 0 in numbered else 1
    count = frames or len(numbered)
    if frames is None and count in (16, 17):
        count = 15  # and its summaries, which are checked as such when they are read
    wanted = range(base, base + count)
    missing = [number for number in wanted if number not in numbered]
    if missing:
        example = next(iter(numbered.values()))
        width = len(example.stem) - len(example.stem.rstrip("0123456789"))
        stem = example.stem[: len(example.stem) - width]
        padded = base == 0 or any(file.stem[len(stem)] == "0" for file in numbered.values())
        absent = f"{stem}{missing[0]:0{width if padded else 1}d}{example.suffix}"
        raise LayoutError(
            f"{folder} holds {len(numbered)} frames, {count} were expected: {absent} is missing",
            f"if {len(numbered)} is right, say so with --frames {len(numbered)}",
        )
    summaries = {number for number in numbered if number >= base + count}
    if not summaries <= {base + count, base + count + 1} or min(numbered) < base:
        raise LayoutError(
            f"{folder} holds {len(numbered)} frames, {count} were expected",
            f"if {len(numbered)} is right, say so with --frames {len(numbered)}",
        )
    return RawFiles(
        files=tuple(numbered[number] for number in wanted),
        summaries=tuple(numbered[number] for number in sorted(summaries)),
    )


def _entries(folder: Path) -> dict[str, Path]:
    """Return files and sub-folders by stem; two files of one stem are refused."""
    found: dict[str, Path] = {}
    for path in [*_images(folder), *_folders(folder)]:
        name = path.name if path.is_dir() else path.stem
        if name in found:
            raise DataError(f"{found[name]} and {path} have the same name", "rename or remove one of them")
        found[name] = path
    return found


def _refuse_missing(missing: list[str]) -> None:
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise DataError(
            f"missing partner: {', '.join(missing[:3])}{more}",
            "a field has the same name in every folder: add or rename its file, or move the field out",
        )


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _images(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_file() and path.suffix.lower() in _SUFFIXES]
