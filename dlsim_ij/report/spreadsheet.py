"""Tables as an Excel workbook; openpyxl is an optional extra."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dlsim_ij.errors import ConfigError
from dlsim_ij.files import atomic_path

Row = Mapping[str, Any]

_LONGEST_NAME = 31  # of a sheet
_WIDEST = 60  # characters of a column


def check_xlsx(path: str | os.PathLike[str]) -> None:
    """Raise `ConfigError` where no such workbook can be written; to be called before any work starts."""
    if Path(path).suffix.lower() != ".xlsx":
        raise ConfigError(f"{path} does not end in .xlsx", "Excel goes by the ending: name it so")
    if find_spec("openpyxl") is None:
        raise ConfigError(
            "writing .xlsx needs openpyxl, which is not installed",
            "pip install 'dlsim-ij[xlsx]', or use --csv",
        )


def write_xlsx(
    path: str | os.PathLike[str], sheets: Mapping[str, Sequence[Row]], *, overwrite: bool = False
) -> None:
    """Write a workbook with one sheet per table.

    Parameters
    ----------
    path : path-like
        Ends in ``.xlsx``.
    sheets : mapping of str to sequence of mapping
        Rows by the name of the sheet. Columns are the keys of all rows, in the order they are met. None is
        an empty cell. Text stays text, also where it begins with '=', so that a file name is no formula.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    ConfigError
        openpyxl is not installed, or the name does not end in .xlsx.
    OutputError
        The file exists, or cannot be written.
    """
    check_xlsx(path)
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name[:_LONGEST_NAME])
        columns = list(dict.fromkeys(key for row in rows for key in row))
        for number, column in enumerate(columns, start=1):
            _fill(sheet.cell(1, number), column)
            sheet.cell(1, number).font = Font(bold=True)
            shown = [column, *(str(row.get(column, "")) for row in rows if isinstance(row.get(column), str))]
            sheet.column_dimensions[get_column_letter(number)].width = min(_WIDEST, max(map(len, shown)) + 2)
        for line, row in enumerate(rows, start=2):
            for number, column in enumerate(columns, start=1):
                _fill(sheet.cell(line, number), row.get(column))
        sheet.freeze_panes = "A2"
    with atomic_path(path, overwrite=overwrite) as temporary:
        book.save(temporary)


def _fill(cell: Any, value: Any) -> None:
    if isinstance(value, str):
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

        cell.value = ILLEGAL_CHARACTERS_RE.sub("�", value)
        cell.data_type = "s"  # or '=...' would be a formula
    elif value is not None:
        cell.value = value
