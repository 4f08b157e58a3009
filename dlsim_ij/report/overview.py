"""The page of a folder with several results: the worst first, distributions, one row each with a link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import median
from typing import Any

import dlsim_ij
from dlsim_ij.report import figures
from dlsim_ij.report.document import (
    LEVEL_WORDS,
    Block,
    Card,
    Cards,
    Cell,
    Charts,
    Document,
    FloatImage,
    Level,
    Link,
    Picture,
    RunRecord,
    Section,
    Table,
    Value,
)
from dlsim_ij.report.explain import in_order, meaning, show
from dlsim_ij.report.measure_charts import strip_chart
from dlsim_ij.report.sections import citation

WORST = 5
_THUMBNAIL_BYTES = 900_000  # of all rows together, at a byte a pixel
_THUMBNAIL_PX = (24, 96)
_MAX_COLUMNS = 6
_FEWEST_DOTS = 3
_MOST_WORDS = 160
_ORDER: tuple[Level, ...] = ("poor", "caution", "unknown", "good")
_BATCH_WORDS: dict[Level, str] = {
    "good": "All good",
    "caution": "Some need care",
    "poor": "Some cannot be trusted",
    "unknown": "Not all judged",
}
_COLUMNS = ("resolution_nm", "frc_resolution_nm", "rsp", "rse", "psnr_db", "ssim")
_COUNTED: dict[Level, str] = {
    "good": "good",
    "caution": "to be used with care",
    "poor": "not to be trusted",
    "unknown": "not judged",
}
# what decides among images of one level, and whether less of it is worse
_RANKED_BY = (
    ("rsp", True),
    ("psnr_db", True),
    ("ssim", True),
    ("resolution_nm", False),
    ("resolution_px", False),
)
_ROWS = (("", "Result"), ("wiener_", "Wiener SIM"), ("widefield_", "Widefield"))
_STRIPS = ("resolution_nm", "frc_resolution_nm", "rsp", "rse", "psnr_db", "ssim")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the overview keeps of one record, so that the pixels of only one are in memory."""

    record: RunRecord  # without pixels
    page: str  # link
    thumbnail: Picture | None


def thumbnail(result: FloatImage, name: str, n_images: int) -> Picture:
    """Draw the small picture of a row, the smaller the more of them a page has to hold."""
    smallest, largest = _THUMBNAIL_PX
    small = figures.shrink(result, max(min(largest, int(sqrt(_THUMBNAIL_BYTES / n_images))), smallest))
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
    counted = [f"{levels.count(level)} {word}" for level, word in _COUNTED.items() if level in levels]
    warned = sum(bool(entry.record.warnings) for entry in entries)
    worst = next(level for level in _ORDER if level in levels)
    models = sorted({entry.record.model for entry in entries})
    numbers = [_numbers(entry.record) for entry in entries]
    used: dict[str, Any] = {key: None for entry in entries for key in entry.record.metrics}
    sections = (
        _worst(entries, numbers),
        _distributions(numbers),
        _results(entries, numbers),
        _spread(numbers),
        citation(used),
    )
    return Document(
        title=title,
        subtitle="Super-resolution report",
        verdict=f"{len(entries)} images: {', '.join(counted)}; {warned or 'none'} with warnings.",
        level=worst,
        level_word=_BATCH_WORDS[worst],
        facts=(("Images", str(len(entries))), ("Model", ", ".join(models)), *_medians(numbers)),
        warnings=(),
        sections=tuple(section for section in sections if section is not None),
        version=dlsim_ij.__version__,
    )


def worst_first(entries: Sequence[Entry], numbers: Sequence[Mapping[str, float]]) -> tuple[list[int], str]:
    """Return the indices of the entries, the worst first, and the number that decides among one level."""
    key, less_is_worse = next(
        ((key, less) for key, less in _RANKED_BY if any(key in values for values in numbers)), ("", True)
    )

    def badness(index: int) -> tuple[int, float, int]:
        value = numbers[index].get(key)
        number = inf if value is None else value if less_is_worse else -value
        return _ORDER.index(entries[index].record.verdict_level), number, index

    return sorted(range(len(entries)), key=badness), key


def _worst(entries: Sequence[Entry], numbers: Sequence[dict[str, float]]) -> Section | None:
    if len(entries) <= WORST:
        return None
    order, key = worst_first(entries, numbers)
    cards = []
    for index in order[:WORST]:
        record = entries[index].record
        cards.append(
            Card(
                link=Link(text=record.name, href=entries[index].page),
                picture=entries[index].thumbnail,
                level=record.verdict_level,
                level_word=LEVEL_WORDS[record.verdict_level],
                text=_shortened(record.verdict),
            )
        )
    by = f", then by {meaning(key).label}" if key else ""
    return Section(
        key="worst",
        title="Look at these first",
        lead=f"The worst {WORST} by verdict{by}.",
        blocks=(Cards(cards=tuple(cards)),),
    )


