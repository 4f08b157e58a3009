"""The logs of a run as CSV tables that survive a kill and a resume."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlsim_ij.errors import DataError
from dlsim_ij.files import write_text

COLUMNS = (
    "step", "epoch", "lr", "train_loss", "valid_loss", "valid_psnr_db", "seconds", "samples_per_s",
)  # fmt: skip
VALIDATION_COLUMNS = ("step", "group", "loss", "psnr_db", "within")
_WORDS = ("group",)  # all other columns hold numbers

Row = dict[str, Any]  # numbers are float, empty cells None


class History:
    """Appends rows to a table; a row is on disk when :meth:`append` returns.

    Parameters
    ----------
    path : pathlib.Path
        The file; made with its header if it does not exist.
    last_step : int
        Rows of later steps are cut off: a resumed run will write them again.
    columns : tuple of str
        The first is ``step``.
    """

    def __init__(self, path: Path, last_step: int = 0, columns: tuple[str, ...] = COLUMNS) -> None:
        self.path, self.columns = path, columns
        rows = [row for row in read_history(path, columns) if row["step"] <= last_step]
        lines = [list(columns), *(_row(row, columns) for row in rows)]
        write_text(path, _as_csv(lines), overwrite=True)

    def append(self, values: Mapping[str, float | int | str | None]) -> None:
        """Add one row; columns that are None or missing stay empty."""
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            file.write(_as_csv([_row(values, self.columns)]))


def read_history(path: Path, columns: tuple[str, ...] = COLUMNS) -> list[Row]:
    """Return the rows of a table; empty cells are None, a row torn by a kill is left out.

    Columns that an earlier version of the package did not write yet are None.

    Raises
    ------
    DataError
        The file has other columns.
    """
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    head = tuple(lines[0]) if lines else columns
    if not head or head != columns[: len(head)]:
        raise DataError(f"{path} has other columns than a training history", "move it away")
    rows = [_parsed(line, head) for line in lines[1:]]
    empty = dict.fromkeys(columns)
    return [{**empty, **row} for row in rows if row is not None]


def _parsed(line: list[str], head: tuple[str, ...]) -> Row | None:
    if len(line) != len(head) or not line[0]:
        return None
    try:
        return {
            name: (cell if name in _WORDS else float(cell)) if cell else None
            for name, cell in zip(head, line, strict=True)
        }
    except ValueError:  # cut within a number
        return None


def _row(values: Mapping[str, object], columns: tuple[str, ...]) -> list[str]:
    cells = []
    for name in columns:
        value = values.get(name)
        if isinstance(value, float):
            value = int(value) if name in ("step", "epoch") else f"{value:.6g}"
        cells.append("" if value is None else str(value))
    return cells


def _as_csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
