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


def to_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the table, one row per plane; a plane that was refused has its reason in the last column."""
    return rows_to_csv(COLUMNS, [_row(record) for record in records])


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: record.get(name) for name in COLUMNS}
    if "shift_px" in record:
        row["shift_y_px"], row["shift_x_px"] = record["shift_px"]
    row["warnings"] = "; ".join(record.get("warnings", ()))
    return row


def rows_to_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows under a heading; None is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
