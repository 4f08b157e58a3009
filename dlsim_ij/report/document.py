"""What a report is made of: the record of a run, and the sections that are made from it. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.report.curves import CurveSet
from dlsim_ij.results import Result

FloatImage = NDArray[np.float64]
Level = Literal["good", "caution", "poor", "unknown"]
LEVEL_WORDS: dict[Level, str] = {
    "good": "Good",
    "caution": "Use with care",
    "poor": "Do not trust",
    "unknown": "Not judged",
}


# --- what a run leaves behind ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Result):
    """A warning: what was seen, and what to do."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunImage(Result):
    """One image of a run: a file of the results folder, and its pixels once loaded."""

    file: str  # relative to the record
    pixel_size_um: float | None
    note: str = ""  # one more line under the picture, such as "mean of 15 frames"
    pixels: FloatImage | None = field(default=None, repr=False, compare=False)  # (Y, X)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord(Result):
    """All that a report needs to know about one input; saved beside the images as ``<name>_run.json``.

    `images` goes by role: ``sr`` (the result) must be there; ``widefield``, ``wiener`` and any further image
    of the sample are shown beside it; ``uncertainty``, ``residual`` and ``error`` are shown as maps.
    """

    name: str  # stem of the output files
    input: str
    model: str
    images: Mapping[str, RunImage]
    verdict: str  # one sentence
    verdict_level: Level = "unknown"
    metrics: Mapping[str, Any] = field(default_factory=dict)  # snake_case with units; may nest
    acquisition: tuple[tuple[str, str], ...] = ()  # (label, value)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    engine: Mapping[str, Any] = field(default_factory=dict)  # name, version
    warnings: tuple[Notice, ...] = ()
    curves: str = ""  # file of the curves behind the numbers, relative to the record
    plots: CurveSet = field(default_factory=CurveSet, repr=False, compare=False)  # its content, once loaded
    command: str = ""
    created: str = ""  # ISO 8601; not taken at rebuilding, so that a rebuilt report is the same report
    dlsim_version: str = ""


# --- what a page shows -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in fractions of a picture's width and height."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleBar:
    """A bar of round length."""

    fraction: float  # of the picture's width
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourBar:
    """The colours of a map from low to high, with their values."""

    colours: tuple[str, ...]  # hexadecimal
    low: str
    middle: str
    high: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image as PNG; bars and outlines are drawn by the page, so they stay sharp at any size."""

    png: bytes = field(repr=False)
    width_px: int
    height_px: int
    title: str
    alt: str
    caption: str = ""
    scale_bar: ScaleBar | None = None
    outline: Box | None = None
    line: Box | None = None
    colour_bar: ColourBar | None = None
    pixelated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Pictures side by side."""

    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing as inline SVG, made by `figures`; its colours are variables of the page."""

    svg: str = field(repr=False)
    title: str
    alt: str
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """Charts side by side."""

    charts: tuple[Chart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A word that leads to another page of the same folder, or to a DOI."""

    text: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Pictures of one part of the field, moved and magnified together; with two, also under a slider."""

    pictures: tuple[Picture, ...]
    view: Box  # what shows at first, in fractions of the pictures
    left_px: int  # of the pictures in the result
    top_px: int
    width_px: int  # of the pictures, in pixels of the result
    height_px: int
    pixel_size_um: float | None
    chart: Chart
    slider: tuple[int, int] | None  # pictures left and right of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A number of a table that can be sorted, or a verdict."""

    text: str
    sort: float | None  # None comes last
    level: Level | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One result of a batch in short."""

    link: Link
    picture: Picture | None
    level: Level
    level_word: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cards:
    """Results side by side."""

    cards: tuple[Card, ...]


Cell = str | Link | Picture | Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text; the first cell of a row is its heading."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""  # shown above
    sortable: bool = False
    numeric: tuple[int, ...] = ()  # columns set flush right
    prose: tuple[int, ...] = ()  # columns of whole sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph, with a link at its end perhaps."""

    text: str
    link: Link | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Blocks side by side where the page is wide enough."""

    blocks: tuple[Block, ...]


Block = Pictures | Viewer | Charts | Cards | Table | Text | Beside


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A headed part of the page."""

    key: str  # anchor
    title: str
    lead: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One page: a verdict, facts, warnings, and any number of sections."""

    title: str
    subtitle: str
    verdict: str
    level: Level
    level_word: str
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[Notice, ...]
    sections: tuple[Section, ...]
    version: str