def _distributions(numbers: Sequence[dict[str, float]]) -> Section | None:
    charts = []
    for key in _STRIPS:
        rows = {
            name: [values[prefix + key] for values in numbers if prefix + key in values]
            for prefix, name in _ROWS
        }
        rows = {name: values for name, values in rows.items() if len(values) >= _FEWEST_DOTS}
        if "Result" not in rows:
            continue
        about = meaning(key)
        spans = "; ".join(
            f"{name} {show(min(values), about.digits)} to {show(max(values), about.digits)}, "
            f"median {show(float(median(values)), about.digits)}"
            for name, values in rows.items()
        )
        charts.append(
            strip_chart(
                rows,
                x_label=f"{about.label} ({about.unit})" if about.unit else about.label,
                title=about.label,
                alt=f"{about.label} of all images, one dot each. {spans}",
                caption=about.text,
            )
        )
    if not charts:
        return None
    return Section(
        key="distributions",
        title="Distributions",
        lead="One dot per image, a bar at the median.",
        blocks=(Charts(charts=tuple(charts)),),
    )


def _results(entries: Sequence[Entry], numbers: Sequence[dict[str, float]]) -> Section:
    columns = _columns(numbers)
    rows = []
    for entry, values in zip(entries, numbers, strict=True):
        record = entry.record
        cells: list[Cell] = [
            Link(text=record.name, href=entry.page),
            entry.thumbnail or "",
            Value(
                text=LEVEL_WORDS[record.verdict_level],
                sort=_ORDER.index(record.verdict_level),
                level=record.verdict_level,
            ),
            *(
                Value(text=show(values.get(key), meaning(key).digits), sort=values.get(key))
                for key in columns
            ),
            Value(text=str(len(record.warnings) or "–"), sort=len(record.warnings)),
        ]
        rows.append(tuple(cells))
    heads = (_head(key) for key in columns)
    header = ("Image", "Result", "Verdict", *heads, "Warnings")
    return Section(
        key="results",
        title="Results",
        lead="Each name leads to its own page, each heading sorts. All numbers stand in metrics.csv and "
        "metrics.json.",
        blocks=(
            Table(
                caption="One row per image",
                header=header,
                rows=tuple(rows),
                sortable=True,
                numeric=tuple(range(3, len(header))),
            ),
        ),
    )


def _spread(numbers: Sequence[dict[str, float]]) -> Section | None:
    groups: dict[str, list[tuple[Cell, ...]]] = {}
    for key in in_order(dict.fromkeys(key for values in numbers for key in values)):
        values = [row[key] for row in numbers if key in row]
        about = meaning(key)
        cells = (show(number, about.digits) for number in (min(values), median(values), max(values)))
        groups.setdefault(about.group, []).append(
            (about.label, *cells, about.unit, str(len(values)), about.text)
        )
    if not groups:
        return None
    tables: list[Block] = [
        Table(
            caption=f"Numbers over all images: {group}",
            title=group,
            header=("Measure", "Least", "Median", "Most", "Unit", "Images", "What it says"),
            rows=tuple(rows),
            numeric=(1, 2, 3, 5),
            prose=(6,),
        )
        for group, rows in groups.items()
    ]
    return Section(
        key="spread",
        title="Numbers over all images",
        lead="Smallest, middle and largest value.",
        blocks=tuple(tables),
    )


def _medians(numbers: Sequence[dict[str, float]]) -> list[tuple[str, str]]:
    facts = []
    for key, label in (("resolution_nm", "Median resolution"), ("rsp", "Median RSP")):
        values = [row[key] for row in numbers if key in row]
        if values:
            about = meaning(key)
            facts.append((label, f"{show(float(median(values)), about.digits)} {about.unit}".strip()))
    return facts


def _columns(numbers: Sequence[dict[str, float]]) -> list[str]:
    there = dict.fromkeys(key for values in numbers for key in values)
    return [key for key in _COLUMNS if key in there] or list(there)[:_MAX_COLUMNS]


def _head(key: str) -> str:
    short = {"resolution_nm": "Resolution", "frc_resolution_nm": "FRC"}
    name, unit = short.get(key, meaning(key).label), meaning(key).unit
    return f"{name}, {unit}" if unit else name


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_WORDS else f"{text[:_MOST_WORDS].rsplit(' ', 1)[0]} …"


def _numbers(record: RunRecord) -> dict[str, float]:
    return {
        k: v
        for k, v in in_order(record.metrics).items()
        if isinstance(v, (int, float)) and not isinstance(v, bool)
    }
