"""Records as a CSV table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = (
    "reference", "image", "plane", "mode", "rsp", "rse", "alpha", "beta", "sigma_px", "sigma_um",
    "shift_y_px", "shift_x_px", "magnification", "scored_px", "fit_rms", "warnings", "error",
)  # fmt: skip


_PLUGIN_COLUMNS = ("plugin_rsp", "plugin_rse")  # where the published plugin was run too


def to_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the table, one row per plane; a plane that was refused has its reason in the last column."""
    beside = any("plugin" in record for record in records)
    columns = (*COLUMNS[:-2], *_PLUGIN_COLUMNS, *COLUMNS[-2:]) if beside else COLUMNS
    return rows_to_csv(columns, [{name: row.get(name) for name in columns} for row in map(_row, records)])


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: record.get(name) for name in COLUMNS}
    if "shift_px" in record:
        row["shift_y_px"], row["shift_x_px"] = record["shift_px"]
    row |= {f"plugin_{key}": value for key, value in (record.get("plugin") or {}).items()}
    row["warnings"] = "; ".join(record.get("warnings", ()))
    return row


def rows_to_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows under a heading; None is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
