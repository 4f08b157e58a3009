"""Records of planes as tables: ours, and the original plugin's."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from dlsim_ij.quality.spread import Spread, summarise

Record = Mapping[str, Any]

_PLUGIN_COLUMNS = (
    "Label", "Res.", "units", "A0", "Kc", "Kc GM", "Slice", "Frame", "Chanel", "rMin", "rMax", "Nr", "Ng",
)  # fmt: skip
_LONGEST_LABEL = 30


class Table(Protocol):
    """What a file of rows needs to know."""

    @property
    def path(self) -> Path:
        """Where the finished table goes."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns."""

    def row(self, record: Record) -> Sequence[Any] | None:
        """Return the cells of a record; None if it has no row."""

    def in_order(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records in the order of the finished table."""


@dataclass(frozen=True, slots=True)
class OwnTable:
    """One row for each plane, refused ones too; snake_case names with units."""

    path: Path
    columns: Sequence[str]

    def row(self, record: Record) -> Sequence[Any]:
        """Return the cells of a record."""
        cells = dict(record)
        for name in ("spread", "frc", "plugin"):
            cells |= {f"{name}_{key}": value for key, value in (record.get(name) or {}).items()}
        cells |= _by_direction(record.get("directions"))
        notes = [record["error"]] if record.get("error") else record["warnings"]
        cells["warnings"] = "; ".join(notes)
        return ["" if cells.get(name) is None else cells[name] for name in self.columns]

    def in_order(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records as they are."""
        return records


def sector_column(angle_deg: float, unit: str) -> str:
    """Name the column of a direction.

    Examples
    --------
    >>> sector_column(22.5, "nm")
    'resolution_22_5deg_nm'
    """
    return f"resolution_{angle_deg:.4g}deg_{unit}".replace(".", "_")


def _by_direction(found: Mapping[str, Any] | None) -> dict[str, Any]:
    if found is None:
        return {}
    lengths = {
        sector_column(angle, unit): length
        for unit in ("nm", "px")
        for angle, length in zip(found["angles_deg"], found[f"resolution_{unit}"], strict=False)
    }
    whole = {name: found[name] for name in ("best_angle_deg", "worst_angle_deg", "anisotropy")}
    return whole | lengths


@dataclass(frozen=True, slots=True)
class PluginTable:
    """The columns of the ImageJ plugin's results, for scripts that read those.

    As the plugin, it has no row where the plugin stops without one (status "crash") or an image cannot be
    measured, cuts titles to 30 characters, and goes through a stack slice by slice, then frame by frame,
    then channel by channel. Unlike the plugin, it has the true slice, frame and channel, all digits, and
    NaN where the plugin prints an infinite or meaningless length.
    """

    path: Path
    columns: Sequence[str] = _PLUGIN_COLUMNS

    def row(self, record: Record) -> Sequence[Any] | None:
        """Return the cells of a record; None where the plugin has no row."""
        if record["status"] in ("crash", "refused"):
            return None
        known = record["pixel_size_um"] is not None
        length = record["resolution_um"] if known else record["resolution_px"]
        return [
            Path(record["file"]).name[:_LONGEST_LABEL],
            "NaN" if length is None else length,
            "[microns]" if known else "[pixels]",
            record["a0"],
            record["kc"],
            record["kc_gm"],
            record["slice"],
            record["frame"],
            record["channel"],
            f"{record['rmin']:g}",
            f"{record['rmax']:g}",
            record["n_radii"],
            record["n_gaussians"],
        ]

    def in_order(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records file by file as the plugin walks through a stack."""
        order = {file: i for i, file in enumerate(dict.fromkeys(record["file"] for record in records))}
        return sorted(records, key=lambda r: (order[r["file"]], r["slice"], r["frame"], r["channel"]))


def table_text(table: Table, records: Iterable[Record], *, heading: bool = True) -> str:
    """Return the rows of `records` as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if heading:
        writer.writerow(table.columns)
    writer.writerows(row for record in records if (row := table.row(record)) is not None)
    return text.getvalue()


def summaries(records: Sequence[Record]) -> list[tuple[str, Spread]]:
    """Summarise the resolution of each file of several planes, and of all files when they are several.

    In nm, or in px where a pixel size is not known. What has no resolution at all has no summary.
    """
    by_file: dict[str, list[Record]] = {}
    for record in records:
        by_file.setdefault(record["file"], []).append(record)
    groups = [(file, planes) for file, planes in by_file.items() if len(planes) > 1]
    if len(by_file) > 1:
        groups.append(("all files", list(records)))
    found = [(what, _summary(planes)) for what, planes in groups]
    return [(what, spread) for what, spread in found if spread.n]


def _summary(records: Sequence[Record]) -> Spread:
    calibrated = all(r["resolution_um"] is not None for r in records if r["resolution_px"] is not None)
    unit: Literal["nm", "px"] = "nm" if calibrated else "px"
    return summarise((record[f"resolution_{unit}"] for record in records), unit, "planes")
