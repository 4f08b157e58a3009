"""The page of a folder with several results: one row each, with a link to its own page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import dlsim_ij
from dlsim_ij.report import figures
from dlsim_ij.report.document import (
    LEVEL_WORDS,
    Cell,
    Document,
    FloatImage,
    Level,
    Link,
    Picture,
    RunRecord,
    Section,
    Table,
)
from dlsim_ij.report.explain import in_order, meaning, show
from dlsim_ij.report.sections import citation

MAX_THUMBNAILS = 100  # about 10 kB each
THUMBNAIL_PX = 96
_MAX_COLUMNS = 6
_BATCH_WORDS: dict[Level, str] = {
    "good": "All good",
    "caution": "Some need care",
    "poor": "Some cannot be trusted",
    "unknown": "Not all judged",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the overview keeps of one record, so that the pixels of only one are in memory."""

    record: RunRecord  # without pixels
    page: str  # link
    thumbnail: Picture | None


def thumbnail(result: FloatImage, name: str) -> Picture:
    """Draw the small picture of a row."""
    small = figures.shrink(result, THUMBNAIL_PX)
    low, high = (float(v) for v in (small.min(), small.max()))
    return figures.grey_picture(small, (low, high if high > low else low + 1), title=name, alt="")


def build_overview(entries: Sequence[Entry], title: str) -> Document:
    """Make the page of a batch.

    Parameters
    ----------
    entries : sequence of Entry
        In the order of the rows.
    title : str
        The folder's name.
    """
    levels = [entry.record.verdict_level for entry in entries]
    counted = [
        f"{levels.count(level)} {word.lower()}" for level, word in LEVEL_WORDS.items() if level in levels
    ]
    warned = sum(bool(entry.record.warnings) for entry in entries)
    worst: Level = next((level for level in ("poor", "caution", "unknown") if level in levels), "good")
    models = sorted({entry.record.model for entry in entries})
    numbers = [_numbers(entry.record) for entry in entries]
    sections = [_results(entries, numbers)]
    if (spread := _spread(numbers)) is not None:
        sections.append(spread)
    return Document(
        title=title,
        subtitle="Super-resolution report",
        verdict=f"{len(entries)} images: {', '.join(counted)}; {warned or 'none'} with warnings.",
        level=worst,
        level_word=_BATCH_WORDS[worst],
        facts=(("Images", str(len(entries))), ("Model", ", ".join(models))),
        warnings=(),
        sections=(*sections, citation()),
        version=dlsim_ij.__version__,
    )


def _results(entries: Sequence[Entry], numbers: Sequence[dict[str, float]]) -> Section:
    columns = _columns(numbers)
    rows = []
    for entry, values in zip(entries, numbers, strict=True):
        record = entry.record
        cells: list[Cell] = [
            Link(text=record.name, href=entry.page),
            entry.thumbnail or "",
            LEVEL_WORDS[record.verdict_level],
            *(show(values[key], meaning(key).digits) if key in values else "–" for key in columns),
            str(len(record.warnings) or "–"),
        ]
        rows.append(tuple(cells))
    heads = (f"{meaning(key).label} {meaning(key).unit}".strip() for key in columns)
    header = ("Image", "Result", "Verdict", *heads, "Warnings")
    return Section(
        key="results",
        title="Results",
        lead="Each name leads to its own page. All numbers stand in metrics.csv and metrics.json.",
        blocks=(
            Table(
                caption="One row per image",
                header=header,
                rows=tuple(rows),
                numeric=tuple(range(3, len(header))),
            ),
        ),
    )


def _spread(numbers: Sequence[dict[str, float]]) -> Section | None:
    rows = []
    for key in dict.fromkeys(key for values in numbers for key in values):
        values = [row[key] for row in numbers if key in row]
        about = meaning(key)
        cells = (show(number, about.digits) for number in (min(values), median(values), max(values)))
        rows.append((about.label, *cells, about.unit, str(len(values)), about.text))
    if not rows:
        return None
    return Section(
        key="spread",
        title="Numbers over all images",
        lead="Smallest, middle and largest value.",
        blocks=(
            Table(
                caption="Quality of the batch",
                header=("Measure", "Least", "Median", "Most", "Unit", "Images", "What it says"),
                rows=tuple(rows),
                numeric=(1, 2, 3, 5),
                prose=(6,),
            ),
        ),
    )


def _columns(numbers: Sequence[dict[str, float]]) -> list[str]:
    return list(dict.fromkeys(key for values in numbers for key in values))[:_MAX_COLUMNS]


def _numbers(record: RunRecord) -> dict[str, float]:
    return {
        k: v
        for k, v in in_order(record.metrics).items()
        if isinstance(v, (int, float)) and not isinstance(v, bool)
    }
