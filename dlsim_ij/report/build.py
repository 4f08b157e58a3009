"""From a results folder to its report files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from dlsim_ij.errors import OutputError
from dlsim_ij.files import make_folder, write_json, write_text
from dlsim_ij.report.curves import CurveSet
from dlsim_ij.report.document import RunRecord
from dlsim_ij.report.html import render
from dlsim_ij.report.overview import Entry, build_overview, thumbnail
from dlsim_ij.report.records import SUFFIX, find_records, load_record
from dlsim_ij.report.sections import build_document
from dlsim_ij.report.tables import is_ours, metrics_csv, metrics_json, params_json

REPORT_FILES = ("report.html", "metrics.csv", "metrics.json", "params.json")


def write_report(
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Build report.html, metrics.csv, metrics.json and params.json of a results folder.

    One record (``<name>_run.json``) makes one page. Several make a page each, ``<name>_report.html`` beside
    the record, and report.html is the overview that links them. Only the pixels of one are in memory.

    Parameters
    ----------
    folder : path-like
        Holds the records, in sub-folders too.
    overwrite : bool
        Replace even a file of one of these names that is not ours. Ours are always replaced, since they
        hold nothing that is not in the records.
    progress : callable, optional
        Called as ``progress(done, all)``.

    Returns
    -------
    Path
        report.html.

    Raises
    ------
    DataError
        The folder holds no record, or one is damaged.
    OutputError
        A file is in the way, or cannot be written.
    """
    folder = Path(folder)
    planned_files(folder, overwrite=overwrite)
    make_folder(folder)  # says so in good time when it cannot be written
    paths = find_records(folder)
    pages = _pages(folder, paths)
    entries = []
    for index, (path, page) in enumerate(zip(paths, pages, strict=True)):
        record = load_record(path)
        write_text(page, render(build_document(record)), overwrite=True)
        result = record.images["sr"].pixels
        small = thumbnail(result, record.name, len(paths)) if result is not None else None
        link = quote(page.relative_to(folder).as_posix())
        entries.append(Entry(record=_without_pixels(record), page=link, thumbnail=small))
        if progress is not None:
            progress(index + 1, len(paths))
    report = folder / "report.html"
    if len(paths) > 1:
        write_text(report, render(build_overview(entries, folder.resolve().name)), overwrite=True)
    records = [entry.record for entry in entries]
    write_text(folder / "metrics.csv", metrics_csv(records), overwrite=True)
    write_json(folder / "metrics.json", metrics_json(records), overwrite=True)
    write_json(folder / "params.json", params_json(records), overwrite=True)
    return report


def planned_files(folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Return what :func:`write_report` would write, after the checks that come before any work.

    Raises
    ------
    DataError
        The folder holds no record.
    OutputError
        A file is in the way.
    """
    targets = dict.fromkeys(
        [*(folder / name for name in REPORT_FILES), *_pages(folder, find_records(folder))]
    )
    for target in targets:
        _refuse_foreign(target, overwrite)
    return list(targets)


def _pages(folder: Path, records: list[Path]) -> list[Path]:
    if len(records) == 1:
        return [folder / "report.html"]
    return [path.with_name(path.name.removesuffix(SUFFIX) + "_report.html") for path in records]


def _refuse_foreign(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder, a report file was to go there", "rename it")
    if path.exists() and not overwrite and not is_ours(path):
        raise OutputError(f"{path} was not written by dlsim", "move it away, or allow it with --overwrite")


def _without_pixels(record: RunRecord) -> RunRecord:
    images = {role: replace(image, pixels=None) for role, image in record.images.items()}
    return replace(record, images=images, plots=CurveSet())
