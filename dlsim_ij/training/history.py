"""The log of a run as a CSV table that survives a kill and a resume."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from dlsim_ij.errors import DataError
from dlsim_ij.files import write_text

COLUMNS = ("step", "epoch", "lr", "train_loss", "valid_loss", "valid_psnr_db", "seconds")


class History:
    """Appends rows to ``history.csv``; a row is on disk when :meth:`append` returns.

    Parameters
    ----------
    path : pathlib.Path
        The file; made with its header if it does not exist.
    last_step : int
        Rows of later steps are cut off: a resumed run will write them again.
    """

    def __init__(self, path: Path, last_step: int = 0) -> None:
        self.path = path
        rows = [row for row in read_history(path) if row["step"] is not None and row["step"] <= last_step]
        write_text(path, _as_csv([list(COLUMNS), *map(_row, rows)]), overwrite=True)

    def append(self, values: Mapping[str, float | int | None]) -> None:
        """Add one row; columns that are None or missing stay empty."""
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            file.write(_as_csv([_row(values)]))


def read_history(path: Path) -> list[dict[str, float | None]]:
    """Return the rows of a history; empty cells are None, a row torn by a kill is left out.

    Raises
    ------
    DataError
        The file has other columns.
    """
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    if lines and tuple(lines[0]) != COLUMNS:
        raise DataError(f"{path} has other columns than a training history", "move it away")
    rows = [_parsed(line) for line in lines[1:]]
    return [row for row in rows if row is not None]


def _parsed(line: list[str]) -> dict[str, float | None] | None:
    if len(line) != len(COLUMNS) or not line[0]:
        return None
    try:
        return {name: float(cell) if cell else None for name, cell in zip(COLUMNS, line, strict=True)}
    except ValueError:  # cut within a number
        return None


def _row(values: Mapping[str, object]) -> list[str]:
    cells = []
    for name in COLUMNS:
        value = values.get(name)
        if isinstance(value, float):
            value = int(value) if name in ("step", "epoch") else f"{value:.6g}"
        cells.append("" if value is None else str(value))
    return cells


def _as_csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
